"""`manage.py import_photos`: a folder, an archive or a bucket into a gallery, with a progress bar.

The job is the same that the API makes. The workers do it where there are any; this process helps,
so that it gets done without them, too.
"""

from __future__ import annotations

import signal
import time
from argparse import ArgumentParser
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

from django.core.management.base import BaseCommand, CommandError
from django.db.models import Count
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn
from rich.table import Table

from accounts.actors import system
from common.console import console_of
from common.database import require_database
from common.errors import Problem
from common.logs import only_warnings
from imports import report
from imports.jobs import Progress as Counts
from imports.jobs import change, make_job, progress
from imports.layouts import KINDS
from imports.models import UNDER_WAY, ImportJob, ItemState, JobState
from imports.names import TABLES, suffix
from imports.working import work
from people.models import Gallery, SeveralFaces
from photos.pipeline import work_in_bulk

ACTOR = system("command-line")
# Nothing more comes of it by itself.
STANDING = (
    JobState.PAUSED, JobState.DONE, JobState.FAILED, JobState.CANCELLED, JobState.UNDONE,
)  # fmt: skip
RESUMED = (JobState.PAUSED, JobState.CANCELLED, JobState.FAILED)
EXPLAINED = (ItemState.REVIEW, ItemState.REJECTED, ItemState.FAILED)
REPORTS = (".csv", ".xlsx")
_NAMED_GALLERIES = 10
_STOPPING = "Stopping after the files in hand"


class Command(BaseCommand):
    help = "Import a folder, an archive (ZIP, TAR) or s3://BUCKET/PREFIX of photos into a gallery."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("source", nargs="?", help="what to import; not with --resume")
        parser.add_argument("--gallery", help="its slug")
        parser.add_argument(
            "--layout", choices=KINDS, default="folders",
            help="what says who is on a photo: its folder, its name, or a table in the source",
        )  # fmt: skip
        parser.add_argument(
            "--manifest", type=Path, help="a table (CSV or XLSX) beside the source that says it"
        )
        parser.add_argument(
            "--separator", default="_", help="with --layout names: what ends the external id"
        )
        parser.add_argument(
            "--several-faces", choices=SeveralFaces.values, default="",
            help="what to do with photos of several faces, whatever the gallery says",
        )  # fmt: skip
        parser.add_argument("--dry-run", action="store_true", help="show the plan, do nothing")
        parser.add_argument("--yes", action="store_true", help="start without asking")
        parser.add_argument("--resume", type=UUID, metavar="JOB", help="go on with a job")
        parser.add_argument(
            "--report", type=Path, metavar="FILE",
            help="write what became of each file to FILE.csv or FILE.xlsx in the end",
        )  # fmt: skip

    def handle(self, *_args: Any, **options: Any) -> None:
        require_database()
        _check(options)
        console = console_of(self.stdout)
        # The bar and a worker's lines would run into each other.
        quiet = only_warnings() if options["verbosity"] < 2 else nullcontext()  # noqa: PLR2004
        with quiet:
            try:
                _handle(console, options)
            except Problem as problem:
                raise CommandError(problem.detail) from problem


def _check(options: dict[str, Any]) -> None:
    """What can be said before anything is opened."""
    if options["resume"] and options["dry_run"]:
        raise CommandError("--dry-run shows what a new import would do; not with --resume.")
    if not options["resume"] and not (options["source"] and options["gallery"]):
        raise CommandError("Name a source and --gallery, or a job with --resume.")
    if options["report"] and options["report"].suffix.lower() not in REPORTS:
        raise CommandError(f"--report writes {' or '.join(REPORTS)}: name such a file.")


def _handle(console: Console, options: dict[str, Any]) -> None:
    job = _resumed(options["resume"]) if options["resume"] else _made(options)
    if options["dry_run"]:
        try:
            _plan(job)
            _show_understanding(console, job)
            _show_plan(console, job)
        finally:
            job.delete()
        return
    if not _is_started(job, console, options):
        return
    _follow(console, job)
    job.refresh_from_db()
    _show_end(console, job, options["report"])


# --- The job --------------------------------------------------------------------------------------


def _source(location: str) -> dict[str, Any]:
    if location.startswith("s3://"):
        bucket, _, prefix = location.removeprefix("s3://").partition("/")
        return {"kind": "bucket", "bucket": bucket, "prefix": prefix}
    path = Path(location).resolve()
    if path.is_dir():
        return {"kind": "folder", "path": str(path)}
    if not path.exists():
        raise CommandError(f"There is no file or folder {path}.")
    if suffix(path.name) in TABLES:
        raise CommandError(
            f"{path.name} is a table. Name the folder or the archive that has the photos, and the "
            "table with --manifest."
        )
    kind = "urls" if path.suffix.lower() == ".txt" else "archive"
    return {"kind": kind, "path": str(path)}


