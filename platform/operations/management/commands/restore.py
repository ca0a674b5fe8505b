"""`manage.py restore DIR`: a backup in the place of what is here; nobody erased comes back."""

import sys
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import connection

from common.console import progress_in_bytes
from common.database import require_answering_database
from common.exclusive import nobody_signed_in, one_prepares, only_one, running_here
from operations import restore
from operations.archive import BackupError, Manifest
from operations.dumps import POSTGRESQL
from operations.restore import Restored


class Command(BaseCommand):
    help = (
        "Replace database and photos by those of a backup, erase again whoever was erased since, "
        "and forget every index, to be filled anew. Stop Likeness first. After an interruption run "
        "the same command again."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("folder", metavar="DIR", type=Path)
        parser.add_argument("--yes", action="store_true", help="don't ask")
        parser.add_argument(
            "--force", action="store_true", help="even though the database seems to be in use"
        )
        parser.add_argument(
            "--despite-damage",
            action="store_true",
            help="even though photos of the backup are missing or damaged",
        )

    def handle(self, *_args: Any, **options: Any) -> None:
        folder = options["folder"].resolve()
        with only_one(running_here()), nobody_signed_in():
            if connection.vendor == POSTGRESQL:  # a file may be damaged, which is why we are here
                require_answering_database()
            with one_prepares():
                try:
                    done = self._restore(folder, options)
                except BackupError as error:
                    raise CommandError(str(error)) from error
        self._tell(done)

    def _restore(self, folder: Path, options: dict[str, Any]) -> Restored:
        stage = progress_in_bytes(self.stdout)
        if not options["force"]:
            _refuse_living()
        manifest = restore.check(folder, stage, despite_damage=options["despite_damage"])
        if not options["yes"]:
            self._ask(manifest)
        return restore.run(folder, manifest, stage)

    def _ask(self, manifest: Manifest) -> None:
        now, then = restore.present_rows(), restore.backup_rows(manifest)
        rows = ", ".join(f"{now[name]} {name} -> {then[name]}" for name in now)
        self.stdout.write(
            f"The backup of {manifest.created_at} replaces all that is here: {rows}.\n"
            "Users, roles, passwords and settings will be those of that time; whoever was erased "
            "since stays erased, and keys revoked since stay revoked."
        )
        if not sys.stdin.isatty():
            raise CommandError("Nobody is here to be asked. Add --yes.")
        if input("Go on? (yes/no) ").strip().lower() != "yes":
            raise CommandError("Nothing was changed.")

    def _tell(self, done: Restored) -> None:
        self.stdout.write(f"Erased again, as the ledger says: {done.replayed.erased} people.")
        if done.replayed.photos:
            photos = done.replayed.photos
            self.stdout.write(f"Removed again, as the ledger says: {photos} photos.")
        if done.keys:
            self.stdout.write(f"API keys revoked again: {', '.join(done.keys)}.")
        if done.accounts:
            self.stdout.write(f"Accounts closed again: {done.accounts}.")
        self.stdout.write(f"Photos copied: {done.copied}.")
        if done.lost:
            shown = "\n  ".join(done.lost[:20])
            self._warn(f"{len(done.lost)} photos have no file, here or in the backup:\n  {shown}")
        if done.collections_left:
            names = ", ".join(done.collections_left)
            self._warn(f"Milvus did not answer. Drop these collections when it does: {names}.")
        self.stdout.write(
            self.style.SUCCESS(
                "Restored. Start Likeness as usual; the index is filled from the database."
            )
        )

    def _warn(self, text: str) -> None:
        self.stderr.write(self.style.WARNING(text))


def _refuse_living() -> None:
    signs = restore.signs_of_life()
    if signs:
        raise CommandError(
            f"The database is in use: {', '.join(signs)}. Stop Likeness everywhere (a worker that "
            "was killed is taken for dead after half a minute), or insist with --force."
        )
