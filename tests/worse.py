"""Worse copies of a real photo, for what is refused."""

from __future__ import annotations

import numpy as np

from embedder.images import decode
from embedder.opencv import cv2
from embedder.types import RgbImage


def blurred(photo: bytes, sigma: float) -> bytes:
    """Out of focus: a Gaussian blur of `sigma` pixels."""
    return _png(np.asarray(cv2.GaussianBlur(decode(photo).pixels, (0, 0), sigma)))


def lit(photo: bytes, gain: float, offset: float = 0) -> bytes:
    """Darker, brighter or paler: each grey level times `gain`, plus `offset`."""
    pixels = decode(photo).pixels * gain + offset
    return _png(np.clip(np.rint(pixels), 0, 255).astype(np.uint8))


def _png(pixels: RgbImage) -> bytes:
    return bytes(cv2.imencode(".png", pixels[..., ::-1])[1])
