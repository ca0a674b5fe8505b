"""A compressed stream, unpacked as it is read: gzip, bzip2 or xz, never more than the limits."""

import bz2
import lzma
import zlib
from collections.abc import Callable
from typing import Protocol

from imports.limits import MEGABYTE, Limits
from imports.names import Fault

from . import faults
from .files import RandomFile

_CHUNK = 1 << 16
_GZIP = 31  # zlib's word for "with a header of gzip"
# What an xz stream may want for its dictionary. `xz -9` takes 65 MB to unpack.
_XZ_MEMORY = 256 * MEGABYTE


class StreamError(Exception):
    """The stream can't be read any further; `fault` says why."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(fault.code)
        self.fault = fault


class _Unpacker(Protocol):
    @property
    def eof(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    @property
    def needs_input(self) -> bool: ...
    def decompress(self, data: bytes, max_length: int = -1) -> bytes: ...


class _Gzip:
    """zlib's with the manners of the other two."""

    def __init__(self) -> None:
        self._inflater = zlib.decompressobj(_GZIP)
        self._tail = b""

    @property
    def eof(self) -> bool:
        return self._inflater.eof

    @property
    def unused_data(self) -> bytes:
        return self._inflater.unused_data

    @property
    def needs_input(self) -> bool:
        return not self._tail

    def decompress(self, data: bytes, max_length: int = -1) -> bytes:
        piece = self._inflater.decompress(self._tail + data, max_length)
        self._tail = self._inflater.unconsumed_tail
        return piece


def _xz() -> _Unpacker:
    return lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=_XZ_MEMORY)


_MAGIC: tuple[tuple[bytes, Callable[[], _Unpacker]], ...] = (
    (b"\x1f\x8b", _Gzip),
    (b"BZh", bz2.BZ2Decompressor),
    (b"\xfd7zXZ\0", _xz),
)


def packing(file: RandomFile) -> Callable[[], _Unpacker] | None:
    """How the file is compressed, by its first bytes; None if it isn't."""
    beginning = file.at(0, 8)
    return next((make for magic, make in _MAGIC if beginning.startswith(magic)), None)


class Unpacked:
    """The bytes of a compressed file from its beginning to its end, forward only."""

    def __init__(self, file: RandomFile, make: Callable[[], _Unpacker], limits: Limits) -> None:
        self._file = file
        self._make = make
        self._limits = limits
        self._unpacker = make()
        self._taken = 0  # packed bytes
        self._given = 0
        self._ended = False

    def some(self) -> bytes:
        """The next bytes, up to 64 KB; none at the end.

        Raises:
            StreamError: it is damaged, cut off, or a bomb.
        """
        while not self._is_over():
            piece = self._step()
            if piece:
                self._given += len(piece)
                self._check()
                return piece
        return b""

    def _step(self) -> bytes:
        data = b""
        if self._unpacker.needs_input:
            data = self._file.at(self._taken, _CHUNK)
            self._taken += len(data)
            if not data:
                raise StreamError(faults.CUT_OFF)
        try:
            return self._unpacker.decompress(data, _CHUNK)
        except (OSError, EOFError, ValueError, zlib.error, lzma.LZMAError, MemoryError) as error:
            raise StreamError(faults.DAMAGED) from error

    def _is_over(self) -> bool:
        """Whether this was the last of the streams, one of which may follow the other."""
        if self._ended or not self._unpacker.eof:
            return self._ended
        self._taken -= len(self._unpacker.unused_data)
        rest = self._file.at(self._taken, 8)
        self._ended = not any(rest.startswith(magic) for magic, _ in _MAGIC)
        if not self._ended:
            self._unpacker = self._make()
        return self._ended

    def _check(self) -> None:
        if self._given > self._limits.total_bytes:
            raise StreamError(faults.too_much(self._limits.total_bytes))
        if self._limits.is_bomb(self._taken, self._given):
            raise StreamError(faults.BOMB)
