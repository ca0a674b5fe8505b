"""`manage.py start`: become one process of an installation, for containers and systemd.

It replaces itself (exec), so that signals reach the process and its exit code is the command's.
"""

import os
import re
from argparse import ArgumentTypeError
from typing import Any, NoReturn

from django.core.management.base import BaseCommand, CommandParser

from common import arguments, processes
from common.exclusive import refuse_unfinished_restore, sign_in
from common.processes import DEFAULT_PORT, LOOPBACK, Program


class Command(BaseCommand):
    help = (
        "Become one process: the web server, a photo worker, the index worker, the worker of "
        "maintenance, that of imports, or the clock. "
        "Run `manage.py prepare` once before; `manage.py up` runs all of them on one machine."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        kinds = parser.add_subparsers(dest="process", required=True, metavar="PROCESS")
        web = kinds.add_parser("web", help="API and admin")
        web.add_argument("--host", default=LOOPBACK, help="default: %(default)s, this machine")
        web.add_argument(
            "--port",
            type=arguments.port,
            default=os.environ.get("LIKENESS_PORT") or DEFAULT_PORT,
            help="default: LIKENESS_PORT, else 8000",
        )
        photos = kinds.add_parser("photos", help="a worker that makes templates of photos")
        index = kinds.add_parser("index", help="the worker that carries templates to Milvus")
        maintenance = kinds.add_parser(
            "maintenance", help="the worker that compares, measures and tidies by the clock"
        )
        imports = kinds.add_parser("imports", help="the worker of bulk imports")
        workers = (photos, index, maintenance, imports)
        for name, parser_of in zip(processes.WORKERS, workers, strict=True):
            parser_of.add_argument(
                "--name",
                type=_name,
                default=name,
                help="default: %(default)s; each worker of a host needs a name of its own",
            )
        kinds.add_parser("beat", help="the clock; run one of it")

    def handle(self, *_args: Any, **options: Any) -> NoReturn:
        sign_in()  # waits for a restore under way
        refuse_unfinished_restore()
        program = _program(options)
        public_url = processes.local_url(
            options.get("host", LOOPBACK), options.get("port", DEFAULT_PORT)
        )
        env = {**program.defaults, **processes.environment(public_url)}
        self.stdout.flush()
        os.execvpe(program.argv[0], program.argv, env)  # noqa: S606 - our own command line


def _program(options: dict[str, Any]) -> Program:
    process = options["process"]
    if process == "web":
        return processes.web(options["host"], options["port"])
    if process == "beat":
        return processes.beat()
    return processes.WORKERS[process](options["name"])


def _name(text: str) -> str:
    if re.fullmatch(r"[\w.-]{1,40}", text):
        return text
    raise ArgumentTypeError(f"{text!r} is no name; use letters, digits, dots and dashes")
