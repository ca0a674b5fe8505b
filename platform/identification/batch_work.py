"""What a worker does with the photos of batches: decode, detect, embed, search, decide.

Photos of whatever batches go through the networks together, on all cores; meanwhile those that came
out are searched for, all faces of a batch in one call. Each photo's answer and its entry in the
search log are one transaction. So a run may die anywhere and be repeated.
"""

import logging
from collections import defaultdict, deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import groupby, islice
from time import monotonic
from uuid import UUID

from django.conf import settings
from django.db import transaction

from common.errors import Problem
from common.uploads import too_large
from embedder.errors import ImageError
from embedder.images import DecodedImage, ImageInfo
from embedder.types import Face
from photos import pipeline
from photos.intake import bad_photo, decode_photo
from photos.pipeline import ModelUnavailable
from photos.selectors import photos_wait
from vectors.errors import IndexUnavailable
from vectors.selectors import require_ready

from .answers import identification_figures, without_names
from .batches import (
    claim,
    delete_finished_files,
    fail,
    finish,
    locked_if_leased,
    postpone,
    put_back,
    question_of,
    refuse,
    save_finished,
)
from .models import Batch, BatchItem
from .searches import Answered
from .services import Findings, Identification, Probes, Question, chosen, log, look_up
from .timing import Stopwatch

logger = logging.getLogger(__name__)

# Chunks of a turn; between turns the cores are idle for a moment. Where photos wait to be enrolled,
# a turn is as long as theirs.
TURN_CHUNKS = 16
# No photo is begun after so long, however large they are: others want their turn, and what is in
# hand is to be done before its lease runs out.
BEGUN_WITHIN = 3.0
# Photos, in chunks, and faces that are searched for together; crowds are many.
TOGETHER = 2
MOST_FACES = 256


@dataclass(frozen=True, slots=True)
class _Photo:
    """A photo in hand, and what is asked of it."""

    item: BatchItem
    asked: Question


@dataclass(frozen=True, slots=True)
class _Embedded:
    """The same with its faces."""

    item: BatchItem
    asked: Question
    info: ImageInfo
    faces: Sequence[Face]


def look_up_waiting(limit: int | None = None, worker: str = "") -> int:
    """Claim photos of batches for `worker` and bring each to its answer, or back to the queue.

    `limit` None takes as many as a turn has. Returns how many were taken.
    """
    lease, items = claim(limit or _turn(), worker)
    try:
        _look_up(items, lease)
    except Exception as error:
        # Whatever it was, the photos go back before the error is reported.
        fail(items, lease, f"with {type(error).__name__}")
        raise
    put_back(lease)
    delete_finished_files()
    return len(items)


def _turn() -> int:
    chunk = pipeline.stream_length()
    return chunk if photos_wait() else TURN_CHUNKS * chunk


def _look_up(items: Sequence[BatchItem], lease: UUID) -> None:
    end = monotonic() + BEGUN_WITHIN
    alike: dict[tuple[str, str], list[_Photo]] = defaultdict(list)
    for batch, members in groupby(items, key=lambda item: item.batch):
        photos = list(members)
        asked = _question(batch, photos, lease)
        if asked is not None:
            alike[asked.model, batch.faces] += [_Photo(item, asked) for item in photos]
    for (model, faces), together in alike.items():
        try:
            _stream(model, Probes(faces), together, lease, end)
        except ModelUnavailable as problem:
            # Nothing was begun: the model is looked for before the first photo is read.
            logger.error("%d photos of batches wait: %s", len(together), problem.detail)
            fail([each.item for each in together], lease, "its gallery's model could not be used")


def _question(batch: Batch, items: Sequence[BatchItem], lease: UUID) -> Question | None:
    """What is asked, if it can be answered now; else its photos wait, or have their problem."""
    try:
        asked = question_of(batch)
        if asked.people is None:
            require_ready(asked.galleries)
    except IndexUnavailable as problem:
        _postpone(batch, lease, problem)
    except Problem as problem:
        refuse(items, lease, problem)
    else:
        return asked
    return None


