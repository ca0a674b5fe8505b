"""`manage.py backup DIR`: everything that can't be rebuilt, into a folder."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from common.console import progress_in_bytes
from common.database import require_database
from common.exclusive import refuse_unfinished_restore
from operations import archive
from operations.archive import BackupError, Manifest
from operations.backup import make


class Command(BaseCommand):
    help = (
        "Back up database, photos and the ledger of erasures into DIR, while Likeness runs. "
        "Again into the same DIR copies only what is new."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("folder", metavar="DIR", type=Path)
        parser.add_argument(
            "--verify", action="store_true", help="only read the backup in DIR: is it whole?"
        )

    def handle(self, *_args: Any, folder: Path, verify: bool, **_options: Any) -> None:
        try:
            if verify:
                self._verify(folder)
            else:
                self._make(folder)
        except BackupError as error:
            raise CommandError(str(error)) from error

    def _make(self, folder: Path) -> None:
        refuse_unfinished_restore()
        require_database()
        made = make(folder, progress_in_bytes(self.stdout))
        self._tell(folder, made.manifest)
        self.stdout.write(f"Photos copied now: {made.copied}.")
        if made.lost:
            shown = "\n  ".join(made.lost[:20])
            self.stderr.write(
                self.style.WARNING(
                    f"{len(made.lost)} photos are missing or damaged here, and not backed up:\n"
                    f"  {shown}"
                )
            )

    def _verify(self, folder: Path) -> None:
        stage = progress_in_bytes(self.stdout)
        manifest = archive.read_manifest(folder)
        archive.check_parts(folder, manifest, stage)
        bad = archive.damaged_media(folder, manifest, stage)
        self._tell(folder, manifest)
        if bad:
            shown = "\n  ".join(bad[:20])
            raise CommandError(
                f"{len(bad)} of {manifest.files} photos are missing or damaged:\n  {shown}"
            )
        self.stdout.write(self.style.SUCCESS("Every file is what it was when it was written."))

    def _tell(self, folder: Path, manifest: Manifest) -> None:
        people, erased = (manifest.rows[name] for name in ("people_person", "enrolment_erasure"))
        self.stdout.write(
            f"Backup of {manifest.created_at} in {folder}: {people} people, "
            f"{manifest.files} photos ({manifest.file_bytes >> 20} MB), {erased} erasures, "
            f"database {manifest.database.bytes >> 20} MB ({manifest.engine})."
        )
