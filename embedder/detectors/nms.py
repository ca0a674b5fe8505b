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
    order: Indices = np.lexsort((-scores, groups))
    # A row for each of x1, y1, x2, y2 and area: columns of their own would be slow to reach.
    sides = np.vstack((boxes.T, (boxes[:, 2:] - boxes[:, :2]).prod(axis=1)))[:, order]
    kept = []
    while order.size:
        first = _starts(groups[order])
        kept.append(order[first])
        leaders = sides[:, first][:, np.cumsum(first) - 1]
        stay = _overlap(sides, leaders, overlap) <= threshold
        stay &= ~first
        order, sides = order[stay], sides[:, stay]
    found: Indices = np.concatenate(kept) if kept else order
    return found[np.lexsort((-scores[found], groups[found]))]


def _starts(groups: Indices) -> NDArray[np.bool_]:
    """(N,): whether each row is the first of its group, rows of a group standing together."""
    starts = np.ones(len(groups), np.bool_)
    starts[1:] = groups[1:] != groups[:-1]
    return starts


def _overlap(a: Floats, b: Floats, kind: Literal["union", "min"]) -> Floats:
    """(N,) overlaps of the boxes of two (5, N) arrays, column by column."""
    width = np.minimum(a[2], b[2]) - np.maximum(a[0], b[0])
    height = np.minimum(a[3], b[3]) - np.maximum(a[1], b[1])
    shared = np.maximum(width, 0) * np.maximum(height, 0)
    whole = np.minimum(a[4], b[4]) if kind == "min" else a[4] + b[4] - shared
    ratio: Floats = shared / np.maximum(whole, np.finfo(np.float32).tiny)
    return ratio
