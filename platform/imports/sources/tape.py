"""Bytes that are read forward only, as tar's headers and contents follow each other."""

import io
from abc import abstractmethod
from typing import Protocol

from imports.names import Fault

from .files import RandomFile
from .unpacking import StreamError, Unpacked

# Headers, long names and extended headers are read at once, and so are bounded.
_LONGEST_READ = 16 * 1024
_ODD = Fault("damaged", "A header of the archive makes no sense.")


class Tape(Protocol):
    """A place that only moves on."""

    def tell(self) -> int:
        """The place, in bytes from the beginning."""

    def seek(self, place: int) -> int:
        """Move on to a place. Raises StreamError for one that lies behind."""

    def read(self, count: int) -> bytes:
        """So many bytes for a header, fewer at the end. Raises StreamError."""

    def take(self, count: int) -> bytes:
        """Up to so many bytes of content, none at the end. Raises StreamError."""


class _Forward(io.RawIOBase):
    """What both kinds share. tarfile wants an object with the looks of a file."""

    place = 0

    def tell(self) -> int:
        """The place."""
        return self.place

    def seek(self, place: int, whence: int = io.SEEK_SET) -> int:
        """Move on. A header that would go back is how archives make their readers go round."""
        if whence != io.SEEK_SET or place < self.place:
            raise StreamError(_ODD)
        self.skip_to(place)
        return place

    def read(self, count: int | None = -1) -> bytes:
        """So many bytes."""
        if count is None or not 0 <= count <= _LONGEST_READ:
            raise StreamError(_ODD)
        found = b""
        while len(found) < count:
            piece = self.take(count - len(found))
            if not piece:
                break
            found += piece
        return found

    @abstractmethod
    def take(self, count: int) -> bytes:
        """Up to so many bytes."""

    @abstractmethod
    def skip_to(self, place: int) -> None:
        """Move on to a place that doesn't lie behind."""


class PlainTape(_Forward):
    """A file as it is: what isn't wanted costs nothing."""

    def __init__(self, file: RandomFile, place: int = 0) -> None:
        super().__init__()
        self._file = file
        self.place = place

    def take(self, count: int) -> bytes:
        """Up to so many bytes."""
        piece = self._file.at(self.place, count)
        self.place += len(piece)
        return piece

    def skip_to(self, place: int) -> None:
        """Move on."""
        self.place = place


class UnpackedTape(_Forward):
    """A compressed file: what isn't wanted is unpacked and thrown away."""

    def __init__(self, stream: Unpacked) -> None:
        super().__init__()
        self._stream = stream
        self._piece = memoryview(b"")

    def take(self, count: int) -> bytes:
        """Up to so many bytes."""
        if not self._piece:
            self._piece = memoryview(self._stream.some())
        taken = bytes(self._piece[:count])
        self._piece = self._piece[len(taken) :]
        self.place += len(taken)
        return taken

    def skip_to(self, place: int) -> None:
        """Move on, or to the end."""
        while self.place < place and self.take(place - self.place):
            pass
