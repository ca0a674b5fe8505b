"""What the portal's first page shows: each gallery, and for site administrators the installation.

Galleries are read in a fixed number of queries, however many there are. The parts of the
installation are asked all at once, for a few seconds at most, and remembered for a moment, so that
many who look cost no more than one.
"""

from __future__ import annotations

import shutil
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import date, timedelta
from threading import Lock
from time import monotonic
from typing import Any

from django.conf import settings
from django.db.models import Count, F, Min, Q
from django.utils import timezone

from accounts.actors import Actor
from identification.drift import since
from identification.models import SearchDay
from imports.jobs import visible_jobs
from imports.models import JobState
from people.access import roles_of
from people.models import Gallery, Person, Role
from photos.models import Photo, PhotoState
from reviews.models import Review
from reviews.models import State as ReviewState
from vectors.models import ActiveIndex, PersonTemplate, Placement, VectorOutbox
from vectors.outbox import not_loading
from vectors.sizes import lasting
from vectors.status import NOT_MADE

from .checks import broker, database, imports, index, storage, telemetry, workers
from .models import CLOCK, WorkerHeartbeat
from .parts import Check, Part, Question

LOOKUP_DAYS = 14
PATIENCE = 5.0
REMEMBERED_SECONDS = 5.0


# --- Galleries ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class IndexFigures:
    """The index that a gallery is searched in, which others may share.

    `wrong`: how many entries were not what they should be when it was last reconciled.
    """

    state: str = NOT_MADE
    pending: int = 0
    lag_seconds: float = 0.0
    recall: float | None = None
    measured_at: Any = None
    reconciled_at: Any = None
    wrong: int | None = None


@dataclass(slots=True)
class LookupDay:
    """The lookups of a day (UTC), and how the faces in them were decided."""

    day: date
    searches: int = 0
    faces: int = 0
    decisions: Counter[str] = field(default_factory=Counter)

    def add(self, counted: SearchDay) -> None:
        """What was counted of one model and calibration."""
        self.searches += counted.searches + counted.others
        self.faces += counted.faces
        self.decisions.update(counted.decisions)


@dataclass(frozen=True, slots=True)
class GalleryFigures:
    """A gallery; None is what one's role there doesn't show."""

    gallery: Gallery
    role: Role
    people: int
    templates: int
    index: IndexFigures
    open_reviews: int | None
    running_imports: int | None
    lookups: list[LookupDay] | None


def gallery_figures(actor: Actor) -> list[GalleryFigures]:
    """Of all galleries that the actor sees, by name."""
    roles = roles_of(actor)
    if not roles:
        return []
    galleries = [gallery for gallery, _ in roles]
    sizes, indexes = _sizes.of(galleries), _indexes(galleries)
    reviewed = [gallery.pk for gallery, role in roles if role.rank >= Role.REVIEWER.rank]
    days, reviews = _lookups(reviewed), _open_reviews(reviewed)
    running = _running_imports(actor)
    return [
        GalleryFigures(
            gallery=gallery,
            role=role,
            people=sizes[gallery.pk][0],
            templates=sizes[gallery.pk][1],
            index=indexes.get(gallery.pk, IndexFigures()),
            open_reviews=reviews.get(gallery.pk, 0) if gallery.pk in reviewed else None,
            running_imports=(
                running.get(gallery.pk, 0) if role.rank >= Role.OPERATOR.rank else None
            ),
            lookups=days[gallery.pk] if gallery.pk in reviewed else None,
        )
        for gallery, role in roles
    ]


class Sizes:
    """How many people and active templates galleries have. Large counts are remembered a while."""

    def __init__(self) -> None:
        self._known: dict[int, tuple[tuple[int, int], float]] = {}

    def of(self, galleries: Iterable[Gallery]) -> dict[int, tuple[int, int]]:
        """By the gallery's key; two queries for those that are not remembered."""
        now = monotonic()
        wanted = [each.pk for each in galleries]
        stale = [pk for pk in wanted if self._known.get(pk, ((), 0.0))[1] <= now]
        for pk, counts in self._count(stale).items():
            self._known[pk] = (counts, now + lasting(max(counts)))
        return {pk: self._known[pk][0] for pk in wanted}

    def _count(self, keys: list[int]) -> dict[int, tuple[int, int]]:
        if not keys:
            return {}
        people = _by_gallery(Person.objects.filter(gallery__in=keys), "gallery")
        templates = _by_gallery(
            PersonTemplate.objects.filter(
                person__gallery__in=keys, person__active=True, model=F("person__gallery__model")
            ),
            "person__gallery",
        )
        return {pk: (people.get(pk, 0), templates.get(pk, 0)) for pk in keys}


_sizes = Sizes()


def _by_gallery(rows: Any, gallery: str) -> dict[int, int]:
    return dict(rows.order_by().values_list(gallery).annotate(number=Count("pk")))


def _open_reviews(keys: list[int]) -> dict[int, int]:
    return _by_gallery(Review.objects.filter(gallery__in=keys, state=ReviewState.OPEN), "gallery")


def _running_imports(actor: Actor) -> dict[int, int]:
    return _by_gallery(visible_jobs(actor).filter(state=JobState.RUNNING), "gallery")


