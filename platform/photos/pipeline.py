"""The process's one pipeline: loaded at first use, shared by all threads.

torch is imported when a pipeline needs it, and never at Django's start-up.
"""

import logging
import os
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from time import perf_counter
from typing import TYPE_CHECKING

import numpy as np
from django.conf import settings
from django.db import DatabaseError

from common.errors import Unavailable
from common.logs import without_values
from embedder.errors import EmbedderError
from embedder.images import DecodedImage, decode, encode_jpeg
from embedder.stream import BATCH as MOST_IN_BATCH
from embedder.stream import Choice as StreamChoice
from embedder.stream import Outcome
from embedder.stream import stream as stream_photos
from embedder.types import Detection, Face, Quality
from people.catalogue import ModelChanged, catalogue, models_in_use, note_model

from .batching import Batcher
from .intake import SMALLEST_FACE

if TYPE_CHECKING:
    from embedder.pipeline import Pipeline

logger = logging.getLogger(__name__)

BLANK_SIDE = 256
# Pixels that are worked on together: 32 small photos; a large one is worked on alone.
BATCH_PIXELS = 2_100_000
# Photos of a stream that a run takes at once: nearly as fast as 32, and all runs get some.
STREAM_BATCH = 8
# Each run of the networks takes memory, up to 200 MB for a large photo.
MAX_RUNNERS = 8
# A network's many short steps each want the interpreter back. With Python's own 5 ms between turns
# they wait for the threads of other requests, or for the one that stores results, half of the time.
TURN_SECONDS = 0.0005
_loading = threading.Lock()
_pipelines: dict[str, "Pipeline"] = {}


@dataclass
class _Computing:
    """How the process shares its cores out; `runs` are those of a stream."""

    threads: int
    batches: Batcher
    runs: int = 1


_computing = _Computing(settings.TORCH_THREADS or os.cpu_count() or 1, Batcher(BATCH_PIXELS))


class ModelUnavailable(Unavailable):
    """The gallery's model is not installed in this process."""

    code = "model_unavailable"


def pipeline(model: str) -> "Pipeline":
    """The pipeline that makes this model's templates.

    Raises:
        ModelUnavailable: there is none of this name here, or another than before.
    """
    loaded = _pipelines.get(model)  # without the lock, which another model may hold for seconds
    if loaded is not None:
        return loaded
    with _loading:
        if model not in _pipelines:
            _pipelines[model] = _load(model)
        return _pipelines[model]


def detect(model: str, images: Sequence[DecodedImage]) -> list[list[Detection]]:
    """The faces of each image, widest first."""
    return _computing.batches.run(_Detect(pipeline(model)), images, _pixels(images))


def embed(
    model: str, images: Sequence[DecodedImage], detections: Sequence[Sequence[Detection]]
) -> list[list[Face]]:
    """The template and quality of each detection given."""
    pairs = list(zip(images, detections, strict=True))
    return _computing.batches.run(_Embed(pipeline(model)), pairs, _pixels(images))


def assess(model: str, image: DecodedImage, detections: Sequence[Detection]) -> list[Quality]:
    """The quality of each detection, without its template; too little work to queue for."""
    return pipeline(model).assess(image, detections)


# Which of the faces found are wanted.
Choice = Callable[[Sequence[Detection]], Sequence[Detection]]


@dataclass(frozen=True, slots=True)
class Recognised:
    """The faces chosen on a photo, and how many seconds its batch took to detect and to embed."""

    faces: list[Face]
    detecting: float
    embedding: float


def recognise(model: str, image: DecodedImage, choose: Choice) -> Recognised:
    """Detect, choose and embed as one job, so that a lookup queues once and batches stay whole."""
    work = _Recognise(pipeline(model))
    return _computing.batches.run(work, [(image, choose)], _pixels([image]))[0]


