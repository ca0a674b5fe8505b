"""Tables and progress bars of commands."""

import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

# Where nobody's terminal says how wide it is (a pipe, a file): enough for our tables.
PLAIN_WIDTH = 120


def console_of(stdout: Any) -> Console:
    """rich's console on a management command's `self.stdout`."""
    stream = getattr(stdout, "_out", sys.stdout)
    return Console(file=stream, width=None if stream.isatty() else PLAIN_WIDTH)


def progress_in_bytes(
    stdout: Any,
) -> Callable[[str, int], AbstractContextManager[Callable[[int], None]]]:
    """A bar for each stage of a long command; nothing where nobody watches.

    `with stage("Reading", bytes_to_come) as advance: advance(bytes_done)`.
    """
    console = console_of(stdout)
    columns = (
        TextColumn("{task.description:<22}"), BarColumn(), DownloadColumn(), TimeRemainingColumn(),
    )  # fmt: skip

    @contextmanager
    def stage(title: str, total: int) -> Iterator[Callable[[int], None]]:
        with Progress(
            *columns, console=console, disable=not (total and console.is_terminal)
        ) as bar:
            task = bar.add_task(title, total=total)
            yield lambda done: bar.advance(task, done)

    return stage
