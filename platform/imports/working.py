"""What a worker does with the jobs: plan, list, read, detect, embed, store, undo.

A job is worked on in turns of some seconds, the one of the highest priority first. Files are
claimed in their order in the source, go through the networks in a stream, and are stored some at a
time, each group in one transaction with its results. So a run may die anywhere and be repeated.
"""

from __future__ import annotations

import hashlib
import logging
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from time import monotonic
from uuid import UUID, uuid4

from django.db import transaction
from django.db.models import F
from django.utils import timezone

from common.errors import Problem
from embedder.errors import ImageError
from embedder.stream import Outcome
from photos import pipeline
from photos.intake import bad_photo
from photos.pipeline import ModelUnavailable

from .jobs import give_back
from .models import UNDER_WAY, ImportItem, ImportJob, ItemState, JobState
from .reading import fail_job, list_files, open_source, plan
from .sources import Entry, Refused, Source
from .storing import Fresh, finish, known_photo, result_of, store
from .undoing import undo_some

logger = logging.getLogger(__name__)

TURN_SECONDS = 5.0
# Files that are claimed together, for each run of the networks; and stored together.
CLAIMED, STORED = 64, 32
# A file in hand is stored, or given back, long before.
LEASE = timedelta(minutes=5)


def work(worker: str = "", seconds: float = TURN_SECONDS) -> bool:
    """Bring the jobs on for some seconds; whether there is more to do."""
    end = monotonic() + seconds
    while monotonic() < end:
        if not _step(worker):
            return False
    return True


def _step(worker: str) -> bool:
    """One step of the job that comes first; whether there was one."""
    waiting = ImportJob.objects.filter(
        state__in=[JobState.PLANNING, JobState.RUNNING, JobState.UNDOING]
    )
    for job in waiting.select_related("gallery").order_by("-priority", "pk"):
        if _bring_on(job, worker):
            return True
    return False


def _bring_on(job: ImportJob, worker: str) -> bool:
    if job.state == JobState.PLANNING:
        plan(job)
        return True
    if job.state == JobState.UNDOING:
        undo_some(job)
        return True
    if not job.listed:
        list_files(job)
        return True
    return _import_some(job, worker) or _end(job)


@transaction.atomic
def _end(job: ImportJob) -> bool:
    """Say that a job is done, if none of its files is in anybody's hands; whether it is."""
    running = ImportJob.objects.select_for_update().filter(pk=job.pk, state=JobState.RUNNING)
    if not running.exists() or job.items.filter(state__in=UNDER_WAY).exists():
        return False
    return bool(running.update(state=JobState.DONE, finished_at=timezone.now()))


# --- Claiming -------------------------------------------------------------------------------------


@transaction.atomic
def claim(job: ImportJob, limit: int, worker: str) -> tuple[UUID, list[ImportItem]]:
    """Take the next files of a job, if it still runs. One that failed before is taken alone."""
    is_running = ImportJob.objects.filter(pk=job.pk, state=JobState.RUNNING).exists()
    waiting = job.items.filter(state=ItemState.WAITING).order_by("number")
    rows = list(waiting.select_for_update(skip_locked=True)[:limit]) if is_running else []
    chosen = [item for item in rows if not item.attempts] or rows[:1]
    lease = uuid4()
    ImportItem.objects.filter(pk__in=[item.pk for item in chosen]).update(
        state=ItemState.WORKING,
        lease=lease,
        leased_until=timezone.now() + LEASE,
        leased_by=worker,
        attempts=F("attempts") + 1,
    )
    return lease, list(ImportItem.objects.filter(lease=lease).order_by("number"))


def put_back(lease: UUID) -> None:
    """Give back what a run has not brought to a result; that is no attempt."""
    ImportItem.objects.filter(lease=lease).update(
        state=ItemState.WAITING, lease=None, leased_until=None, attempts=F("attempts") - 1
    )


@transaction.atomic
def fail(item: ImportItem, lease: UUID, reason: str) -> None:
    """Give a file back after an error, or after three of them up."""
    held = ImportItem.objects.select_for_update().filter(pk=item.pk, lease=lease).first()
    if held is not None:
        give_back(held, reason)


# --- Working --------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Read:
    """A file in hand."""

    item: ImportItem
    data: bytes
    sha256: str


def _import_some(job: ImportJob, worker: str) -> bool:
    """The next files of a job; whether there were any."""
    lease, items = claim(job, CLAIMED * max(1, pipeline.stream_length() // 16), worker)
    if not items:
        return False
    try:
        with open_source(job) as source:
            _stream(job, source, items, lease)
    except ModelUnavailable as problem:
        logger.error("import %s waits: %s", job.public_id, problem.detail)
        put_back(lease)
        return False
    except Problem as problem:
        put_back(lease)
        fail_job(job, problem)
    except Exception as error:
        for item in items:
            fail(item, lease, f"with {type(error).__name__}")
        raise
    put_back(lease)
    return True


def _stream(job: ImportJob, source: Source, items: Sequence[ImportItem], lease: UUID) -> None:
    in_hand: deque[_Read] = deque()
    ready: list[Fresh] = []

    def contents() -> Iterator[bytes]:
        for read in _contents(job, source, items, lease):
            in_hand.append(read)
            yield read.data

    for outcome in pipeline.stream(job.gallery.model, contents(), None, len(items)):
        read = in_hand.popleft()
        fresh = _judged(read, outcome, lease)
        if fresh is not None:
            ready.append(fresh)
        if len(ready) >= STORED:
            _store(job, ready, lease)
            ready = []
    _store(job, ready, lease)


def _contents(
    job: ImportJob, source: Source, items: Sequence[ImportItem], lease: UUID
) -> Iterator[_Read]:
    """The files that are new; those that can't be read, or are there already, have their result."""
    by_number = {item.number: item for item in items}
    entries = [Entry(item.number or 0, item.name, item.size, item.key) for item in items]
    for entry, data in source.read(entries):
        item = by_number[entry.number]
        if isinstance(data, Refused):
            finish(item, lease, ItemState.REJECTED, data.code, data.sentence)
            continue
        sha256 = hashlib.sha256(data).hexdigest()
        known = known_photo(job, item, sha256)
        if known is None:
            yield _Read(item, data, sha256)
        else:
            finish(item, lease, *result_of(known, is_new=False), photo=known, sha256=sha256)


def _judged(read: _Read, outcome: Outcome, lease: UUID) -> Fresh | None:
    """What is to be stored; None if the file has its result, or is tried again."""
    if isinstance(outcome.error, ImageError):
        problem = bad_photo(outcome.error)
        finish(
            read.item, lease, ItemState.REJECTED, problem.code, problem.detail, sha256=read.sha256
        )
    elif outcome.error is not None or outcome.info is None:
        logger.error("a file could not be embedded", exc_info=outcome.error)
        fail(read.item, lease, f"with {type(outcome.error).__name__}")
    else:
        return Fresh(read.item, read.data, read.sha256, outcome.info, outcome.faces)
    return None


def _store(job: ImportJob, ready: Sequence[Fresh], lease: UUID) -> None:
    if not ready:
        return
    try:
        store(job, ready, lease)
    except Problem:
        raise
    except Exception as error:
        if len(ready) == 1:
            logger.exception("a file could not be stored")
            fail(ready[0].item, lease, f"with {type(error).__name__}")
            return
        # One of them is bad: each finds out alone.
        for each in ready:
            _store(job, [each], lease)
