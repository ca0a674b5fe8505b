"""`manage.py reconcile`: does the index hold what the database says?"""

import time
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from rich.table import Table

from common.console import console_of
from common.database import require_database
from vectors.connection import at_hand
from vectors.errors import IndexUnavailable
from vectors.reconcile import Report, reconcile_all
from vectors.selectors import generations_with_work
from vectors.services import apply_outbox

COLUMNS = (
    "Index", "Expected", "Indexed", "Pending", "Missing", "Surplus", "Misplaced",
    "Vectors different",
)  # fmt: skip


class Command(BaseCommand):
    help = "Compare every index with the database: all ids, and a sample of the vectors."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--sample", type=int, default=1000, help="vectors to compare")
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
        self.stdout.write(self.style.SUCCESS("The database and the index agree."))
        pending = sum(report.pending for report in reports)
        if pending:
            self.stdout.write(f"Changes still on their way to the index: {pending}.")

    def _compare(self, options: dict[str, Any]) -> list[Report]:
        _let_settle(options["wait"])
        reports = reconcile_all(sample=options["sample"], repair=options["repair"])
        if options["repair"] and any(report.wrong for report in reports):
            _let_settle(options["wait"])
            reports = reconcile_all(sample=options["sample"])
        return reports

    def _print(self, reports: list[Report]) -> None:
        table = Table(*COLUMNS)
        for each in reports:
            table.add_row(
                each.collection,
                str(each.expected),
                str(each.indexed),
                str(each.pending),
                str(len(each.missing)),
                str(len(each.surplus)),
                str(len(each.misplaced)),
                f"{len(each.different)} of {each.sampled}",
            )
        console_of(self.stdout).print(table)


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
