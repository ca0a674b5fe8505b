"""Greedy non-maximum suppression, vectorised over groups (images, or levels of a pyramid)."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Indices = NDArray[np.intp]


def suppress(
    boxes: Floats,
    scores: Floats,
    groups: Indices,
    threshold: float,
    *,
    overlap: Literal["union", "min"] = "union",
) -> Indices:
    """Indices of the boxes to keep, by group, best score first.

    boxes (N, 4) as x1, y1, x2, y2; scores (N,); groups (N,), boxes of different groups never
    suppress each other. Of two boxes whose intersection over their union (or over the smaller of
    the two) is above `threshold`, the one with the lower score goes.

    Each round takes the best remaining box of every group at once, so there are as many rounds
    as the fullest group keeps boxes, however many groups there are.
    """
    remaining = np.lexsort((-scores, groups))
    kept = []
    while remaining.size:
        first = _starts(groups[remaining])
        leaders = remaining[first]
        kept.append(leaders)
        against = leaders[np.cumsum(first) - 1]
        apart = _overlap(boxes[remaining], boxes[against], overlap) <= threshold
        remaining = remaining[apart & ~first]
    order: Indices = np.concatenate(kept) if kept else remaining
    return order[np.lexsort((-scores[order], groups[order]))]


def _starts(groups: Indices) -> NDArray[np.bool_]:
    """(N,): whether each row is the first of its group, rows of a group standing together."""
    starts = np.ones(len(groups), np.bool_)
    starts[1:] = groups[1:] != groups[:-1]
    return starts


def _overlap(a: Floats, b: Floats, kind: Literal["union", "min"]) -> Floats:
    """(N,) overlaps of the boxes of two (N, 4) arrays, row by row."""
    low, high = np.maximum(a[:, :2], b[:, :2]), np.minimum(a[:, 2:], b[:, 2:])
    shared = (high - low).clip(min=0).prod(axis=1)
    area_a, area_b = (a[:, 2:] - a[:, :2]).prod(axis=1), (b[:, 2:] - b[:, :2]).prod(axis=1)
    whole = np.minimum(area_a, area_b) if kind == "min" else area_a + area_b - shared
    ratio: Floats = shared / np.maximum(whole, np.finfo(np.float32).tiny)
    return ratio
