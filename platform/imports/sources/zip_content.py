"""The content of one entry of a ZIP archive, never more of it than was promised."""

import zlib
from collections.abc import Iterator

from imports.names import Fault

from . import faults
from .files import RandomFile
from .zip_records import DEFLATED, Record, content_place

_CHUNK = 1 << 16
# Bytes that writers put between an entry's name and its content, at most, nearly always.
_USUAL_EXTRA = 64
_FIXED = 30
_RAW = -15  # zlib's word for deflate without a header


def content(file: RandomFile, record: Record, first: int | None, most: int) -> bytes | Fault:
    """All of it, proved by size and checksum; or its `first` bytes, unproved."""
    if record.size > most:
        return faults.too_large(most)
    wanted = record.packed if first is None else min(record.packed, first + _USUAL_EXTRA)
    ahead = _FIXED + len(record.name) + _USUAL_EXTRA + min(wanted, _CHUNK)
    beginning = file.at(record.local, ahead)
    skipped = content_place(record, beginning)
    if skipped is None:
        return faults.DAMAGED
    packed = _packed(file, record.local + skipped, record.packed, beginning[skipped:])
    unpacked = _inflated if record.method == DEFLATED else _stored
    return unpacked(packed, record, first)


def _packed(file: RandomFile, place: int, count: int, known: bytes) -> Iterator[bytes]:
    """Exactly the entry's packed bytes, in pieces, as far as the file has them."""
    known = known[:count]
    if known:
        yield known
    at, end = place + len(known), place + count
    while at < end:
        chunk = file.at(at, min(_CHUNK, end - at))
        if not chunk:
            return
        yield chunk
        at += len(chunk)


def _stored(packed: Iterator[bytes], record: Record, first: int | None) -> bytes | Fault:
    if record.packed != record.size:
        return faults.WRONG_SIZE
    found = bytearray()
    for chunk in packed:
        found += chunk
        if first is not None and len(found) >= first:
            return bytes(found[:first])
    return _proved(found, record, first, is_whole=len(found) == record.size)


def _inflated(packed: Iterator[bytes], record: Record, first: int | None) -> bytes | Fault:
    inflater = zlib.decompressobj(_RAW)
    found = bytearray()
    for chunk in packed:
        left = chunk
        while left and not inflater.eof:
            try:
                # One byte more than promised shows the lie; and 0 would mean without a limit.
                found += inflater.decompress(left, record.size + 1 - len(found))
            except zlib.error:
                return faults.DAMAGED
            if len(found) > record.size:
                return faults.WRONG_SIZE
            if first is not None and len(found) >= first:
                return bytes(found[:first])
            left = inflater.unconsumed_tail
        if left or inflater.unused_data:
            return faults.WRONG_SIZE
    return _proved(found, record, first, is_whole=inflater.eof)


def _proved(
    found: bytearray, record: Record, first: int | None, *, is_whole: bool
) -> bytes | Fault:
    if not is_whole:
        return faults.CUT_OFF
    if len(found) != record.size:
        return faults.WRONG_SIZE
    if first is None and zlib.crc32(found) != record.crc:
        return faults.DAMAGED
    return bytes(found)
