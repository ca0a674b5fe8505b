"""`manage.py api_key GALLERY --role operator`: a key for a machine."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from accounts.actors import system
from common.database import require_database
from people.models import Gallery, Role
from people.services import issue_api_key


class Command(BaseCommand):
    help = "Make an API key for a gallery and print it, this once."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("gallery", help="the gallery's slug")
        parser.add_argument("--role", choices=Role.values, default=Role.OPERATOR.value)
        parser.add_argument("--name", default="command line", help="what it is for")

    def handle(self, *args: Any, **options: Any) -> str:
        require_database()
        gallery = Gallery.objects.filter(slug=options["gallery"]).first()
        if gallery is None:
            known = ", ".join(Gallery.objects.values_list("slug", flat=True)) or "none yet"
            raise CommandError(
                f"There is no gallery with the slug {options['gallery']!r}. There are: {known}."
            )
        actor = system("command-line")
        return issue_api_key(actor, gallery, Role(options["role"]), options["name"])
