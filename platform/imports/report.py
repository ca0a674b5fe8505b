"""What became of each file of a job, as CSV and XLSX."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from io import BytesIO
from typing import Any

from django.db.models import F

from common.cells import harmless

from .models import ImportItem, ImportJob

COLUMNS = (
    "number", "line", "file", "external_id", "name", "result", "code", "reason", "person", "photo",
    "sha256",
)  # fmt: skip
_READ_AT_ONCE = 1_000
# Characters that XLSX can't hold.
_NO_CELL = dict.fromkeys((*range(9), 11, 12, *range(14, 32), 0xFFFE, 0xFFFF))


class _Echo:
    """A file whose writes are returned."""

    def write(self, line: str) -> str:
        """The line."""
        return line


def as_csv(job: ImportJob) -> Iterator[str]:
    """A line for each file, in constant memory; no cell is a formula."""
    writer = csv.writer(_Echo())
    yield writer.writerow(COLUMNS)
    for item in _items(job):
        yield writer.writerow([harmless(cell) for cell in _cells(item)])


def as_xlsx(job: ImportJob) -> bytes:
    """The same as a workbook."""
    from openpyxl import Workbook  # noqa: PLC0415 - takes a quarter of a second, and few need it

    book = Workbook(write_only=True)
    sheet = book.create_sheet("files")
    sheet.append(COLUMNS)
    for item in _items(job):
        sheet.append([harmless(str(cell).translate(_NO_CELL)) for cell in _cells(item)])
    stored = BytesIO()
    book.save(stored)
    return stored.getvalue()


def _items(job: ImportJob) -> Iterator[ImportItem]:
    items = job.items.select_related("person", "photo").order_by(
        F("number").asc(nulls_last=True),
        "line",
        "pk",  # lines without a file come last
    )
    return items.iterator(chunk_size=_READ_AT_ONCE)


def _cells(item: ImportItem) -> list[Any]:
    cells = [
        item.number, item.line, item.name, item.external_id, item.person_name, item.state,
        item.code, item.text, item.person.public_id if item.person else None,
        item.photo.public_id if item.photo else None, item.sha256,
    ]  # fmt: skip
    return ["" if cell is None else cell for cell in cells]
