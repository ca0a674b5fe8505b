"""CSV as spreadsheets write it: UTF-8 or UTF-16, commas, semicolons or tabs."""

import codecs
import csv
import io
from collections.abc import Iterator

from .base import OpenTable, TableError

_MARKS = ((codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))
_DELIMITERS = {",": "commas", ";": "semicolons", "\t": "tabs"}
_LONGEST_HEADER = 100_000


class CsvTable:
    """The lines of a CSV file. `name` is what errors call it."""

    def __init__(self, name: str, open_table: OpenTable) -> None:
        self._name = name
        self._open = open_table
        with open_table() as file:
            start = file.read(2)
        self._encoding = next((name for mark, name in _MARKS if start == mark), "utf-8-sig")

    @property
    def kind(self) -> str:
        """Its encoding and what stands between its cells."""
        encoding = "UTF-16" if self._encoding == "utf-16" else "UTF-8"
        try:
            with self._text() as file:
                return f"{encoding}, {_DELIMITERS[_delimiter(file)]}"
        except UnicodeError:
            return encoding

    def lines(self) -> Iterator[tuple[int, list[str]]]:
        """The number and cells of each line that has any.

        Raises:
            TableError: from here on it is no CSV file.
        """
        number = 0
        try:
            with self._text() as file:
                delimiter = _delimiter(file)
                file.seek(0)
                reader = csv.reader(file, delimiter=delimiter)
                for cells in reader:
                    number = reader.line_num
                    if cells:
                        yield number, cells
        except UnicodeError as error:
            raise TableError(
                f"{self._name} is neither UTF-8 nor UTF-16 with a mark; save it as UTF-8."
            ) from error
        except csv.Error as error:
            raise TableError(
                f"{self._name} is no CSV file after line {number}: {error}."
            ) from error

    def _text(self) -> io.TextIOWrapper:
        return io.TextIOWrapper(self._open(), encoding=self._encoding, newline="")


def _delimiter(file: io.TextIOWrapper) -> str:
    header = file.readline(_LONGEST_HEADER)
    return max(_DELIMITERS, key=header.count)
