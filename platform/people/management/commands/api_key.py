"""`manage.py api_key GALLERY --role operator`: a key for a machine."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from accounts.actors import Actor, system
from common.database import require_database
from common.errors import NotFound
from people.models import Gallery, Role
from people.services import issue_api_key, revoke_api_key


class Command(BaseCommand):
    help = "Make an API key for a gallery and print it, this once; or list or revoke keys."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("gallery", help="the gallery's slug")
        parser.add_argument("--role", choices=Role.values, default=Role.OPERATOR.value)
        parser.add_argument("--list", action="store_true", help="show the keys there are")
        parser.add_argument("--revoke", metavar="PREFIX", help="make a key useless")
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
        if options["list"]:
            return self._listed(gallery)
        if options["revoke"]:
            return self._revoked(actor, gallery, options["revoke"])
        return issue_api_key(actor, gallery, Role(options["role"]), options["name"])

    def _listed(self, gallery: Gallery) -> str:
        members = gallery.memberships.exclude(api_key=None).select_related("api_key")
        lines = [
            f"{key.prefix}  {'revoked' if key.revoked else member.role:<8}  {key.name}"
            for member in members.order_by("api_key__created")
            if (key := member.api_key) is not None
        ]
        return "\n".join(lines) or "This gallery has no keys."

    def _revoked(self, actor: Actor, gallery: Gallery, prefix: str) -> str:
        try:
            revoke_api_key(actor, gallery, prefix.partition(".")[0])
        except NotFound as error:
            raise CommandError("The gallery has no such key; --list shows them.") from error
        return "The key is useless from now on."
