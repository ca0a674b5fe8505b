"""Putting a backup back, so that nobody erased comes back with it.

The order is what matters. Before anything is touched, the ledgers of the present database, of
LEDGER_FILE and of the backup are united in LEDGER_FILE. From then on a marker keeps everything
from being served, until the ledger has been replayed on the restored database and the rest is
done. Every step may run again, so after an interruption the same command completes the restore.
"""

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeVar

from django.conf import settings
from django.contrib.contenttypes.models import ContentType
from django.contrib.sessions.models import Session
from django.core.files.storage import default_storage
from django.core.management import call_command
from django.db import DatabaseError, connection, transaction
from django.db.migrations.loader import MigrationLoader
from django.utils import timezone

from accounts.actors import system
from accounts.models import ApiKey, User
from audit.models import AuditEntry
from audit.services import record
from common.exclusive import unfinished_restore
from common.models import IdempotentRequest
from common.storage import sync
from enrolment import ledger_file
from enrolment.ledger import Replay, replay
from enrolment.models import Erasure
from people.models import Person
from photos.models import Original, Photo, PhotoState
from vectors.forget import collections_here, drop_collections, forget_indexes

from . import archive, dumps
from .archive import MEDIA, BackupError, Manifest, Medium, Stage
from .models import CLOCK, FRESH_SECONDS, WorkerHeartbeat

T = TypeVar("T")

_TOLD = (("people", Person), ("photos", Photo), ("erasures", Erasure))
_ACTOR = system("restore")
_NAMED = 3  # of many, how many are named in a sentence


@dataclass
class Outgoing:
    """What must be known of the database that is replaced; it survives in the marker."""

    revoked_keys: set[str] = field(default_factory=set)  # prefixes, also of deleted ones
    closed_accounts: set[str] = field(default_factory=set)  # users' public ids
    collections: set[str] = field(default_factory=set)


@dataclass(frozen=True)
class Restored:
    """What came of it."""

    replayed: Replay
    keys: list[str]  # prefixes of keys that were revoked since the backup, and are again
    accounts: int  # that were closed since the backup, and are again
    copied: int
    lost: list[str]  # originals that neither the backup nor MEDIA_ROOT has
    collections_left: list[str]


# --- Beforehand -----------------------------------------------------------------------------------


def check(folder: Path, stage: Stage = archive.silent, *, despite_damage: bool = False) -> Manifest:
    """The manifest of a backup that can be restored here. Nothing is touched.

    Raises:
        BackupError: it is damaged, newer than this version, or of another engine.
    """
    manifest = archive.read_manifest(folder)
    if manifest.engine != connection.vendor:
        raise BackupError(
            f"The backup is of {manifest.engine}, the database named by DATABASE_URL is of "
            f"{connection.vendor}. Name one of {manifest.engine}."
        )
    _refuse_newer(manifest)
    archive.check_parts(folder, manifest, stage)
    _read_ledger(folder / manifest.ledger.name)
    bad = archive.damaged_media(folder, manifest, stage)
    if bad and not despite_damage:
        raise BackupError(
            f"{len(bad)} of {manifest.files} photos in the backup are missing or damaged "
            f"({_some(bad)}). Take another backup, or restore the rest with --despite-damage."
        )
    return manifest


def _refuse_newer(manifest: Manifest) -> None:
    loader = MigrationLoader(None, ignore_no_migrations=True)
    known = {f"{app}.{name}" for app, name in loader.disk_migrations}
    unknown = sorted(set(manifest.migrations) - known)
    if unknown:
        raise BackupError(
            f"The backup was made by a newer version of Likeness ({manifest.version}; this one "
            f"doesn't know {_some(unknown)}). Install that version first."
        )


