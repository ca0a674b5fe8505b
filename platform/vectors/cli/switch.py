"""`manage.py vectors switch`: search the galleries of an index in that one."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from accounts.actors import system
from vectors.generations import switch

from .galleries import gallery_of
from .generations import generation_of

HELP = "search its galleries in this index: back to a kept one, or on to one that waits"


def add_arguments(parser: ArgumentParser) -> None:
    """Which."""
    parser.add_argument("index", help="the end of its name, as `vectors list` shows it")
    parser.add_argument("--gallery", help="this one of its galleries alone; default: all of them")


def run(options: dict[str, Any], command: BaseCommand) -> None:
    """Switch."""
    generation = generation_of(options["index"])
    galleries = [gallery_of(options["gallery"])] if options["gallery"] else None
    switch(system("command-line"), generation, galleries)
    slugs = ", ".join(each.slug for each in galleries or generation.galleries.all())
    command.stdout.write(
        command.style.SUCCESS(f"Searches of {slugs} use it now, with {generation.model}.")
    )
