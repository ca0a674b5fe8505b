"""`manage.py vectors import FILE --gallery G`: ready-made templates into a gallery."""

import signal
import sys
from argparse import ArgumentParser
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from types import FrameType
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import OperationalError
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from accounts.actors import system
from common.console import console_of
from vectors.bulk.loading import DATABASE, INDEX, Options, Result, Watcher, load
from vectors.bulk.refused_file import RefusedFile
from vectors.bulk.rows import Refusal
from vectors.bulk.sources import open_source
from vectors.connection import at_hand
from vectors.models import VectorImport

from .galleries import gallery_of

HELP = "load ready-made templates from a Parquet file, or NPY and CSV"
SHOWN = 10


def add_arguments(parser: ArgumentParser) -> None:
    """What it takes."""
    parser.add_argument("file", type=Path, help="Parquet, or NPY with --people")
    parser.add_argument("--gallery", required=True, metavar="SLUG", help="where to")
    parser.add_argument("--people", type=Path, metavar="CSV", help="whose the rows of an NPY are")
    parser.add_argument("--model", default="", help="what made them, if the file doesn't say")
    parser.add_argument("--normalise", action="store_true", help="bring vectors to length 1")
    parser.add_argument("--update", action="store_true", help="replace templates brought before")
    parser.add_argument("--report", type=Path, metavar="CSV", help="where refused rows are written")


def run(options: dict[str, Any], command: BaseCommand) -> None:
    """Load, and say what became of the rows; exit code 1 if some were refused."""
    gallery = gallery_of(options["gallery"])
    for each in filter(None, (options["file"], options["people"])):
        _check_report(options["report"], each)
    source = open_source(options["file"], options["people"])
    display = _Display(command, options["report"])
    try:
        with at_hand(), display, _stopped_by_signals(display):
            result = load(
                system("command-line"),
                gallery,
                source,
                model=options["model"],
                options=Options(normalise=options["normalise"], update=options["update"]),
                watcher=display.watcher,
            )
    except OperationalError as error:
        raise CommandError(
            f"The database does not answer: {str(error).strip()}\n"
            "What was loaded stays; the same command goes on from there."
        ) from error
    display.say(result)
    if result.record.refused or not result.finished:
        sys.exit(1)


def _check_report(report: Path | None, read: Path) -> None:
    """Raise CommandError if the report would be written over a file that is loaded."""
    with suppress(OSError):  # one is not there, so they are two
        if report and report.samefile(read):
            raise CommandError(f"--report would replace {read}. Name another file.")


class _Display:
    """A load as a terminal shows it: a bar, the first refusals, and the sums."""

    def __init__(self, command: BaseCommand, report: Path | None) -> None:
        self._console: Console = console_of(command.stdout)
        self._report = RefusedFile(report) if report else None
        self._bar = Progress(
            *(TextColumn("Loading"), BarColumn(), MofNCompleteColumn()),
            *(TextColumn("{task.fields[rate]}"), TimeElapsedColumn(), TimeRemainingColumn()),
            TextColumn("{task.fields[refused]}"),
            console=self._console,
            disable=not self._console.is_terminal,
        )
        self._task: TaskID | None = None
        self._begun_at = self._shown = self._refused = 0
        self.stopped = False
        self.watcher = Watcher(self._start, self._refuse, self._progress, lambda: self.stopped)
        self._open = ExitStack()

    def __enter__(self) -> "_Display":
        if self._report:
            self._open.enter_context(self._report)
        self._open.enter_context(self._bar)
        return self

    def __exit__(self, *error: object) -> None:
        self._open.close()

    def _start(self, place: VectorImport) -> None:
        if place.next_row:
            self._console.print(f"Going on after row {place.next_row:,}.")
        if self._report:
            self._report.start(place.next_row)
        self._begun_at = place.next_row
        self._task = self._bar.add_task(
            "", total=place.rows, completed=place.next_row, rate="", refused=""
        )

    def _progress(self, place: VectorImport) -> None:
        if self._task is None:
            return
        seconds = self._bar.tasks[0].elapsed or 1e-9
        self._bar.update(
            self._task,
            completed=place.next_row,
            rate=f"{(place.next_row - self._begun_at) / seconds:,.0f}/s",
            refused=f"{place.refused:,} refused" if place.refused else "",
        )

    def _refuse(self, refusals: list[Refusal]) -> None:
        self._refused += len(refusals)
        if self._report:
            self._report.write(refusals)
        for each in refusals[: SHOWN - self._shown]:
            self._console.print(f"Row {each.row:,}: {each.reason}", markup=False, highlight=False)
            self._shown += 1

    def say(self, result: Result) -> None:
        """What became of the rows, and where the time went."""
        if self._refused > self._shown and not self._report:
            self._console.print(
                f"{self._refused - self._shown:,} more were refused; --report FILE writes all of "
                "them.",
                markup=False,
                highlight=False,
                soft_wrap=True,
            )
        for sentence in _sentences(result):
            self._console.print(sentence, markup=False, highlight=False, soft_wrap=True)


def _sentences(result: Result) -> Iterator[str]:
    place, watch = result.record, result.stopwatch
    yield (
        f"{place.next_row:,} of {place.rows:,} rows: {place.created:,} new people, "
        f"{place.updated:,} with a new template, {place.unchanged:,} unchanged, "
        f"{place.refused:,} refused."
    )
    yield (
        f"{watch.total:.1f} s: database {watch.seconds(DATABASE):.1f} s, Milvus "
        f"{watch.seconds(INDEX):.1f} s at the same time, neither of them {watch.rest:.1f} s "
        f"({watch.rest / max(watch.total, 1e-9):.0%})."
    )
    if result.left_to_worker:
        yield f"The index worker has {result.left_to_worker:,} of them still to write to the index."
    if not result.finished:
        yield "Stopped. The same command again goes on from here."


@contextmanager
def _stopped_by_signals(display: _Display) -> Iterator[None]:
    """Let Ctrl-C and SIGTERM end the load after the chunk in hand; a second one ends it at once."""

    def stop(number: int, _: FrameType | None) -> None:
        if display.stopped:
            raise KeyboardInterrupt
        display.stopped = True

    before = {each: signal.signal(each, stop) for each in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)
