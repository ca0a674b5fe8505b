"""Many photos on all cores: batches of them are decoded, searched and embedded side by side.

Several runs with one thread each beat one run with several threads: most steps of the networks
are too small to share. A run decodes its own photos, so there is nothing to hand over; decoding
and the networks' arithmetic leave the interpreter to the other runs.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

from embedder import images
from embedder.errors import EmbedderError, ImageError
from embedder.images import DecodedImage, ImageInfo
from embedder.types import Detection, Face

if TYPE_CHECKING:
    from embedder.pipeline import Pipeline

BATCH = 32
BATCH_PIXELS = 2_100_000
"""Pixels that are worked on together: 32 small photos; a large one is worked on alone."""

Choice = Callable[[ImageInfo, Sequence[Detection]], Sequence[Detection]]
"""Which of the faces found on a photo are wanted: these are embedded, in this order."""


@dataclass(frozen=True, slots=True, eq=False)
class Outcome:
    """What became of a photo: its faces, largest first or as chosen, or the error that it met."""

    info: ImageInfo | None
    faces: Sequence[Face]
    error: EmbedderError | None = None


def stream(
    pipeline: Pipeline,
    photos: Iterable[bytes],
    *,
    min_face: float = 40.0,
    choose: Choice | None = None,
    runs: int | None = None,
) -> Iterator[Outcome]:
    """The outcome of each photo, in the order of the photos, which are read as they are needed.

    `runs` batches are computed at once, by default one on each core, for which the pipeline is
    to be loaded with one thread. At most one batch more is in memory.
    """
    runs = runs or cores()
    with ThreadPoolExecutor(runs, thread_name_prefix="stream") as pool:
        waiting: deque[Future[list[Outcome]]] = deque()
        try:
            for batch in _batches(photos, min_face):
                waiting.append(pool.submit(_outcomes, pipeline, batch, min_face, choose))
                if len(waiting) > runs:
                    yield from waiting.popleft().result()
            while waiting:
                yield from waiting.popleft().result()
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def cores() -> int:
    """Cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _batches(photos: Iterable[bytes], min_face: float) -> Iterator[list[bytes]]:
    """Photos in turn, as many together as `BATCH` and `BATCH_PIXELS` allow."""
    batch: list[bytes] = []
    filled = 0
    for photo in photos:
        pixels = _pixels(photo, min_face)
        if batch and (len(batch) == BATCH or filled + pixels > BATCH_PIXELS):
            yield batch
            batch, filled = [], 0
        batch.append(photo)
        filled += pixels
    if batch:
        yield batch


def _pixels(photo: bytes, min_face: float) -> int:
    """How many there will be, by the photo's header."""
    try:
        info = images.inspect(photo)
    except ImageError:
        return 0  # decoding will say the same
    scale = images.side_to_find(info, min_face) / max(info.width, info.height)
    return round(info.width * info.height * scale**2)


def _outcomes(
    pipeline: Pipeline, photos: Sequence[bytes], min_face: float, choose: Choice | None
) -> list[Outcome]:
    """Outcomes of a batch. A photo that can't be decoded fails alone."""
    decoded = [_decoded(photo, min_face) for photo in photos]
    pictures = [image for image in decoded if isinstance(image, DecodedImage)]
    found = iter(_recognised(pipeline, pictures, min_face, choose))
    return [
        next(found) if isinstance(image, DecodedImage) else Outcome(None, (), image)
        for image in decoded
    ]


def _decoded(photo: bytes, min_face: float) -> DecodedImage | ImageError:
    try:
        return images.decode(photo, min_face=min_face)
    except ImageError as error:
        return error


def _recognised(
    pipeline: Pipeline, pictures: Sequence[DecodedImage], min_face: float, choose: Choice | None
) -> list[Outcome]:
    try:
        found = pipeline.detect(pictures, min_face=min_face)
        wanted: Sequence[Sequence[Detection]] = found
        if choose is not None:
            wanted = [choose(p.info, faces) for p, faces in zip(pictures, found, strict=True)]
        faces = pipeline.embed(pictures, wanted)
    except EmbedderError as error:
        if len(pictures) == 1:
            return [Outcome(pictures[0].info, (), error)]
        # One of them is bad: each finds out alone.
        alone = ([picture] for picture in pictures)
        return [_recognised(pipeline, one, min_face, choose)[0] for one in alone]
    return [Outcome(p.info, each) for p, each in zip(pictures, faces, strict=True)]
