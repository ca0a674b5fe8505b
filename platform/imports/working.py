"""What a worker does with the jobs: plan, list, read, detect, embed, store, undo.

A job is worked on in turns of some seconds, the one of the highest priority first. Files are
claimed in their order in the source, go through the networks in a stream, and are stored some at a
time, each group in one transaction with its results. So a run may die anywhere and be repeated.
"""

from __future__ import annotations

import hashlib
import logging
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from itertools import islice
from time import monotonic
from typing import TypeAlias
from uuid import UUID, uuid4

from django.db import InterfaceError, OperationalError, transaction
from django.db.models import F
from django.utils import timezone

from common.errors import Problem
from common.leases import lease_out
from common.stopwatch import Stopwatch
from embedder.errors import ImageError
from embedder.stream import Outcome
from photos import pipeline
from photos.intake import bad_photo
from photos.pipeline import ModelUnavailable

from .jobs import give_back, waiting_jobs
from .limits import MEGABYTE
from .models import UNDER_WAY, ImportItem, ImportJob, ItemState, JobState
from .reading import fail_job, list_files, open_source, plan
from .sources import Entry, Refused, Source
from .storing import Changed, Fresh, Verdict, finish, known_photos, result_of, store
from .undoing import undo_some

logger = logging.getLogger(__name__)

# The cores are idle for a second when networks end and begin anew. What comes before this job ends
# its turn sooner.
TURN_SECONDS = 120.0
# Files that are claimed together, and, up to so many bytes, stored together.
CLAIMED, STORED, STORED_BYTES = 256, 128, 32 * MEGABYTE
# Files whose contents are in memory while the database is asked whether it knows them.
COMPARED, COMPARED_BYTES = 32, 16 * MEGABYTE
# A file in hand is stored, or given back, long before.
LEASE = timedelta(minutes=5)


IsOver: TypeAlias = Callable[[], bool]
"""Whether a turn is to end. Asked often, so it may show how far the work is, too."""


def work(
    worker: str = "", seconds: float = TURN_SECONDS, is_stopped: IsOver = lambda: False
) -> bool:
    """Bring the jobs on for some seconds, or until it is stopped; whether there is more to do."""
    end = monotonic() + seconds

    def is_over() -> bool:
        return is_stopped() or monotonic() >= end

    while not is_over():
        if not _step(worker, is_over):
            opened.close()
            return False
    return True


def _step(worker: str, is_over: IsOver = lambda: True) -> bool:
    """The next step of the job that comes first, until it is over; whether there was one."""
    return any(_bring_on(job, worker, is_over) for job in waiting_jobs())


def _bring_on(job: ImportJob, worker: str, is_over: IsOver) -> bool:
    if job.state == JobState.PLANNING:
        plan(job)
        return True
    if job.state == JobState.UNDOING:
        return _undo_some(job)
    if not job.listed:
        list_files(job)
        return True
    return _import_some(job, worker, is_over) or _end(job)


def _undo_some(job: ImportJob) -> bool:
    """Undo a part; one that can't be is tried again with the next turn, and stops no other job."""
    try:
        undo_some(job)
    except (InterfaceError, OperationalError):
        raise
    except Exception:
        logger.exception("import %s can't be undone now", job.public_id)
        return False
    return True


@transaction.atomic
def _end(job: ImportJob) -> bool:
    """Say that a job is done, if none of its files is in anybody's hands; whether it is."""
    running = ImportJob.objects.select_for_update().filter(pk=job.pk, state=JobState.RUNNING)
    if not running.exists() or job.items.filter(state__in=UNDER_WAY).exists():
        return False
    return bool(running.update(state=JobState.DONE, finished_at=timezone.now()))


# --- Claiming -------------------------------------------------------------------------------------


