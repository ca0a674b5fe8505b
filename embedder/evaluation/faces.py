"""Templates of many photos: of each the face nearest the centre, remembered for the next time.

A photo that gives no template isn't left out: it says why, and protocols count it as a failure to
acquire (FTA).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from embedder.errors import EvaluationInterruptedError
from embedder.evaluation.cache import FaceCache, Record
from embedder.images import ImageInfo
from embedder.pipeline import Pipeline
from embedder.types import TEMPLATE_DIM, Detection

Content = Callable[[Path], bytes]
"""Gives the bytes to look at in place of a photo's own."""


@dataclass(frozen=True, slots=True, eq=False)
class Faces:
    """The central faces of N photos.

    templates: (N, 128), zero where not `acquired` (N,). widths: (N,) pixels of the face's box.
    quality: (N,) by the name of the figure, NaN where not acquired. failures: code by photo.
    """

    templates: NDArray[np.float32]
    acquired: NDArray[np.bool_]
    widths: NDArray[np.float64]
    quality: dict[str, NDArray[np.float64]]
    failures: dict[Path, str]


class Reader(Protocol):
    """Turns photos into templates, somehow."""

    @property
    def model(self) -> str:
        """The name of the model that makes the templates."""
        ...

    def read(self, photos: Sequence[Path]) -> Faces:
        """The faces of photos."""
        ...


class FaceReader:
    """A pipeline with its cache, and how its photos are looked at."""

    def __init__(
        self,
        pipeline: Pipeline,
        *,
        cache: Path | None = None,
        min_face: float = 40.0,
        advance: Callable[[int], None] = lambda _: None,
    ) -> None:
        """`min_face` in pixels; `advance` is told of photos that are done.

        Raises EvaluationError when the file in the folder `cache` is no cache.
        """
        self._pipeline = pipeline
        self._cache = FaceCache(cache, f"{pipeline.model}-{min_face:g}")
        self._min_face = min_face
        self._advance = advance

    @property
    def model(self) -> str:
        """The name of the model that makes the templates."""
        return self._pipeline.model

    def read(self, photos: Sequence[Path], content: Content = Path.read_bytes) -> Faces:
        """The central faces of photos.

        Raises EvaluationInterruptedError on Ctrl-C, after saving what is done; OSError for a photo
        that can't be read.
        """
        records, keys, asked = self._cache.records, list[str](), list[str]()
        done = 0

        def unknown() -> Iterator[bytes]:
            for photo in photos:
                data = content(photo)
                keys.append(sha256(data).hexdigest())
                if keys[-1] in records or keys[-1] in asked[done:]:
                    self._advance(1)
                    continue
                asked.append(keys[-1])
                yield data

        outcomes = self._pipeline.stream(unknown(), min_face=self._min_face, choose=nearest_centre)
        try:
            for outcome in outcomes:
                records[asked[done]] = Record.of(outcome)
                done += 1
                self._advance(1)
        except KeyboardInterrupt as error:
            raise EvaluationInterruptedError(
                f"Stopped: {done} new photos were embedded with {self.model}, and "
                f"{len(keys) - len(asked)} were known, of {len(photos)}."
            ) from error
        finally:
            self._cache.save()
        return _faces(photos, [records[key] for key in keys])


def nearest_centre(info: ImageInfo, detections: Sequence[Detection]) -> list[Detection]:
    """The face whose box has its middle nearest the photo's, as a list of at most one."""
    middle = (info.width / 2, info.height / 2)
    return sorted(detections, key=lambda face: math.dist(face.box.centre, middle))[:1]


def _faces(photos: Sequence[Path], records: Sequence[Record]) -> Faces:
    names = sorted({name for record in records for name in record.quality})
    quality = {
        name: np.array([record.quality.get(name, np.nan) for record in records]) for name in names
    }
    return Faces(
        templates=np.array([r.template for r in records], np.float32).reshape(-1, TEMPLATE_DIM),
        acquired=np.array([not record.failure for record in records], np.bool_),
        widths=np.array([record.width for record in records]),
        quality=quality,
        failures={p: r.failure for p, r in zip(photos, records, strict=True) if r.failure},
    )