def signs_of_life() -> list[str]:
    """Who seems to use the database that would be replaced."""
    since = timezone.now() - timedelta(seconds=FRESH_SECONDS)
    # The clock's sign is a worker's, and outlives it.
    beats = WorkerHeartbeat.objects.filter(seen_at__gt=since).exclude(name=CLOCK)
    found = [f"worker {name}" for name in _readable(lambda: beats.values_list("name", flat=True))]
    return found + _other_sessions()


def _other_sessions() -> list[str]:
    """Other connections to the same PostgreSQL database, of whatever program."""
    if connection.vendor != dumps.POSTGRESQL:
        return []
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() "
            "AND pid <> pg_backend_pid() AND backend_type = 'client backend'"
        )
        count = cursor.fetchone()[0]
    return [f"{count} other connections to the database"] if count else []


def present_rows() -> dict[str, int]:
    """How much of what matters there is now."""
    return {name: sum(_readable(lambda m=model: [m.objects.count()])) for name, model in _TOLD}  # type: ignore[misc]


def backup_rows(manifest: Manifest) -> dict[str, int]:
    """The same of the backup."""
    return {name: manifest.rows.get(model._meta.db_table, 0) for name, model in _TOLD}


# --- The restore ----------------------------------------------------------------------------------


@archive.private()
def run(folder: Path, manifest: Manifest, stage: Stage = archive.silent) -> Restored:
    """Replace database and photos by those of a backup that `check` has passed.

    Raises:
        BackupError: it can't be done; before the database is replaced, everything is as it was.
    """
    dumps.check_programs()
    again = unfinished_restore().exists()
    outgoing = _note_outgoing()
    _unite_ledgers(folder / manifest.ledger.name)
    _mark(folder, outgoing)
    try:
        with stage("Restoring the database", manifest.database.bytes) as advance:
            dumps.load(folder / manifest.database.name)
            advance(manifest.database.bytes)
    except BackupError:
        if not again:  # nothing has happened yet
            unfinished_restore().unlink()
        raise
    ContentType.objects.clear_cache()
    restored = _complete(folder, manifest, outgoing, stage)
    unfinished_restore().unlink()
    sync(unfinished_restore().parent)
    return restored


def _note_outgoing() -> Outgoing:
    """Of the database that goes, and of an earlier attempt, whose database has gone already."""
    earlier = _earlier_attempt()
    closed = User.objects.filter(is_active=False).values_list("public_id", flat=True)
    return Outgoing(
        revoked_keys=earlier.revoked_keys.union(_readable(_revoked_keys)),
        closed_accounts=earlier.closed_accounts.union(map(str, _readable(lambda: closed))),
        collections=earlier.collections.union(_readable(collections_here)),
    )


def _revoked_keys() -> set[str]:
    """Prefixes of keys that must not work: revoked, or made once and deleted with their gallery."""
    made = AuditEntry.objects.filter(action="api_key.create").values_list("target", flat=True)
    prefixes = {target.removeprefix("api_key:") for target in made}
    valid = set(ApiKey.objects.filter(revoked=False).values_list("prefix", flat=True))
    revoked = set(ApiKey.objects.filter(revoked=True).values_list("prefix", flat=True))
    return revoked | (prefixes - valid)


def _earlier_attempt() -> Outgoing:
    try:
        found = json.loads(unfinished_restore().read_text())
        return Outgoing(**{name: set(found[name]) for name in Outgoing.__dataclass_fields__})
    except (OSError, ValueError, KeyError, TypeError):
        return Outgoing()


def _unite_ledgers(backup: Path) -> None:
    """Everyone ever erased, in LEDGER_FILE, before the database goes that may alone know it."""
    present = [ledger_file.line_of(row) for row in _readable(Erasure.objects.all)]
    try:
        ledger_file.append([*_read_ledger(backup), *present], ledger_file.path())
    except ledger_file.LedgerError as error:
        raise BackupError(str(error)) from error


def _read_ledger(path: Path) -> list[ledger_file.Line]:
    try:
        return ledger_file.read(path)
    except ledger_file.LedgerError as error:
        raise BackupError(str(error)) from error


