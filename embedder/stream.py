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
from typing import TYPE_CHECKING, TypeVar

from embedder import images
from embedder.errors import EmbedderError, ImageError
from embedder.images import DecodedImage, ImageInfo
from embedder.memory import give_back_free_memory
from embedder.types import Detection, Face

if TYPE_CHECKING:
    from embedder.pipeline import Pipeline

T = TypeVar("T")

BATCH = 32
BATCH_PIXELS = 2_100_000
"""Pixels that are worked on together: 32 small photos; a large one is worked on alone."""

BATCH_BYTES = 32 * 1024 * 1024
"""Files that wait together: a small picture may come in a large file."""

TIDY_BATCHES = 8
"""After so many batches free memory goes back to the system; more often costs time."""

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
    batch: int = BATCH,
    ahead: int = 1,
    max_pixels: int = images.MAX_PIXELS,
) -> Iterator[Outcome]:
    """The outcome of each photo, in the order of the photos, which are read as they are needed.

    `runs` batches are computed at once, by default one on each core, for which the pipeline is
    to be loaded with one thread. At most `ahead` batches more are in memory, as files: what the
    runs go on with while the caller is busy with outcomes. A batch has up to `batch` photos; one
    of more than `max_pixels` is refused.
    """
    work = _Work(pipeline, min_face, choose, max_pixels)
    return in_batches(photos, work.outcomes, min_face=min_face, runs=runs, batch=batch, ahead=ahead)


def in_batches(
    photos: Iterable[bytes],
    outcomes: Callable[[Sequence[bytes]], Sequence[T]],
    *,
    min_face: float = 40.0,
    runs: int | None = None,
    batch: int = BATCH,
    ahead: int = 1,
) -> Iterator[T]:
    """What `outcomes` makes of each photo, a batch of photos at a time; otherwise as `stream`."""
    runs = runs or cores()
    with ThreadPoolExecutor(runs, thread_name_prefix="stream") as pool:
        waiting: deque[Future[Sequence[T]]] = deque()
        try:
            for number, members in enumerate(_batches(photos, min_face, batch), start=1):
                waiting.append(pool.submit(outcomes, members))
                if len(waiting) >= runs + ahead:
                    yield from waiting.popleft().result()
                if number % TIDY_BATCHES == 0:
                    give_back_free_memory()
            while waiting:
                yield from waiting.popleft().result()
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def cores() -> int:
    """Cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _batches(photos: Iterable[bytes], min_face: float, most: int) -> Iterator[list[bytes]]:
    """Photos in turn, as many together as `most`, `BATCH_PIXELS` and `BATCH_BYTES` allow."""
    batch: list[bytes] = []
    filled = size = 0
    for photo in photos:
        pixels = _pixels(photo, min_face)
        is_full = filled + pixels > BATCH_PIXELS or size + len(photo) > BATCH_BYTES
        if batch and (len(batch) == most or is_full):
            yield batch
            batch, filled, size = [], 0, 0
        batch.append(photo)
        filled += pixels
        size += len(photo)
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


@dataclass(frozen=True, slots=True)
class _Work:
    """What is done with each batch."""

    pipeline: Pipeline
    min_face: float
    choose: Choice | None
    max_pixels: int

    def outcomes(self, photos: Sequence[bytes]) -> list[Outcome]:
        """Outcomes of a batch. A photo that can't be decoded fails alone."""
        decoded = [decoded_or_error(photo, self.min_face, self.max_pixels) for photo in photos]
        pictures = [image for image in decoded if isinstance(image, DecodedImage)]
        found = iter(self._recognised(pictures))
        return [
            next(found) if isinstance(image, DecodedImage) else Outcome(None, (), image)
            for image in decoded
        ]

    def _recognised(self, pictures: Sequence[DecodedImage]) -> list[Outcome]:
        try:
            faces = self.pipeline.embed(pictures, self._chosen(pictures))
        except EmbedderError as error:
            if len(pictures) == 1:
                return [Outcome(pictures[0].info, (), error)]
            # One of them is bad: each finds out alone.
            return [self._recognised([picture])[0] for picture in pictures]
        return [Outcome(p.info, each) for p, each in zip(pictures, faces, strict=True)]

    def _chosen(self, pictures: Sequence[DecodedImage]) -> Sequence[Sequence[Detection]]:
        found = self.pipeline.detect(pictures, min_face=self.min_face)
        if self.choose is None:
            return found
        return [self.choose(p.info, faces) for p, faces in zip(pictures, found, strict=True)]


def decoded_or_error(photo: bytes, min_face: float, max_pixels: int) -> DecodedImage | ImageError:
    """The picture, no larger than it takes to find its faces, or why there is none."""
    try:
        return images.decode(photo, min_face=min_face, max_pixels=max_pixels)
    except ImageError as error:
        return error
