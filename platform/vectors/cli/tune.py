"""`manage.py vectors tune GALLERY`: measure recall, and keep the narrowest search that suffices."""

from argparse import ArgumentParser
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from common import arguments
from common.console import console_of
from vectors.cli.galleries import gallery_of
from vectors.connection import at_hand
from vectors.generations import short_name
from vectors.models import ActiveIndex, Placement
from vectors.probes import FACES
from vectors.recall import PROBES, TARGET, Measured, Watch, placements_to_measure, tune

HELP = "measure how often the best match is found, and make searches look as far as it takes"


def add_arguments(parser: ArgumentParser) -> None:
    """What the subcommand takes."""
    which = parser.add_mutually_exclusive_group(required=True)
    which.add_argument("gallery", nargs="?", metavar="GALLERY", help="its short name (slug)")
    which.add_argument("--all", action="store_true", help="every gallery")
    parser.add_argument(
        "--probes",
        type=arguments.at_least(1),
        default=PROBES,
        help="how many faces to look up, or all if there are fewer; default: %(default)s",
    )


def run(options: dict[str, Any], command: BaseCommand) -> None:
    """Tune, and print a table for each gallery.

    Raises:
        CommandError: no such gallery, or its index is not ready.
        IndexUnavailable: Milvus is away.
    """
    console = console_of(command.stdout)
    with at_hand():
        for placement in _placements(options["gallery"]):
            tried = tune(placement, probes=options["probes"], watch=_bars(console))
            _print(console, placement, tried)


def _placements(slug: str | None) -> list[Placement]:
    """The active index of one gallery, or every index of all."""
    every = placements_to_measure()
    if slug is None:
        return every
    gallery = gallery_of(slug)
    active = ActiveIndex.objects.filter(gallery=gallery).first()
    chosen = [
        each
        for each in every
        if active and (each.generation_id, each.gallery_id) == (active.generation_id, gallery.pk)
    ]
    if not chosen:
        raise CommandError(
            f"The index of {slug} is not ready. `vectors wait` shows how far it is; tune it then."
        )
    return chosen


def _print(console: Console, placement: Placement, tried: list[Measured]) -> None:
    generation, slug = placement.generation, placement.gallery.slug
    console.print(f"[bold]{slug}[/bold] in {short_name(generation)} ({generation.index_type})")
    if not tried:
        console.print("Nobody is in it yet.\n")
        return
    table = Table("Width", "Recall@1", "Probes", "ms per probe")
    for each in tried:
        width = "exact" if each.width is None else str(each.width)
        milliseconds = f"{each.seconds_per_probe * 1000:.2f}"
        table.add_row(width, f"{each.recall:.4f}", f"{each.probes:,}", milliseconds)
    console.print(table)
    made = "of photos" if placement.probes_of == FACES else "made of the people's templates"
    console.print(f"With {placement.probes} probes {made}.")
    if not tried[-1].suffices:
        console.print(f"No width reaches {TARGET}. Rebuild it: `vectors rebuild --gallery {slug}`.")
    console.print()


def _bars(console: Console) -> Watch:
    """A bar for each stage; nothing where nobody watches."""
    columns = (
        TextColumn("{task.description:<14}"), BarColumn(), MofNCompleteColumn(),
        TimeRemainingColumn(),
    )  # fmt: skip

    @contextmanager
    def stage(title: str, total: int) -> Iterator[Callable[[int], None]]:
        with Progress(
            *columns, console=console, disable=not console.is_terminal, transient=True
        ) as bar:
            task = bar.add_task(title, total=total)
            yield lambda done: bar.advance(task, done)

    def watch(title: str, total: int) -> AbstractContextManager[Callable[[int], None]]:
        return stage(title, total)

    return watch