@transaction.atomic
def claim(
    job: ImportJob, limit: int, worker: str, lease: UUID, *, is_first: bool = True
) -> list[ImportItem]:
    """Take the next files of a job, as they were, if it still runs.

    A run goes on with it while no other job comes before it. Files that failed before come last,
    each alone, as a run's first claim.
    """
    is_running = ImportJob.objects.filter(pk=job.pk, state=JobState.RUNNING).exists()
    if not is_running or (not is_first and _another_comes_first(job)):
        return []
    waiting = job.items.filter(state=ItemState.WAITING).order_by("number")
    rows = waiting.select_for_update(skip_locked=True)
    chosen = list(rows.filter(attempts=0)[:limit])
    if not chosen and is_first:
        chosen = list(rows[:1])
    rows = ImportItem.objects.filter(pk__in=[item.pk for item in chosen])
    lease_out(rows, ItemState.WORKING, lease, LEASE, worker)
    return chosen


def _another_comes_first(job: ImportJob) -> bool:
    for other in waiting_jobs():
        if other.pk == job.pk:
            return False
        has_files = other.items.filter(state=ItemState.WAITING).exists()
        if other.state != JobState.RUNNING or not other.listed or has_files:
            return True
    return False


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


# --- The source -----------------------------------------------------------------------------------


class _Opened(threading.local):
    """The source of the job that this thread works on, kept open from one turn to the next.

    A compressed TAR archive is read from its beginning whenever it is opened.
    """

    _source: Source | None = None
    _of: object = None

    def source(self, job: ImportJob) -> Source:
        """Raises what `open_source` raises."""
        of = (job.pk, job.source)
        if self._source is None or self._of != of:
            self.close()
            self._source, self._of = open_source(job), of
        return self._source

    def close(self) -> None:
        """Nothing more is to be done, or it may not be what it was."""
        if self._source is not None:
            self._source.close()
        self._source = None


opened = _Opened()


# --- Working --------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Read:
    """A file in hand."""

    item: ImportItem
    data: bytes
    sha256: str


def _import_some(job: ImportJob, worker: str, is_over: IsOver) -> bool:
    """The next files of a job, until it is over; whether there were any."""
    run = _Run(job, worker, is_over)
    first = run.claim(is_first=True)
    if not first:
        return False
    try:
        run.bring_on(first)
    except ModelUnavailable as problem:
        logger.error("import %s waits: %s", job.public_id, problem.detail)
        put_back(run.lease)
        return False
    except Changed:
        pass  # what is in hand is put back, and taken anew as things are now
    except Problem as problem:
        opened.close()
        put_back(run.lease)
        fail_job(job, problem)
    except Exception as error:
        opened.close()
        run.give_up(error)
        raise
    put_back(run.lease)
    return True


