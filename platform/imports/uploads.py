"""Receiving an archive, or a list of addresses, in pieces: each is appended at the place that the
sender names.

A connection that breaks costs one piece: the job says how many bytes it has, and the sender goes on
from there.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from accounts.actors import Actor
from common.errors import Conflict, StorageFull, TooLarge, Unprocessable
from common.queue import WORK_ON_IMPORTS, enqueue_on_commit
from people.access import require
from people.models import Gallery, Role

from .jobs import lock_job, make_job, note
from .models import ImportJob, JobState
from .sources.urls import LONGEST_URL


def upload_path(job: ImportJob) -> Path:
    """Where an archive or a list that is sent is collected: out of the web server's reach."""
    return _folder() / f"{job.public_id.hex}.archive"


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
    if offset != job.uploaded:
        raise Conflict(
            f"It has {job.uploaded} bytes so far. Go on from there.",
            code="wrong_offset",
            uploaded=job.uploaded,
        )
    if offset + len(data) > _most(job):
        raise TooLarge(f"It is larger than {_most(job)} bytes. Make several imports of it.")
    try:
        _write(upload_path(job), offset, data)
    except OSError as error:
        raise StorageFull("The server's disk has no room for it. Try again later.") from error
    job.uploaded += len(data)
    job.save(update_fields=["uploaded", "updated_at"])
    return job


def _most(job: ImportJob) -> int:
    """A list has a line for each file."""
    if job.source["kind"] == "urls":
        return settings.IMPORT_MAX_FILES * LONGEST_URL
    return settings.IMPORT_MAX_BYTES


def _write(path: Path, offset: int, data: bytes) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
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
    if not job.uploaded:
        raise Unprocessable("Nothing was sent. Send it first.", code="empty_file")
    job.source = {**job.source, "path": str(upload_path(job))}
    job.state = JobState.PLANNING
    job.save()
    note(actor, "import.uploaded", job, bytes=job.uploaded)
    enqueue_on_commit(WORK_ON_IMPORTS)
    return job


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
    """Delete archives a week after the end of their jobs, or whose jobs are gone."""
    over = ImportJob.objects.filter(finished_at__lt=timezone.now() - KEPT)
    kept = ImportJob.objects.exclude(pk__in=over.values("pk"))
    names = {each.hex for each in kept.values_list("public_id", flat=True)}
    old = [path for path in _folder().glob("*.archive") if path.stem not in names]
    for path in old:
        path.unlink(missing_ok=True)
    return len(old)


def _folder() -> Path:
    return Path(settings.VAR_DIR) / "imports"
