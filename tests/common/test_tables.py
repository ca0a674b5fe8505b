"""Tables in every dialect of spreadsheets, and workbooks that lie about their size."""

from __future__ import annotations

import datetime as dt
import io
import zipfile
from contextlib import suppress
from typing import Any

import openpyxl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from common.tables import CsvTable, TableError, XlsxTable, xlsx_table


def xlsx(data: bytes) -> XlsxTable:
    return XlsxTable("t.xlsx", lambda: io.BytesIO(data))


def workbook(rows: list[list[Any]]) -> bytes:
    book = openpyxl.Workbook()
    for row in rows:
        book.active.append(row)
    stream = io.BytesIO()
    book.save(stream)
    return stream.getvalue()


def with_sheet(xml: str, **others: str) -> bytes:
    """A workbook whose sheet is written by hand."""
    stream = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(workbook([["a"]]))) as good,
        zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive,
    ):
        for part in good.namelist():
            text = xml if part == "xl/worksheets/sheet1.xml" else others.get(part)
            archive.writestr(part, good.read(part) if text is None else text)
    return stream.getvalue()


MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"


def sheet(rows: str, before: str = "") -> str:
    return f'<worksheet xmlns="{MAIN}">{before}<sheetData>{rows}</sheetData></worksheet>'


def test_values_as_a_csv_file_would_have_them() -> None:
    rows = [
        ["id", "when", "at", "moment", "yes", "ratio"],
        [17.0, dt.date(2024, 2, 29), dt.time(8, 30), dt.datetime(2024, 1, 2, 3, 4), True, 0.5],  # noqa: DTZ001
        [],
        ["", None, "x", None, None],
        ["=1+1", "'x"],
    ]
    assert list(xlsx(workbook(rows)).lines()) == [
        (1, ["id", "when", "at", "moment", "yes", "ratio"]),
        (2, ["17", "2024-02-29", "08:30:00", "2024-01-02T03:04:00", "true", "0.5"]),
        (4, ["", "", "x"]),
        (5, ["", "'x"]),  # a formula whose result nobody has computed
    ]


def test_a_sheet_of_any_claimed_size_is_bounded() -> None:
    cell = '<c r="A1" t="inlineStr"><is><t>a</t></is></c>'
    claims = sheet(f"<row r='1'>{cell}</row>", '<dimension ref="A1:XFD1048576"/>')
    assert list(xlsx(with_sheet(claims)).lines()) == [(1, ["a"])]
    far = sheet(f"<row r='1'>{cell}</row><row r='99999999999'>{cell}</row>")
    assert list(xlsx(with_sheet(far)).lines()) == [(1, ["a"])]
    wide = '<c r="XFD1" t="inlineStr"><is><t>far</t></is></c>'
    assert list(xlsx(with_sheet(sheet(f"<row r='1'>{cell}{wide}</row>"))).lines()) == [(1, ["a"])]


def test_entities_are_not_expanded_without_end() -> None:
    entities = "".join(f'<!ENTITY e{n} "{f"&e{n - 1};" * 10}">' for n in range(1, 12))
    laughs = f'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY e0 "ha">{entities}]>'
    rows = '<row r="1"><c r="A1" t="inlineStr"><is><t>&e11;</t></is></c></row>'
    with pytest.raises(TableError, match="damaged"):
        list(xlsx(with_sheet(laughs + sheet(rows))).lines())
    outside = '<?xml version="1.0"?><!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]>'
    rows = '<row r="1"><c r="A1" t="inlineStr"><is><t>&e;</t></is></c></row>'
    with pytest.raises(TableError, match="damaged"):
        list(xlsx(with_sheet(outside + sheet(rows))).lines())


def test_what_unpacks_to_too_much_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    data = workbook([["x" * 1000] * 100])
    monkeypatch.setattr(xlsx_table, "_LARGEST", 10_000)
    with pytest.raises(TableError, match=r"^t\.xlsx is too large for a workbook"):
        list(xlsx(data).lines())
    monkeypatch.undo()
    monkeypatch.setattr(xlsx_table, "_LARGEST_PART", 500)
    with pytest.raises(TableError, match="too large"):
        list(xlsx(data).lines())
    monkeypatch.undo()
    monkeypatch.setattr(xlsx_table, "_LARGEST_DIRECTORY", 100)
    with pytest.raises(TableError, match="too large"):
        list(xlsx(data).lines())


@settings(deadline=None, max_examples=60)
@given(st.data())
def test_damage_is_said_and_nothing_else_raised(data: st.DataObject) -> None:
    packed = bytearray(GOOD)
    for _ in range(data.draw(st.integers(1, 8))):
        packed[data.draw(st.integers(0, len(packed) - 1))] = data.draw(st.integers(0, 255))
    with suppress(TableError):
        list(xlsx(bytes(packed)).lines())


GOOD = with_sheet(sheet('<row r="1"><c r="A1" t="inlineStr"><is><t>a</t></is></c></row>'))


@given(
    st.lists(
        st.lists(st.text(st.characters(exclude_categories=["Cs", "Cc"])), min_size=2, max_size=4),
        min_size=1,
        max_size=5,
    ),
    st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]),
)
def test_what_was_written_is_read(rows: list[list[str]], encoding: str) -> None:
    import csv

    rows = [["a", "b"], *rows]
    text = io.StringIO(newline="")
    csv.writer(text).writerows(rows)
    table = CsvTable("t.csv", lambda: io.BytesIO(text.getvalue().encode(encoding)))
    assert [cells for _, cells in table.lines()] == rows
    assert table.kind == f"{'UTF-16' if encoding == 'utf-16' else 'UTF-8'}, commas"
