"""Receiving an archive, or a list of addresses, in pieces: each is appended at the place that the
sender names.

A connection that breaks costs one piece: the job says how many bytes it has, and the sender goes on
from there.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from datetime import timedelta
from pathlib import Path
from typing import IO, Any

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from accounts.actors import Actor
from common.errors import Conflict, Problem, StorageFull, TooLarge, Unprocessable
from common.queue import WORK_ON_IMPORTS, enqueue_on_commit
from people.access import require
from people.models import Gallery, Role

from .errors import MISSING_COLUMNS, UnusableManifest
from .jobs import SENT, SENT_KINDS, awaits_source, change, lock_job, make_job, note
from .manifest import SENT_SUFFIX
from .models import ImportJob, JobState
from .names import SENT_SUFFIX as ARCHIVE_SUFFIX
from .sources.urls import LONGEST_URL

# The most that is taken at once: it is in memory meanwhile.
PIECE = 16 * 1024 * 1024


def upload_path(job: ImportJob) -> Path:
    """Where an archive or a list that is sent is collected: out of the web server's reach."""
    return uploads_folder() / f"{job.public_id.hex}{ARCHIVE_SUFFIX}"


def manifest_path(job: ImportJob) -> Path:
    """Where a manifest that is sent beside the source is collected."""
    return uploads_folder() / f"{job.public_id.hex}{SENT_SUFFIX}"


@transaction.atomic
def append(actor: Actor, job: ImportJob, offset: int, data: bytes) -> ImportJob:
    """Add a piece to a job's archive, or to its list of addresses.

    Raises:
        Conflict: the job takes no more (`import_state`), or has another number of bytes
            (`wrong_offset`, with `uploaded`).
        TooLarge: it would be over the limit of its kind. StorageFull: the disk is full.
    """
    require(actor, job.gallery, Role.OPERATOR)
    job = lock_job(job.pk)
    _check_uploading(job)
    _check_awaited(job, is_awaited=job.source["kind"] in SENT_KINDS, what="archive")
    if offset != job.uploaded:
        raise _wrong_offset(job.uploaded)
    _check_size(offset + len(data), _most(job))
    _write(upload_path(job), offset, data)
    job.uploaded += len(data)
    job.save(update_fields=["uploaded", "updated_at"])
    return job


@transaction.atomic
def append_manifest(actor: Actor, job: ImportJob, offset: int, data: bytes) -> ImportJob:
    """Add a piece to a job's manifest; the one at 0 begins it anew.

    A job whose plan failed for its manifest takes another one, so that its archive need not be
    sent again.

    Raises:
        Conflict: the job takes none (`import_state`), or has another number of bytes
            (`wrong_offset`, with `uploaded`).
        TooLarge: it would be over IMPORT_MAX_MANIFEST_BYTES. StorageFull: the disk is full.
    """
    require(actor, job.gallery, Role.OPERATOR)
    job = lock_job(job.pk)
    _check_awaited(job, is_awaited=job.layout.get("manifest") == SENT, what="manifest")
    if _has_bad_manifest(job):
        job.state, job.code, job.text, job.finished_at = JobState.UPLOADING, "", "", None
        job.save()
    _check_uploading(job)
    there = _size(manifest_path(job))
    if offset not in (0, there):
        raise _wrong_offset(there)
    _check_size(offset + len(data), settings.IMPORT_MAX_MANIFEST_BYTES)
    _write(manifest_path(job), offset, data)
    return job


def _has_bad_manifest(job: ImportJob) -> bool:
    is_bad = job.code in (UnusableManifest.code, MISSING_COLUMNS)
    return job.state == JobState.FAILED and job.started_at is None and is_bad


def _check_awaited(job: ImportJob, *, is_awaited: bool, what: str) -> None:
    if not is_awaited:
        raise Conflict(
            f"This import was made without {what} to be sent. Make another one.",
            code="import_state",
        )


def _wrong_offset(there: int) -> Conflict:
    sentence = f"It has {there} bytes so far. Go on from there."
    return Conflict(sentence, code="wrong_offset", uploaded=there)


