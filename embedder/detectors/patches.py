"""Square patches out of pictures, quickly: the input of MTCNN's second and third stage."""

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


class PatchCutter:
    """Cuts squares out of the pictures of a batch and resizes them.

    Works on halved copies of a picture, made when first needed, so that reading four pixels for
    one is always enough (a mipmap: Williams, "Pyramidal Parametrics", SIGGRAPH 1983).
    """

    def __init__(self, images: Sequence[RgbImage]) -> None:
        self.images = images
        self._halved: dict[tuple[int, int], RgbImage] = {}

    def cut(self, image: Indices, squares: Floats, side: int) -> NDArray[np.uint8]:
        """(N, side, side, 3) patches of (N, 4) squares x1, y1, x2, y2 of the given images."""
        patches = np.empty((len(squares), side, side, 3), np.uint8)
        steps = (squares[:, 2] - squares[:, 0]) / side
        levels = np.log2(np.maximum(steps, 1)).astype(int)
        for patch, index, square, level in zip(patches, image, squares, levels, strict=True):
            self._cut_one(patch, self._level(int(index), int(level)), square / 2.0**level)
        return patches

    def _cut_one(self, patch: NDArray[np.uint8], source: RgbImage, square: Floats) -> None:
        step = (square[2] - square[0]) / len(patch)
        # Pixel centres lie at halves: the first sample is half a step into the square.
        x, y = square[:2] + (step - 1) / 2
        matrix = np.array([[step, 0, x], [0, step, y]])
        size = patch.shape[:2]
        cv2.warpAffine(
            source, matrix, size, dst=patch, flags=_FLAGS, borderValue=_GREY
        )

    def _level(self, index: int, level: int) -> RgbImage:
        if level == 0:
            return self.images[index]
        if (index, level) not in self._halved:
            larger = self._level(index, level - 1)
            height, width = (max(1, side // 2) for side in larger.shape[:2])
            self._halved[index, level] = np.asarray(
                cv2.resize(larger, (width, height), interpolation=cv2.INTER_AREA), dtype=np.uint8
            )
        return self._halved[index, level]
