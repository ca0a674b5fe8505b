"""YuNet: a small network that finds faces and their five landmarks in one pass, run by OpenCV.

Wu et al., "YuNet: A Tiny Millisecond-level Face Detector", Machine Intelligence Research 20, 2023.

Faces between 40 and 280 pixels wide are found alike well, and their landmarks are as near to
MTCNN's (0.07 to 0.08 of the distance between the eyes, lfw-dev reduced and enlarged); beyond 370
landmarks get worse, beyond 550 faces are missed. So a picture is looked at several times, each
time four times smaller, from the size at which the smallest face asked for has 40 pixels.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from embedder.detectors import inputs
from embedder.detectors.nms import Floats, suppress
from embedder.detectors.pool import Pool
from embedder.detectors.rows import detections
from embedder.errors import WeightsError
from embedder.opencv import cv2
from embedder.types import Detection, RgbImage

_SMALLEST, _LARGEST = 40, 280
_PYRAMID_STEP = 4
# Columns of the network's rows: x, y, width and height, five landmarks, score.
_COLUMNS = 15


class YuNet:
    """YuNet behind the `Detector` protocol; safe to call from several threads."""

    name = "yunet"

    def __init__(self, path: Path, *, threshold: float = 0.7, overlap: float = 0.3) -> None:
        """Load the ONNX network at `path`.

        Faces score above `threshold`; of two that share more than `overlap` of their union the
        weaker goes. Raises WeightsError when the file is not YuNet.
        """
        self._path, self._threshold, self._overlap = path, threshold, overlap
        self._networks = Pool(self._load)

    def detect(self, images: Sequence[RgbImage], min_face: float) -> list[list[Detection]]:
        """Faces at least `min_face` pixels wide, a list a picture, in pixels of that picture.

        Raises PixelsError.
        """
        inputs.check(images, min_face)
        with self._networks.lend() as network:
            found = [self._found(network, image, min_face) for image in images]
        image = np.repeat(np.arange(len(images)), [len(rows) for rows in found])
        rows = np.concatenate([np.empty((0, _COLUMNS), np.float32), *found])
        return detections(
            len(images), image, _corners(rows), rows[:, 4:14].reshape(-1, 5, 2), rows[:, 14]
        )

    def _load(self) -> Any:
        try:
            network = cv2.FaceDetectorYN.create(
                str(self._path), "", (32, 32), self._threshold, self._overlap
            )
            # Another network shows only now.
            network.detect(np.zeros((32, 32, 3), np.uint8))
        except cv2.error as error:
            raise WeightsError(
                f"OpenCV can't use {self._path} as YuNet: {error.err}. Download the file again."
            ) from error
        return network

    def _found(self, network: Any, image: RgbImage, min_face: float) -> Floats:
        """(N, 15) rows of the network, in pixels of the picture, best first."""
        if image.shape[1] < min_face:
            return np.empty((0, _COLUMNS), np.float32)
        bgr = np.asarray(cv2.cvtColor(image, cv2.COLOR_RGB2BGR), np.uint8)
        levels = [_look(network, bgr, scale) for scale in _pyramid(image, min_face)]
        rows = np.concatenate(levels)
        rows = rows[rows[:, 2] >= min_face]
        one_picture = np.zeros(len(rows), np.intp)
        return rows[suppress(_corners(rows), rows[:, 14], one_picture, self._overlap)]


def _pyramid(image: RgbImage, min_face: float) -> Iterator[float]:
    """Scales at which to look: until a face as large as the picture is no longer too large."""
    scale = min(1.0, _SMALLEST / min_face)
    yield scale
    while min(image.shape[:2]) * scale > _LARGEST:
        scale /= _PYRAMID_STEP
        yield scale


def _look(network: Any, bgr: RgbImage, scale: float) -> Floats:
    """(N, 15) rows of the network for a picture at a scale, in pixels of the picture."""
    height, width = bgr.shape[:2]
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    network.setInputSize(size)
    small = bgr if scale == 1 else cv2.resize(bgr, size, interpolation=cv2.INTER_AREA)
    rows = network.detect(small)[1]
    if rows is None:
        return np.empty((0, _COLUMNS), np.float32)
    # In a few pixels of a picture the network can see what is no number.
    rows = rows[np.isfinite(rows).all(axis=1)]
    ratio = np.array([width / size[0], height / size[1]])
    in_full: Floats = (rows * [*np.tile(ratio, 7), 1]).astype(np.float32)
    return in_full


def _corners(rows: Floats) -> Floats:
    """(N, 4) x1, y1, x2, y2 of the network's rows."""
    return np.concatenate((rows[:, :2], rows[:, :2] + rows[:, 2:4]), axis=1)
