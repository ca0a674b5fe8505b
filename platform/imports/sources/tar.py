"""TAR archives, plain or compressed, read from the beginning to the end.

A plain one is read at any place: an entry's key is the place of its header, so a job that goes on
reads nothing twice. A compressed one has to be unpacked up to there again.
"""

import io
import tarfile
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from imports import names
from imports.errors import UnusableSource
from imports.limits import Limits
from imports.names import Fault

from . import faults
from .base import Closing, Content, Entry, Listed, Loss
from .files import RandomFile
from .judging import Found, numbered
from .tape import PlainTape, UnpackedTape
from .unpacking import StreamError, Unpacked, packing

_CHUNK = 1 << 16
_BLOCK = 512
# What tarfile calls the ways in which there is no further header: None is the rightful one. These
# classes are not documented, so their names are looked for.
_ENDS = {
    "EOFHeaderError": None,
    "EmptyHeaderError": faults.CUT_OFF,
    "TruncatedHeaderError": faults.CUT_OFF,
}
_LOST = {
    "cut_off": "The archive was cut off. Only what stands before is offered. Send it again, whole.",
    "damaged": "The archive is damaged here. Only what stands before is offered.",
    "bomb": "The archive unpacks to far more than photos do. Only what stands before is offered.",
}


class _Member(NamedTuple):
    """A header, what is wrong with it, and how its content begins if that was asked for."""

    info: tarfile.TarInfo
    fault: Fault | None
    head: bytes = b""

    @property
    def name(self) -> str:
        return f"{self.info.name}/" if self.info.isdir() else self.info.name

    @property
    def key(self) -> str:
        return str(self.info.offset)


class TarSource(Closing):
    """A TAR archive on this machine."""

    def __init__(self, path: Path, limits: Limits) -> None:
        """Open it.

        Raises:
            UnusableSource: it is none, or has nothing that can be read.
        """
        self._limits = limits
        self._file = RandomFile(path)
        self._packing = packing(self._file)
        self._going: _Members | None = None
        if not isinstance(next(self._members(head=0), None), _Member) and not self._is_empty():
            self.close()
            # Whatever isn't a ZIP archive is opened as this.
            raise UnusableSource(
                f"{names.source_name(path)} is no ZIP or TAR archive, or is damaged from its start."
            )

    @property
    def is_tape(self) -> bool:
        """Whether it is compressed."""
        return self._packing is not None

    def listing(self, start: int = 0, *, head: int = 0) -> Iterator[Listed]:
        """All there is from number `start` on."""
        heads: dict[str, bytes] = {}

        def found() -> Iterator[Found | Loss]:
            for each in self._members(head if self.is_tape else 0):
                if isinstance(each, Loss):
                    yield each
                    return
                heads[each.key] = each.head
                yield each.name, each.info.size, each.key, each.fault

        for listed in numbered(found(), self._limits, start):
            if isinstance(listed, Entry) and heads.get(listed.key):
                yield replace(listed, head=heads[listed.key])
            else:
                yield listed
            heads.clear()

    def read(
        self, entries: Iterable[Entry], *, first: int | None = None, at_most: int | None = None
    ) -> Iterator[Content]:
        """The content of each, in the archive's order."""
        most = at_most or self._limits.entry_bytes
        wanted = sorted(entries, key=lambda entry: int(entry.key))
        for entry in wanted:
            found = self._content(entry, first, most)
            yield entry, found if isinstance(found, bytes) else entry.refused(found)

    def close(self) -> None:
        """Give the file back."""
        self._file.close()

    def _content(self, entry: Entry, first: int | None, most: int) -> bytes | Fault:
        place = int(entry.key)
        try:
            member = self._member_at(place)
            if member is None or not _is_same(member, entry):
                return faults.CHANGED
            if member.info.size > most:
                return faults.too_large(most)
            size = member.info.size if first is None else min(first, member.info.size)
            found = self._going.content(member, size) if self._going else b""
        except StreamError as error:
            self._going = None
            return error.fault
        return found if len(found) == size else faults.CUT_OFF

    def _member_at(self, place: int) -> _Member | None:
        """The entry whose header is there, on the way on from the last one if it can be."""
        if self._packing is None:
            self._going = _Members(PlainTape(self._file, place))
        elif self._going is None or self._going.place > place:
            self._going = _Members(UnpackedTape(Unpacked(self._file, self._packing, self._limits)))
        for each in self._going:
            if isinstance(each, Loss) or each.info.offset > place:
                return None
            if each.info.offset == place:
                return each
        return None

    def _members(self, head: int) -> Iterator[_Member | Loss]:
        tape = (
            PlainTape(self._file)
            if self._packing is None
            else UnpackedTape(Unpacked(self._file, self._packing, self._limits))
        )
        members = _Members(tape, self._file.size if self._packing is None else None)
        for each in members:
            if not head or isinstance(each, Loss) or each.fault is not None:
                yield each
                continue
            try:
                yield each._replace(head=members.content(each, min(head, each.info.size)))
            except StreamError as error:
                yield _lost(error.fault)
                return

    def _is_empty(self) -> bool:
        """Whether it is an archive of nothing: blocks of zeros."""
        return self._packing is None and self._file.at(0, 2 * _BLOCK) == bytes(2 * _BLOCK)


