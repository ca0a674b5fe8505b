"""`manage.py demo [PEOPLE_DIR]`: enrol people from a folder and look them up."""

import json
from argparse import ArgumentParser
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from common.console import console_of
from common.database import prepare_database
from enrolment.demo import MIN_FACE, Figures, read_folder, run
from enrolment.portrait import read_portrait
from vectors.connection import at_hand
from vectors.errors import IndexUnavailable


class Command(BaseCommand):
    help = (
        "Enrol all but one photo of each person of a folder of folders (Name/photo.jpg), look up "
        "the photos held out and photos of strangers, and print what was found."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("folder", nargs="?", type=Path, help="default: a built-in portrait")
        parser.add_argument("--people", type=int, help="how many people to enrol (default: all)")
        parser.add_argument("--json", type=Path, help="also write the figures to this file")

    def handle(self, *args: Any, **options: Any) -> None:
        console = console_of(self.stdout)
        prepare_database(self)
        subjects, strangers = self._read(options["folder"], options["people"])
        console.print(
            f"The gallery 'demo' takes faces from {MIN_FACE} px wide and, of several, the central "
            "one."
        )
        try:
            with at_hand(), Bars(console) as bars:
                figures = run(subjects, strangers, bars.show)
        except IndexUnavailable as error:
            raise CommandError(error.detail) from error
        _print(console, figures)
        console.print(
            "The people stay in the gallery 'demo'; the next run of this command replaces them."
        )
        if options["json"]:
            options["json"].write_text(json.dumps(figures.as_dict(), indent=2) + "\n")

    def _read(self, folder: Path | None, people: int | None) -> Any:
        if people is not None and people < 1:
            raise CommandError("--people takes a number from 1.")
        if folder is None:
            return read_portrait()
        if not folder.is_dir():
            raise CommandError(f"{folder} is no folder. Give one that holds a folder per person.")
        subjects, strangers = read_folder(folder, people)
        if not subjects:
            raise CommandError(
                f"{folder} holds nobody with two or more photos (JPEG, PNG, WebP, BMP or GIF). It "
                "needs a folder per person: Name/photo.jpg."
            )
        return subjects, strangers


class Bars:
    """A progress bar for each step."""

    def __init__(self, console: Console) -> None:
        self._progress = Progress(console=console, transient=not console.is_terminal)
        self._tasks: dict[str, Any] = {}

    def __enter__(self) -> "Bars":
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def show(self, step: str, done: int, total: int) -> None:
        """Say that `done` of `total` (0: unknown) are done in a step."""
        if step not in self._tasks:
            self._tasks[step] = self._progress.add_task(step)
        self._progress.update(self._tasks[step], completed=done, total=total or done)


def _print(console: Console, figures: Figures) -> None:
    found = Table("What", "Figure", title="People looked up", title_justify="left")
    found.add_row("People", f"{figures.people}")
    found.add_row("Photos enrolled", f"{figures.photos_enrolled}")
    for code, count in sorted(figures.photos_refused.items()):
        found.add_row(f"Photos refused: {code}", f"{count}")
    found.add_row("Held-out photos searched", f"{figures.searches}")
    found.add_row("Right person first (rank 1)", f"{figures.right}  ({figures.rank1:.3f})")
    found.add_row("Wrong person first", f"{figures.wrong}")
    found.add_row("Missed: no face, or nobody found", f"{figures.missed}")
    found.add_row("Scores of the right person", _spread(figures.genuine_scores))
    found.add_row("Scores of the wrong person", _spread(figures.wrong_scores))
    found.add_row("Strangers searched", f"{figures.strangers}")
    found.add_row("Strangers without a face found", f"{figures.strangers_without_face}")
    found.add_row("Strangers' best scores", _spread(figures.stranger_scores))
    console.print(found)
    times = Table("Stage", "Median ms", title="A lookup", title_justify="left")
    for stage, milliseconds in figures.stage_medians().items():
        times.add_row(stage, f"{milliseconds:.1f}")
    console.print(times)


def _spread(scores: Sequence[float]) -> str:
    if not scores:
        return "-"
    ordered = sorted(scores)
    tail = ordered[min(len(ordered) - 1, round(0.95 * len(ordered)))]
    return (
        f"least {ordered[0]:.3f}, median {median(ordered):.3f}, 95 % below {tail:.3f}, "
        f"most {ordered[-1]:.3f}"
    )
