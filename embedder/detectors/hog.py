"""dlib's frontal face detector: histograms of oriented gradients under a linear classifier.

Dalal and Triggs, "Histograms of Oriented Gradients for Human Detection", CVPR 2005. The
smallest box it draws is 73 pixels wide, so a picture is enlarged or reduced until the smallest
face asked for is that: time grows with the square of it. Needs the extra `[dlib]`; landmarks come
from `five_points`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from embedder import extras
from embedder.detectors import inputs
from embedder.detectors.five_points import FivePoints
from embedder.detectors.nms import Floats
from embedder.detectors.pool import Pool
from embedder.errors import MissingExtraError
from embedder.opencv import cv2
from embedder.types import Detection, RgbImage

_BOX = 73


class Hog:
    """dlib's detector behind the `Detector` protocol; safe to call from several threads."""

    name = "hog"

    def __init__(self, *, threshold: float = 0.0) -> None:
        """Load the detector and the landmarks' predictor.

        `threshold` is the least distance from the classifier's border, 0 in dlib itself. Raises
        MissingExtraError without dlib, WeightsError.
        """
        try:
            import dlib  # noqa: PLC0415 - optional
        except ImportError as error:
            raise MissingExtraError(
                f"The HOG detector needs dlib. {extras.remedy('dlib')}"
            ) from error
        self._threshold = threshold
        self._detectors: Pool[Any] = Pool(dlib.get_frontal_face_detector)
        self._landmarks = FivePoints()

    def detect(self, images: Sequence[RgbImage], min_face: float) -> list[list[Detection]]:
        """Faces at least `min_face` pixels wide, a list a picture, in pixels of that picture.

        The score is 1 / (1 + exp(-d)), d being the distance from the classifier's border. Raises
        PixelsError.
        """
        inputs.check(images, min_face)
        with self._detectors.lend() as detector:
            found = [self._found(detector, image, min_face) for image in images]
        return self._landmarks.detections(images, found)

    def _found(self, detector: Any, image: RgbImage, min_face: float) -> Floats:
        """(N, 5): x1, y1, x2, y2 and score of the faces of a picture."""
        scaled, ratio = _scaled(image, _BOX / min_face)
        boxes, distances, _ = detector.run(scaled, 0, self._threshold)
        # dlib's right and bottom are the last pixels inside.
        rows = [[box.left(), box.top(), box.right() + 1, box.bottom() + 1] for box in boxes]
        corners = np.array(rows, np.float32).reshape(-1, 4) * np.tile(ratio, 2)
        scores = 1 / (1 + np.exp(-np.array(distances, np.float32).reshape(-1, 1)))
        return np.concatenate((corners, scores), axis=1)


def _scaled(image: RgbImage, scale: float) -> tuple[RgbImage, Floats]:
    """The picture at about `scale`, and the original's pixels for each of its: (x, y)."""
    height, width = image.shape[:2]
    # Rounded down, so that the smallest box is not narrower than asked for.
    size = (max(1, int(width * scale)), max(1, int(height * scale)))
    kind = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    scaled = np.asarray(cv2.resize(image, size, interpolation=kind), np.uint8)
    return scaled, np.array([width / size[0], height / size[1]], np.float32)