def _layout(options: dict[str, Any]) -> dict[str, Any]:
    if options["manifest"]:
        return {"kind": "manifest", "manifest": str(options["manifest"].resolve())}
    return {"kind": options["layout"], "separator": options["separator"]}


def _gallery(slug: str) -> Gallery:
    gallery = Gallery.objects.filter(slug=slug).first()
    if gallery is None:
        known = Gallery.objects.order_by("slug").values_list("slug", flat=True)
        named = ", ".join(known[:_NAMED_GALLERIES])
        raise CommandError(
            f"There is no gallery with the slug {slug!r}. There are: {named or '-'}."
        )
    return gallery


def _made(options: dict[str, Any]) -> ImportJob:
    return make_job(
        ACTOR,
        _gallery(options["gallery"]),
        _source(options["source"]),
        _layout(options),
        several_faces=options["several_faces"],
    )


def _resumed(public_id: UUID) -> ImportJob:
    job = ImportJob.objects.filter(public_id=public_id).first()
    if job is None:
        raise CommandError(f"There is no import {public_id}.")
    if job.state in RESUMED:
        job = change(ACTOR, job, "resume")
    if job.state == JobState.UPLOADING:
        raise CommandError("It waits for what is still to be sent to it over the API.")
    return job


def _plan(job: ImportJob) -> None:
    """Look at the source here and now, unless that was done."""
    while job.state == JobState.PLANNING:
        work("command-line", seconds=1.0)
        job.refresh_from_db()
    if job.state == JobState.FAILED:
        raise CommandError(job.text)


def _is_started(job: ImportJob, console: Console, options: dict[str, Any]) -> bool:
    """Whether it is on its way; one that is new is shown first."""
    try:
        _plan(job)
        if job.state != JobState.PLANNED:
            return True
        _show_plan(console, job)
        if not _usable(job.plan or {}):
            change(ACTOR, job, "cancel")
            raise CommandError(f"There is nothing to import. {_hint(job)}")
        if options["yes"] or not console.is_terminal or _is_wanted():
            change(ACTOR, job, "start")
            return True
    except KeyboardInterrupt:
        console.print()
        job.refresh_from_db()
    change(ACTOR, job, "cancel")
    console.print("Nothing was imported.")
    return False


def _is_wanted() -> bool:
    try:
        return input("Start? [y/N] ").strip().lower() in ("y", "yes")
    except EOFError:
        return False


def _hint(job: ImportJob) -> str:
    """What may help where nothing says who is on any photo."""
    if set((job.plan or {}).get("refused", {})) == {"no_folder"}:
        return (
            "If the files' names say who is on them, add --layout names; if a table does, name it "
            "with --manifest."
        )
    return "See above what is wrong with its files."


# --- The plan -------------------------------------------------------------------------------------


def _show_understanding(console: Console, job: ImportJob) -> None:
    """How the first files, or lines of the manifest, are understood."""
    understood = (job.plan or {})["understanding"]
    what = "lines of the table" if understood["table"] else "files"
    rows = understood["rows"]
    table = Table("file", "external_id", "name", "more", title=f"The first {len(rows)} {what}")
    for each in rows:
        further = ", ".join(f"{key}: {value}" for key, value in each["metadata"].items() if value)
        cells = each["file"], each["external_id"], each["name"], each["sentence"] or further
        table.add_row(*map(escape, cells))
    console.print(table)
    if understood["table"]:
        columns = ", ".join(
            title if title == meaning else f"{title} ({meaning})"
            for title, meaning in understood["columns"].items()
        )
        _say(console, f"The table is {understood['table']}. Its columns: {columns}.")


def _usable(plan: dict[str, Any]) -> int:
    """Photos, less those whose beginnings say that they can't be used."""
    refused: dict[str, int] = plan["headers"]["refused"]
    return int(plan["photos"]) - sum(refused.values())


def _show_plan(console: Console, job: ImportJob) -> None:
    plan = job.plan or {}
    headers = plan["headers"]
    _say(
        console,
        f"{_usable(plan):,} photos of {plan['people']:,} people, {plan['new']:,} of them new to "
        f"{job.gallery}.",
    )
    refused = Counter(plan["refused"])
    refused.update(headers["refused"])
    _show_refused(console, plan, refused, "files can't be used")
    if headers["judged"] < headers["of"]:
        _say(console, f"(Of {headers['of']:,} photos {headers['judged']:,} were looked into.)")
    _show_refused(console, plan, plan["lines"], "lines of the table stand for no photo")
    for loss in plan["losses"]:
        _say(console, f"  {loss['sentence']}")


