from typing import Any, NoReturn

from django.core.management.base import BaseCommand, CommandError, CommandParser

from vectors import lite


class Command(BaseCommand):
    help = "Run the embedded index (Milvus Lite) in the foreground; `up` does this for you."
    requires_system_checks = ()  # the index starts first, and needs nothing of the rest

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--port", type=int, help="default: the first free one from 19530")

    def handle(self, *_args: Any, **options: Any) -> NoReturn:
        try:
            lite.become_server(options["port"])
        except lite.LiteError as error:
            raise CommandError(str(error)) from error
