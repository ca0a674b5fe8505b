"""`manage.py vectors ...`: the index, and templates that come without photos."""

from argparse import ArgumentParser
from types import ModuleType
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from common.database import require_database
from common.errors import Problem
from vectors.cli import drop, export, import_, list_, rebuild, switch, tune, wait

SUBCOMMANDS: dict[str, ModuleType] = {
    "list": list_,
    "rebuild": rebuild,
    "wait": wait,
    "switch": switch,
    "tune": tune,
    "drop": drop,
    "import": import_,
    "export": export,
}


class Command(BaseCommand):
    help = "Show, rebuild, tune and switch indexes; load and write ready-made templates."

    def add_arguments(self, parser: ArgumentParser) -> None:
        kinds = parser.add_subparsers(dest="what", required=True, metavar="WHAT")
        for name, module in SUBCOMMANDS.items():
            module.add_arguments(kinds.add_parser(name, help=module.HELP))

    def handle(self, *_args: Any, **options: Any) -> None:
        require_database()
        try:
            SUBCOMMANDS[options["what"]].run(options, self)
        except Problem as problem:
            raise CommandError(problem.detail) from problem
