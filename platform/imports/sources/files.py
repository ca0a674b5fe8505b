"""A file on this machine, read at any place, by several threads at once."""

import os
from pathlib import Path

from imports.errors import UnusableSource
from imports.names import source_name

_CHUNK = 1 << 20


class RandomFile:
    """Bytes by their place. Reads may give fewer bytes than asked for: those that are there."""

    def __init__(self, path: Path) -> None:
        """Open it.

        Raises:
            UnusableSource: it can't be.
        """
        try:
            self._fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
            self.size = os.fstat(self._fd).st_size
        except OSError as error:
            raise UnusableSource(f"{source_name(path)} can't be read: {error.strerror}.") from error

    def at(self, place: int, count: int) -> bytes:
        """Up to `count` bytes from there on; none where the file can't be read."""
        if place < 0 or count <= 0 or place >= self.size:
            return b""
        try:
            return os.pread(self._fd, min(count, self.size - place), place)
        except OSError:
            return b""

    def close(self) -> None:
        """Give the file back."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1
