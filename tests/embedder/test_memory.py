"""Free memory goes back to the system."""

import sys

import numpy as np
import psutil
import pytest

from embedder.memory import give_back_free_memory


@pytest.mark.skipif(sys.platform != "linux", reason="glibc's heap")
def test_free_memory_goes_back() -> None:
    # Small enough for the heap, whose end is kept so that it cannot shrink by itself.
    pieces = [np.ones(16_000, np.float32) for _ in range(2_000)]
    last = pieces[-1]
    pieces.clear()
    held = psutil.Process().memory_info().rss

    give_back_free_memory()

    assert psutil.Process().memory_info().rss < held - 60_000_000
    assert last.all()
