"""`manage.py doctor`: looks at each part and says in a line what is wrong and how to mend it."""

import json
import logging
import sys
from dataclasses import asdict
from typing import Any

from django.core.management.base import BaseCommand, CommandParser
from rich.console import Console
from rich.text import Text

from common.console import console_of
from operations.checks import (
    broker,
    database,
    imports,
    index,
    installation,
    storage,
    telemetry,
    workers,
)
from operations.parts import Check, Part, State, examine

# More than any check takes by itself when its server is merely slow.
PATIENCE = 15.0
_COLOURS = {State.OK: "green", State.WARNING: "yellow", State.FAILED: "bold red"}


class Command(BaseCommand):
    help = "Check every part of the installation. Exit code 1 if one has failed, else 0."
    # Django's own checks may want the database; ours say more.
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--json", action="store_true", help="for programs")

    def handle(self, *_args: Any, **options: Any) -> None:
        # What the checks find is said below, in sentences.
        logging.disable()
        try:
            parts = examine(all_checks(), PATIENCE)
        finally:
            logging.disable(logging.NOTSET)
        if options["json"]:
            self.stdout.write(json.dumps([asdict(part) for part in parts], indent=2))
        else:
            show(console_of(self.stdout), parts)
        sys.exit(any(part.state is State.FAILED for part in parts))


def all_checks() -> list[Check]:
    """In the order in which one would mend them."""
    return [
        Check("settings", installation.settings_used),
        Check("models", installation.models),
        Check("media folder", storage.media),
        Check("disk space", storage.disk),
        Check("erasures", storage.erasures),
        Check("database", database.database),
        Check("migrations", database.migrations),
        Check("broker", broker.broker),
        Check("workers", workers.answering_workers),
        Check("clock", workers.clock),
        Check("photos", workers.waiting_photos),
        Check("imports", imports.running_imports),
        Check("milvus", index.milvus_server),
        Check("index", index.collections),
        Check("index lag", index.index_lag),
        Check("recall", index.recall),
        Check("rebuilds", index.rebuilds),
        Check("calibration", telemetry.calibration),
    ]


def show(console: Console, parts: list[Part]) -> None:
    """A line for each part; a terminal wraps the long ones, a file keeps them whole."""
    for part in parts:
        line = Text.assemble(
            (f"{part.state:<8}", _COLOURS[part.state]), f"{part.name:<13}", part.sentence
        )
        console.print(line, soft_wrap=True)
    count = {state: sum(part.state is state for part in parts) for state in State}
    if count[State.FAILED] or count[State.WARNING]:
        console.print(f"\n{count[State.FAILED]} failed, {count[State.WARNING]} warnings.")
    else:
        console.print("\nEverything is well.")
