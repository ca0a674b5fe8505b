"""Photos to faces to templates: detect, align, embed. Works in batches of photos."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from embedder.align import aligned_crops
from embedder.closer import look_closer
from embedder.detectors.base import Detector
from embedder.errors import DimensionError, FacesError, PixelsError, TemplateError
from embedder.images import DecodedImage
from embedder.networks.base import Network
from embedder.quality import assess
from embedder.stream import Choice, Outcome, stream
from embedder.types import TEMPLATE_DIM, Detection, Face, Quality

# Pixels between the outermost landmarks of a face: below it there is nothing to align.
_LEAST_SPREAD = 1e-3


class Pipeline:
    """A detector and a network, together one model; safe to call from several threads.

    `embedder.catalogue.load_pipeline` makes one of a model's name.
    """

    def __init__(
        self, detector: Detector, network: Network, *, mirrored: bool | None = None
    ) -> None:
        """Raise DimensionError for a network whose templates aren't 128-d.

        With `mirrored` a template is the normalised mean of those of the crop and of its mirror
        image, which costs a second pass and misses fewer people in large galleries. None does as
        the network's manifest says.
        """
        if network.dimension != TEMPLATE_DIM:
            raise DimensionError(
                f"{network.name} gives {network.dimension} numbers a face, not {TEMPLATE_DIM}"
            )
        self._detector = detector
        self._network = network
        self._mirrored = network.mirrored if mirrored is None else mirrored
        self._template = network.landmark_template(detector.name)

    @property
    def model(self) -> str:
        """The name stored with each template; those of different names are never compared."""
        plain = f"{self._detector.name}-{self._network.name}"
        if self._mirrored == self._network.mirrored:
            return plain
        return f"{plain}-{'mirrored' if self._mirrored else 'unmirrored'}"

    @property
    def dimension(self) -> int:
        """Length of a template."""
        return self._network.dimension

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
            detections = self._detector.detect(pixels, min_face * scale)
            for index, faces in zip(members, detections, strict=True):
                found[index] = _largest_first([face.scaled(1 / scale) for face in faces])
        return found

    def embed(
        self, images: Sequence[DecodedImage], detections: Sequence[Sequence[Detection]]
    ) -> list[list[Face]]:
        """Faces of each image with quality and template, in the order of the detections.

        A picture that was reduced too far for its faces' crops is decoded once more, larger, and
        their landmarks are placed anew. Raises PixelsError, FacesError,
        TemplateError when the network gives something that isn't finite.
        """
        _check_pictures(images)
        _check_faces(images, detections)
        closer = [
            look_closer(self._detector, image, faces, self._template)
            for image, faces in zip(images, detections, strict=True)
        ]
        crops = [self.crops(image, faces) for image, faces in closer]
        templates = iter(self._templates(np.concatenate(crops)) if crops else ())
        return [
            [
                Face(face, assess(crop, face, self._template), next(templates))
                for face, crop in zip(faces, image_crops, strict=True)
            ]
            for (_, faces), image_crops in zip(closer, crops, strict=True)
        ]

    def assess(self, image: DecodedImage, faces: Sequence[Detection]) -> list[Quality]:
        """The quality of each of these faces of an image, as `embed` gives it, without templates.

        Raises PixelsError, FacesError.
        """
        _check_pictures([image])
        _check_faces([image], [faces])
        image, faces = look_closer(self._detector, image, faces, self._template)
        crops = self.crops(image, faces)
        return [assess(crop, face, self._template) for crop, face in zip(crops, faces, strict=True)]

    def process(
        self, images: Sequence[DecodedImage], *, min_face: float = 40.0
    ) -> list[list[Face]]:
        """Detect and embed, `min_face` as in `detect`."""
        return self.embed(images, self.detect(images, min_face=min_face))

    def stream(
        self,
        photos: Iterable[bytes],
        *,
        min_face: float = 40.0,
        choose: Choice | None = None,
        runs: int | None = None,
    ) -> Iterator[Outcome]:
        """The outcome of each photo of many, in order, on all cores: see `embedder.stream`."""
        return stream(self, photos, min_face=min_face, choose=choose, runs=runs)

    def crops(self, image: DecodedImage, faces: Sequence[Detection]) -> NDArray[np.uint8]:
        """(N, S, S, 3) RGB: the aligned crops of N faces of an image, as the network sees them."""
        landmarks = [face.landmarks.scaled(image.scale).as_array() for face in faces]
        points = np.array(landmarks, dtype=np.float32).reshape(-1, 5, 2)
        return aligned_crops(image.pixels, points, self._template, self._network.crop_size)

    def _templates(self, crops: NDArray[np.uint8]) -> NDArray[np.float32]:
        """(N, 128) unit templates of (N, S, S, 3) crops."""
        if not self._mirrored:
            return self._embedded(crops)
        # In one pass, since few crops at a time are slow.
        both = self._embedded(np.concatenate((crops, crops[:, :, ::-1])))
        templates = both[: len(crops)] + both[len(crops) :]
        templates /= np.linalg.norm(templates, axis=1, keepdims=True)
        return templates

    def _embedded(self, crops: NDArray[np.uint8]) -> NDArray[np.float32]:
        templates = self._network.embed(crops)
        if templates.shape != (len(crops), TEMPLATE_DIM):
            raise DimensionError(f"{self._network.name} gave templates of {templates.shape}")
        if not np.isfinite(templates).all():
            raise TemplateError(f"{self._network.name} gave a template that is not finite")
        return templates


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
