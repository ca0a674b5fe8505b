"""The records of a ZIP archive (APPNOTE.TXT 6.3.10, sections 4.3 and 4.5), one at a time.

The standard library's reader makes an object of each entry when it opens an archive: a gigabyte for
a million, and a second for every chunk of a job. This one reads any single entry by its place.
"""

import struct
import zlib
from collections.abc import Iterator
from typing import NamedTuple

from .files import RandomFile

CENTRAL, LOCAL, END = b"PK\1\2", b"PK\3\4", b"PK\5\6"
_END64, _LOCATOR64 = b"PK\6\6", b"PK\6\7"
_CENTRAL = struct.Struct("<4s6H3L5H2L")
_LOCAL = struct.Struct("<4s5H3L2H")
_END = struct.Struct("<4s4H2LH")
_END64_RECORD = struct.Struct("<4sQ2H2L4Q")
_LOCATOR = struct.Struct("<4sLQL")
_LONGEST_COMMENT = 0xFFFF
_IN_EXTRA = 0xFFFFFFFF
_ZIP64_FIELD, _UNICODE_FIELD = 0x0001, 0x7075
_UTF8 = 0x800
_CHUNK = 1 << 20
_USUAL = 512  # bytes of a record with its name and whatever follows that, nearly always

STORED, DEFLATED = 0, 8
ENCRYPTED = 0x1 | 0x40 | 0x2000
"""Bits of `flags`: encrypted, strongly so, or with a masked directory."""
SIZES_FOLLOW = 0x8


class Record(NamedTuple):
    """An entry as the directory describes it. `at` is where it does, `local` where it lies.

    `packed` and `size` are bytes with and without compression, `mode` is Unix's or 0.
    """

    at: int
    name: bytes
    flags: int
    method: int
    crc: int
    packed: int
    size: int
    local: int
    mode: int
    extra: bytes

    @property
    def text(self) -> str:
        """Its name; bytes that are no text become halves of surrogate pairs."""
        if self.flags & _UTF8:
            return self.name.decode("utf-8", "surrogateescape")
        return _unicode_field(self) or _guessed(self.name)


class Directory(NamedTuple):
    """Where the directory lies, and how far all offsets are off (by what was put before)."""

    start: int
    end: int
    shift: int


def find_directory(file: RandomFile) -> Directory | None:
    """The directory at the end of the archive; None if it was cut off."""
    start = max(0, file.size - _LONGEST_COMMENT - _END.size)
    tail = file.at(start, file.size - start)
    place = tail.rfind(END)
    while place >= 0:
        found = _directory(file, start + place, tail[place : place + _END.size])
        if found is not None:
            return found
        place = tail.rfind(END, 0, place)
    return None


def _directory(file: RandomFile, place: int, record: bytes) -> Directory | None:
    if len(record) < _END.size:
        return None
    *_, size, offset, _ = _END.unpack(record)
    found = _directory64(file, place) or Directory(place - size, place, place - size - offset)
    if found.start < 0 or found.shift < 0:
        return None
    is_there = found.start == found.end or file.at(found.start, 4) == CENTRAL
    return found if is_there else None


def _directory64(file: RandomFile, place: int) -> Directory | None:
    locator = file.at(place - _LOCATOR.size, _LOCATOR.size) if place >= _LOCATOR.size else b""
    if not locator.startswith(_LOCATOR64) or len(locator) < _LOCATOR.size:
        return None
    said = _LOCATOR.unpack(locator)[2]
    for at in (place - _LOCATOR.size - _END64_RECORD.size, said):
        record = file.at(at, _END64_RECORD.size)
        if record.startswith(_END64) and len(record) == _END64_RECORD.size:
            *_, size, offset = _END64_RECORD.unpack(record)
            return Directory(at - size, at, at - size - offset)
    return None


def records(file: RandomFile, directory: Directory) -> Iterator[Record | None]:
    """Every record of the directory, in its order; None at the end if the rest is damaged."""
    at, buffer, base = directory.start, b"", directory.start
    while at < directory.end:
        record = _central(buffer, at - base, at, directory.shift)
        if record is None and base + len(buffer) < directory.end:
            base, buffer = at, file.at(at, min(_CHUNK, directory.end - at))
            record = _central(buffer, 0, at, directory.shift)
        if record is None:
            yield None
            return
        yield record
        at += _length(buffer, at - base)


