"""A second look at the faces of a large photo that was reduced for finding them.

A face that is smaller in the reduced picture than its aligned crop would lose what the photo
shows of it. For such faces the photo is decoded once more, as large as the crops need it, and
their landmarks are placed anew there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from embedder.align import similarity
from embedder.detectors.base import Detector
from embedder.images import DecodedImage, enlarged
from embedder.types import Box, Detection, RgbImage

# How much of the width that its crop has room for a face needs: with less its template moves, with
# more it does not (cosines to the full photo's: 0.995 for a half, 0.9985 as always from here on).
_ENOUGH = 0.75
# The part of the picture to look at: this much of the face's box more on each side.
_MARGIN = 0.5
# Of the width expected: a face in the part that is smaller is another.
_LEAST_WIDTH = 0.6
# Intersection over union with the box expected; below it a face in the part is another.
_LEAST_IOU = 0.5


def look_closer(
    detector: Detector,
    image: DecodedImage,
    faces: Sequence[Detection],
    template: NDArray[np.floating],
) -> tuple[DecodedImage, list[Detection]]:
    """The picture as large as crops with landmarks at `template` (5, 2) need it, and the faces.

    Faces that were small keep their boxes and scores and get better landmarks, if the detector
    finds them again; all stay in pixels of the original.
    """
    if image.data is None or not faces:
        return image, list(faces)
    scales = np.minimum(crop_scales(faces, template), 1)
    small = np.flatnonzero(image.scale < _ENOUGH * scales).tolist()
    if not small:
        return image, list(faces)
    large = enlarged(image, float(scales.max()))
    placed = dict(zip(small, _placed(detector, large, [faces[i] for i in small]), strict=True))
    return large, [placed.get(index, face) for index, face in enumerate(faces)]


def crop_scales(faces: Sequence[Detection], template: NDArray[np.floating]) -> NDArray[np.float64]:
    """(N,): how many pixels of its crop there are for a pixel of the original, for each face."""
    points = np.array([face.landmarks.as_array() for face in faces])
    matrices = similarity(points, template)
    scales: NDArray[np.float64] = np.hypot(matrices[:, 0, 0], matrices[:, 1, 0])
    return scales


def _placed(detector: Detector, large: DecodedImage, faces: Sequence[Detection]) -> list[Detection]:
    """The faces with the landmarks that the detector finds for them in the larger picture."""
    boxes = [face.box.scaled(large.scale) for face in faces]
    corners, parts = zip(*(_part(large.pixels, box) for box in boxes), strict=True)
    smallest = _LEAST_WIDTH * min(box.width for box in boxes)
    placed = []
    for face, box, (x, y), found in zip(
        faces, boxes, corners, detector.detect(parts, smallest), strict=True
    ):
        again = _same(found, box.moved(-x, -y))
        placed.append(
            replace(face, landmarks=again.landmarks.moved(x, y).scaled(1 / large.scale))
            if again
            else face
        )
    return placed


def _part(pixels: RgbImage, box: Box) -> tuple[tuple[int, int], RgbImage]:
    """The top left corner (x, y) of the part around a box, and the part."""
    height, width = pixels.shape[:2]
    left = int(np.clip(box.x - _MARGIN * box.width, 0, width - 1))
    top = int(np.clip(box.y - _MARGIN * box.height, 0, height - 1))
    right = int(np.clip(np.ceil(box.right + _MARGIN * box.width), left + 1, width))
    bottom = int(np.clip(np.ceil(box.bottom + _MARGIN * box.height), top + 1, height))
    return (left, top), np.ascontiguousarray(pixels[top:bottom, left:right])


def _same(found: Sequence[Detection], box: Box) -> Detection | None:
    """The detection that overlaps the box most, if that is enough to be the same face."""
    best = max(found, key=lambda each: each.box.iou(box), default=None)
    return best if best and best.box.iou(box) >= _LEAST_IOU else None
