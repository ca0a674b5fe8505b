"""A folder on the server, under a root that whoever runs the server has opened for imports.

Every step into a folder is made from the one before it (openat), and no step follows a link: so
nobody who may write there can lead an import elsewhere, at no moment.
"""

import errno
import os
import stat
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote_from_bytes, unquote_to_bytes

from imports import names
from imports.errors import SourceNotAllowed, UnusableSource
from imports.limits import Limits
from imports.names import Fault

from . import faults
from .base import Closing, Content, Entry, Listed, Loss
from .judging import Found, numbered

_DEEPEST = 50
_CHUNK = 1 << 20
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
# A pipe that nobody writes to would be waited for.
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_TOO_DEEP = Fault("too_deep", f"It lies more than {_DEEPEST} folders deep; it was not looked into.")
_NO_NAMES = {b"", b".", b".."}
_LINKED = {errno.ELOOP, errno.EMLINK, errno.ENOTDIR}


class _Thing(NamedTuple):
    """What a folder has, its name and what it is."""

    name: bytes
    mode: int
    size: int


class FolderSource(Closing):
    """The files of a folder and of those in it, by name. An entry's key is its path, quoted."""

    is_tape = False

    def __init__(self, path: Path, roots: Sequence[Path], limits: Limits) -> None:
        """Open the folder.

        Raises:
            SourceNotAllowed: it lies under none of the roots.
            UnusableSource: it is no folder, or can't be read.
        """
        self._limits = limits
        self._fd = -1
        check_root(path, roots)
        if not os.path.exists(path):  # noqa: PTH110 - which raises where one may not look
            raise UnusableSource(f"There is no folder {path} on the server.")
        root, parts = _under(path, roots)
        try:
            self._fd = _open_folder(os.open(root, os.O_RDONLY | os.O_DIRECTORY), parts)
        except OSError as error:
            raise UnusableSource(f"{path} can't be read: {error.strerror}.") from error

    def listing(self, start: int = 0, *, head: int = 0) -> Iterator[Listed]:
        """All there is from number `start` on."""
        return numbered(self._all(), self._limits, start)

    def read(
        self, entries: Iterable[Entry], *, first: int | None = None, at_most: int | None = None
    ) -> Iterator[Content]:
        """The content of each, in the order given."""
        most = at_most or self._limits.entry_bytes
        for entry in entries:
            found = self._content(unquote_to_bytes(entry.key), first, most)
            yield entry, found if isinstance(found, bytes) else entry.refused(found)

    def close(self) -> None:
        """Give the folder back."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def _all(self) -> Iterator[Found | Loss]:
        yield from self._in(os.open(b".", _FOLDER, dir_fd=self._fd), b"", 0)

    def _in(self, folder: int, path: bytes, depth: int) -> Iterator[Found | Loss]:
        """A folder, what it has, and what is in its folders. `folder` is closed in the end."""
        try:
            if path:
                yield _found(path, None, None)
            for thing in _things(folder, self._limits.entries):
                inner = path + thing.name
                if not stat.S_ISDIR(thing.mode):
                    yield _found(inner, thing.size, _fault(thing.mode))
                elif names.is_ignored(os.fsdecode(thing.name)):
                    yield _found(inner + b"/", None, None)
                else:
                    yield from self._inside(folder, inner, depth)
        except OSError as error:
            yield _found(path, None, _unreadable(error))
        finally:
            os.close(folder)

    def _inside(self, folder: int, path: bytes, depth: int) -> Iterator[Found | Loss]:
        if depth >= _DEEPEST:
            yield _found(path, None, _TOO_DEEP)
            return
        try:
            inside = os.open(path.rpartition(b"/")[2], _FOLDER, dir_fd=folder)
        except OSError as error:
            yield _found(path, None, _unreadable(error))
            return
        yield from self._in(inside, path + b"/", depth + 1)

    def _content(self, path: bytes, first: int | None, most: int) -> bytes | Fault:
        *folders, name = parts = path.split(b"/")
        if not _NO_NAMES.isdisjoint(parts):
            return faults.CHANGED
        try:
            with (
                _closing(_open_folder(os.dup(self._fd), folders)) as folder,
                _closing(os.open(name, _FILE, dir_fd=folder)) as file,
            ):
                return _bytes(file, first, most)
        except OSError as error:
            return _unreadable(error)


def check_root(path: Path, roots: Sequence[Path]) -> None:
    """Whether a folder of this name would lie under one of the roots.

    It need not be there, nor on this machine: whoever opens it looks again.

    Raises:
        SourceNotAllowed: it would not.
    """
    _under(path, roots, strict=False)


def _under(path: Path, roots: Sequence[Path], *, strict: bool = True) -> tuple[Path, list[bytes]]:
    """The root that the folder lies under, and the way from there."""
    with suppress(OSError, ValueError, RuntimeError):
        real = path.resolve(strict=strict)
        for root in (each.resolve() for each in roots):
            if real.is_relative_to(root):
                return root, [os.fsencode(part) for part in real.relative_to(root).parts]
    raise SourceNotAllowed(
        f"{path} is no folder under one of those that this server opens for imports. Whoever runs "
        "it names them in IMPORT_ROOTS (in .env), and starts it again."
    )


def _open_folder(start: int, parts: Sequence[bytes]) -> int:
    """The folder at the end of the way from `start`, which is closed. Raises OSError."""
    fd = start
    for part in parts:
        try:
            inner = os.open(part, _FOLDER, dir_fd=fd)
        finally:
            os.close(fd)
        fd = inner
    return fd


def _things(folder: int, most: int) -> list[_Thing]:
    """What the folder has, by name, one more than `most` of it at most. Raises OSError."""
    found = []
    with os.scandir(folder) as entries:
        for entry in entries:
            found.append(os.fsencode(entry.name))
            if len(found) > most:
                break
    found.sort()
    return [thing for name in found if (thing := _thing(folder, name)) is not None]


def _thing(folder: int, name: bytes) -> _Thing | None:
    try:
        known = os.stat(name, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return None
    except OSError:
        return _Thing(name, 0, 0)
    return _Thing(name, known.st_mode, known.st_size)


def _found(path: bytes, size: int | None, fault: Fault | None) -> Found:
    return path.decode("utf-8", "surrogateescape"), size, quote_from_bytes(path), fault


def _fault(mode: int) -> Fault | None:
    if stat.S_ISREG(mode):
        return None
    if stat.S_ISLNK(mode):
        return faults.LINK
    return faults.SPECIAL_FILE if mode else faults.UNREADABLE


def _unreadable(error: OSError) -> Fault:
    if error.errno in _LINKED:
        return faults.LINK
    if error.errno == errno.ENOENT:
        return faults.CHANGED
    if error.errno == errno.ENXIO:
        return faults.SPECIAL_FILE
    return Fault(faults.UNREADABLE.code, f"It can't be read: {error.strerror}.")


def _bytes(file: int, first: int | None, most: int) -> bytes | Fault:
    if not stat.S_ISREG(os.fstat(file).st_mode):
        return faults.SPECIAL_FILE
    wanted = most + 1 if first is None else first
    found = bytearray()
    while len(found) < wanted:
        piece = os.read(file, min(_CHUNK, wanted - len(found)))
        if not piece:
            break
        found += piece
    return faults.too_large(most) if len(found) > most else bytes(found)


@contextmanager
def _closing(fd: int) -> Iterator[int]:
    try:
        yield fd
    finally:
        os.close(fd)