@dataclass(frozen=True)
class _Recognise:
    """Both halves of the work; of one pipeline it is the same for all callers."""

    pipeline: "Pipeline"

    def __call__(self, pairs: Sequence[tuple[DecodedImage, Choice]]) -> list[Recognised]:
        images = [image for image, _ in pairs]
        before = perf_counter()
        found = self.pipeline.detect(images, min_face=SMALLEST_FACE)
        chosen = [choose(each) for (_, choose), each in zip(pairs, found, strict=True)]
        between = perf_counter()
        faces = self.pipeline.embed(images, chosen)
        after = perf_counter()
        return [Recognised(each, between - before, after - between) for each in faces]


@dataclass(frozen=True)
class _Detect:
    """The first half."""

    pipeline: "Pipeline"

    def __call__(self, images: Sequence[DecodedImage]) -> list[list[Detection]]:
        return self.pipeline.detect(images, min_face=SMALLEST_FACE)


@dataclass(frozen=True)
class _Embed:
    """The other half."""

    pipeline: "Pipeline"

    def __call__(
        self, pairs: Sequence[tuple[DecodedImage, Sequence[Detection]]]
    ) -> list[list[Face]]:
        images, detections = zip(*pairs, strict=True) if pairs else ((), ())
        return self.pipeline.embed(images, detections)


def _pixels(images: Sequence[DecodedImage]) -> int:
    return sum(image.pixels.shape[0] * image.pixels.shape[1] for image in images)


def stream(
    model: str, photos: Iterable[bytes], choose: StreamChoice | None = None, count: int = 0
) -> Iterator[Outcome]:
    """What becomes of each photo, in order; several batches of them are computed at once.

    `choose` says which of the faces found are wanted, by default all. Where `count` of them are
    known to come and that is many, more go through the networks together, a tenth faster.
    """
    return stream_photos(
        pipeline(model),
        photos,
        min_face=SMALLEST_FACE,
        choose=choose,
        runs=_computing.runs,
        batch=min(max(STREAM_BATCH, count // (2 * _computing.runs)), MOST_IN_BATCH),
        ahead=_computing.runs,
        max_pixels=settings.MAX_PIXELS,
    )


def stream_length() -> int:
    """How many photos keep all runs of a stream busy."""
    return STREAM_BATCH * max(2, _computing.runs)


def work_in_bulk() -> None:
    """For a process that works on streams of photos: a run of one thread for each core."""
    sys.setswitchinterval(TURN_SECONDS)
    _computing.runs = min(_computing.threads, MAX_RUNNERS)
    _computing.threads = 1


def answer_many() -> None:
    """For a process that answers many callers: a run for each core, instead of all for one run.

    A single photo is no slower so: with two threads the parts of its work are too small to share.
    """
    sys.setswitchinterval(TURN_SECONDS)
    _computing.threads = settings.TORCH_THREADS or 1
    runners = (os.cpu_count() or 1) // _computing.threads
    _computing.batches = Batcher(BATCH_PIXELS, min(max(1, runners), MAX_RUNNERS))


def warm_up() -> None:
    """Load the pipelines of all galleries now, and let each see a first, blank picture."""
    blank = decode(encode_jpeg(np.full((BLANK_SIDE, BLANK_SIDE, 3), 127, np.uint8)))
    try:
        for model in models_in_use():
            _warm_up(model, blank)
    except DatabaseError as error:
        # It may come later; then the first photo loads them.
        logger.warning("no networks are loaded yet: %s", without_values(error))


def _warm_up(model: str, picture: DecodedImage) -> None:
    try:
        detect(model, [picture])
    except ModelUnavailable as problem:
        logger.warning("%s", problem.detail)


def _load(model: str) -> "Pipeline":
    found = catalogue()
    try:
        loaded = found.load_pipeline(model, threads=_computing.threads)
        note_model(found.model(model))
    except ModelChanged as problem:
        raise ModelUnavailable(problem.detail) from problem
    except EmbedderError as error:
        raise ModelUnavailable(
            f"The model {model!r} can't be used on this server. {error}"
        ) from error
    logger.info("loaded %s on %d threads", loaded.model, _computing.threads)
    return loaded
