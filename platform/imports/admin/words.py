"""What the pages say of jobs and files: labels, figures, times."""

from __future__ import annotations

from django.utils.safestring import SafeString

from common.admin import label
from imports.models import ImportJob, ItemState, JobState

JOB_VARIANTS = {
    JobState.UPLOADING: "info",
    JobState.PLANNING: "info",
    JobState.PLANNED: "warning",
    JobState.RUNNING: "info",
    JobState.PAUSED: "warning",
    JobState.CANCELLED: "",
    JobState.DONE: "success",
    JobState.FAILED: "danger",
    JobState.UNDOING: "warning",
    JobState.UNDONE: "",
}
ITEM_VARIANTS = {
    ItemState.WAITING: "info",
    ItemState.WORKING: "info",
    ItemState.ENROLLED: "success",
    ItemState.DUPLICATE: "",
    ItemState.REVIEW: "warning",
    ItemState.REJECTED: "danger",
    ItemState.FAILED: "danger",
}
_MINUTE, _HOUR = 60, 3600


def job_label(job: ImportJob) -> SafeString:
    """Its state in its colour."""
    name, _, meaning = JobState(job.state).label.partition(": ")
    return label(name, JOB_VARIANTS[JobState(job.state)], meaning)


def item_label(state: str) -> SafeString:
    """A file's result in its colour."""
    name, _, meaning = ItemState(state).label.partition(": ")
    return label(name, ITEM_VARIANTS[ItemState(state)], meaning)


def source_words(job: ImportJob) -> str:
    """Where its photos come from."""
    source = job.source
    if source["kind"] == "folder":
        return f"folder {source['path']}"
    if source["kind"] == "bucket":
        return f"bucket {source['bucket']}/{source.get('prefix', '')}"
    return {"archive": "archive", "urls": "web addresses"}[source["kind"]]


def layout_words(job: ImportJob) -> str:
    """How its files become people."""
    layout = job.layout
    if layout["kind"] == "names":
        return f"by file names, up to {layout.get('separator', '_')}"
    if layout["kind"] == "manifest":
        return "by a table beside the source" if layout.get("manifest") else "by a table in it"
    return "by folders"


def duration(seconds: float) -> str:
    """To two figures at most: more would pretend to be known."""
    whole = round(seconds)
    if whole < _MINUTE:
        return f"{max(whole, 1)} s"
    if whole < _HOUR:
        return f"{round(whole / _MINUTE)} min"
    hours, rest = divmod(whole, _HOUR)
    return f"{hours:,} h {rest // _MINUTE} min"


def rate_words(rate: float | None) -> str:
    """Files a second, or none."""
    return f"{rate:.1f} files/s" if rate else ""
