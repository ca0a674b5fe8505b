"""What every table is: lines of cells, from a stream that can be opened again."""

from collections.abc import Callable, Iterator
from typing import BinaryIO, Protocol, TypeAlias

OpenTable: TypeAlias = Callable[[], BinaryIO]


class TableError(Exception):
    """The table can't be read, or not from here on; the text is a sentence for people."""


class Table(Protocol):
    """Lines of cells as text."""

    @property
    def kind(self) -> str:
        """How it is written, in words, such as `UTF-16, semicolons`."""

    def lines(self) -> Iterator[tuple[int, list[str]]]:
        """The number, from 1, and the cells of each line that has any. Raises TableError."""