def _stream(model: str, faces: Probes, photos: Sequence[_Photo], lease: UUID, end: float) -> None:
    found: list[_Embedded] = []
    for embedded in _embedded(model, faces, photos, lease, end):
        found.append(embedded)
        if len(found) >= TOGETHER * pipeline.stream_length() or _count(found) >= MOST_FACES:
            _conclude(found, lease)
            found = []
    _conclude(found, lease)


def _embedded(
    model: str, faces: Probes, photos: Sequence[_Photo], lease: UUID, end: float
) -> Iterator[_Embedded]:
    """The photos with their faces; not those that failed, nor any that time was too short for."""
    in_hand: deque[_Photo] = deque()
    choose = partial(chosen, faces=faces)

    def contents() -> Iterator[bytes]:
        # Read as they are needed: all files of a claim at once could fill the memory.
        for photo in photos:
            if monotonic() > end:
                return
            data = _read(photo.item, lease)
            if data is not None:
                in_hand.append(photo)
                yield data

    for outcome in pipeline.stream(model, contents(), choose, len(photos)):
        photo = in_hand.popleft()
        if outcome.error is None and outcome.info is not None:
            yield _Embedded(photo.item, photo.asked, outcome.info, outcome.faces)
        elif isinstance(outcome.error, ImageError):
            # It was good when it came: the decoder or the limits have changed since.
            refuse([photo.item], lease, bad_photo(outcome.error))
        else:
            logger.error("a photo of a batch could not be embedded", exc_info=outcome.error)
            fail([photo.item], lease, f"with {type(outcome.error).__name__}")


def _read(item: BatchItem, lease: UUID) -> bytes | None:
    """The content of a photo's file; None if the photo is finished for want of it."""
    try:
        with item.file.open("rb") as stored:
            data: bytes = stored.read()
    except OSError as error:
        logger.warning("a photo of a batch cannot be read: %s", error)
        fail([item], lease, "its file could not be read")
        return None
    if len(data) > settings.MAX_UPLOAD_BYTES:
        refuse([item], lease, too_large())
        return None
    return data


def _count(found: Sequence[_Embedded]) -> int:
    return sum(len(each.faces) for each in found)


def _conclude(found: Sequence[_Embedded], lease: UUID) -> None:
    for batch, members in groupby(found, key=lambda each: each.item.batch):
        photos = list(members)
        watch = Stopwatch("identify_batch")
        faces = [face for each in photos for face in each.faces]
        try:
            findings = look_up(photos[0].asked, faces, watch)
        except IndexUnavailable as problem:
            _postpone(batch, lease, problem)
        else:
            _store(photos, findings, watch, lease)


@transaction.atomic
def _store(photos: Sequence[_Embedded], findings: Findings, watch: Stopwatch, lease: UUID) -> None:
    """Each photo's answer with its entry in the search log; those taken away have neither."""
    lookups = iter(findings.lookups)
    own = {each.item.pk: list(islice(lookups, len(each.faces))) for each in photos}
    held = locked_if_leased([each.item for each in photos], lease)
    stored = [each for each in photos if each.item.pk in held]
    with watch.stage("log"):
        answered = [
            Answered(each.item.sha256, own[each.item.pk], partial(_decoded, each.item))
            for each in stored
        ]
        entries = log(photos[0].asked, findings, answered)
    for each, entry in zip(stored, entries, strict=True):
        answer = Identification(
            entry.search,
            each.info,
            each.asked.model,
            findings.limits,
            findings.searched,
            each.asked.not_searched,
            own[each.item.pk],
            entry.reviews,
            watch.milliseconds(),
        )
        finish(held[each.item.pk], answer=without_names(identification_figures(answer)))
    save_finished(held.values())


def _decoded(item: BatchItem) -> DecodedImage:
    """The photo once more, for what a policy keeps of it."""
    with item.file.open("rb") as stored:
        return decode_photo(stored.read())


def _postpone(batch: Batch, lease: UUID, problem: IndexUnavailable) -> None:
    logger.warning("batch %s waits: %s", batch.public_id, problem.detail)
    postpone(batch, lease, problem.retry_after or 0)
