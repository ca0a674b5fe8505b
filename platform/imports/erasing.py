"""What imports hold of somebody: names of files, too, may name them."""

from __future__ import annotations

import hashlib
from typing import Any

from django.db.models import Case, F, Q, QuerySet, Value, When

from people.models import Person

from .models import UNDER_WAY, ImportItem, ImportJob, ItemState

ERASED = "(erased)"
WHY = "Whoever it shows was erased before it was imported, so it was not."


def forget_person(person: Person) -> None:
    """Take somebody out of the files of all jobs; that there were such files, stays.

    Those that have no result yet, or failed and could be tried again, are not imported any more:
    that would make the person anew. A worker that has them in hand has lost them.
    """
    theirs = Q(person=person)
    if person.external_id:
        theirs |= Q(job__gallery=person.gallery_id, external_id=person.external_id)
    # The jobs first, then their files: as everybody locks them.
    for job in _jobs_of(person):
        _forget_in_job(job, person)
    _forget_files(ImportItem.objects.filter(theirs))


def forget_listed(job: ImportJob) -> None:
    """The same with files that got their rows after somebody had been erased."""
    if not job.erased:
        return
    ids = job.items.exclude(external_id="").values_list("external_id", flat=True)
    erased = [each for each in ids.distinct() if _digest(job, each) in job.erased]
    _forget_files(job.items.filter(external_id__in=erased))


def _forget_files(items: QuerySet[ImportItem]) -> None:
    """In one statement: a file that gets its result meanwhile is one or the other."""
    is_open = Q(state__in=(*UNDER_WAY, ItemState.FAILED))
    items.update(
        name=ERASED, key="", external_id="", person_name="", metadata={}, sha256="",
        state=Case(When(is_open, then=Value(ItemState.REJECTED)), default=F("state")),
        code=Case(When(is_open, then=Value("erased")), default=F("code")),
        text=Case(When(is_open, then=Value(WHY)), default=Value("")),
        lease=None, leased_until=None,
    )  # fmt: skip


def _jobs_of(person: Person) -> QuerySet[ImportJob]:
    """Those of the gallery that have a plan, or whose files have no rows yet. Locked."""
    jobs = ImportJob.objects.filter(gallery=person.gallery_id)
    return jobs.filter(Q(plan__isnull=False) | Q(listed=False)).select_for_update().order_by("pk")


def _forget_in_job(job: ImportJob, person: Person) -> None:
    _forget_in_plan(job, person)
    if not job.listed and person.external_id:
        job.erased = [*job.erased, _digest(job, person.external_id)]
        job.save(update_fields=["erased"])


def _digest(job: ImportJob, external_id: str) -> str:
    """What finds an id again without saying it."""
    return hashlib.sha256(f"{job.public_id}:{external_id}".encode()).hexdigest()


def _forget_in_plan(job: ImportJob, person: Person) -> None:
    """A plan shows some files that can't be used, and how the first rows are understood."""
    plan = job.plan or {}
    understood = plan.get("understanding", {})
    examples = _of_others(person, plan.get("examples", []))
    rows = _of_others(person, understood.get("rows", []))
    kept = {**plan, "examples": examples}
    if understood:
        kept["understanding"] = {**understood, "rows": rows}
    if kept != plan:
        job.plan = kept
        job.save(update_fields=["plan"])


def _of_others(person: Person, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    named = [each for each in (person.external_id, person.name) if each]
    return [row for row in rows if not any(name in text for name in named for text in _texts(row))]


def _texts(row: dict[str, Any]) -> list[str]:
    return [str(value) for value in row.values() if isinstance(value, str | dict)]
