"""The life of a job as people see it: made, started, paused, cancelled, undone; how far it is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import Case, Count, Min, Q, QuerySet, When
from django.utils import timezone

from accounts.actors import Actor
from audit.services import record
from common.errors import Conflict, NotFound
from common.leases import MAX_ATTEMPTS, expired, release
from common.queue import WORK_ON_IMPORTS, enqueue_on_commit
from people.access import galleries_where, require
from people.models import Gallery, Role

from .models import UNDER_WAY, ImportItem, ImportJob, ItemState, JobState
from .places import arrived, manifest_path
from .sources import check_allowed

# What is sent to the server, in pieces; all other sources are where they are.
SENT_KINDS = ("archive", "urls")
# What a layout's manifest is where it is sent, too.
SENT = "sent"

# From which states what somebody wants can be done, and what the job is then.
STEPS: dict[str, tuple[frozenset[str], JobState]] = {
    "start": (frozenset({JobState.PLANNED}), JobState.RUNNING),
    "pause": (frozenset({JobState.RUNNING}), JobState.PAUSED),
    "resume": (
        frozenset({JobState.PAUSED, JobState.CANCELLED, JobState.FAILED}),
        JobState.RUNNING,
    ),
    "cancel": (
        frozenset(
            {
                JobState.UPLOADING, JobState.PLANNING, JobState.PLANNED, JobState.RUNNING,
                JobState.PAUSED,
            }
        ),
        JobState.CANCELLED,
    ),
    "undo": (frozenset({JobState.DONE, JobState.CANCELLED, JobState.PAUSED}), JobState.UNDOING),
}  # fmt: skip


def make_job(
    actor: Actor,
    gallery: Gallery,
    source: dict[str, Any],
    layout: dict[str, Any],
    *,
    several_faces: str = "",
    priority: int = 0,
) -> ImportJob:
    """A job for a source that is there (it is planned next), or one that is to be sent.

    So is a manifest where the layout has `sent` for it.

    Raises:
        Forbidden: the actor enrols nobody in the gallery. SourceNotAllowed: by the settings.
    """
    require(actor, gallery, Role.OPERATOR)
    check_allowed(source)
    is_upload = awaits_source(source) or layout.get("manifest") == SENT
    with transaction.atomic():
        job = ImportJob.objects.create(
            gallery=gallery,
            actor=str(actor),
            state=JobState.UPLOADING if is_upload else JobState.PLANNING,
            source=source,
            layout=layout,
            several_faces=several_faces,
            priority=priority,
        )
        note(actor, "import.make", job, kind=source["kind"])
        enqueue_on_commit(WORK_ON_IMPORTS)
    return job


def awaits_source(source: dict[str, Any]) -> bool:
    """Whether it is still to be sent, or has not been said to be whole."""
    return source["kind"] in SENT_KINDS and "path" not in source


def _awaits_anything(job: ImportJob) -> bool:
    lacks_manifest = job.layout.get("manifest") == SENT and not manifest_path(job).exists()
    return awaits_source(job.source) or lacks_manifest


def visible_jobs(actor: Actor) -> QuerySet[ImportJob]:
    """Those of the galleries where the actor enrols people."""
    galleries = galleries_where(actor, Role.OPERATOR)
    return ImportJob.objects.filter(gallery__in=galleries).select_related("gallery")


def job_for(actor: Actor, public_id: UUID) -> ImportJob:
    """The job of this id, if the actor enrols people in its gallery. Raises NotFound."""
    job = visible_jobs(actor).filter(public_id=public_id).first()
    if job is None:
        raise NotFound("import")
    return job


def lock_job(job_id: int) -> ImportJob:
    """The job's row as it is now, locked until the transaction ends. Raises NotFound."""
    rows = ImportJob.objects.select_for_update(of=("self",)).select_related("gallery")
    job = rows.filter(pk=job_id).first()
    if job is None:
        raise NotFound("import")
    return job


@transaction.atomic
def change(actor: Actor, job: ImportJob, step: str) -> ImportJob:
    """Start, pause, resume, cancel or undo a job.

    One that failed goes on once its source is there again. Cancelling keeps what is done, and stops
    within one chunk; what a worker has in hand is given back by itself. Undoing removes what the
    job added, and only that.

    Raises:
        Forbidden: the actor may not; undoing takes an administrator, as erasing does.
        Conflict: the job is in a state in which that can't be done (`import_state`).
    """
    require(actor, job.gallery, Role.ADMIN if step == "undo" else Role.OPERATOR)
    job = lock_job(job.pk)
    allowed, then = STEPS[step]
    if job.state not in allowed:
        raise Conflict(
            f"An import that is {job.state} can't be told to {step}. {_advice(job)}",
            code="import_state",
        )
    _count_idle(job)
    job.state, job.code, job.text = then, "", ""
    if step == "start":
        job.started_at = timezone.now()
    if step == "resume" and job.started_at is None:
        # It was given up before anybody started it, or before all of it was there.
        job.state = JobState.UPLOADING if _awaits_anything(job) else JobState.PLANNING
        job.uploaded = arrived(job) if awaits_source(job.source) else job.uploaded
    job.finished_at = timezone.now() if step == "cancel" else None
    job.save()
    note(actor, f"import.{step}", job)
    enqueue_on_commit(WORK_ON_IMPORTS)
    return job


