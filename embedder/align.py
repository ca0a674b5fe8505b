"""Aligned crops: turn, scale and move a face so that its landmarks lie where a network wants.

The least-squares similarity transform in closed form: Umeyama, "Least-Squares Estimation of
Transformation Parameters Between Two Point Patterns", IEEE PAMI 13(4), 1991. In two dimensions
and without mirroring it needs no singular value decomposition: points as complex numbers, the
transform is z -> a z + b.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from embedder.opencv import cv2
from embedder.types import RgbImage

_TINY = 1e-12


def similarity(source: NDArray[np.floating], target: NDArray[np.floating]) -> NDArray[np.float64]:
    """(N, 2, 3) matrices that move (N, P, 2) source points nearest to (P, 2) target points.

    Only turns, scales and moves, never mirrors. Raises ValueError for points that all coincide.
    """
    z = _complex(source)
    w = _complex(target)
    z_mean, w_mean = z.mean(axis=-1, keepdims=True), w.mean(axis=-1, keepdims=True)
    spread = (np.abs(z - z_mean) ** 2).sum(axis=-1)
    if (spread < _TINY).any():
        raise ValueError("points that all coincide can't be aligned")
    a = ((z - z_mean).conj() * (w - w_mean)).sum(axis=-1) / spread
    b = w_mean[..., 0] - a * z_mean[..., 0]
    rows = [[a.real, -a.imag, b.real], [a.imag, a.real, b.imag]]
    return np.moveaxis(np.array(rows), -1, 0)


def _complex(points: NDArray[np.floating]) -> NDArray[np.complex128]:
    wide = np.asarray(points, dtype=np.float64)
    return wide[..., 0] + 1j * wide[..., 1]


def aligned_crops(
    pixels: RgbImage,
    landmarks: NDArray[np.floating],
    template: NDArray[np.floating],
    size: int,
) -> NDArray[np.uint8]:
    """(N, size, size, 3) crops of one (H, W, 3) picture for (N, 5, 2) landmarks in its pixels.

    What lies outside the picture is black, as in the crops the network was trained on.
    """
    crops = np.empty((len(landmarks), size, size, 3), np.uint8)
    if len(landmarks):
        for crop, matrix in zip(crops, similarity(landmarks, template), strict=True):
            _warp(pixels, matrix, crop)
    return crops


def _warp(pixels: RgbImage, matrix: NDArray[np.float64], crop: NDArray[np.uint8]) -> None:
    """Fill `crop`, from a picture reduced first where a large face would alias."""
    factor = np.hypot(matrix[0, 0], matrix[1, 0])
    if factor < 0.5:  # noqa: PLR2004 - more than two source pixels for one of the crop
        pixels, matrix = _reduced(pixels, matrix, crop.shape[0], factor)
    size = (crop.shape[1], crop.shape[0])
    cv2.warpAffine(pixels, matrix, size, dst=crop, flags=cv2.INTER_LINEAR)


def _reduced(
    pixels: RgbImage, matrix: NDArray[np.float64], size: int, factor: float
) -> tuple[RgbImage, NDArray[np.float64]]:
    """The part of the picture under the crop at about the crop's scale, and the matrix for it."""
    inverse = cv2.invertAffineTransform(matrix)
    corners = np.array([[0, 0, 1], [size, 0, 1], [0, size, 1], [size, size, 1]]) @ inverse.T
    left, top = np.maximum(np.floor(corners.min(axis=0)).astype(int), 0)
    right, bottom = np.ceil(corners.max(axis=0)).astype(int) + 1
    part = pixels[top:bottom, left:right]
    if part.size == 0:
        return pixels, matrix
    width, height = (max(1, round(side * factor)) for side in (part.shape[1], part.shape[0]))
    small = cv2.resize(part, (width, height), interpolation=cv2.INTER_AREA)
    ratio = np.array([part.shape[1] / width, part.shape[0] / height])
    # A pixel centre x of the part lies at (x - left + 0.5) / ratio - 0.5 of the small one.
    shift = np.array([left, top]) + 0.5 * ratio - 0.5
    moved = matrix[:, 2] + matrix[:, :2] @ shift
    return np.asarray(small, np.uint8), np.column_stack((matrix[:, :2] * ratio, moved))
