"""What evaluations leave behind: a table to read, JSON to compute with, progress meanwhile."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TextColumn,
    TimeRemainingColumn,
)
from rich.text import Text

from embedder.errors import EvaluationError

Record = dict[str, object]


def table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Lines of a table in Markdown whose columns stand beneath each other."""
    widths = [max(map(len, column)) for column in zip(headings, *rows, strict=True)]
    lines = [_line(headings, widths), "|" + "|".join("-" * (width + 2) for width in widths) + "|"]
    return lines + [_line(row, widths) for row in rows]


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    return "| " + " | ".join(c.ljust(w) for c, w in zip(cells, widths, strict=True)) + " |"


def number(value: float | None, digits: int = 4) -> str:
    """A figure, or a dash where there is none."""
    return "-" if value is None else f"{value:.{digits}f}"


def write_json(path: Path, records: Sequence[Record]) -> None:
    """Write the record of one model, or the list of several."""
    content = records[0] if len(records) == 1 else list(records)
    path.write_text(json.dumps(content, indent=2, allow_nan=False) + "\n", "utf-8")


def check_writable(*paths: Path | None) -> None:
    """Raise EvaluationError now, rather than after minutes, for a file whose folder isn't there."""
    for path in paths:
        if path is not None and not path.parent.is_dir():
            raise EvaluationError(f"{path.parent} is not a folder. Make it, then try again.")


def python() -> str:
    """How this Python is called from here, in commands that are printed to be copied."""
    called = os.path.relpath(sys.executable)
    return sys.executable if called.startswith("..") else called


def say(line: str) -> None:
    """A line on standard error, about what goes on."""
    Console(stderr=True, highlight=False).print(line, markup=False, soft_wrap=True)


class _Rate(ProgressColumn):
    """How many a second."""

    def render(self, task: Task) -> Text:
        """A few characters, empty until the rate is known."""
        speed = task.finished_speed or task.speed
        return Text("" if speed is None else f"{speed:.1f}/s")


@contextmanager
def progress(what: str, total: int) -> Iterator[Callable[[int], None]]:
    """A bar on standard error where that is a terminal; yields what moves it on."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    console = Console(stderr=True)
    # A log gets no bar: the lines of the table say it all.
    with Progress(
        *columns,
        _Rate(),
        TimeRemainingColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    ) as bar:
        task = bar.add_task(what, total=total)
        yield lambda count: bar.advance(task, count)
