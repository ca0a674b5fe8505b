"""The workers, the clock, and the photos that wait for them."""

from collections.abc import Sequence

from amqp.exceptions import AMQPError
from celery import current_app
from django.db import DatabaseError
from django.db.models import Count, Min
from django.utils import timezone
from kombu.exceptions import KombuError

from common.queue import connected
from operations.models import CLOCK, WorkerHeartbeat
from operations.parts import Part, duration, failed, ok, warning
from photos.models import Photo, PhotoState

from .broker import queue_names

# The sweep is due every 5 s, in a worker that may be busy with something longer.
CLOCK_SECONDS = 60.0
WAITING_SECONDS = 600.0
# A worker of the solo pool answers between tasks; a chunk of photos takes some seconds.
ASKING_SECONDS = 6.0

_START = (
    "Start one (`make run`, or `manage.py start photos|index|maintenance|imports`); its log says "
    "why it ended."
)


def workers() -> Part:
    """Is there a living worker for every queue, as far as their rows say?"""
    rows = _rows()
    if rows is None:
        return failed("workers", "their rows can't be read", "See the database.")
    return _unserved(rows) or ok("workers", _named([row for row in rows if row.is_fresh]))


def answering_workers() -> Part:
    """The same, and each is asked through the broker: its row alone doesn't show that it hears."""
    rows = _rows()
    if rows is None:
        return failed("workers", "their rows can't be read", "See the database.")
    missing = _unserved(rows)
    if missing:
        return missing
    fresh = [row for row in rows if row.is_fresh]
    answered = _answers(len(fresh))
    if answered is None:
        return warning("workers", f"{_named(fresh)} live but can't be asked", "See the broker.")
    silent = [row for row in fresh if row.name not in answered]
    deaf = [row for row in silent if not row.task]
    if deaf:
        return failed(
            "workers",
            f"{_named(deaf)} lives but does not hear the broker",
            "Restart it; does its CELERY_BROKER_URL name the same broker?",
        )
    busy = f"; {_busy(silent)}" if silent else " answer"
    return ok("workers", f"{_named(fresh)}{busy}")


def _rows() -> list[WorkerHeartbeat] | None:
    try:
        return list(WorkerHeartbeat.objects.exclude(name=CLOCK))
    except DatabaseError:
        return None


def _unserved(rows: Sequence[WorkerHeartbeat]) -> Part | None:
    served = {queue for row in rows if row.is_fresh for queue in row.queue_names}
    missing = [name for name in queue_names() if name not in served]
    if not missing:
        return None
    lost = [row for row in rows if not row.is_fresh and set(row.queue_names) & set(missing)]
    seen = "".join(f"; last seen: {row.name}, {duration(row.age)} ago" for row in lost)
    return failed("workers", f"nobody takes tasks from {', '.join(missing)}{seen}", _START)


def _answers(count: int) -> set[str] | None:
    """The names of those that answer through the broker; None if that is away."""
    try:
        with connected() as link:
            inspect = current_app.control.inspect(
                timeout=ASKING_SECONDS, limit=count, connection=link
            )
            return set(inspect.ping() or {})
    except (KombuError, AMQPError, OSError, ValueError):
        return None


def _busy(rows: Sequence[WorkerHeartbeat]) -> str:
    now = timezone.now()
    return ", ".join(
        f"{row.name} is busy with {row.task} for "
        f"{duration((now - (row.task_since or now)).total_seconds())}"
        for row in rows
    )


def _named(rows: Sequence[WorkerHeartbeat]) -> str:
    return ", ".join(row.name for row in rows)


def clock() -> Part:
    """Has the sweep run lately, which the clock (beat) asks for?"""
    try:
        row = WorkerHeartbeat.objects.filter(name=CLOCK).first()
    except DatabaseError:
        return failed("clock", "its row can't be read", "See the database.")
    remedy = "Start beat (`make run`, or `manage.py start beat`) and an index worker."
    if row is None:
        return failed("clock", "has never ticked", remedy)
    if row.age > CLOCK_SECONDS:
        return failed("clock", f"the last tick was {duration(row.age)} ago", remedy)
    return ok("clock", f"the last tick was {duration(row.age)} ago")


def waiting_photos() -> Part:
    """Does a photo wait for longer than it should?"""
    waiting = Photo.objects.filter(state=PhotoState.RECEIVED)
    try:
        found = waiting.aggregate(count=Count("id"), oldest=Min("updated_at"))
    except DatabaseError:
        return failed("photos", "can't be read", "See the database.")
    if not found["count"]:
        return ok("photos", "none waits")
    age = (timezone.now() - found["oldest"]).total_seconds()
    detail = f"{found['count']} wait, the oldest for {duration(age)}"
    if age < WAITING_SECONDS:
        return ok("photos", detail)
    return warning(
        "photos", detail, "Are the workers well? More of them: `manage.py up --photo-workers 4`."
    )
