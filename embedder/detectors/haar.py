"""OpenCV's Haar cascade: boxes of faces seen from the front; landmarks from their pixels.

Viola and Jones, "Rapid Object Detection using a Boosted Cascade of Simple Features", CVPR 2001.
Of the cascades that OpenCV brings along, `alt2` found most faces of lfw-dev with fewest boxes that
are none: on 208 photos the central face of each, and no other thing.

Landmarks come from `five_points`, for which dlib need not be installed. OpenCV's eye cascade finds
both eyes of only 77 % of these faces, and places them no better.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from embedder import weights
from embedder.detectors import inputs
from embedder.detectors.five_points import FivePoints
from embedder.detectors.nms import Floats
from embedder.detectors.pool import Pool
from embedder.opencv import cv2
from embedder.types import Detection, RgbImage

# dlib's box from the cascade's: how far its centre and how large it is, in widths of the
# cascade's; medians over 822 faces of lfw-dev.
_CENTRE = np.array([-0.02, 0.08], np.float32)
_SIZE = 0.94


class Haar:
    """The cascade behind the `Detector` protocol; safe to call from several threads."""

    name = "haar"

    def __init__(self, *, pyramid_step: float = 1.1, min_neighbours: int = 5) -> None:
        """Load the cascade and the landmarks' predictor. Raises WeightsError.

        Each level of the pyramid is `pyramid_step` times smaller than the one before; a face is
        where at least `min_neighbours` windows agree.
        """
        self._step, self._min_neighbours = pyramid_step, min_neighbours
        path = weights.locate(weights.HAAR_CASCADE)
        self._cascades: Pool[Any] = Pool(lambda: cv2.CascadeClassifier(str(path)))
        self._landmarks = FivePoints()

    def detect(self, images: Sequence[RgbImage], min_face: float) -> list[list[Detection]]:
        """Faces at least `min_face` pixels wide, a list a picture, in pixels of that picture.

        The score is n / (n + min_neighbours), where n windows agree: 0.5 and up. Raises
        PixelsError.
        """
        inputs.check(images, min_face)
        with self._cascades.lend() as cascade:
            found = [self._found(cascade, image, min_face) for image in images]
        return self._landmarks.detections(images, found, _as_dlib_draws)

    def _found(self, cascade: Any, image: RgbImage, min_face: float) -> Floats:
        """(N, 5): x1, y1, x2, y2 and score of the faces of a picture."""
        side = int(np.ceil(min_face))
        boxes, windows = cascade.detectMultiScale2(
            cv2.cvtColor(image, cv2.COLOR_RGB2GRAY),
            scaleFactor=self._step,
            minNeighbors=self._min_neighbours,
            minSize=(side, side),
        )
        corner, size = np.split(np.reshape(boxes, (-1, 4)).astype(np.float32), 2, axis=1)
        agree = np.reshape(windows, (-1, 1)).astype(np.float32)
        scores = agree / (agree + self._min_neighbours)
        return np.concatenate((corner, corner + size, scores), axis=1)


def _as_dlib_draws(boxes: Floats) -> Floats:
    """(N, 4) boxes of dlib's detector around the same faces."""
    size = boxes[:, 2:] - boxes[:, :2]
    centre = (boxes[:, :2] + boxes[:, 2:]) / 2 + _CENTRE * size
    half = size * _SIZE / 2
    return np.concatenate((centre - half, centre + half), axis=1)
