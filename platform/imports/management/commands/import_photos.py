"""`manage.py import_photos`: a folder, an archive or a bucket into a gallery, with a progress bar.

The job is the same that the API makes. The workers do it where there are any; this process helps,
so that it gets done without them, too.
"""

from __future__ import annotations

import signal
import time
from argparse import ArgumentParser
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import UUID

from django.core.management.base import BaseCommand, CommandError
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
)
from rich.table import Table

from accounts.actors import system
from common.console import console_of
from common.database import require_database
from common.errors import Problem
from imports.jobs import change, make_job, progress
from imports.layouts import KINDS, open_layout, understand
from imports.models import ImportJob, JobState
from imports.sources import open_source
from imports.working import work
from people.models import Gallery, SeveralFaces
from photos.pipeline import work_in_bulk

ACTOR = system("command-line")
OVER = (JobState.DONE, JobState.FAILED, JobState.CANCELLED, JobState.UNDONE)
RESULTS = ("enrolled", "duplicate", "review", "rejected", "failed")


class Command(BaseCommand):
    help = "Import a folder, an archive (ZIP, TAR) or s3://BUCKET/PREFIX of photos into a gallery."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("source", nargs="?", help="what to import; not with --resume")
        parser.add_argument("--gallery", help="its slug")
        parser.add_argument(
            "--layout", choices=KINDS, default="folders", help="how files are named"
        )
        parser.add_argument("--manifest", type=Path, help="a table beside the source: who is on it")
        parser.add_argument("--separator", default="_", help="with --layout names")
        parser.add_argument("--several-faces", choices=SeveralFaces.values, default="")
        parser.add_argument("--dry-run", action="store_true", help="show the plan, do nothing")
        parser.add_argument("--yes", action="store_true", help="start without asking")
        parser.add_argument("--resume", type=UUID, metavar="JOB", help="go on with a job")

    def handle(self, *_args: Any, **options: Any) -> None:
        require_database()
        console = console_of(self.stdout)
        try:
            if options["dry_run"]:
                _show_understanding(console, options)
            job = _resumed(options["resume"]) if options["resume"] else _planned(options)
            _show_plan(console, job)
            if options["dry_run"]:
                job.delete()
                return
            if not _is_started(job, console, options):
                return
            _follow(console, job)
        except Problem as problem:
            raise CommandError(problem.detail) from problem
        _show_end(console, ImportJob.objects.get(pk=job.pk))


def _source(options: dict[str, Any]) -> dict[str, Any]:
    location = options["source"] or ""
    if location.startswith("s3://"):
        bucket, _, prefix = location.removeprefix("s3://").partition("/")
        return {"kind": "bucket", "bucket": bucket, "prefix": prefix}
    path = Path(location).resolve()
    if path.is_dir():
        return {"kind": "folder", "path": str(path)}
    kind = "urls" if path.suffix.lower() == ".txt" else "archive"
    return {"kind": kind, "path": str(path)}


def _layout(options: dict[str, Any]) -> dict[str, Any]:
    if options["manifest"]:
        return {"kind": "manifest", "manifest": str(options["manifest"].resolve())}
    return {"kind": options["layout"], "separator": options["separator"]}


def _planned(options: dict[str, Any]) -> ImportJob:
    """A new job, looked at here and now."""
    if not options["source"] or not options["gallery"]:
        raise CommandError("Name a source and --gallery, or a job with --resume.")
    gallery = Gallery.objects.filter(slug=options["gallery"]).first()
    if gallery is None:
        raise CommandError(f"There is no gallery with the slug {options['gallery']!r}.")
    job = make_job(
        ACTOR, gallery, _source(options), _layout(options), several_faces=options["several_faces"]
    )
    while job.state == JobState.PLANNING:
        work("command-line", seconds=1.0)
        job.refresh_from_db()
    if job.state == JobState.FAILED:
        raise CommandError(job.text)
    return job


