"""`manage.py vectors drop`: remove an index that nothing is searched in."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from accounts.actors import system
from vectors.generations import drop

from .generations import generation_of

HELP = "remove an index that is not searched: one kept after a rebuild, or one being built"


def add_arguments(parser: ArgumentParser) -> None:
    """Which."""
    parser.add_argument("index", help="the end of its name, as `vectors list` shows it")


def run(options: dict[str, Any], command: BaseCommand) -> None:
    """Drop."""
    drop(system("command-line"), generation_of(options["index"]))
    command.stdout.write("It gets no changes from now on; the index worker removes it from Milvus.")
