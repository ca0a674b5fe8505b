"""Detection: in how many photos with a face one is found, and in how many pictures without.

Detection rate, miss rate and false detection rate count pictures, not faces. A photo that can't be
decoded counts as one in which nothing was found.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter

import skimage.data

from embedder import images
from embedder.detectors.base import Detector
from embedder.errors import EvaluationInterruptedError, ImageError
from embedder.images import DecodedImage

BATCH = 32

SKIMAGE = "skimage"
"""Stands for the pictures without people that come with scikit-image."""

_WITHOUT_PEOPLE = ("coffee", "chelsea", "rocket", "brick", "grass", "page", "text")


@dataclass(frozen=True, slots=True)
class Found:
    """In which pictures a detector found faces; `seconds` is what detecting in all of them took."""

    pictures: list[Path]
    found: list[bool]
    seconds: float

    @property
    def rate(self) -> float:
        """Share of the pictures in which a face was found."""
        return sum(self.found) / len(self.found)

    def named(self, *, found: bool) -> list[str]:
        """The pictures in which a face was found, or wasn't."""
        pairs = zip(self.pictures, self.found, strict=True)
        return [str(picture) for picture, one in pairs if one is found]


@dataclass(frozen=True, slots=True)
class Detection:
    """What one detector reached on pictures with a face, and on those without."""

    detector: str
    faces: Found
    none: Found

    def record(self) -> dict[str, object]:
        """All figures, ready for JSON."""
        return {
            "detector": self.detector,
            "detection_rate": self.faces.rate,
            "miss_rate": 1 - self.faces.rate,
            "false_detection_rate": self.none.rate,
            "ms_an_image": 1000 * self.faces.seconds / len(self.faces.pictures),
            "with_face": len(self.faces.pictures),
            "without_face": len(self.none.pictures),
            "missed": self.faces.named(found=False),
            "false": self.none.named(found=True),
        }

    def figures(self) -> dict[str, float]:
        """The main figures, as a manifest carries them."""
        return {
            "detection_rate": round(self.faces.rate, 4),
            "false_detection_rate": round(self.none.rate, 4),
        }


def without_people() -> list[Path]:
    """Pictures of scikit-image that show no one, in its package."""
    folder = Path(skimage.data.__file__).parent
    found = (next(folder.glob(f"{name}.*g")) for name in _WITHOUT_PEOPLE)
    return list(found)


def evaluate(
    name: str,
    detector: Detector,
    faces: Sequence[Path],
    none: Sequence[Path],
    *,
    min_face: float = 40.0,
    advance: Callable[[int], None] = lambda _: None,
) -> Detection:
    """Look for faces at least `min_face` pixels wide in photos with a face and in those without."""
    return Detection(
        name,
        _look(detector, faces, min_face, advance),
        _look(detector, none, min_face, advance),
    )


def _look(
    detector: Detector, pictures: Sequence[Path], min_face: float, advance: Callable[[int], None]
) -> Found:
    """Raises EvaluationInterruptedError on Ctrl-C, OSError for a picture that can't be read."""
    found: list[bool] = []
    seconds = 0.0
    try:
        for begin in range(0, len(pictures), BATCH):
            batch = [_decode(picture) for picture in pictures[begin : begin + BATCH]]
            pixels = [picture.pixels for picture in batch if picture is not None]
            start = perf_counter()
            detections = iter(detector.detect(pixels, min_face) if pixels else [])
            seconds += perf_counter() - start
            found.extend(picture is not None and bool(next(detections)) for picture in batch)
            advance(len(batch))
    except KeyboardInterrupt as error:
        raise EvaluationInterruptedError(
            f"Stopped after {len(found)} of {len(pictures)} pictures with {detector.name}."
        ) from error
    return Found(list(pictures), found, seconds)


def _decode(picture: Path) -> DecodedImage | None:
    try:
        return images.decode(picture.read_bytes())
    except ImageError:
        return None