class _Run:
    """A turn of one worker with one job: files stream through the networks, claim after claim."""

    def __init__(self, job: ImportJob, worker: str, is_over: IsOver) -> None:
        self.lease = uuid4()
        self._job, self._worker, self._is_over = job, worker, is_over
        self._in_hand: deque[_Read] = deque()
        self._ready: list[Fresh] = []
        self._clock = Stopwatch()
        self._files = 0

    def claim(self, *, is_first: bool = False) -> list[ImportItem]:
        """The next files."""
        items = claim(self._job, CLAIMED, self._worker, self.lease, is_first=is_first)
        self._files += len(items)
        return items

    def bring_on(self, first: Sequence[ImportItem]) -> None:
        """Read, detect, embed, store, from these files on. What is left is given back."""
        files = self._contents(first)
        outcomes = pipeline.stream(self._job.gallery.model, files, None, len(first))
        while (outcome := self._next(outcomes)) is not None:
            read = self._in_hand.popleft()
            self._judge(read, outcome)
            size = sum(len(each.data) for each in self._ready)
            if len(self._ready) >= STORED or size >= STORED_BYTES:
                self._store()
        self._store()
        logger.info(
            "import %s: %d files in %.1f s, import stages: %s",
            self._job.public_id,
            self._files,
            self._clock.total,
            self._clock.as_dict(),
        )

    def _next(self, outcomes: Iterator[Outcome]) -> Outcome | None:
        with self._clock.of("networks"):
            return next(outcomes, None)

    @contextmanager
    def _instead_of_networks(self, stage: str) -> Iterator[None]:
        """What is done whenever the networks can take more."""
        with self._clock.paused("networks"), self._clock.of(stage):
            yield

    def give_up(self, error: Exception) -> None:
        """Give back what is in hand, as after a failed attempt."""
        for item in ImportItem.objects.filter(lease=self.lease):
            fail(item, self.lease, f"with {type(error).__name__}")

    def _contents(self, items: Sequence[ImportItem]) -> Iterator[bytes]:
        """The files that are new; those that can't be read, or are known, have their result."""
        is_retried = any(item.attempts for item in items)
        while items:
            for read in self._unknown(items):
                self._in_hand.append(read)
                yield read.data
            if is_retried or self._is_over():
                return
            with self._instead_of_networks("claiming"):
                items = self.claim()

    def _unknown(self, items: Sequence[ImportItem]) -> Iterator[_Read]:
        files = self._read(items)
        while True:
            with self._instead_of_networks("reading"):
                read = list(_some(files))
            if not read:
                return
            with self._instead_of_networks("comparing"):
                unknown = self._compare(read)
            yield from unknown

    def _read(self, items: Sequence[ImportItem]) -> Iterator[_Read]:
        by_number = {item.number: item for item in items}
        entries = [Entry(item.number or 0, item.name, item.size, item.key) for item in items]
        refused: list[Verdict] = []
        for entry, data in opened.source(self._job).read(entries):
            item = by_number[entry.number]
            if isinstance(data, Refused):
                state = ItemState.REJECTED
                refused.append(Verdict(item, state, data.code, data.sentence))
            else:
                yield _Read(item, data, hashlib.sha256(data).hexdigest())
        finish(refused, self.lease)

    def _compare(self, read: Sequence[_Read]) -> Sequence[_Read]:
        """Those whose people have no photo of the same bytes; the others have their result."""
        found = known_photos(self._job, [(each.item, each.sha256) for each in read])
        known = [(each, found[each.item.pk]) for each in read if each.item.pk in found]
        finish(
            [
                Verdict(each.item, *result_of(photo, is_new=False), each.sha256, photo)
                for each, photo in known
            ],
            self.lease,
        )
        return [each for each in read if each.item.pk not in found]

    def _judge(self, read: _Read, outcome: Outcome) -> None:
        """Keep what is to be stored; else the file has its result now, or is tried again."""
        if isinstance(outcome.error, ImageError):
            problem = bad_photo(outcome.error)
            state = ItemState.REJECTED
            refused = Verdict(read.item, state, problem.code, problem.detail, read.sha256)
            finish([refused], self.lease)
        elif outcome.error is not None or outcome.info is None:
            logger.error("a file could not be embedded", exc_info=outcome.error)
            fail(read.item, self.lease, f"with {type(outcome.error).__name__}")
        else:
            found = Fresh(read.item, read.data, read.sha256, outcome.info, outcome.faces)
            self._ready.append(found)

    def _store(self) -> None:
        ready, self._ready = self._ready, []
        with self._clock.of("storing"):
            _store(self._job, ready, self.lease)
        self._is_over()  # for whoever shows how far it is; what is in hand is stored all the same


def _some(files: Iterator[_Read]) -> Iterator[_Read]:
    """The next few, as many as are compared at once."""
    size = 0
    for read in islice(files, COMPARED):
        size += len(read.data)
        yield read
        if size >= COMPARED_BYTES:
            return


def _store(job: ImportJob, ready: Sequence[Fresh], lease: UUID) -> None:
    if not ready:
        return
    try:
        store(job, ready, lease)
    except (Problem, Changed):
        raise
    except Exception as error:
        if len(ready) == 1:
            logger.exception("a file could not be stored")
            fail(ready[0].item, lease, f"with {type(error).__name__}")
            return
        # One of them is bad: each finds out alone.
        for each in ready:
            _store(job, [each], lease)
