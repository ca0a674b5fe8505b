"""XLSX: the first sheet of a workbook, as text, however large it pretends to be."""

import datetime as dt
import struct
import zipfile
import zlib
from collections.abc import Iterator
from typing import Any, BinaryIO

from .base import OpenTable, TableError

# A workbook is a ZIP archive of XML. What is read at once, and so counts, is its directory, the
# texts that its cells share, and one row.
_LARGEST_DIRECTORY = 1 << 20
_LARGEST = 256 << 20  # bytes unpacked, some 1,000,000 rows of four cells
_LARGEST_PART = 64 << 20  # of anything but a sheet
_MOST_COLUMNS = 200
_MOST_ROWS = 1_048_576  # Excel's own
_TAIL = 22 + 0xFFFF
# What openpyxl and what lies below it raise on hostile files.
_ERRORS = (
    OSError,
    ValueError,
    LookupError,
    TypeError,
    AttributeError,
    ArithmeticError,
    SyntaxError,
    RuntimeError,
    EOFError,
    AssertionError,
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    Warning,
)


class XlsxTable:
    """The rows of a workbook's first sheet. `name` is what errors call it."""

    kind = "XLSX"

    def __init__(self, name: str, open_table: OpenTable) -> None:
        self._name = name
        self._open = open_table

    def lines(self) -> Iterator[tuple[int, list[str]]]:
        """The number and cells of each row that has any, without the empty ones at its end.

        Raises:
            TableError: from here on it is no workbook, or it is too large.
        """
        with self._open() as file:
            try:
                self._check(file)
                yield from _rows(file)
            except _ERRORS as error:
                raise TableError(
                    f"{self._name} is no XLSX workbook, or is damaged. Save it again, or as CSV."
                ) from error

    def _check(self, file: BinaryIO) -> None:
        """Refuse what takes too much memory to read. Raises TableError."""
        if _directory_bytes(file) > _LARGEST_DIRECTORY:
            raise self._too_large()
        with zipfile.ZipFile(file) as archive:
            parts = archive.infolist()
            if sum(part.file_size for part in parts) > _LARGEST:
                raise self._too_large()
            if any(part.file_size > _LARGEST_PART for part in parts if not _is_sheet(part)):
                raise self._too_large()

    def _too_large(self) -> TableError:
        return TableError(f"{self._name} is too large for a workbook. Save it as CSV.")


def _is_sheet(part: zipfile.ZipInfo) -> bool:
    return part.filename.startswith("xl/worksheets/")


def _directory_bytes(file: BinaryIO) -> int:
    """What the directory of the archive takes, by the record at its end; too many if in doubt."""
    size = file.seek(0, 2)
    file.seek(max(0, size - _TAIL))
    tail = file.read(_TAIL)
    file.seek(0)
    place = tail.rfind(b"PK\5\6")
    if place < 0 or b"PK\6\7" in tail:
        return 0 if place < 0 else _LARGEST_DIRECTORY + 1
    return int(struct.unpack_from("<L", tail, place + 12)[0])


def _rows(file: BinaryIO) -> Iterator[tuple[int, list[str]]]:
    import openpyxl  # noqa: PLC0415 - takes a quarter of a second, and few processes need it

    workbook = openpyxl.load_workbook(file, read_only=True, data_only=True)
    try:
        sheet = workbook.worksheets[0]
        # A sheet may claim any size; without this the claim would be believed.
        sheet.reset_dimensions()
        rows = sheet.iter_rows(max_row=_MOST_ROWS, max_col=_MOST_COLUMNS, values_only=True)
        for number, row in enumerate(rows, 1):
            # A row far below makes a million empty ones above it, each as wide as can be.
            if row.count(None) == len(row):
                continue
            cells = [_text(value) for value in row]
            while cells and not cells[-1]:
                cells.pop()
            if cells:
                yield number, cells
    finally:
        workbook.close()


def _text(value: Any) -> str:
    """A cell's value as it would stand in a CSV file."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    if isinstance(value, dt.datetime) and value.time() == dt.time():
        return value.date().isoformat()
    if isinstance(value, dt.date | dt.time):
        return value.isoformat()
    return str(value)
