"""Small versions of pictures, and square patches out of them, quickly."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from embedder.detectors.nms import Floats, Indices
from embedder.opencv import cv2
from embedder.types import RgbImage

# What lies outside a picture: the grey that is zero once normalised.
_GREY = (127, 127, 127)
_FLAGS = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP


class Mipmaps:
    """The pictures of a batch, and copies of each halved again and again, made when needed.

    Reading from the copy next larger than what is wanted, four pixels for one are always enough:
    fast, and without aliasing (Williams, "Pyramidal Parametrics", SIGGRAPH 1983).
    """

    def __init__(self, images: Sequence[RgbImage]) -> None:
        self.images = images
        self._halved: dict[tuple[int, int], RgbImage] = {}

    def level(self, index: int, level: int) -> RgbImage:
        """Picture `index` reduced to 1 / 2**level."""
        if level == 0:
            return self.images[index]
        if (index, level) not in self._halved:
            self._halved[index, level] = _halved(self.level(index, level - 1))
        return self._halved[index, level]

    def resized(self, index: int, scale: float) -> tuple[RgbImage, NDArray[np.float64]]:
        """Picture `index` at about `scale` (at most 1), and the original's pixels for each of its.

        The second is (x, y): sides are rounded to whole pixels, so the two can differ a little.
        """
        level = int(np.log2(max(1 / scale, 1)))
        source = self.level(index, level)
        height, width = source.shape[:2]
        size = tuple(max(1, round(side * scale * 2**level)) for side in (width, height))
        small = np.asarray(cv2.resize(source, size, interpolation=cv2.INTER_AREA), np.uint8)
        return small, np.array([width, height]) * 2**level / size

    def patches(self, image: Indices, squares: Floats, side: int) -> NDArray[np.uint8]:
        """(N, side, side, 3) patches of (N, 4) squares x1, y1, x2, y2 of the given pictures."""
        patches = np.empty((len(squares), side, side, 3), np.uint8)
        steps = (squares[:, 2] - squares[:, 0]) / side
        levels = np.log2(np.maximum(steps, 1)).astype(int).tolist()
        for patch, index, square, level in zip(
            patches, image.tolist(), squares, levels, strict=True
        ):
            _cut(patch, self.level(index, level), square / 2.0**level)
        return patches


def _halved(image: RgbImage) -> RgbImage:
    """Means of 2 x 2 pixels. An odd last row or column is left out, to halve exactly."""
    height, width = (side // 2 for side in image.shape[:2])
    even = image[: 2 * height, : 2 * width]
    return np.asarray(cv2.resize(even, (width, height), interpolation=cv2.INTER_AREA), np.uint8)


def _cut(patch: NDArray[np.uint8], source: RgbImage, square: Floats) -> None:
    """Fill a patch with what lies under a square of the source."""
    step = (square[2] - square[0]) / len(patch)
    # Pixel centres lie at halves: the first sample is half a step into the square.
    x, y = square[:2] + (step - 1) / 2
    matrix = np.array([[step, 0, x], [0, step, y]])
    cv2.warpAffine(source, matrix, patch.shape[:2], dst=patch, flags=_FLAGS, borderValue=_GREY)