def _show_refused(
    console: Console, plan: dict[str, Any], counts: dict[str, int], what: str
) -> None:
    """How many by code, with the first of each."""
    if counts:
        _say(console, f"{sum(counts.values()):,} {what}:")
    examples = {each["code"]: each for each in reversed(plan["examples"])}
    for code, count in sorted(counts.items()):
        example = examples.get(code)
        said = f", such as {example['name']}: {example['sentence']}" if example else ""
        _say(console, f"  {count:,} {code}{said}")


def _say(console: Console, text: str) -> None:
    """As it is: names are not for us to format."""
    console.print(text, highlight=False, markup=False, soft_wrap=True)


# --- Working --------------------------------------------------------------------------------------


def _follow(console: Console, job: ImportJob) -> None:
    """Work on it, beside whoever else does, until it is over; Ctrl-C pauses it."""
    work_in_bulk()
    columns = (
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(),
        TextColumn("{task.fields[pace]}"),
    )  # fmt: skip
    bar = Progress(*columns, console=console, disable=not console.is_terminal)
    task = bar.add_task("Importing", total=None, pace="")
    with (
        bar,
        _interruptible(lambda: bar.update(task, description=_STOPPING)) as interrupted,
    ):

        def is_stopped() -> bool:
            _show_progress(job, bar, task, is_ending=bool(interrupted))
            return bool(interrupted) or job.state in STANDING

        while not is_stopped():
            if not work("command-line", is_stopped=is_stopped):
                time.sleep(0.5)  # the rest is in the hands of workers
        if interrupted and job.state == JobState.RUNNING:
            change(ACTOR, job, "pause")


def _show_progress(job: ImportJob, bar: Progress, task: TaskID, *, is_ending: bool) -> None:
    job.refresh_from_db()
    counts = progress(job)
    words = _STOPPING if is_ending else _results(counts) or "Importing"
    total = counts.files if job.listed else None
    done = counts.files - counts.waiting - counts.working
    bar.update(task, completed=done, total=total, pace=_pace(counts), description=words)


def _results(counts: Counts) -> str:
    """How many files have which result: those that there are."""
    found = {each: getattr(counts, each) for each in ItemState.values if each not in UNDER_WAY}
    return ", ".join(f"{number:,} {each}" for each, number in found.items() if number)


def _pace(counts: Counts) -> str:
    rate = f"{counts.rate:.1f}/s" if counts.rate else ""
    left = counts.seconds_left
    return f"{rate}, {timedelta(seconds=round(left))} left" if left else rate


@contextmanager
def _interruptible(say_so: Callable[[], None]) -> Iterator[list[bool]]:
    """Ctrl-C ends after the chunk in hand, which may take a while: it is said at once."""
    pressed: list[bool] = []

    def press(*_: object) -> None:
        pressed.append(True)
        say_so()

    before = signal.signal(signal.SIGINT, press)
    try:
        yield pressed
    finally:
        signal.signal(signal.SIGINT, before)


# --- The end --------------------------------------------------------------------------------------


def _show_end(console: Console, job: ImportJob, file: Path | None) -> None:
    counts = progress(job)
    left = counts.waiting + counts.working
    parts = [_results(counts), f"{left:,} left" if left else ""]
    results = ", ".join(part for part in parts if part)
    _say(console, f"{job.get_state_display()}. {counts.files:,} files: {results or 'none'}.")
    _show_reasons(console, job)
    if file is not None:
        _write(file, job)
        _say(console, f"What became of each file: {file}")
    again = f"manage.py import_photos --resume {job.public_id}"
    if job.state in RESUMED:
        _say(console, f"Go on: {again}")
    elif file is None:
        _say(console, f"What became of each file: Imports in the portal, or {again} --report x.csv")
    if job.state == JobState.FAILED:
        raise CommandError(job.text)


def _show_reasons(console: Console, job: ImportJob) -> None:
    """Why files were not taken, by code; those of most files first."""
    counted = job.items.filter(state__in=EXPLAINED).order_by().values_list("state", "code")
    found = list(counted.annotate(count=Count("pk")).order_by("-count", "code"))
    for state in EXPLAINED:
        codes = [f"{count:,} {code}" for of, code, count in found if of == state]
        if codes:
            _say(console, f"  {state}: {', '.join(codes)}")


def _write(file: Path, job: ImportJob) -> None:
    try:
        if file.suffix.lower() == ".xlsx":
            file.write_bytes(report.as_xlsx(job))
        else:
            with file.open("w", encoding="utf-8", newline="") as out:
                out.writelines(report.as_csv(job))
    except OSError as error:
        raise CommandError(f"{file} can't be written: {error.strerror}.") from error