def _mark(folder: Path, outgoing: Outgoing) -> None:
    """From here on nothing is served."""
    marker = unfinished_restore()
    fresh = marker.with_suffix(".part")
    lists = {name: sorted(getattr(outgoing, name)) for name in Outgoing.__dataclass_fields__}
    fresh.write_text(json.dumps({"folder": str(folder), **lists}))
    sync(fresh)
    fresh.replace(marker)
    sync(marker.parent)


# --- Afterwards: each step may run again ----------------------------------------------------------


def _complete(folder: Path, manifest: Manifest, outgoing: Outgoing, stage: Stage) -> Restored:
    call_command("migrate", verbosity=0, interactive=False)
    collections = outgoing.collections | collections_here()
    keys, accounts = _close_again(outgoing)
    replayed = _replay()
    copied, lost = _copy_media(folder, manifest, stage)
    with transaction.atomic():
        record(
            _ACTOR,
            "backup.restore",
            f"backup:{manifest.id}",
            None,
            erased_again=replayed.erased,
            photos_removed_again=replayed.photos,
            keys_revoked_again=len(keys),
        )
    return Restored(replayed, keys, accounts, copied, lost, drop_collections(collections))


@transaction.atomic
def _close_again(outgoing: Outgoing) -> tuple[list[str], int]:
    """Nothing that was open or valid at the time of the backup is so only because of that."""
    forget_indexes()
    Photo.objects.filter(state=PhotoState.PROCESSING).update(
        state=PhotoState.RECEIVED, lease=None, leased_until=None, leased_by=""
    )
    for model in (Session, IdempotentRequest, WorkerHeartbeat):
        model._default_manager.all().delete()
    keys = ApiKey.objects.filter(prefix__in=outgoing.revoked_keys, revoked=False)
    prefixes = sorted(keys.values_list("prefix", flat=True))
    keys.update(revoked=True)
    for prefix in prefixes:
        record(_ACTOR, "api_key.revoke", f"api_key:{prefix}", None)
    accounts = User.objects.filter(public_id__in=outgoing.closed_accounts, is_active=True)
    return prefixes, accounts.update(is_active=False)


def _replay() -> Replay:
    try:
        return replay()
    except ledger_file.LedgerError as error:
        raise BackupError(str(error)) from error


def _copy_media(folder: Path, manifest: Manifest, stage: Stage) -> tuple[int, list[str]]:
    """The originals that the database refers to now: nothing of somebody erased is copied."""
    copied, lost = 0, []
    with stage("Restoring photos", manifest.file_bytes) as advance:
        for medium in _referred_to():
            target = Path(default_storage.path(medium.name))
            if archive.is_whole(target, medium):
                advance(medium.bytes)
            elif _copy(folder / MEDIA / medium.name, target, medium, advance):
                copied += 1
            else:
                lost.append(medium.name)
    for path in Path(settings.MEDIA_ROOT).rglob("*"):
        if path.is_dir():
            sync(path)
    return copied, lost


def _referred_to() -> Iterator[Medium]:
    rows = Original.objects.order_by("pk").values_list("file", "bytes", "sha256")
    for name, size, sha256 in rows.iterator(chunk_size=1000):
        yield Medium(str(name), size, sha256)


def _copy(source: Path, target: Path, medium: Medium, advance: archive.Advance) -> bool:
    try:
        return source.is_file() and archive.copy(source, target, medium.sha256, advance)
    except OSError as error:
        raise BackupError(
            f"The photos could not be restored: {error.strerror}. Make room, and run the same "
            "command again."
        ) from error


def _readable(ask: Callable[[], Iterable[T]]) -> list[T]:
    """What the present database says; nothing if it is damaged, empty or of another version."""
    try:
        return list(ask())
    except DatabaseError:
        return []


def _some(names: list[Any]) -> str:
    shown = ", ".join(str(name) for name in names[:_NAMED])
    return shown if len(names) <= _NAMED else f"{shown}, ..."
