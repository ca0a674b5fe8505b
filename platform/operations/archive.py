"""What a backup's folder looks like, and whether it is whole.

    manifest.json           what it is, and the hashes of the three parts below
    database-STAMP.dump     SQLite's file, or pg_dump's custom format
    media-STAMP.jsonl       the originals that this database refers to, with their hashes
    ledger-STAMP.jsonl      who was erased, apart from the database
    media/                  the originals

Originals never change and their names are never used twice, so backups into the same folder share
them. The manifest is written last and by renaming: until then the older backup stands.
"""

import hashlib
import json
import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

from common.storage import sync

FORMAT = 1
MANIFEST = "manifest.json"
MARK = ".likeness-backup"  # in a folder of ours, before there is a manifest
MEDIA = "media"
_CHUNK = 1 << 20

# Progress: `with stage("Reading photos", bytes_to_come) as advance: advance(bytes_done)`.
Advance = Callable[[int], None]
Stage = Callable[[str, int], AbstractContextManager[Advance]]


class BackupError(Exception):
    """It can't be done; the message says why and what to do."""


class Part(NamedTuple):
    """One of the three files beside the manifest."""

    name: str
    bytes: int
    sha256: str


class Medium(NamedTuple):
    """One original."""

    name: str
    bytes: int
    sha256: str


@dataclass(frozen=True)
class Manifest:
    """What a backup holds."""

    format: int
    id: str
    version: str
    created_at: str
    engine: str
    migrations: list[str]
    rows: dict[str, int]
    database: Part
    media: Part
    ledger: Part
    files: int
    file_bytes: int


@contextmanager
def private() -> Iterator[None]:
    """What is made in the block is ours alone to read, also by programs that we start."""
    before = os.umask(0o077)
    try:
        yield
    finally:
        os.umask(before)


@contextmanager
def silent(_title: str, _total: int) -> Iterator[Advance]:
    """Progress that nobody watches."""
    yield lambda _done: None


# --- Writing ------------------------------------------------------------------------------------


def part(path: Path) -> Part:
    """What the manifest says of a file, which is on the disk when this returns."""
    sync(path)
    return Part(path.name, path.stat().st_size, digest(path))


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Make the parts it names the backup, at once or not at all."""
    fields = asdict(manifest)
    for name in ("database", "media", "ledger"):
        fields[name] = getattr(manifest, name)._asdict()
    fresh = folder / f"{MANIFEST}.part"
    fresh.write_text(json.dumps(fields, indent=1) + "\n")
    sync(fresh)
    fresh.replace(folder / MANIFEST)
    sync(folder)


def copy(source: Path, target: Path, sha256: str, advance: Advance) -> bool:
    """Copy a file whole and durably, or not at all; False when its bytes aren't what they were."""
    target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    fresh = target.with_name(f"{target.name}.part")
    try:
        with source.open("rb") as read, fresh.open("wb") as written:
            seen = hashlib.sha256()
            while chunk := read.read(_CHUNK):
                seen.update(chunk)
                written.write(chunk)
                advance(len(chunk))
            if seen.hexdigest() != sha256:
                return False
            written.flush()
            os.fsync(written.fileno())
        fresh.replace(target)
    finally:
        fresh.unlink(missing_ok=True)
    return True


# --- Reading ------------------------------------------------------------------------------------


def read_manifest(folder: Path) -> Manifest:
    """What a folder's backup holds.

    Raises:
        BackupError: there is none, or it is of another format.
    """
    try:
        fields = json.loads((folder / MANIFEST).read_text())
        if fields["format"] != FORMAT:
            raise BackupError(
                f"{folder} holds a backup of format {fields['format']}; this version of Likeness "
                f"reads format {FORMAT}. Use the version that made it ({fields['version']})."
            )
        for name in ("database", "media", "ledger"):
            fields[name] = _part(fields[name])
        return Manifest(**fields)
    except FileNotFoundError as error:
        raise BackupError(f"{folder} holds no backup: there is no {MANIFEST}.") from error
    except OSError as error:
        raise BackupError(f"{folder / MANIFEST} cannot be read: {error.strerror}.") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise BackupError(f"{folder / MANIFEST} is damaged; take another backup.") from error


def _part(fields: dict[str, Any]) -> Part:
    found = Part(**fields)
    if PurePosixPath(found.name).name != found.name:
        raise ValueError("a part outside the folder")
    return found


def media_of(folder: Path, manifest: Manifest) -> Iterator[Medium]:
    """The originals that belong to the backup."""
    with (folder / manifest.media.name).open() as lines:
        for line in lines:
            yield Medium(**json.loads(line))


def check_parts(folder: Path, manifest: Manifest, stage: Stage = silent) -> None:
    """Raise BackupError unless database, list of media and ledger are what they were."""
    parts = (manifest.database, manifest.media, manifest.ledger)
    with stage("Checking the database", sum(each.bytes for each in parts)) as advance:
        for each in parts:
            _check_part(folder / each.name, each, advance)


def _check_part(path: Path, expected: Part, advance: Advance) -> None:
    if not path.is_file():
        raise BackupError(f"{path} is missing. This backup cannot be used; take another one.")
    size = path.stat().st_size
    if size != expected.bytes:
        raise BackupError(
            f"{path} has {size} bytes instead of {expected.bytes}. This backup cannot be used; "
            "take another one."
        )
    if digest(path, advance) != expected.sha256:
        raise BackupError(
            f"{path} was changed since it was written. This backup cannot be used; take another "
            "one."
        )


def damaged_media(folder: Path, manifest: Manifest, stage: Stage = silent) -> list[str]:
    """The names of originals that are missing or not what they were."""
    bad = []
    with stage("Checking photos", manifest.file_bytes) as advance:
        for medium in media_of(folder, manifest):
            if not is_whole(folder / MEDIA / medium.name, medium, advance):
                bad.append(medium.name)  # noqa: PERF401 - it takes hours, and shows how far it is
    return bad


def is_whole(path: Path, medium: Medium, advance: Advance = lambda _done: None) -> bool:
    """Whether a file is the original it should be."""
    if not path.is_file() or path.stat().st_size != medium.bytes:
        return False
    return digest(path, advance) == medium.sha256


def digest(path: Path, advance: Advance = lambda _done: None) -> str:
    """A file's SHA-256."""
    seen = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            seen.update(chunk)
            advance(len(chunk))
    return seen.hexdigest()
