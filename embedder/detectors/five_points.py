"""The five landmarks of faces whose detector gives boxes alone.

dlib's predictor (a file of the package `face_recognition_models`, CC0) places the corners of the
eyes and the base of the nose. An eye is the middle of its corners. Nose tip and mouth are those
of a mean face, moved with the nose's base: in the frame whose unit runs from the left eye (0, 0)
to the right (1, 0), a point lies at

    mean + gain * (nose's base - its mean)

by coordinates. Means and gains are least squares over 412 faces of lfw-dev with MTCNN's landmarks,
made symmetric. On 413 others the medians of what is left are, in distances between the eyes, 0.05
for eyes and nose tip and 0.10 for the corners of the mouth; a rigid mean face leaves 0.11 for nose
tip and mouth.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache

import numpy as np

from embedder import weights
from embedder.detectors.rows import detections
from embedder.detectors.shape_file import Floats, read_shape_model
from embedder.detectors.shape_predictor import ShapePredictor
from embedder.types import Detection, RgbImage

_BASE = 0.5 + 0.777j
# Mean and gain of nose tip, left and right mouth corner; x is the real part.
_MEANS = (0.5 + 0.580j, 0.039 + 1.104j, 0.961 + 1.104j)
_GAINS = (1.365 + 1.090j, 0.17 + 0.63j, 0.17 + 0.63j)


@cache
def _predictor() -> ShapePredictor:
    return ShapePredictor(read_shape_model(weights.locate(weights.DLIB_FIVE_POINTS).read_bytes()))


class FivePoints:
    """Places the landmarks; safe to call from several threads."""

    def __init__(self) -> None:
        """Load the predictor, which takes a second the first time. Raises WeightsError."""
        self._predictor = _predictor()

    def detections(
        self,
        images: Sequence[RgbImage],
        found: Sequence[Floats],
        as_dlib_draws: Callable[[Floats], Floats] = lambda boxes: boxes,
    ) -> list[list[Detection]]:
        """The faces found in each picture, with landmarks.

        found: a picture's faces as (N, 5) rows of x1, y1, x2, y2 and score. The predictor wants
        boxes as dlib's detector draws them, about from the brows to the chin: `as_dlib_draws`
        makes such (N, 4) of the detector's own.
        """
        image = np.repeat(np.arange(len(images)), [len(rows) for rows in found])
        rows = np.concatenate([np.empty((0, 5), np.float32), *found])
        boxes, scores = rows[:, :4], rows[:, 4]
        # dlib's boxes end at the last row and column inside.
        inclusive = as_dlib_draws(boxes) - np.array([0, 0, 1, 1], np.float32)
        marks = self._predictor.place(images, image, inclusive)
        return detections(len(images), image, boxes, completed(marks), scores)


def completed(points: Floats) -> Floats:
    """(N, 5, 2) landmarks of dlib's (N, 5, 2).

    dlib's are the outer and inner corner of the right eye, those of the left, and the nose's base,
    left and right as the viewer sees them.
    """
    right_outer, right_inner, left_outer, left_inner, base = (
        points[..., 0] + 1j * points[..., 1]
    ).T
    left, right = (left_outer + left_inner) / 2, (right_outer + right_inner) / 2
    eyes = right - left
    # Eyes in one place have no frame: everything falls on them.
    moved = (base - left) / np.where(eyes == 0, 1, eyes) - _BASE
    mean_face = (
        left + eyes * (mean + gain.real * moved.real + 1j * gain.imag * moved.imag)
        for mean, gain in zip(_MEANS, _GAINS, strict=True)
    )
    marks = np.stack((left, right, *mean_face), axis=1)
    return np.stack((marks.real, marks.imag), axis=-1).astype(np.float32)
