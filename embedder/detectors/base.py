"""What the pipeline expects of a face detector."""

from collections.abc import Sequence
from typing import Protocol

from embedder.types import Detection, RgbImage


class Detector(Protocol):
    """Finds faces and their five landmarks."""

    @property
    def name(self) -> str:
        """Part of the name of the model that templates are stored under."""
        ...

    def detect(self, images: Sequence[RgbImage], min_face: float) -> list[list[Detection]]:
        """Faces at least `min_face` pixels wide, a list a picture, in pixels of that picture."""
        ...