class _Members:
    """The headers of an archive, one after the other, with tarfile's reading of each.

    tarfile's own loop ends at a damaged header as if that were the end, and keeps all it has seen.
    """

    def __init__(self, tape: PlainTape | UnpackedTape, size: int | None = None) -> None:
        self._tape = tape
        self._size = size
        self._archive: tarfile.TarFile | None = None

    @property
    def place(self) -> int:
        """How far it was read."""
        return self._tape.tell()

    def __iter__(self) -> Iterator[_Member | Loss]:
        while True:
            try:
                info = self._next()
            except StreamError as error:
                yield _lost(error.fault)
                return
            except tarfile.TarError as error:
                fault = _ENDS.get(type(error).__name__, faults.DAMAGED)
                if fault is not None:
                    yield _lost(fault)
                return
            except (ValueError, ArithmeticError, LookupError, RecursionError):
                yield _lost(faults.DAMAGED)
                return
            yield _Member(info, self._fault(info))

    def content(self, member: _Member, count: int) -> bytes:
        """So many bytes of the entry just read, fewer if the archive ends. Raises StreamError."""
        self._tape.seek(member.info.offset_data)
        found = bytearray()
        while len(found) < count:
            piece = self._tape.take(min(_CHUNK, count - len(found)))
            if not piece:
                break
            found += piece
        return bytes(found)

    def _next(self) -> tarfile.TarInfo:
        if self._archive is None:
            self._archive = _archive(self._tape)
        else:
            self._tape.seek(self._archive.offset)
        return tarfile.TarInfo.fromtarfile(self._archive)

    def _fault(self, info: tarfile.TarInfo) -> Fault | None:
        if info.islnk() or info.issym():
            return faults.LINK
        if info.isdir():
            return None
        if not info.isreg() or info.issparse():
            return faults.SPECIAL_FILE
        if info.size < 0:
            return faults.DAMAGED
        if self._size is not None and info.offset_data + info.size > self._size:
            return faults.CUT_OFF
        return None


def _archive(tape: PlainTape | UnpackedTape) -> tarfile.TarFile:
    """tarfile's object, which its readers of headers want, without its looking for the first."""
    archive = tarfile.TarFile(fileobj=io.BytesIO(), mode="w", errors="surrogateescape")
    archive.fileobj = tape
    archive.encoding = "utf-8"
    archive.offset = tape.tell()
    return archive


def _lost(fault: Fault) -> Loss:
    return Loss(fault.code, _LOST.get(fault.code, fault.sentence))


def _is_same(member: _Member, entry: Entry) -> bool:
    shown = names.shown(names.tidied(member.name))
    return member.fault is None and shown == entry.name and member.info.size == entry.size
