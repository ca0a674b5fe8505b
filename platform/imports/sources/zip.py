"""ZIP archives, read by their directory, entry by entry."""

import stat
from array import array
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np

from imports import names
from imports.errors import UnusableSource
from imports.limits import Limits
from imports.names import Fault

from . import faults
from .base import Closing, Content, Entry, Listed, Loss
from .files import RandomFile
from .judging import Found, numbered
from .zip_content import content
from .zip_records import (
    DEFLATED,
    ENCRYPTED,
    STORED,
    Directory,
    Record,
    central_record,
    find_directory,
    least_end,
    records,
)
from .zip_salvage import salvaged, salvaged_at

_REGULAR = {0, stat.S_IFREG, stat.S_IFDIR}
_SALVAGED = "L"
_LOST = Loss(
    "cut_off",
    "The archive was cut off, its end is lost. Only what could be read is offered. Send it again.",
)
_DAMAGED_LIST = Loss(
    "damaged", "The list of the archive's entries is damaged; what stands after is not offered."
)


class ZipSource(Closing):
    """A ZIP archive on this machine. An entry's key is where the directory describes it."""

    is_tape = False

    def __init__(self, path: Path, limits: Limits) -> None:
        """Open it.

        Raises:
            UnusableSource: it is none, or has nothing that can be read.
        """
        self._limits = limits
        self._file = RandomFile(path)
        self._shared: frozenset[int] | None = None
        self._directory = find_directory(self._file)
        if self._directory is None and next(salvaged(self._file, limits), None) is None:
            self.close()
            raise UnusableSource(
                f"{names.source_name(path)} is no ZIP archive, or is damaged from its start."
            )

    def listing(self, start: int = 0, *, head: int = 0) -> Iterator[Listed]:
        """All there is from number `start` on."""
        found = self._salvaged() if self._directory is None else self._found(self._directory)
        return numbered(found, self._limits, start)

    def read(
        self, entries: Iterable[Entry], *, first: int | None = None, at_most: int | None = None
    ) -> Iterator[Content]:
        """The content of each, in the order given."""
        most = at_most or self._limits.entry_bytes
        for entry in entries:
            record = self._record(entry.key)
            if record is None or not _is_same(record, entry):
                yield entry, entry.refused(faults.CHANGED)
                continue
            found = content(self._file, record, first, most)
            yield entry, found if isinstance(found, bytes) else entry.refused(found)

    def close(self) -> None:
        """Give the file back."""
        self._file.close()

    def _record(self, key: str) -> Record | None:
        if key.startswith(_SALVAGED):
            return salvaged_at(self._file, int(key[1:]), self._limits)
        if self._directory is None:
            return None
        return central_record(self._file, int(key), self._directory)

    def _found(self, directory: Directory) -> Iterator[Found | Loss]:
        if self._shared is None:
            self._shared = _overlapping(self._file, directory, self._limits.entries)
        for number, record in enumerate(records(self._file, directory)):
            if record is None:
                yield _DAMAGED_LIST
                return
            fault = _fault(record, self._limits)
            if fault is None and number in self._shared:
                fault = faults.OVERLAPPING
            yield record.text, record.size, str(record.at), fault

    def _salvaged(self) -> Iterator[Found | Loss]:
        for record, cut in salvaged(self._file, self._limits):
            fault = _fault(record, self._limits) or cut
            yield record.text, record.size, f"{_SALVAGED}{record.at}", fault
        yield _LOST


def _is_same(record: Record, entry: Entry) -> bool:
    return record.size == entry.size and names.shown(names.tidied(record.text)) == entry.name


def _fault(record: Record, limits: Limits) -> Fault | None:
    kind = stat.S_IFMT(record.mode)
    if kind == stat.S_IFLNK:
        return faults.LINK
    if kind not in _REGULAR:
        return faults.SPECIAL_FILE
    if record.flags & ENCRYPTED:
        return faults.ENCRYPTED
    if record.method not in {STORED, DEFLATED}:
        return faults.COMPRESSION
    if limits.is_bomb(record.packed, record.size):
        return faults.BOMB
    return None


def _overlapping(file: RandomFile, directory: Directory, most: int) -> frozenset[int]:
    """The numbers of entries that share bytes with another, or with the directory.

    Sixteen bytes of memory for each entry, and only as many as will be listed.
    """
    starts, ends = array("Q"), array("Q")
    for record in records(file, directory):
        if record is None or len(starts) >= most:
            break
        starts.append(min(record.local, directory.end))
        ends.append(min(least_end(record), directory.end + 1))
    begin, end = np.frombuffer(starts, np.uint64), np.frombuffer(ends, np.uint64)
    order = np.argsort(begin, kind="stable")
    begin, end = begin[order], end[order]
    shares = end > directory.start
    if len(begin) > 1:
        reach = np.maximum.accumulate(end)
        shares[1:] |= begin[1:] < reach[:-1]
        shares[:-1] |= begin[1:] < end[:-1]
    return frozenset(order[shares].tolist())
