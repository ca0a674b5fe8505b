"""`manage.py reconcile`: does the index hold what the database says?"""

import time
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from common import arguments
from common.console import console_of
from common.database import require_database
from vectors.applying import apply_outbox
from vectors.connection import at_hand
from vectors.errors import IndexUnavailable
from vectors.models import GenerationState, IndexGeneration
from vectors.outbox import live
from vectors.progress import progress_of
from vectors.reconcile import KINDS, Report, reconcile, searched_generations
from vectors.selectors import generations_with_work

COLUMNS = ("Index", "Expected", "Indexed", "Pending", *(kind.capitalize() for kind in KINDS))


class Command(BaseCommand):
    help = "Compare every index with the database: all ids, and a sample of the vectors."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--sample", type=arguments.at_least(0), default=1000, help="vectors to compare"
        )
        parser.add_argument("--repair", action="store_true", help="mend what differs")
        parser.add_argument(
            "--wait", type=float, default=30, help="seconds to let pending changes arrive first"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        require_database()
        try:
            with at_hand():
                reports = self._compare(options)
        except IndexUnavailable as error:
            raise CommandError(error.detail) from error
        self._print(reports)
        if any(report.wrong for report in reports):
            remedy = "The index worker is mending it." if options["repair"] else "Add --repair."
            raise CommandError(f"The index and the database differ. {remedy}")
        _check_whole()
        pending = sum(report.pending for report in reports)
        if pending:
            self.stdout.write(
                f"The database and the index agree but for {pending:,} changes still on their way "
                "to the index; who they are about is not found, or still found, until then."
            )
            return
        self.stdout.write(self.style.SUCCESS("The database and the index agree."))

    def _compare(self, options: dict[str, Any]) -> list[Report]:
        _let_settle(options["wait"])
        reports = self._reports(options["sample"], repair=options["repair"])
        if options["repair"] and any(report.wrong for report in reports):
            for each in reports:
                self._say_repaired(each)
            _let_settle(max(options["wait"], _filling_seconds(reports)))
            reports = self._reports(options["sample"], repair=False)
        return reports

    def _reports(self, sample: int, *, repair: bool) -> list[Report]:
        with _progress(console_of(self.stdout)) as progress:
            return [
                _followed(generation, sample, progress, repair=repair)
                for generation in searched_generations()
            ]

    def _say_repaired(self, report: Report) -> None:
        differing = [f"{report.counts[kind]:,} {kind}" for kind in KINDS if report.counts[kind]]
        if differing:
            self.stdout.write(f"{report.short_name}: {', '.join(differing)}; written again.")

    def _print(self, reports: list[Report]) -> None:
        table = Table(*COLUMNS, "Vectors compared")
        for each in reports:
            table.add_row(
                each.short_name,
                f"{each.expected:,}",
                f"{each.indexed:,}",
                f"{each.pending:,}",
                *(f"{each.counts[kind]:,}" for kind in KINDS),
                f"{each.sampled:,}",
            )
        console_of(self.stdout).print(table)
        for each in reports:
            for kind in KINDS:
                if each.examples[kind]:
                    some = ", ".join(map(str, each.examples[kind]))
                    self.stdout.write(f"{each.short_name}: {kind}, such as template {some}")


def _check_whole() -> None:
    """Raise CommandError while an index that is searched was not compared, since it is built."""
    building = live().filter(state=GenerationState.BUILDING, activeindex__isnull=False).first()
    if building is not None:
        raise CommandError(
            f"{building.name} is still being built ({progress_of(building)}); lookups there answer "
            "503. `manage.py vectors wait` shows when it is ready."
        )


def _progress(console: Any) -> Progress:
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    return Progress(*columns, console=console, transient=True)


def _followed(
    generation: IndexGeneration, sample: int, progress: Progress, *, repair: bool
) -> Report:
    task = progress.add_task("Comparing", total=None)
    report = Report(generation.name)
    for report in reconcile(generation, sample=sample, repair=repair):
        progress.update(task, completed=report.expected, total=max(report.expected, report.indexed))
    return report


def _filling_seconds(reports: list[Report]) -> float:
    """How long a lost index may take to be filled again; some thousand templates a second."""
    return sum(each.expected for each in reports if each.lost) / 1000


def _let_settle(seconds: float) -> None:
    """Apply what is pending, and wait for what a worker has in hand."""
    end = time.monotonic() + seconds
    while True:
        pending = generations_with_work()
        if not pending or time.monotonic() > end:
            return
        for generation in pending:
            apply_outbox(generation)
        time.sleep(0.1)
