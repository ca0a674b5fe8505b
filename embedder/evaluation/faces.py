"""Templates of many photos: of each the face nearest the centre, on all cores, remembered.

A photo that gives no template isn't left out: it says why, and protocols count it as a failure to
acquire (FTA).
"""

from __future__ import annotations

import math
import os
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from embedder import images
from embedder.errors import EvaluationInterruptedError, ImageError
from embedder.evaluation.cache import FaceCache, Record
from embedder.images import DecodedImage, ImageInfo
from embedder.pipeline import Pipeline
from embedder.types import TEMPLATE_DIM, Detection

BATCH = 32

NO_FACE = "no_face"

Change = Callable[[DecodedImage, float], DecodedImage]
"""Gives a photo to embed instead, from the photo and the width in pixels of its central face."""


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
        """`min_face` in pixels; `advance` is told of every few photos that are done."""
        self._pipeline = pipeline
        self._folder = cache
        self._min_face = min_face
        self._advance = advance

    @property
    def model(self) -> str:
        """The name of the model that makes the templates."""
        return self._pipeline.model

    def read(
        self, photos: Sequence[Path], *, change: Change | None = None, name: str = ""
    ) -> Faces:
        """The central faces of photos, or of what `change` makes of them, which `name` tells apart.

        Raises EvaluationInterruptedError on Ctrl-C, after saving what is done; OSError for a photo
        that can't be read.
        """
        kind = f"{self.model}-{self._min_face:g}{'-' if name else ''}{name}"
        cache = FaceCache(self._folder, kind)
        keys: list[str] = []
        done = self._records(photos, cache, change)
        try:
            for found in done:
                cache.records.update(found)
                keys.extend(found_key for found_key, _ in found)
                self._advance(len(found))
        except KeyboardInterrupt as error:
            raise EvaluationInterruptedError(
                f"Stopped after {len(keys)} of {len(photos)} photos with {kind}."
            ) from error
        finally:
            cache.save()
        return _faces(photos, [cache.records[key] for key in keys])

    def _records(
        self, photos: Sequence[Path], cache: FaceCache, change: Change | None
    ) -> Iterator[list[tuple[str, Record]]]:
        """Key and record of each photo in order, by batches; a few batches are made at a time."""
        workers = os.cpu_count() or 1
        waiting: deque[Future[list[tuple[str, Record]]]] = deque()
        pool = ThreadPoolExecutor(workers)
        try:
            for begin in range(0, len(photos), BATCH):
                batch = photos[begin : begin + BATCH]
                waiting.append(pool.submit(self._batch, batch, cache, change))
                if len(waiting) > 2 * workers:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            pool.shutdown(cancel_futures=True)

    def _batch(
        self, photos: Sequence[Path], cache: FaceCache, change: Change | None
    ) -> list[tuple[str, Record]]:
        contents = [photo.read_bytes() for photo in photos]
        keys = [sha256(data).hexdigest() for data in contents]
        known = {key: cache.records[key] for key in keys if key in cache.records}
        wanted = {key: data for key, data in zip(keys, contents, strict=True) if key not in known}
        made = self._make(list(wanted.values()), change)
        known.update(zip(wanted, made, strict=True))
        return [(key, known[key]) for key in keys]

    def _make(self, contents: Sequence[bytes], change: Change | None) -> list[Record]:
        decoded = [_decode(data) for data in contents]
        photos = [photo for photo in decoded if isinstance(photo, DecodedImage)]
        found = self._central(photos)
        if change is not None:
            photos = [
                change(photo, face[0].box.width) if face else photo
                for photo, face in zip(photos, found, strict=True)
            ]
            found = self._central(photos)
        faces = iter(self._pipeline.embed(photos, found))
        records = []
        for photo in decoded:
            if isinstance(photo, str):
                records.append(Record.failed(photo))
                continue
            face = next(iter(next(faces)), None)
            records.append(Record.of(face) if face else Record.failed(NO_FACE))
        return records

    def _central(self, photos: Sequence[DecodedImage]) -> list[list[Detection]]:
        """A list of one or no face for each photo: the one nearest its centre."""
        detections = self._pipeline.detect(photos, min_face=self._min_face)
        return [
            nearest_centre(photo.info, found)
            for photo, found in zip(photos, detections, strict=True)
        ]


def nearest_centre(info: ImageInfo, detections: Sequence[Detection]) -> list[Detection]:
    """The face whose box has its middle nearest the photo's, as a list of at most one."""
    middle = (info.width / 2, info.height / 2)
    return sorted(detections, key=lambda face: math.dist(face.box.centre, middle))[:1]


def _decode(data: bytes) -> DecodedImage | str:
    """The photo, or the code that says why it can't be decoded."""
    try:
        return images.decode(data)
    except ImageError as error:
        return error.code


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
