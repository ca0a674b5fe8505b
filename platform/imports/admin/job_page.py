"""What a job's page shows: how far it is, what can be done, and what its plan found."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.template.defaultfilters import filesizeformat
from django.urls import reverse
from django.utils.safestring import SafeString

from common.admin import list_url
from imports.jobs import STEPS, Progress, progress
from imports.models import UNDER_WAY, ImportItem, ImportJob, ItemState, JobState

from .words import JOB_VARIANTS, duration, item_label, rate_words

MOVING = (JobState.UPLOADING, JobState.PLANNING, JobState.RUNNING, JobState.UNDOING)
# Buttons in the order in which they stand; undoing asks first and has a page of its own.
_BUTTONS = (("start", "Start"), ("resume", "Go on"), ("pause", "Pause"), ("cancel", "Cancel"))
_RETRIED = (JobState.DONE, JobState.PAUSED, JobState.RUNNING, JobState.CANCELLED)


@dataclass(frozen=True, slots=True)
class Count:
    """How many files have a result; the list of them; their share, as a style has it."""

    state: str
    shown: SafeString
    number: int
    url: str
    width: str


def job_page(job: ImportJob) -> dict[str, Any]:
    """For the template."""
    found = progress(job)
    name, _, meaning = JobState(job.state).label.partition(": ")
    can_undo = job.state in STEPS["undo"][0]
    return {
        "job": job,
        "state_name": name,
        "state_meaning": meaning,
        "state_variant": JOB_VARIANTS[JobState(job.state)],
        "under_way": job.state in MOVING,
        "steps": [each for each in _BUTTONS if job.state in STEPS[each[0]][0]],
        "can_retry": found.failed > 0 and job.state in _RETRIED,
        "undo_url": reverse("admin:imports_importjob_undo", args=[job.pk]) if can_undo else "",
        "files": found.files,
        "done": found.files - found.waiting - found.working,
        "counts": _counts(job, found),
        "uploaded": filesizeformat(job.uploaded),
        "pace": _pace(job, found),
        "files_url": list_url(ImportItem, job=job.pk),
        "links": _links(job, found),
        "losses": job.losses or (job.plan or {}).get("losses", []),
    }


def plan_page(job: ImportJob) -> dict[str, Any]:
    """The same of its plan. Once it was started, how rows are understood is folded away."""
    plan = job.plan or {}
    return {
        "plan": _plan(plan) if plan else None,
        "examples": plan.get("examples", []),
        "understood": plan.get("understanding"),
        "is_open": job.state == JobState.PLANNED,
        "awaits_plan": job.state in (JobState.UPLOADING, JobState.PLANNING),
    }


def _counts(job: ImportJob, found: Progress) -> list[Count]:
    return [
        Count(
            state,
            item_label(state),
            number,
            list_url(ImportItem, job=job.pk, state=state),
            "" if state in UNDER_WAY else f"{100 * number / max(found.files, 1):.2f}%",
        )
        for state in ItemState.values
        if (number := getattr(found, state))
    ]


def _pace(job: ImportJob, found: Progress) -> str:
    """How fast it is, and for how long still."""
    parts = [rate_words(found.rate)] if job.state in (JobState.RUNNING, JobState.DONE) else []
    if found.seconds_left:
        parts.append(f"about {duration(found.seconds_left)} left")
    if job.state == JobState.DONE and (seconds := job.seconds_at_work) is not None:
        parts.append(f"took {duration(seconds)}")
    return ", ".join(part for part in parts if part)


def _links(job: ImportJob, found: Progress) -> list[tuple[str, str]]:
    if not found.files:
        return []
    report = reverse("importjob-report", kwargs={"id": job.public_id})
    sheet = reverse("importjob-sheet", kwargs={"id": job.public_id})
    links = [("Report as CSV", report), ("as XLSX", f"{report}?as=xlsx")]
    not_taken = found.rejected + found.failed
    return [*links, ("Sheet of files not taken", sheet)] if not_taken else links


def _plan(plan: dict[str, Any]) -> list[tuple[str, str]]:
    """Its figures, each in words."""
    new = plan.get("new")
    people = f"{plan['people']:,}" + ("" if new is None else f", {new:,} of them new here")
    figures = [
        ("Photos", f"{plan['photos']:,} ({filesizeformat(plan['bytes'])})"),
        ("People", people),
    ]
    if plan.get("compared"):
        figures.append(("Here already", f"{plan['duplicates']:,} of {plan['compared']:,} compared"))
    headers = plan["headers"]
    refused = {**plan["lines"], **plan["refused"], **headers["refused"]}
    if refused:
        words = ", ".join(f"{count:,} {code}" for code, count in sorted(refused.items()))
        figures.append(("Can't be used", words))
    if headers["judged"] < headers["of"]:
        figures.append(("Headers", f"{headers['judged']:,} of {headers['of']:,} were looked at"))
    if plan.get("twins"):
        figures.append(("Alike names", f"{plan['twins']:,}, but for case or accents"))
    if plan.get("seconds"):
        basis = "as the last imports here" if plan.get("is_rate_measured") else "a usual rate"
        words = f"{duration(plan['seconds'])} at {plan['rate']:.0f} files/s, {basis}"
        figures.append(("Expected to take", words))
    return figures
