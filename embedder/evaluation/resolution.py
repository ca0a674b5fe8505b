"""How narrow a face may be: verification of photos reduced and enlarged again.

Each photo is reduced until its central face has the width wanted, and enlarged to its old size; the
whole pipeline then sees that photo, detector and all. Faces that are narrower already stay as they
are. Both photos of every pair are changed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from embedder.evaluation import metrics
from embedder.evaluation.collection import Pair
from embedder.evaluation.comparisons import compare
from embedder.evaluation.faces import Change, FaceReader, Faces
from embedder.evaluation.verification import accuracy
from embedder.images import DecodedImage
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
    for width in sorted(widths, reverse=True):
        faces = reader.read(photos, change=narrowed_to(width), name=f"narrowed-{width}")
        rows.append(measured(faces, width))
    return Resolution(reader.model, float(np.nanmedian(original.widths)), len(photos), rows)


def narrowed_to(width: int) -> Change:
    """What reduces a photo until its face is `width` pixels wide, and enlarges it again."""

    def change(photo: DecodedImage, face: float) -> DecodedImage:
        if face <= width:
            return photo
        height_now, width_now = photo.pixels.shape[:2]
        factor = width / (face * photo.scale)
        small = (max(1, round(width_now * factor)), max(1, round(height_now * factor)))
        reduced = cv2.resize(photo.pixels, small, interpolation=cv2.INTER_AREA)
        again = cv2.resize(reduced, (width_now, height_now), interpolation=cv2.INTER_CUBIC)
        return replace(photo, pixels=np.asarray(again, np.uint8))

    return change
