"""Photos to aligned crops: find faces, look closer at small ones, turn them into crops.

What a network is served with, and what it is trained on, is made here.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from embedder.align import aligned_crops
from embedder.closer import look_closer
from embedder.detectors.base import Detector
from embedder.errors import FacesError, PixelsError
from embedder.images import DecodedImage
from embedder.types import Detection

# Pixels between the outermost landmarks of a face: below it there is nothing to align.
_LEAST_SPREAD = 1e-3

Aligned = tuple[list[Detection], NDArray[np.uint8]]
"""N faces of a photo, and their (N, S, S, 3) RGB crops."""


class Aligner:
    """A detector, and crops of one kind; safe to call from several threads."""

    def __init__(self, detector: Detector, template: NDArray[np.float32], size: int) -> None:
        """`template` (5, 2): where the landmarks belong in crops of `size` pixels a side."""
        self.detector = detector
        self.template = template
        self.size = size

    def detect(
        self, images: Sequence[DecodedImage], *, min_face: float = 40.0
    ) -> list[list[Detection]]:
        """Faces of each image, largest first, in pixels of the upright original.

        `min_face` is the width in pixels of the original of the smallest face to look for. Raises
        PixelsError for what is no picture, or no width.
        """
        _check_pictures(images)
        _check_width(min_face)
        # Images decoded at different scales look for different sizes in their pixels.
        found: list[list[Detection]] = [[] for _ in images]
        for scale in {image.scale for image in images}:
            members = [index for index, image in enumerate(images) if image.scale == scale]
            pixels = [images[index].pixels for index in members]
            detections = self.detector.detect(pixels, min_face * scale)
            for index, faces in zip(members, detections, strict=True):
                found[index] = _largest_first([face.scaled(1 / scale) for face in faces])
        return found

    def align(
        self, images: Sequence[DecodedImage], detections: Sequence[Sequence[Detection]]
    ) -> list[Aligned]:
        """The faces of each image with their crops, in the order of the detections.

        A picture that was reduced too far for its faces' crops is decoded once more, larger, and
        their landmarks are placed anew. Raises PixelsError, FacesError.
        """
        _check_pictures(images)
        _check_faces(images, detections)
        closer = [
            look_closer(self.detector, image, faces, self.template)
            for image, faces in zip(images, detections, strict=True)
        ]
        return [(faces, self.crops(image, faces)) for image, faces in closer]

    def crops(self, image: DecodedImage, faces: Sequence[Detection]) -> NDArray[np.uint8]:
        """(N, S, S, 3) RGB: the aligned crops of N faces of an image, as the network sees them."""
        landmarks = [face.landmarks.scaled(image.scale).as_array() for face in faces]
        points = np.array(landmarks, dtype=np.float32).reshape(-1, 5, 2)
        return aligned_crops(image.pixels, points, self.template, self.size)


def _largest_first(detections: list[Detection]) -> list[Detection]:
    return sorted(detections, key=lambda detection: detection.box.area, reverse=True)


def _check_pictures(images: Sequence[DecodedImage]) -> None:
    for number, image in enumerate(images, start=1):
        if not isinstance(image, DecodedImage):
            raise PixelsError(
                f"picture {number} is a {type(image).__name__}: give what "
                "embedder.images.decode, or from_pixels for an array, makes of it."
            )


def _check_width(min_face: float) -> None:
    if not (math.isfinite(min_face) and min_face > 0):
        raise PixelsError(f"min_face is {min_face}: give the smallest face's width in pixels, > 0.")


def _check_faces(images: Sequence[DecodedImage], detections: Sequence[Sequence[Detection]]) -> None:
    if len(images) != len(detections):
        raise FacesError(
            f"{len(images)} pictures, but faces of {len(detections)}: give a list for each "
            "picture, an empty one where nothing was found."
        )
    for number, faces in enumerate(detections, start=1):
        for face in faces:
            _check_landmarks(face.landmarks.as_array(), number)


def _check_landmarks(points: NDArray[np.float32], picture: int) -> None:
    if not np.isfinite(points).all():
        raise FacesError(f"picture {picture}: landmarks that are not finite: leave that face out.")
    if np.ptp(points, axis=0).max() < _LEAST_SPREAD:
        raise FacesError(f"picture {picture}: landmarks that all coincide: leave that face out.")
