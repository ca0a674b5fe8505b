"""dlib's shape predictor in numpy: landmarks of a face from its box, by regression trees.

Kazemi and Sullivan, "One Millisecond Face Alignment with an Ensemble of Regression Trees", CVPR
2014. Each level of the cascade compares pixels around the present shape and moves it.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from embedder.detectors.nms import Indices
from embedder.detectors.shape_file import Floats, Level, ShapeModel
from embedder.types import RgbImage

Greys = NDArray[np.int32]


class ShapePredictor:
    """A shape model, ready to run; safe to call from several threads."""

    def __init__(self, model: ShapeModel) -> None:
        self._model = model
        centred = _complex(model.mean - model.mean.mean(axis=0))
        self._fit = centred.conj() / (np.abs(centred) ** 2).sum()

    def place(self, images: Sequence[RgbImage], image: Indices, boxes: Floats) -> Floats:
        """(N, L, 2) landmarks of N faces, in pixels of their pictures.

        image (N,): which of the pictures; boxes (N, 4): x1, y1, x2, y2 as dlib's detector draws
        them, the last row and column included.
        """
        # As precise as dlib: a point on the border of two pixels falls to the same one.
        corner, end = np.split(boxes.astype(np.float64)[:, None], 2, axis=2)
        size = end - corner
        shapes = np.repeat(self._model.mean[None], len(boxes), axis=0)
        for level in self._model.levels:
            points = shapes[:, level.anchors] + self._turned(level.offsets, shapes)
            greys = _greys(images, image, corner + points * size)
            shapes = _moved(level, shapes, greys)
        return (corner + shapes * size).astype(np.float32)

    def _turned(self, offsets: Floats, shapes: Floats) -> Floats:
        """(N, P, 2): the offsets (P, 2), turned and scaled as each shape is from the mean one."""
        turn = (_complex(shapes - shapes.mean(axis=1, keepdims=True)) * self._fit).sum(axis=1)
        turned = turn.astype(np.complex64)[:, None] * _complex(offsets).astype(np.complex64)
        return np.stack((turned.real, turned.imag), axis=-1)


def _complex(points: Floats) -> NDArray[np.complex128]:
    wide = points.astype(np.float64)
    return wide[..., 0] + 1j * wide[..., 1]


def _greys(images: Sequence[RgbImage], image: Indices, points: NDArray[np.float64]) -> Greys:
    """(N, P) means of red, green and blue at (N, P, 2) points; 0 outside the picture."""
    greys = np.zeros(points.shape[:2], np.int32)
    whole = np.floor(points + 0.5).astype(np.intp)
    for row, index, (x, y) in zip(greys, image.tolist(), whole.transpose(0, 2, 1), strict=True):
        height, width = images[index].shape[:2]
        inside = (x >= 0) & (x < width) & (y >= 0) & (y < height)
        row[inside] = images[index][y[inside], x[inside]].sum(axis=1, dtype=np.int32) // 3
    return greys


def _moved(level: Level, shapes: Floats, greys: Greys) -> Floats:
    """(N, L, 2): the shapes, moved by each tree of a level."""
    trees = np.arange(len(level.first))
    splits = level.first.shape[1]
    faces = np.arange(len(greys))[:, None]
    node = np.zeros((len(greys), len(trees)), np.intp)
    for _ in range(splits.bit_length()):
        first, second = level.first[trees, node], level.second[trees, node]
        left = greys[faces, first] - greys[faces, second] > level.thresholds[trees, node]
        node = 2 * node + np.where(left, 1, 2)
    moves = level.leaves[trees, node - splits]
    # Tree by tree, as dlib adds: the last digit decides which pixel is looked at next.
    steps = np.concatenate((shapes[:, None], moves), axis=1)
    moved: Floats = steps.cumsum(axis=1)[:, -1]
    return moved
