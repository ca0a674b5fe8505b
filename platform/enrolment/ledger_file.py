"""The ledger's file: every erasure once more, apart from the database.

One JSON object a line, ids and figures only. A database can be lost or taken back to an older
state; this file then says who must not come back. So it is only ever appended to, and best lies
on another disk (LEDGER_FILE).
"""

import fcntl
import json
import logging
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import UUID

from django.conf import settings

from common.storage import sync

from .models import Erasure

logger = logging.getLogger(__name__)

_BLOCK = 65_536


class LedgerError(Exception):
    """The file can't be read or written; the message says where and what to do."""


@dataclass(frozen=True, slots=True)
class Line:
    """One erasure."""

    person: UUID
    gallery: UUID
    at: datetime
    actor: str
    photos: int
    templates: int
    template_ids: tuple[int, ...] = ()
    photo_ids: tuple[UUID, ...] = ()


def path() -> Path:
    """Where the file lies."""
    return Path(settings.LEDGER_FILE)


def line_of(erasure: Erasure) -> Line:
    """The line that stands for a row."""
    fields = {name: getattr(erasure, name) for name in Line.__dataclass_fields__}
    photo_ids = tuple(map(UUID, erasure.photo_ids))
    return Line(**{**fields, "template_ids": tuple(erasure.template_ids), "photo_ids": photo_ids})


def row_of(line: Line) -> Erasure:
    """The row, not yet stored, that stands for a line."""
    photo_ids = [str(each) for each in line.photo_ids]
    return Erasure(
        **{**asdict(line), "template_ids": list(line.template_ids), "photo_ids": photo_ids}
    )


def read(file: Path) -> list[Line]:
    """All lines; none where there is no file. A last line that was torn by a crash is left out.

    Raises:
        LedgerError: a line cannot be read.
    """
    try:
        text = file.read_bytes()
    except FileNotFoundError:
        return []
    except OSError as error:
        raise LedgerError(f"The ledger of erasures {file}: {error.strerror}.") from error
    *whole, torn = text.split(b"\n")
    lines = [_parse(raw, file, number) for number, raw in enumerate(whole, 1) if raw.strip()]
    if torn.strip():
        lines += _last(torn, file)
    return lines


def append(lines: Iterable[Line], file: Path) -> int:
    """Add those whose person isn't named yet; on the disk when this returns. Returns how many.

    Raises:
        LedgerError: what is there cannot be read, or there is no room for more.
    """
    try:
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with _locked(file) as handle:
            fresh = _without(lines, {line.person for line in read(file)})
            if fresh:
                _write(handle, "".join(_format(line) for line in fresh).encode())
            return len(fresh)
    except OSError as error:
        raise LedgerError(
            f"The ledger of erasures {file} could not be written: {error.strerror}."
        ) from error


def write_down(erasure: Erasure) -> None:
    """Add one erasure that was just committed. A failure is logged; `ledger.sync` repeats it.

    It doesn't look for the person in the whole file: a line that stands there twice does no harm.
    """
    file = path()
    try:
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with _locked(file) as handle:
            _write(handle, _format(line_of(erasure)).encode())
    except OSError as error:
        logger.error(
            "an erasure stands in the database but not in %s (%s); it is tried again within the "
            "hour and at the next start",
            file,
            error.strerror,
        )


def _without(lines: Iterable[Line], known: set[UUID]) -> list[Line]:
    """One line a person, of those who aren't known."""
    fresh: dict[UUID, Line] = {}
    for line in lines:
        if line.person not in known:
            fresh.setdefault(line.person, line)
    return list(fresh.values())


@contextmanager
def _locked(file: Path) -> Iterator[int]:
    """The file, made if need be, for us alone."""
    is_new = not file.exists()
    handle = os.open(file, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        if is_new:
            sync(file.parent)
        yield handle
    finally:
        os.close(handle)


def _write(handle: int, data: bytes) -> None:
    """Append all of it or nothing. A torn end is cut off first: it would spoil our line too."""
    size = _end_of_last_line(handle)
    os.ftruncate(handle, size)
    try:
        left = memoryview(data)
        while left:
            left = left[os.write(handle, left) :]
        os.fsync(handle)
    except OSError:
        os.ftruncate(handle, size)
        raise


def _end_of_last_line(handle: int) -> int:
    size = os.fstat(handle).st_size
    if not size or os.pread(handle, 1, size - 1) == b"\n":
        return size
    last = _without_end(handle, size)
    try:
        # Whole but for its end of line: keep it.
        _parse(last, Path(), 0)
    except LedgerError:
        return size - len(last)
    os.write(handle, b"\n")
    return size + 1


def _without_end(handle: int, size: int) -> bytes:
    """What stands after the last end of a line; of somebody with many photos it is long."""
    tail = b""
    while b"\n" not in tail and len(tail) < size:
        end = size - len(tail)
        begin = max(0, end - _BLOCK)
        tail = os.pread(handle, end - begin, begin) + tail
    return tail[tail.rfind(b"\n") + 1 :]


def _format(line: Line) -> str:
    fields = asdict(line) | {
        "person": str(line.person),
        "gallery": str(line.gallery),
        "at": line.at.isoformat(),
        "photo_ids": [str(each) for each in line.photo_ids],
    }
    return json.dumps(fields, separators=(",", ":")) + "\n"


def _parse(raw: bytes, file: Path, number: int) -> Line:
    try:
        return _line(json.loads(raw))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise LedgerError(
            f"Line {number} of the ledger of erasures {file} cannot be read: {raw[:80]!r}. It says "
            "who must not come back, so nothing is served without it: mend the line, or take the "
            "file from a backup."
        ) from error


def _line(fields: dict[str, Any]) -> Line:
    at = datetime.fromisoformat(fields["at"])
    if at.tzinfo is None:
        raise ValueError("a time without its zone")
    return Line(
        person=UUID(fields["person"]),
        gallery=UUID(fields["gallery"]),
        at=at,
        actor=str(fields["actor"])[:80],
        photos=int(fields["photos"]),
        templates=int(fields["templates"]),
        template_ids=tuple(int(each) for each in fields["template_ids"]),
        # Older lines know none.
        photo_ids=tuple(UUID(each) for each in fields.get("photo_ids", ())),
    )


def _last(raw: bytes, file: Path) -> list[Line]:
    try:
        return [_parse(raw, file, 0)]
    except LedgerError:
        logger.warning("the last line of %s is torn; what it said stands in the database", file)
        return []
