"""Where what is sent for a job lies: out of the web server's reach."""

from pathlib import Path

from django.conf import settings

from .manifest import SENT_SUFFIX
from .models import ImportJob
from .names import ARCHIVE_SUFFIX


def uploads_folder() -> Path:
    """Where what is sent lies until a week after the end of its job."""
    return Path(settings.VAR_DIR) / "imports"


def upload_path(job: ImportJob) -> Path:
    """Where an archive or a list that is sent is collected."""
    return uploads_folder() / f"{job.public_id.hex}{ARCHIVE_SUFFIX}"


def manifest_path(job: ImportJob) -> Path:
    """Where a manifest that is sent beside the source is collected."""
    return uploads_folder() / f"{job.public_id.hex}{SENT_SUFFIX}"


def size_of(path: Path) -> int:
    """Bytes that are there."""
    return path.stat().st_size if path.exists() else 0


def arrived(job: ImportJob) -> int:
    """Bytes of its archive that are surely there.

    As many as were counted, unless the file is gone since: it is removed some days after its job,
    and a backup hasn't got it. Writing on at the place that was counted would fill the gap with
    zeros.
    """
    return min(job.uploaded, size_of(upload_path(job)))
