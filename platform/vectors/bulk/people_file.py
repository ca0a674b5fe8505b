"""A CSV file of people, as spreadsheets write it."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from common.tables import CsvTable, TableError

from .errors import MissingColumns, UnusableFile
from .rows import COLUMNS, IDS

_LONGEST_NUMBER = 10  # digits; a longer one fits nowhere
_YES, _NO = {"", "true", "yes", "1"}, {"false", "no", "0"}


class Line(NamedTuple):
    """A row of the file: its cells by column, or what is wrong with it."""

    number: int
    cells: dict[str, str]
    problem: str = ""


class PeopleFile:
    """The people of templates, in the templates' order."""

    def __init__(self, path: Path) -> None:
        """Read its first line.

        Raises:
            UnusableFile: it can't be read.
            MissingColumns: it names no people.
        """
        self.path = path
        try:
            self._table = CsvTable(path.name, lambda: path.open("rb"))
        except OSError as error:
            raise UnusableFile(f"{path.name} can't be read: {error.strerror}.") from error
        self._header = self._read_header()

    def lines(self) -> Iterator[Line]:
        """Every row; lines without anything in them are none.

        Raises:
            UnusableFile: from here on it is no CSV file.
        """
        for number, cells in self._cells():
            if len(cells) == len(self._header):
                yield Line(number, dict(zip(self._header, cells, strict=True)))
            else:
                problem = f"{len(cells)} cells where the header has {len(self._header)}"
                yield Line(number, {}, problem)

    def columns(self, lines: Sequence[Line]) -> dict[str, list[Any]]:
        """The rows' cells, by column."""
        known = [name for name in COLUMNS if name in self._header]
        return {name: [_value(name, line.cells.get(name, "")) for line in lines] for name in known}

    def _read_header(self) -> list[str]:
        _, cells = next(self._cells(with_header=True), (0, []))
        header = [each.strip().lower() for each in cells]
        if not set(header) & set(IDS):
            raise MissingColumns(
                f"{self.path.name} needs a first line that names its columns, with `external_id` "
                f"or `person` among them."
            )
        if len(set(header)) < len(header):
            raise MissingColumns(f"{self.path.name} names a column twice.")
        return header

    def _cells(self, *, with_header: bool = False) -> Iterator[tuple[int, list[str]]]:
        """The number and cells of each line that has any."""
        lines = self._table.lines()
        try:
            if not with_header:
                next(lines, None)
            yield from lines
        except TableError as error:
            raise UnusableFile(str(error)) from error


def _value(name: str, text: str) -> Any:
    """A cell's value, as a Parquet file would have it; what is none stays text."""
    text = text.strip()
    if name == "face_count" and _is_number(text):
        return int(text)
    if name == "active" and text.lower() in _YES | _NO:
        return text.lower() in _YES
    return text or None


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) <= _LONGEST_NUMBER
