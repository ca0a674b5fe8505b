"""`manage.py vectors export FILE.parquet --gallery G`: a gallery's templates into a file."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from accounts.actors import system
from common.console import console_of
from vectors.bulk.exporting import export
from vectors.models import PersonTemplate

from .galleries import gallery_of

HELP = "write a gallery's templates into a Parquet file"


def add_arguments(parser: ArgumentParser) -> None:
    """What it takes."""
    parser.add_argument("file", type=Path, help="the Parquet file to write")
    parser.add_argument("--gallery", required=True, metavar="SLUG", help="whose templates")
    parser.add_argument("--force", action="store_true", help="replace a file that is there")


def run(options: dict[str, Any], command: BaseCommand) -> None:
    """Write the file, and say how much is in it."""
    gallery = gallery_of(options["gallery"])
    if options["file"].suffix.lower() != ".parquet":
        raise CommandError("It writes Parquet files. Name it *.parquet.")
    console = console_of(command.stdout)
    count = PersonTemplate.objects.filter(person__gallery=gallery, model=gallery.model).count()
    columns = (TextColumn("Writing"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal) as bar:
        task = bar.add_task("", total=count)
        written = export(
            system("command-line"),
            gallery,
            options["file"],
            force=options["force"],
            progress=lambda rows: bar.advance(task, rows),
        )
    console.print(
        f"{written.templates:,} templates of {written.model} in {options['file']}. They are "
        "biometric data: keep the file as you keep photos.",
        soft_wrap=True,
    )
