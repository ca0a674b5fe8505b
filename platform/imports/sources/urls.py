"""A list of web addresses, a line each. Off unless IMPORT_URLS says otherwise."""

import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from urllib.parse import unquote, urlsplit

from imports.errors import UnusableSource
from imports.limits import Limits
from imports.names import Fault, source_name

from .base import Closing, Content, Entry, Listed
from .judging import Found, numbered
from .web import BAD_URL, Web

LONGEST_URL = 2000
"""Characters of an address; servers take no longer ones."""

# Of which no address has any, and U+0000 is kept by no database.
_CONTROL = re.compile("[\\x00-\\x1f\\x7f]")


class UrlSource(Closing):
    """The files that a text names, a line each. An entry's key is its address.

    Its name is host and path, so that folders in it are folders here, too.
    """

    is_tape = False

    def __init__(self, path: Path, limits: Limits, web: Web | None = None) -> None:
        """Open the list.

        Raises:
            UnusableSource: it can't be read.
        """
        self._path = path
        self._limits = limits
        self._web = web or Web()
        try:
            with path.open("rb") as file:
                file.read(1)
        except OSError as error:
            raise UnusableSource(f"{source_name(path)} can't be read: {error.strerror}.") from error

    def listing(self, start: int = 0, *, head: int = 0) -> Iterator[Listed]:
        """All there is from number `start` on. Nothing is asked of any server."""
        return numbered(self._found(), self._limits, start)

    def read(
        self, entries: Iterable[Entry], *, first: int | None = None, at_most: int | None = None
    ) -> Iterator[Content]:
        """The content of each, in the order given."""
        most = at_most or self._limits.entry_bytes
        for entry in entries:
            found = self._web.fetch(entry.key, most, first)
            yield entry, found if isinstance(found, bytes) else entry.refused(found)

    def _found(self) -> Iterator[Found]:
        with self._path.open("rb") as file:
            while line := file.readline(LONGEST_URL + 2):
                is_whole = line.endswith(b"\n") or len(line) <= LONGEST_URL
                while not line.endswith(b"\n") and (more := file.readline(LONGEST_URL)):
                    line = line[:LONGEST_URL] + more[-1:]
                text = line.decode("utf-8-sig", "replace").strip()
                if text and not text.startswith("#"):
                    yield _found(text, is_whole=is_whole)


def _found(url: str, *, is_whole: bool) -> Found:
    fault: Fault | None = BAD_URL if _CONTROL.search(url) or not is_whole else None
    try:
        parts = urlsplit(url)
        name = f"{parts.hostname or ''}{unquote(parts.path)}".strip("/")
        is_web = parts.scheme in {"http", "https"} and parts.hostname
    except ValueError:
        name, is_web = url, None
    if not is_web or parts.username is not None or parts.password is not None:
        fault = BAD_URL
    return (name or url) if is_web else _bare(url), None, url if fault is None else "", fault


def _bare(url: str) -> str:
    """What is no address, as a name that is no path either: a password in it is not shown."""
    return url.rpartition("@")[2].replace("\\", "/").lstrip("/").replace("..", "")[:200]
