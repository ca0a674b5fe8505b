"""`manage.py vectors wait`: watch, and help, what is being built until it is ready."""

import time
from argparse import ArgumentParser
from collections.abc import Sequence
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn

from common.console import console_of
from vectors.applying import work
from vectors.connection import at_hand
from vectors.errors import IndexUnavailable
from vectors.generations import short_name
from vectors.models import GenerationState, IndexGeneration
from vectors.progress import progress_of

HELP = "watch what is being built until it is ready, and build it if no index worker runs"
TURN_SECONDS = 1.0


def add_arguments(parser: ArgumentParser) -> None:
    """Nothing."""


def run(_options: dict[str, Any], command: BaseCommand) -> None:
    """Follow all that is not ready."""
    unfinished = _unfinished()
    if not unfinished:
        command.stdout.write("Nothing is being built.")
    follow(unfinished, command)


def _unfinished() -> list[IndexGeneration]:
    generations = IndexGeneration.objects.order_by("pk")
    return [each for each in generations if not _is_finished(each)]


def _is_finished(generation: IndexGeneration) -> bool:
    return generation.state == GenerationState.READY and not generation.takes_over


def follow(generations: Sequence[IndexGeneration], command: BaseCommand) -> None:
    """Show the progress of each until it is through or can't go on; works on it meanwhile.

    Raises:
        CommandError: one can't go on, and why.
    """
    console = console_of(command.stdout)
    try:
        with at_hand():
            problems = [_follow(each, console) for each in generations]
    except KeyboardInterrupt:
        raise CommandError(
            "It goes on in the index worker. `vectors wait` watches it again, and `vectors drop` "
            "gives it up."
        ) from None
    for problem in filter(None, problems):
        raise CommandError(problem)


def _follow(generation: IndexGeneration, console: Console) -> str:
    """What keeps it from going on; empty when it is through."""
    name, stages = short_name(generation), dict[str, TaskID]()
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal) as bar:
        while True:
            _work(generation)
            found = IndexGeneration.objects.filter(pk=generation.pk).first()
            if found is None or _is_finished(found):
                break
            if found.problem:
                return f"{name}: {found.problem}"
            _show(found, bar, stages)
    what = "is dropped" if found is None else "is ready"
    console.print(f"{name} {what}.")
    return ""


def _work(generation: IndexGeneration) -> None:
    """A turn of the work, if no index worker has it in hand."""
    before = time.monotonic()
    try:
        work(generation.public_id, seconds=TURN_SECONDS)
    except IndexUnavailable as error:
        raise CommandError(f"{error.detail} The rebuild waits for it.") from error
    # Somebody else is at it, or Milvus itself.
    time.sleep(max(0.0, 0.5 - (time.monotonic() - before)))


def _show(generation: IndexGeneration, bar: Progress, stages: dict[str, TaskID]) -> None:
    now = progress_of(generation)
    for stage, task in stages.items():
        if stage != now.stage:
            bar.update(task, completed=bar.tasks[task].total or 0)
    if now.stage not in stages:
        stages[now.stage] = bar.add_task(now.stage, total=now.total or None)
    bar.update(stages[now.stage], completed=now.done, total=now.total or None)