def _check_size(size: int, most: int) -> None:
    if size > most:
        raise TooLarge(f"It is larger than {most} bytes. Make several imports of it.")


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _most(job: ImportJob) -> int:
    """A list has a line for each file."""
    if job.source["kind"] == "urls":
        return settings.IMPORT_MAX_FILES * LONGEST_URL
    return settings.IMPORT_MAX_BYTES


def _write(path: Path, offset: int, data: bytes) -> None:
    """Raises StorageFull."""
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        _put(path, offset, data)
    except OSError as error:
        raise StorageFull("The server's disk has no room for it. Try again later.") from error


def _put(path: Path, offset: int, data: bytes) -> None:
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
    try:
        # What a piece wrote whose transaction was rolled back is written again.
        os.ftruncate(handle, offset)
        os.lseek(handle, offset, os.SEEK_SET)
        view = memoryview(data)
        while view:
            view = view[os.write(handle, view) :]
        os.fsync(handle)
    finally:
        os.close(handle)


@transaction.atomic
def complete(actor: Actor, job: ImportJob) -> ImportJob:
    """Say that what was sent is whole; it is looked at next.

    Raises:
        Conflict: as `append`. Unprocessable: nothing was sent (`empty_file`).
    """
    require(actor, job.gallery, Role.OPERATOR)
    job = lock_job(job.pk)
    _check_uploading(job)
    is_sent = awaits_source(job.source)
    if is_sent and not job.uploaded:
        raise Unprocessable("Nothing was sent. Send it first.", code="empty_file")
    if job.layout.get("manifest") == SENT and not _size(manifest_path(job)):
        raise Unprocessable("No manifest was sent. Send it first.", code="empty_file")
    if is_sent:
        job.source = {**job.source, "path": str(upload_path(job))}
    job.state = JobState.PLANNING
    job.save()
    note(actor, "import.uploaded", job, bytes=job.uploaded)
    enqueue_on_commit(WORK_ON_IMPORTS)
    return job


def receive(
    actor: Actor, job: ImportJob, archive: IO[bytes] | None, manifest: IO[bytes] | None
) -> ImportJob:
    """Take all that a job waits for from files that are here, and let it be planned.

    What can't be taken whole leaves a cancelled job, not one that waits for good. Raises as
    `append`, `append_manifest` and `complete`.
    """
    try:
        for offset, data in _pieces(archive):
            append(actor, job, offset, data)
        for offset, data in _pieces(manifest):
            append_manifest(actor, job, offset, data)
        return complete(actor, job)
    except Problem:
        change(actor, job, "cancel")
        raise


def _pieces(file: IO[bytes] | None) -> Iterator[tuple[int, bytes]]:
    offset = 0
    while file is not None and (data := file.read(PIECE)):
        yield offset, data
        offset += len(data)


@transaction.atomic
def make_job_of_urls(
    actor: Actor, gallery: Gallery, urls: Sequence[str], layout: dict[str, Any], **fields: Any
) -> ImportJob:
    """A job of a short list of addresses, all at once. Raises as `make_job` and `append`."""
    job = make_job(actor, gallery, {"kind": "urls"}, layout, **fields)
    job = append(actor, job, 0, "\n".join(urls).encode())
    return complete(actor, job)


def _check_uploading(job: ImportJob) -> None:
    if job.state != JobState.UPLOADING:
        raise Conflict(f"The import is {job.state}: it takes nothing more.", code="import_state")


# After the end of a job: its failed files may be tried again, a cancelled one may go on.
KEPT = timedelta(days=7)


def remove_old_uploads() -> int:
    """Delete what was sent a week after the end of its job, or whose job is gone."""
    over = ImportJob.objects.filter(finished_at__lt=timezone.now() - KEPT)
    kept = ImportJob.objects.exclude(pk__in=over.values("pk"))
    names = {each.hex for each in kept.values_list("public_id", flat=True)}
    sent = [
        path for path in uploads_folder().glob("*") if path.suffix in (ARCHIVE_SUFFIX, SENT_SUFFIX)
    ]
    old = [path for path in sent if path.stem not in names]
    for path in old:
        path.unlink(missing_ok=True)
    return len(old)


def uploads_folder() -> Path:
    """Where what is sent lies until a week after the end of its job."""
    return Path(settings.VAR_DIR) / "imports"
