"""Batches of few sizes, for networks on the processor.

oneDNN prepares each layer for each size of batch that it meets, and keeps the last thousand of
these. With batches of any size it prepares and forgets all the time; what it keeps in between then
scatters over the heap, whose free parts can't be used again: a process grew by 300 MB over 10,000
photos.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def padded(batch: NDArray[np.uint8], multiple: int) -> NDArray[np.uint8]:
    """(N, ...) with its last item repeated until there is a whole multiple of items."""
    missing = -len(batch) % multiple
    return np.concatenate((batch, batch[-1:].repeat(missing, axis=0))) if missing else batch
