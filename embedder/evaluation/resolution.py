"""How narrow a face may be: verification of photos reduced and enlarged again.

Each photo is reduced until its central face has the width wanted, and enlarged to its old size; the
whole pipeline then sees that photo, detector and all. Faces that are narrower already stay as they
are. Both photos of every pair are changed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from embedder import images
from embedder.evaluation import metrics
from embedder.evaluation.collection import Pair
from embedder.evaluation.comparisons import compare
from embedder.evaluation.faces import Content, FaceReader, Faces
from embedder.evaluation.verification import accuracy
from embedder.opencv import cv2

WIDTHS = (100, 80, 60, 40, 28)
FMR = 1e-3


@dataclass(frozen=True, slots=True)
class Width:
    """Figures of faces at most `width` pixels wide (None: as they are); a share was `reduced`."""

    width: int | None
    reduced: float
    accuracy: float
    accuracy_stderr: float
    tmr: float | None
    fta: float


@dataclass(frozen=True, slots=True)
class Resolution:
    """What one model reached at each width; `median_width` pixels is that of the photos."""

    model: str
    median_width: float
    photos: int
    widths: list[Width]

    def record(self) -> dict[str, object]:
        """All figures, ready for JSON."""
        return {
            "model": self.model,
            "median_width": self.median_width,
            "photos": self.photos,
            "fmr": FMR,
            "widths": [
                {name: getattr(row, name) for name in Width.__dataclass_fields__}
                for row in self.widths
            ],
        }


def evaluate(
    reader: FaceReader, pairs: Sequence[Pair], *, widths: Sequence[int] = WIDTHS
) -> Resolution:
    """Read the photos of the pairs as they are and at each width, in pixels, and verify."""
    photos = list(dict.fromkeys(photo for pair in pairs for photo in (pair.first, pair.second)))
    places = {photo: place for place, photo in enumerate(photos)}
    people = np.unique([photo.parent.name for photo in photos], return_inverse=True)[1]
    original = reader.read(photos)

    def measured(faces: Faces, width: int | None) -> Width:
        result = accuracy(faces, places, pairs)
        curve = compare(faces.templates, faces.acquired, people, kept=0).curve()
        wider = original.widths > (np.inf if width is None else width)
        return Width(
            width=width,
            reduced=float(wider.mean()),
            accuracy=result.mean,
            accuracy_stderr=result.error,
            tmr=metrics.tmr_at_fmr(curve, FMR),
            fta=1 - float(faces.acquired.mean()),
        )

    rows = [measured(original, None)]
    rows += [
        measured(reader.read(photos, narrowed(photos, original, width)), width)
        for width in sorted(widths, reverse=True)
    ]
    return Resolution(reader.model, float(np.nanmedian(original.widths)), len(photos), rows)


def narrowed(photos: Sequence[Path], faces: Faces, width: int) -> Content:
    """What reads a photo, reduces it until its face is `width` pixels wide, and enlarges it again.

    Photos whose face is narrower, or that have none, are read as they are.
    """
    factors = dict(zip(photos, width / faces.widths, strict=True))

    def content(photo: Path) -> bytes:
        data = photo.read_bytes()
        # NaN, a photo without a face, isn't less than 1 either.
        return _blurred(data, factors[photo]) if factors[photo] < 1 else data

    return content


def _blurred(data: bytes, factor: float) -> bytes:
    """A PNG of a photo that was reduced by a factor and enlarged to its old size."""
    pixels = images.decode(data).pixels
    height, width = pixels.shape[:2]
    small = (max(1, round(width * factor)), max(1, round(height * factor)))
    reduced = cv2.resize(pixels, small, interpolation=cv2.INTER_AREA)
    again = cv2.resize(reduced, (width, height), interpolation=cv2.INTER_CUBIC)
    # Without loss, and quickly: it is read again at once.
    png = cv2.imencode(".png", again[..., ::-1], [cv2.IMWRITE_PNG_COMPRESSION, 1])[1]
    return bytes(png)
