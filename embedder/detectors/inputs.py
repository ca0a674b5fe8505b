"""What every detector asks of its input, checked in one place."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from embedder.errors import PixelsError
from embedder.types import RgbImage

_CHANNELS = 3


def check(images: Sequence[RgbImage], min_face: float) -> None:
    """Raise PixelsError, naming the picture, unless all are (H, W, 3) bytes and `min_face` > 0.

    An empty batch is fine, and so is a picture smaller than a face: nothing is found in it.
    """
    if not (math.isfinite(min_face) and min_face > 0):
        raise PixelsError(f"min_face is {min_face}: give the smallest face's width in pixels, > 0.")
    for index, image in enumerate(images):
        _check_picture(f"picture {index} of {len(images)}", image)


def _check_picture(name: str, image: object) -> None:
    if not isinstance(image, np.ndarray):
        raise PixelsError(f"{name} is a {type(image).__name__}: give a numpy array of its pixels.")
    if image.dtype != np.uint8:
        raise PixelsError(f"{name} holds {image.dtype}: scale it to 0..255 and convert to uint8.")
    if image.ndim != _CHANNELS or image.shape[2] != _CHANNELS:
        raise PixelsError(f"{name} has the shape {image.shape}: give (height, width, 3), RGB.")
    if image.size == 0:
        raise PixelsError(f"{name} has the shape {image.shape}: it has no pixels; leave it out.")
