"""`manage.py prepare`: everything that must be there before the processes start, once and for all.

For an init container or a deploy script; `manage.py up` does the same by itself.
"""

from typing import Any

from django.core.management import call_command
from django.core.management.base import BaseCommand

from common.database import prepare_database, require_answering_database
from common.exclusive import one_prepares, refuse_unfinished_restore


class Command(BaseCommand):
    help = (
        "Migrate the database, erase again whom the ledger of erasures names, and make the first "
        "administrator and gallery. Does nothing where all is there; several may run at once."
    )

    def handle(self, *_args: Any, **_options: Any) -> None:
        require_answering_database()
        with one_prepares():
            refuse_unfinished_restore()  # one that went on while we waited has ended, or failed
            prepare_database(self)
            call_command("bootstrap", stdout=self.stdout, stderr=self.stderr)