def _resumed(public_id: UUID) -> ImportJob:
    job = ImportJob.objects.filter(public_id=public_id).first()
    if job is None:
        raise CommandError(f"There is no import {public_id}.")
    return job


def _show_understanding(console: Console, options: dict[str, Any]) -> None:
    """How the first files, or lines of the manifest, are understood."""
    layout = _layout(options)
    manifest = layout.get("manifest")
    with open_source(options["source"] or "") as source:
        opened = open_layout(
            layout["kind"], source, separator=layout.get("separator", "_"),
            manifest=Path(manifest) if manifest else None,
        )  # fmt: skip
        table = Table("file", "external_id", "name", "")
        for each in understand(opened, source).rows:
            table.add_row(each.file, each.external_id, each.name, each.sentence)
    console.print(table)


def _show_plan(console: Console, job: ImportJob) -> None:
    plan = job.plan or {}
    refused = {**plan.get("refused", {}), **plan.get("headers", {}).get("refused", {})}
    console.print(
        f"{plan.get('photos', 0):,} photos of {plan.get('people', 0):,} people, "
        f"{plan.get('new', 0):,} of them new to {job.gallery}.",
        highlight=False,
    )
    for code, count in sorted(refused.items()):
        console.print(f"  {count:,} can't be used: {code}", highlight=False)
    for loss in plan.get("losses", []):
        console.print(f"  {loss['sentence']}", highlight=False)


def _is_started(job: ImportJob, console: Console, options: dict[str, Any]) -> bool:
    if job.state == JobState.PLANNED:
        if not options["yes"] and console.is_terminal and input("Start? [y/N] ").lower() != "y":
            change(ACTOR, job, "cancel")
            return False
        change(ACTOR, job, "start")
    elif job.state in (JobState.PAUSED, JobState.CANCELLED):
        change(ACTOR, job, "resume")
    return True


def _follow(console: Console, job: ImportJob) -> None:
    """Work on it, beside whoever else does, until it is over; Ctrl-C pauses it."""
    work_in_bulk()
    columns = (
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"), TimeRemainingColumn(),
    )  # fmt: skip
    with (
        Progress(*columns, console=console, disable=not console.is_terminal) as bar,
        _interruptible() as interrupted,
    ):
        task = bar.add_task("Importing", total=None, rate="")

        def is_stopped() -> bool:
            _show_progress(job, bar, task)
            return bool(interrupted) or job.state in OVER

        while not is_stopped():
            if not work("command-line", is_stopped=is_stopped):
                time.sleep(0.5)  # the rest is in the hands of workers
        if interrupted and job.state == JobState.RUNNING:
            change(ACTOR, job, "pause")


def _show_progress(job: ImportJob, bar: Progress, task: TaskID) -> None:
    job.refresh_from_db()
    counts = progress(job)
    done = counts.files - counts.waiting - counts.working
    words = ", ".join(f"{getattr(counts, each):,} {each}" for each in RESULTS)
    rate = f"{counts.rate:.1f}/s" if counts.rate else ""
    total = counts.files if job.listed else None
    bar.update(task, completed=done, total=total, rate=rate, description=words)


@contextmanager
def _interruptible() -> Iterator[list[bool]]:
    """Ctrl-C ends after the chunk in hand."""
    pressed: list[bool] = []
    before = signal.signal(signal.SIGINT, lambda *_: pressed.append(True))
    try:
        yield pressed
    finally:
        signal.signal(signal.SIGINT, before)


def _show_end(console: Console, job: ImportJob) -> None:
    counts = progress(job)
    words = ", ".join(f"{getattr(counts, each):,} {each}" for each in RESULTS)
    console.print(f"{job.get_state_display()}. {counts.files:,} files: {words}.", highlight=False)
    if job.state == JobState.PAUSED:
        console.print(f"Go on: manage.py import_photos --resume {job.public_id}", highlight=False)
    if job.state == JobState.FAILED:
        raise CommandError(job.text)
