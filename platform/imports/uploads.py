"""Receiving an archive, or a list of addresses, in pieces: each is appended at the place that the
sender names.

A connection that breaks costs one piece: the job says how many bytes it has, and the sender goes on
from there.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import IO, Any
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils import timezone

from accounts.actors import Actor, system
from common.errors import Conflict, Problem, StorageFull, TooLarge, Unprocessable
from common.queue import WORK_ON_IMPORTS, enqueue_on_commit
from people.access import require
from people.models import Gallery, Role

from .errors import MISSING_COLUMNS, UnusableManifest
from .jobs import SENT, SENT_KINDS, awaits_source, change, lock_job, make_job, note
from .manifest import SENT_SUFFIX
from .models import ImportJob, JobState
from .names import ARCHIVE_SUFFIX
from .places import arrived, manifest_path, size_of, upload_path, uploads_folder
from .sources.urls import LONGEST_URL

# The most that is taken at once: it is in memory meanwhile.
PIECE = 16 * 1024 * 1024


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
    there = arrived(job)
    if offset != there:
        raise _wrong_offset(there)
    _check_size(offset + len(data), _most(job))
    _write(upload_path(job), offset, data)
    job.uploaded = offset + len(data)
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
    there = size_of(manifest_path(job))
    if offset not in (0, there):
        raise _wrong_offset(there)
    _check_size(offset + len(data), settings.IMPORT_MAX_MANIFEST_BYTES)
    _write(manifest_path(job), offset, data)
    job.save(update_fields=["updated_at"])  # somebody is still sending
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
    if is_sent and (there := arrived(job)) < job.uploaded:
        raise _wrong_offset(there)
    if job.layout.get("manifest") == SENT and not size_of(manifest_path(job)):
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
_SUFFIXES = (ARCHIVE_SUFFIX, SENT_SUFFIX)
# Of what is nobody's. A job that is made at once with its list is seen by others only afterwards.
_YOUNG = timedelta(hours=1)
ACTOR = system("tidy")
# The code of a job whose archive never came.
ABANDONED = "upload_abandoned"


def give_up_abandoned() -> int:
    """End the jobs for which nothing was sent for IMPORT_UPLOAD_DAYS. Returns how many.

    What was sent goes with the next `remove_old_uploads`; one that goes on is sent from its
    beginning.
    """
    silent = ImportJob.objects.filter(
        state=JobState.UPLOADING,
        updated_at__lt=timezone.now() - timedelta(days=settings.IMPORT_UPLOAD_DAYS),
    )
    return sum(_give_up(key, silent) for key in silent.values_list("pk", flat=True))


@transaction.atomic
def _give_up(key: int, silent: QuerySet[ImportJob]) -> bool:
    rows = silent.select_for_update(of=("self",)).select_related("gallery")
    job = rows.filter(pk=key).first()
    if job is None:
        return False  # a piece came in this very moment
    days, sent = settings.IMPORT_UPLOAD_DAYS, job.uploaded
    job.state, job.code, job.finished_at = JobState.FAILED, ABANDONED, timezone.now()
    job.text = (
        f"Nothing was sent for {days} days, so what there was is removed. Resume the import and "
        "send all of it, or make another."
    )
    job.uploaded = 0
    job.save()
    note(ACTOR, "import.give_up", job, bytes=sent)
    return True


def remove_old_uploads() -> int:
    """Delete what was sent a week after the end of its job, or whose job is gone or given up."""
    # The files first: whatever has come since is not among them.
    sent = [path for path in uploads_folder().glob("*") if path.suffix in _SUFFIXES]
    over = {each.hex for each in _ids(ImportJob.objects.filter(_is_over()))}
    known = {each.hex for each in _ids(ImportJob.objects.all())}
    old = [path for path in sent if path.stem in over or (path.stem not in known and _is_old(path))]
    for path in old:
        path.unlink(missing_ok=True)
    return len(old)


def _ids(jobs: QuerySet[ImportJob]) -> QuerySet[ImportJob, UUID]:
    return jobs.values_list("public_id", flat=True)


def _is_over() -> Q:
    is_given_up = Q(state=JobState.FAILED, code=ABANDONED)
    return Q(finished_at__lt=timezone.now() - KEPT) | is_given_up


def _is_old(path: Path) -> bool:
    with suppress(FileNotFoundError):
        return path.stat().st_mtime < (timezone.now() - _YOUNG).timestamp()
    return False
