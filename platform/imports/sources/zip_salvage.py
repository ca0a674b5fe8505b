"""A ZIP archive whose end, and so its directory, is lost: what lies before its entries remains."""

import zlib
from collections.abc import Iterator

from imports.limits import Limits
from imports.names import Fault

from . import faults
from .files import RandomFile
from .zip_records import CENTRAL, DEFLATED, SIZES_FOLLOW, Record, local_record

_CHUNK = 1 << 16
_RAW = -15
_MARK = b"PK\7\b"


def salvaged(file: RandomFile, limits: Limits) -> Iterator[tuple[Record, Fault | None]]:
    """Every entry from the beginning on, until one can't be found."""
    at, spent = 0, 0
    while (found := local_record(file, at)) is not None:
        record, start = found
        if record.flags & SIZES_FOLLOW and not record.packed:
            measured = _measured(file, record, start, limits)
            if measured is None:
                yield record, faults.CUT_OFF
                return
            record, at = measured
        else:
            at = start + record.packed
        spent += record.size
        is_cut = at > file.size
        yield record, faults.CUT_OFF if is_cut else None
        if is_cut or spent > limits.total_bytes:
            return


def salvaged_at(file: RandomFile, at: int, limits: Limits) -> Record | None:
    """One of them by its place."""
    found = local_record(file, at)
    if found is None:
        return None
    record, start = found
    if record.flags & SIZES_FOLLOW and not record.packed:
        measured = _measured(file, record, start, limits)
        return measured[0] if measured else None
    return record


def has_directory(file: RandomFile) -> bool:
    """Whether the archive has no entry but the beginning of a directory."""
    return file.at(0, 4) == CENTRAL


def _measured(
    file: RandomFile, record: Record, start: int, limits: Limits
) -> tuple[Record, int] | None:
    """The record with the sizes that follow its content, and where the next one begins.

    Deflate says where it ends; what is stored doesn't.
    """
    if record.method != DEFLATED:
        return None
    inflater, at, size, crc = zlib.decompressobj(_RAW), start, 0, 0
    while not inflater.eof:
        chunk = inflater.unconsumed_tail
        if not chunk:
            chunk = file.at(at, _CHUNK)
            at += len(chunk)
        try:
            piece = inflater.decompress(chunk, _CHUNK) if chunk else b""
        except zlib.error:
            return None
        size, crc = size + len(piece), zlib.crc32(piece, crc)
        if not (chunk or piece) or size > limits.total_bytes or limits.is_bomb(at - start, size):
            return None
    end = at - len(inflater.unused_data)
    return record._replace(packed=end - start, size=size, crc=crc), _after(file, end)


def _after(file: RandomFile, end: int) -> int:
    """Where the record of sizes ends: with or without a mark, in 4 or 8 bytes each."""
    marked = 4 if file.at(end, 4) == _MARK else 0
    for length in (12, 20):
        after = end + marked + length
        if file.at(after, 2) == b"PK":
            return after
    return end + marked + 12
