"""Photos to faces to templates: detect, align, embed. Works in batches of photos."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from embedder.aligner import Aligner
from embedder.detectors.base import Detector
from embedder.errors import DimensionError, TemplateError
from embedder.images import DecodedImage
from embedder.networks.base import Network
from embedder.quality import assess
from embedder.stream import Choice, Outcome, stream
from embedder.types import TEMPLATE_DIM, Detection, Face, Quality


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
        self._network = network
        self._mirrored = network.mirrored if mirrored is None else mirrored
        template = network.landmark_template(detector.name)
        self._aligner = Aligner(detector, template, network.crop_size)

    @property
    def model(self) -> str:
        """The name stored with each template; those of different names are never compared."""
        plain = f"{self._aligner.detector.name}-{self._network.name}"
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
        return self._aligner.detect(images, min_face=min_face)

    def embed(
        self, images: Sequence[DecodedImage], detections: Sequence[Sequence[Detection]]
    ) -> list[list[Face]]:
        """Faces of each image with quality and template, in the order of the detections.

        A picture that was reduced too far for its faces' crops is decoded once more, larger, and
        their landmarks are placed anew. Raises PixelsError, FacesError,
        TemplateError when the network gives something that isn't finite.
        """
        aligned = self._aligner.align(images, detections)
        crops = [of_image for _, of_image in aligned]
        templates = iter(self._templates(np.concatenate(crops)) if crops else ())
        return [
            [
                Face(face, assess(crop, face, self._aligner.template), next(templates))
                for face, crop in zip(faces, image_crops, strict=True)
            ]
            for faces, image_crops in aligned
        ]

    def assess(self, image: DecodedImage, faces: Sequence[Detection]) -> list[Quality]:
        """The quality of each of these faces of an image, as `embed` gives it, without templates.

        Raises PixelsError, FacesError.
        """
        [(faces, crops)] = self._aligner.align([image], [faces])
        template = self._aligner.template
        return [assess(crop, face, template) for crop, face in zip(crops, faces, strict=True)]

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
        return self._aligner.crops(image, faces)

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