def central_record(file: RandomFile, at: int, directory: Directory) -> Record | None:
    """The record that begins there, if one does."""
    if not directory.start <= at < directory.end:
        return None
    for length in (_USUAL, _CENTRAL.size + 3 * _LONGEST_COMMENT):
        record = _central(file.at(at, length), 0, at, directory.shift)
        if record is not None:
            return record
    return None


def _length(buffer: bytes, at: int) -> int:
    name, extra, comment = struct.unpack_from("<3H", buffer, at + 28)
    return int(_CENTRAL.size + name + extra + comment)


def _central(buffer: bytes, place: int, at: int, shift: int) -> Record | None:
    if len(buffer) - place < _CENTRAL.size or buffer[place : place + 4] != CENTRAL:
        return None
    (_, _, _, flags, method, _, _, crc, packed, size, named, extended, commented, _, _, attributes,
     local) = _CENTRAL.unpack_from(buffer, place)  # fmt: skip
    name_at = place + _CENTRAL.size
    extra_at = name_at + named
    if len(buffer) < extra_at + extended + commented:
        return None
    extra = buffer[extra_at : extra_at + extended] if extended else b""
    if _IN_EXTRA in (size, packed, local):
        size, packed, local = _from_zip64(extra, size, packed, local)
    name = buffer[name_at:extra_at]
    return Record(
        at, name, flags, method, crc, packed, size, local + shift, attributes >> 16, extra
    )


def local_record(file: RandomFile, at: int) -> tuple[Record, int] | None:
    """What stands before the content of an entry, and where the content begins."""
    fixed = file.at(at, _LOCAL.size)
    if len(fixed) < _LOCAL.size or not fixed.startswith(LOCAL):
        return None
    _, _, flags, method, _, _, crc, packed, size, named, extended = _LOCAL.unpack(fixed)
    rest = file.at(at + _LOCAL.size, named + extended)
    if len(rest) < named + extended:
        return None
    extra = rest[named:]
    if _IN_EXTRA in (size, packed):
        size, packed, _ = _from_zip64(extra, size, packed, 0)
    record = Record(at, rest[:named], flags, method, crc, packed, size, at, 0, extra)
    return record, at + _LOCAL.size + named + extended


def content_place(record: Record, beginning: bytes) -> int | None:
    """How far after `local` the content begins, by the first bytes there; None if it isn't there.

    The name there has to be the directory's: else the two tell different stories.
    """
    if len(beginning) < _LOCAL.size or not beginning.startswith(LOCAL):
        return None
    named, extended = struct.unpack_from("<2H", beginning, 26)
    name = beginning[_LOCAL.size : _LOCAL.size + named]
    return int(_LOCAL.size + named + extended) if name == record.name else None


def least_end(record: Record) -> int:
    """Where its content ends at the earliest."""
    return record.local + _LOCAL.size + len(record.name) + record.packed


def _fields(extra: bytes) -> Iterator[tuple[int, bytes]]:
    at = 0
    while at + 4 <= len(extra):
        kind, length = struct.unpack_from("<2H", extra, at)
        yield kind, extra[at + 4 : at + 4 + length]
        at += 4 + length


def _from_zip64(extra: bytes, *values: int) -> list[int]:
    """Size, packed size and offset, where the record has no room for them."""
    field = next((body for kind, body in _fields(extra) if kind == _ZIP64_FIELD), b"")
    numbers = iter(struct.unpack_from(f"<{len(field) // 8}Q", field))
    return [next(numbers, value) if value == _IN_EXTRA else value for value in values]


def _unicode_field(record: Record) -> str:
    """The name as Info-ZIP's Unicode field has it, if it belongs to this name."""
    if not record.extra:
        return ""
    for kind, body in _fields(record.extra):
        if kind == _UNICODE_FIELD and body[1:5] == struct.pack("<L", zlib.crc32(record.name)):
            return body[5:].decode("utf-8", "surrogateescape")
    return ""


def _guessed(name: bytes) -> str:
    """UTF-8 if it is that, as many programs write without saying so, else the PC's first code."""
    try:
        return name.decode("utf-8")
    except UnicodeDecodeError:
        return name.decode("cp437")