def _advice(job: ImportJob) -> str:
    """What can be done with it now."""
    if job.state == JobState.UPLOADING:
        return "Send what is missing, and say that it is uploaded."
    if job.state == JobState.PLANNING:
        return "Ask again once it is planned."
    steps = [step for step, (states, _) in STEPS.items() if job.state in states]
    return f"It can be told to {' or '.join(steps)}." if steps else "Make another one."


def _count_idle(job: ImportJob) -> None:
    """As it leaves a state in which it stood still: its rate is that of its work."""
    if job.started_at is not None and (stopped := job.stopped_at) is not None:
        since = max(stopped, job.started_at)
        job.idle_seconds += max((timezone.now() - since).total_seconds(), 0.0)


@transaction.atomic
def retry_failed(actor: Actor, job: ImportJob) -> int:
    """Try the files once more that failed three times. Returns how many."""
    require(actor, job.gallery, Role.OPERATOR)
    job = lock_job(job.pk)
    if job.state not in (JobState.DONE, JobState.PAUSED, JobState.RUNNING, JobState.CANCELLED):
        raise Conflict(f"The import is {job.state}.", code="import_state")
    count = job.items.filter(state=ItemState.FAILED).update(
        state=ItemState.WAITING, code="", text="", attempts=0
    )
    if count and job.state == JobState.DONE:
        _count_idle(job)
        job.state, job.finished_at = JobState.RUNNING, None
        job.save()
    note(actor, "import.retry", job, files=count)
    enqueue_on_commit(WORK_ON_IMPORTS)
    return count


def preview(job: ImportJob) -> dict[str, Any]:
    """How its plan understands the source.

    Raises:
        Conflict: there is no plan yet, or none any more (`import_state`).
    """
    if not job.plan or "understanding" not in job.plan:
        raise Conflict(
            f"The import is {job.state} and has no plan to look at. Ask again once it is planned.",
            code="import_state",
        )
    return {**job.plan, **job.plan["understanding"]}


def note(actor: Actor, action: str, job: ImportJob, **details: Any) -> None:
    """An entry of the audit log."""
    record(actor, action, f"import:{job.public_id}", job.gallery.public_id, **details)


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a job is. rate: files a second. seconds_left: None while nobody can say."""

    files: int
    waiting: int
    working: int
    enrolled: int
    duplicate: int
    review: int
    rejected: int
    failed: int
    rate: float | None
    seconds_left: float | None

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


def progress(job: ImportJob) -> Progress:
    """One query, by an index: cheap enough to be asked for every second."""
    return progress_of([job])[job.pk]


def progress_of(jobs: Sequence[ImportJob]) -> dict[int, Progress]:
    """The same of several jobs at once, by their keys."""
    counts = {job.pk: dict.fromkeys(ItemState.values, 0) for job in jobs}
    items = ImportItem.objects.filter(job__in=counts).order_by().values_list("job", "state")
    for key, state, number in items.annotate(number=Count("pk")):
        counts[key][state] = number
    return {job.pk: _progress(job, counts[job.pk]) for job in jobs}


def codes(job: ImportJob) -> list[dict[str, Any]]:
    """How many of a job's files have a state for the same reason, and one of the sentences."""
    items = job.items.exclude(code="").order_by()
    counted = items.values("state", "code").annotate(count=Count("pk"), text=Min("text"))
    return sorted(counted, key=lambda each: (-each["count"], each["state"], each["code"]))


def _progress(job: ImportJob, counts: dict[str, int]) -> Progress:
    files = sum(counts.values())
    left = sum(counts[state] for state in UNDER_WAY)
    rate = _rate(job, files - left)
    seconds = left / rate if rate and job.state == JobState.RUNNING and job.listed else None
    return Progress(files=files, rate=rate, seconds_left=seconds, **counts)


def _rate(job: ImportJob, done: int) -> float | None:
    seconds = job.seconds_at_work
    return done / max(seconds, 0.001) if done and seconds is not None else None


def waiting_jobs() -> QuerySet[ImportJob]:
    """Those that want a worker, what comes first first: people wait for plans."""
    return (
        ImportJob.objects.filter(state__in=[JobState.PLANNING, JobState.RUNNING, JobState.UNDOING])
        .select_related("gallery")
        .order_by(Case(When(state=JobState.PLANNING, then=0), default=1), "-priority", "pk")
    )


def release_expired() -> bool:
    """Give back what dead workers held; whether a worker has something to do."""
    _release(expired())
    return waiting_jobs().exists()


def release_held_by(worker: str) -> int:
    """Give back what the last worker of this name held, as a new one begins. Returns how many."""
    return _release(Q(leased_by=worker))


def _release(which: Q) -> int:
    return release(ImportItem.objects.filter(which, state=ItemState.WORKING), give_back)


def give_back(item: ImportItem, reason: str) -> None:
    """After an error: to the others that wait, or after three attempts to those that failed."""
    item.let_go()
    item.state = ItemState.WAITING
    if item.attempts >= MAX_ATTEMPTS:
        item.state, item.code = ItemState.FAILED, "quarantined"
        item.text = (
            f"It failed {item.attempts} times; the last time {reason}. Retry the failed ones, or "
            "send another photo."
        )
    item.save()
