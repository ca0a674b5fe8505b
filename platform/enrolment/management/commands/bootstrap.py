"""`manage.py bootstrap`: what a fresh installation needs before anybody can sign in."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import transaction

from accounts.actors import system
from accounts.services import create_first_administrator
from common.database import require_database
from enrolment.ledger import replay
from enrolment.ledger_file import LedgerError
from people.models import Gallery
from people.services import create_gallery
from thresholds.services import bring_recorded
from vectors.generations import ensure_active_index


class Command(BaseCommand):
    help = (
        "Erase again whom the ledger of erasures names; create the first administrator and a "
        "first gallery, if there are none."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        require_database()
        self._replay()
        actor = system("bootstrap")
        with transaction.atomic():
            password = create_first_administrator(actor)
            if not Gallery.objects.exists():
                create_gallery(actor, name="Main", slug="main")
        bring_recorded(actor)
        for gallery in Gallery.objects.filter(active_index=None):
            ensure_active_index(gallery)
        if password is not None:
            self.stdout.write(
                self.style.SUCCESS(
                    f"\n  First administrator: admin\n  Password:            {password}\n"
                    "  It is shown this once; change it in the admin.\n"
                )
            )

    def _replay(self) -> None:
        """First of all: an older database may have been restored, by whatever means."""
        try:
            done = replay()
        except LedgerError as error:
            raise CommandError(str(error)) from error
        if done.erased:
            self.stdout.write(f"Erased again, as the ledger says: {done.erased} people.")
        if done.photos:
            self.stdout.write(f"Removed again, as the ledger says: {done.photos} photos.")
