"""A law of templates that thresholds rest on."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from vectors.codec import encode, fuse


@given(
    st.permutations(range(5)), st.lists(st.integers(1, 9), min_size=5, max_size=5), st.integers(0)
)
def test_a_fused_template_is_the_same_in_any_order_of_photos(
    order: list[int], counts: list[int], seed: int
) -> None:
    random = np.random.default_rng(seed)
    photos = random.standard_normal((5, 128)).astype(np.float32)
    photos /= np.linalg.norm(photos, axis=1, keepdims=True)
    shuffled = [counts[each] for each in order]
    assert encode(fuse(photos[order], shuffled)) == encode(fuse(photos, counts))
