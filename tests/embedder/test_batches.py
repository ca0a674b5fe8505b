from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from embedder.batches import padded


@given(st.integers(0, 40), st.integers(1, 16))
def test_a_batch_is_filled_up_with_its_last_item(count: int, multiple: int) -> None:
    batch = np.arange(count * 6, dtype=np.uint8).reshape(count, 2, 3)
    whole = padded(batch, multiple)
    assert len(whole) % multiple == 0
    assert 0 <= len(whole) - count < multiple
    np.testing.assert_array_equal(whole[:count], batch)
    assert all((item == batch[-1]).all() for item in whole[count:])
