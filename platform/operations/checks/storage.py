"""The folder of photos, the space on the disks, and what keeps erased people away."""

import errno
import getpass
import os
import shutil
import tempfile
from pathlib import Path

from django.conf import settings

from common.exclusive import unfinished_restore
from enrolment import ledger_file
from enrolment.ledger_file import LedgerError
from operations.parts import Part, State, failed, ok

_GIB = 1024**3
_MIB = 1024**2
_LOW_BYTES, _LOW_SHARE = 5 * _GIB, 0.05
_FULL_BYTES = 500 * _MIB


def media() -> Part:
    """Can a photo be written?"""
    folder = Path(settings.MEDIA_ROOT)
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(b"photo")
            file.flush()
    except OSError as error:
        return _unwritable(folder, error)
    return ok("media folder", "can be written to", where=str(folder))


def _unwritable(folder: Path, error: OSError) -> Part:
    if error.errno in {errno.ENOSPC, errno.EDQUOT}:
        remedy = "Free some space there, or name a larger disk in MEDIA_ROOT."
        return failed("media folder", "is on a full disk", remedy, where=str(folder))
    reason = os.strerror(error.errno) if error.errno else type(error).__name__
    return failed(
        "media folder",
        "can't be written to",
        f"Give the user {_user()} write permission, or correct MEDIA_ROOT.",
        where=f"{folder}: {reason}",
    )


def disk() -> Part:
    """Is there room on the disks of photos and of everything else that we keep?"""
    folders = [Path(settings.VAR_DIR), Path(settings.MEDIA_ROOT)]
    return max(map(_space, _one_per_disk(folders)), key=lambda part: list(State).index(part.state))


def _one_per_disk(folders: list[Path]) -> list[Path]:
    by_disk: dict[int, Path] = {}
    for folder in folders:
        if folder.exists():
            by_disk.setdefault(folder.stat().st_dev, folder)
    return list(by_disk.values())


def _space(folder: Path) -> Part:
    usage = shutil.disk_usage(folder)
    detail = f"{usage.free / _GIB:.1f} GB of {usage.total / _GIB:.0f} GB free"
    remedy = (
        "Free some space there, or move the data to a larger disk (LIKENESS_VAR_DIR, MEDIA_ROOT)."
    )
    low = usage.free < _LOW_BYTES or usage.free < _LOW_SHARE * usage.total
    state = State.FAILED if usage.free < _FULL_BYTES else State.WARNING if low else State.OK
    return Part("disk space", state, detail, remedy if low else "", str(folder))


def erasures() -> Part:
    """Can the ledger be read, and has a restore ended that would have to replay it?"""
    if unfinished_restore().exists():
        remedy = "Run `manage.py restore` of that backup again; nothing is served until it ends."
        where = str(unfinished_restore())
        return failed("erasures", "a restore began and did not end", remedy, where=where)
    file = ledger_file.path()
    try:
        lines = ledger_file.read(file)
    except LedgerError as error:
        remedy = f"{error} Mend it by hand: who is in it must not come back with a backup."
        return failed("erasures", "their ledger can't be read", remedy)
    return ok("erasures", f"{len(lines)} in the ledger", where=str(file))


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user may have a number and no name
        return str(os.getuid())