def _lookups(keys: list[int]) -> dict[int, list[LookupDay]]:
    first = since(LOOKUP_DAYS)
    days = [first + timedelta(days=number) for number in range(LOOKUP_DAYS)]
    found = {pk: {day: LookupDay(day) for day in days} for pk in keys}
    rows = SearchDay.objects.filter(gallery__in=keys, day__gte=first)
    shown = rows.only("gallery_id", "day", "searches", "others", "faces", "decisions")
    for each in shown:
        if each.day in found[each.gallery_id]:
            found[each.gallery_id][each.day].add(each)
    return {pk: list(by_day.values()) for pk, by_day in found.items()}


def _indexes(galleries: list[Gallery]) -> dict[int, IndexFigures]:
    keys = [each.pk for each in galleries]
    active = ActiveIndex.objects.filter(gallery__in=keys).select_related("generation")
    generations = {each.gallery_id: each.generation for each in active}
    measured = {
        each.gallery_id: each
        for each in Placement.objects.filter(
            gallery__in=keys, gallery__active_index__generation=F("generation")
        )
    }
    behind = _behind({each.pk for each in generations.values()})
    now = timezone.now()
    found = {}
    for pk, generation in generations.items():
        pending, oldest = behind.get(generation.pk, (0, None))
        placement = measured.get(pk)
        found[pk] = IndexFigures(
            state=generation.state,
            pending=pending,
            lag_seconds=round((now - oldest).total_seconds(), 1) if oldest else 0.0,
            recall=placement.recall if placement else None,
            measured_at=placement.measured_at if placement else None,
            reconciled_at=generation.reconciled_at,
            wrong=generation.reconciled_wrong,
        )
    return found


def _behind(generations: set[int]) -> dict[int, tuple[int, Any]]:
    """How many changes each has before it, and since when; as `vectors.selectors.lag` counts."""
    counts: dict[int, int] = defaultdict(int)
    oldest: dict[int, list[Any]] = defaultdict(list)
    for notes in (VectorOutbox.objects.all(), not_loading()):
        rows = notes.filter(generation__in=generations).order_by().values_list("generation")
        for pk, number, first in rows.annotate(number=Count("pk"), oldest=Min("dirty_since")):
            counts[pk] += number
            oldest[pk].append(first)
    return {pk: (number, min(oldest[pk])) for pk, number in counts.items()}


# --- The installation -----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Disk:
    """A disk that Likeness keeps something on."""

    holds: str
    free_bytes: int
    total_bytes: int


@dataclass(frozen=True, slots=True)
class Installation:
    """Each part, and figures; None where they could not be read in time."""

    parts: list[Part]
    queues: dict[str, int] | None
    photos: dict[str, int] | None
    workers: list[WorkerHeartbeat] | None
    disks: list[Disk] | None


class Board:
    """Asks everything at once, and remembers it for a moment."""

    def __init__(self, checks: list[Check], figures: dict[str, Callable[[], Any]]) -> None:
        self._checks = checks
        self._figures = {name: Question(ask) for name, ask in figures.items()}
        self._lock = Lock()
        self._until = 0.0
        self._last = Installation([], None, None, None, None)

    def installation(self) -> Installation:
        """As it is now, or was a moment ago."""
        with self._lock:
            if monotonic() > self._until:
                self._last = self._ask()
                self._until = monotonic() + REMEMBERED_SECONDS
            return self._last

    def _ask(self) -> Installation:
        until = monotonic() + PATIENCE
        for check in self._checks:
            check.begin()
        for question in self._figures.values():
            question.begin()
        parts = [check.result(until) for check in self._checks]
        figures = {name: _answer(each, until) for name, each in self._figures.items()}
        return Installation(parts, **figures)


def _answer(question: Question[Any], until: float) -> Any:
    try:
        return question.answer(until)
    except Exception:  # noqa: BLE001 - the parts say what is wrong; the others' figures count
        return None


def _photos() -> dict[str, int]:
    """Those that wait, or are in a worker's hands."""
    states = (PhotoState.RECEIVED, PhotoState.PROCESSING)
    found = Photo.objects.filter(state__in=states).aggregate(
        **{state.value: Count("pk", filter=Q(state=state)) for state in states}
    )
    return {state.value: found[state.value] for state in states}


def _workers() -> list[WorkerHeartbeat]:
    return list(WorkerHeartbeat.objects.exclude(name=CLOCK).order_by("name"))


def _disks() -> list[Disk]:
    """Of the data folder, and of the photos if theirs is another one."""
    folders = {"data": settings.VAR_DIR, "photos": settings.MEDIA_ROOT}
    devices: dict[int, Disk] = {}
    for holds, folder in folders.items():
        usage = shutil.disk_usage(folder)
        devices.setdefault(folder.stat().st_dev, Disk(holds, usage.free, usage.total))
    return list(devices.values())


def _checks() -> list[Check]:
    return [
        Check("database", database.database),
        Check("media folder", storage.media),
        Check("disk space", storage.disk),
        Check("broker", broker.broker),
        Check("workers", workers.workers),
        Check("clock", workers.clock),
        Check("photos", workers.waiting_photos),
        Check("imports", imports.running_imports),
        Check("milvus", index.milvus_server),
        Check("index", index.index_state),
        Check("index lag", index.index_lag),
        Check("recall", index.recall),
        Check("rebuilds", index.rebuilds),
        Check("calibration", telemetry.calibration),
    ]


board = Board(
    _checks(),
    {
        "queues": broker.queue_lengths,
        "photos": _photos,
        "workers": _workers,
        "disks": _disks,
    },
)
