"""Making a backup: the database, the originals, and apart from both who was erased.

Milvus is not copied; it is rebuilt from the database.
"""

import fcntl
import json
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from django.apps import apps
from django.conf import settings
from django.core.files.storage import default_storage
from django.db import connection
from django.db.models import Sum

from common.ids import new_id
from common.release import likeness_version
from common.storage import sync
from enrolment import ledger_file
from enrolment.models import Erasure
from photos.models import Original

from . import archive, dumps
from .archive import FORMAT, MANIFEST, MARK, MEDIA, BackupError, Manifest, Medium, Part, Stage

_ROOM_LEFT = 64 << 20
_ROWS = 5000
_PARTS = ("database-*", "media-*", "ledger-*", "*.part")


@dataclass(frozen=True)
class Made:
    """What came of a backup."""

    manifest: Manifest
    copied: int  # originals that were not there yet
    lost: list[str]  # originals whose file is missing or damaged here


def make(folder: Path, stage: Stage = archive.silent) -> Made:
    """Back up everything into `folder`, in the place of the backup that it may hold.

    Likeness may run meanwhile. A backup that is interrupted leaves the older one as it was.

    Raises:
        BackupError: the folder holds something else or too little room, or a program is missing.
    """
    folder = folder.resolve()
    dumps.check_programs()
    with archive.private(), _ours_alone(folder):
        _check_room(folder)
        stamp = f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{secrets.token_hex(2)}"
        manifest = _write_parts(folder, stamp, stage)
        copied, lost = _copy_media(folder, manifest, stage)
        archive.write_manifest(folder, manifest)
        _remove_older(folder, manifest)
    return Made(manifest, copied, lost)


# --- The folder ---------------------------------------------------------------------------------


@contextmanager
def _ours_alone(folder: Path) -> Iterator[None]:
    """A folder of backups, made if need be, with nobody else at work in it."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        _refuse_strangers(folder)
        with (folder / MARK).open("a") as mark:
            fcntl.flock(mark, fcntl.LOCK_EX | fcntl.LOCK_NB)
            folder.chmod(0o700)
            yield
    except BlockingIOError as error:
        raise BackupError(f"Another backup into {folder} is under way.") from error
    except OSError as error:
        raise BackupError(
            f"The backup in {folder} could not be written: {error.strerror or error}. An older one "
            "there is as it was."
        ) from error


def _refuse_strangers(folder: Path) -> None:
    media = Path(settings.MEDIA_ROOT).resolve()
    if folder == media or media in folder.parents or folder in media.parents:
        raise BackupError(f"{folder} and the photos in {media} must lie apart.")
    ours = (folder / MARK).exists() or (folder / MANIFEST).exists()
    if not ours and any(folder.iterdir()):
        raise BackupError(
            f"{folder} holds something that is no backup. Name a folder that is empty or doesn't "
            "exist."
        )


def _check_room(folder: Path) -> None:
    total = Original.objects.aggregate(total=Sum("bytes"))["total"] or 0
    there = sum(path.stat().st_size for path in (folder / MEDIA).rglob("*") if path.is_file())
    needed = dumps.size() + max(0, total - there) + _ROOM_LEFT
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise BackupError(
            f"{folder} has room for {free >> 20} MB; about {needed >> 20} MB are needed."
        )


def _remove_older(folder: Path, manifest: Manifest) -> None:
    """What the manifest doesn't name: earlier dumps, leftovers, and originals erased since."""
    named = {manifest.database.name, manifest.media.name, manifest.ledger.name}
    for pattern in _PARTS:
        for path in folder.glob(pattern):
            if path.name not in named:
                path.unlink(missing_ok=True)
    kept = {medium.name for medium in archive.media_of(folder, manifest)}
    root = folder / MEDIA
    for base, folders, files in os.walk(root, topdown=False):
        for name in files:
            path = Path(base, name)
            if path.relative_to(root).as_posix() not in kept:
                path.unlink()
        for name in folders:
            with suppress(OSError):  # not empty
                Path(base, name).rmdir()


# --- The parts ----------------------------------------------------------------------------------


def _write_parts(folder: Path, stamp: str, stage: Stage) -> Manifest:
    database, media = folder / f"database-{stamp}.dump", folder / f"media-{stamp}.jsonl"
    size = dumps.size()
    with stage("Copying the database", size) as advance, dumps.dumped(database) as ask:
        advance(size)
        migrations = ask("SELECT app, name FROM django_migrations ORDER BY id")
        rows = {table: int(ask(f"SELECT COUNT(*) FROM {table}")[0][0]) for table in _tables()}  # noqa: S608 - names of our own
        files, file_bytes = _write_media_list(media, ask)
    return Manifest(
        format=FORMAT,
        id=str(new_id()),
        version=likeness_version(),
        created_at=datetime.now(UTC).isoformat(timespec="seconds"),
        engine=connection.vendor,
        migrations=[f"{app}.{name}" for app, name in migrations],
        rows=rows,
        database=archive.part(database),
        media=archive.part(media),
        ledger=_write_ledger(folder / f"ledger-{stamp}.jsonl"),
        files=files,
        file_bytes=file_bytes,
    )


def _tables() -> list[str]:
    ours = [app for app in apps.get_app_configs() if Path(app.path).parent == _platform()]
    return sorted(model._meta.db_table for app in ours for model in app.get_models())


def _platform() -> Path:
    return Path(__file__).resolve().parents[1]


def _write_media_list(path: Path, ask: dumps.Ask) -> tuple[int, int]:
    """All originals that the dump refers to; returns how many, and their bytes."""
    last, files, total = 0, 0, 0
    with path.open("w") as lines:
        while rows := ask(
            f"SELECT id, file, bytes, sha256 FROM photos_original WHERE id > {last} "  # noqa: S608 - a number of our own
            f"ORDER BY id LIMIT {_ROWS}"
        ):
            for pk, name, size, sha256 in rows:
                lines.write(json.dumps(Medium(name, size, sha256)._asdict()) + "\n")
                last, files, total = pk, files + 1, total + size
    return files, total


def _write_ledger(path: Path) -> Part:
    """Everyone ever erased: what the file says and, later than the dump, what the database says."""
    try:
        ledger_file.append(ledger_file.read(ledger_file.path()), path)
        rows = Erasure.objects.order_by("pk").iterator(chunk_size=_ROWS)
        ledger_file.append((ledger_file.line_of(row) for row in rows), path)
    except ledger_file.LedgerError as error:
        raise BackupError(str(error)) from error
    return archive.part(path)


# --- The originals ------------------------------------------------------------------------------


def _copy_media(folder: Path, manifest: Manifest, stage: Stage) -> tuple[int, list[str]]:
    """Copy those that aren't there; returns how many, and the names of those that can't be."""
    copied, lost = 0, []
    with stage("Copying photos", manifest.file_bytes) as advance:
        for medium in archive.media_of(folder, manifest):
            target = folder / MEDIA / medium.name
            if target.is_file() and target.stat().st_size == medium.bytes:
                advance(medium.bytes)
            elif _copy(medium, target, advance):
                copied += 1
            elif Original.objects.filter(file=medium.name).exists():
                lost.append(medium.name)  # else it was deleted since the dump, and is not missed
    for path in (folder / MEDIA).rglob("*"):
        if path.is_dir():
            sync(path)
    return copied, lost


def _copy(medium: Medium, target: Path, advance: archive.Advance) -> bool:
    source = Path(default_storage.path(medium.name))
    return source.is_file() and archive.copy(source, target, medium.sha256, advance)
