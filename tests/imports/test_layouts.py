"""How files become people, and that nothing unsafe ever becomes an id."""

from __future__ import annotations

import io
import unicodedata
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import openpyxl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imports import names
from imports.errors import UnusableManifest
from imports.layouts import (
    ByManifest,
    Folders,
    Names,
    open_layout,
    top_folder,
    understand,
)
from imports.limits import Limits
from imports.manifest import Manifest, read_manifest_beside
from imports.people import ID_LENGTH, LineRefused, Planned, id_fault
from imports.sources import Entry, Ignored, Listed, Loss, Refused
from imports.sources.judging import judged, numbered
from imports.sources.zip import ZipSource

from .archives import LIMITS, zipped

LOST = Loss("cut_off", "Cut off.")


def listed(*paths: str) -> list[Listed]:
    return list(numbered([(path, 1, path, None) for path in paths], LIMITS))


def understood(layout: Any, *paths: str) -> list[Any]:
    """Id and name of each, or the code."""
    return [
        (each.external_id, each.name) if isinstance(each, Planned) else each.code
        for each in layout.plan(listed(*paths))
        if not isinstance(each, Ignored)
    ]


# --- Folders and names --------------------------------------------------------------------------


def test_a_folder_for_each_person() -> None:
    paths = ("top/Anna_Maria_Müller/1.jpg", "top/x/bert-7/a.jpg", "top/loose.jpg", "root.jpg")
    assert understood(Folders("top"), *paths) == [
        ("Anna_Maria_Müller", "Anna Maria Müller"),
        ("bert-7", "bert-7"),
        "no_folder",
        "no_folder",
    ]


def test_folders_whose_names_can_be_no_ids() -> None:
    long, raw = "x" * (ID_LENGTH + 1), "caf\udce9"
    assert understood(Folders(), f"{long}/1.jpg", f"{raw}/1.jpg", "a\u202eb/1.jpg", " /1.jpg") == [
        "bad_external_id", "bad_external_id", "bad_external_id", "no_external_id",
    ]  # fmt: skip


def test_accents_written_in_two_ways_are_one_person() -> None:
    both = understood(Folders(), "Zoë/1.jpg", unicodedata.normalize("NFD", "Zoë/1.jpg"))
    assert both == [("Zoë", "Zoë")] * 2
    assert understood(Folders(), "anna/1.jpg", "Anna/1.jpg") == [("anna", "anna"), ("Anna", "Anna")]


@pytest.mark.parametrize(
    ("paths", "top"),
    [
        (["t/a/1.jpg", "t/b/2.jpg"], "t"),
        (["t/a/1.jpg", "u/b/2.jpg"], ""),
        (["t/a/1.jpg", "loose.jpg"], ""),
        (["t/a/1.jpg", "README.txt", "t/b/2.JPG"], "t"),
        (["README.txt"], ""),
        ([], ""),
        (["t/1.jpg", "t/2.jpg"], "t"),
    ],
)
def test_the_folder_that_holds_all(paths: Sequence[str], top: str) -> None:
    assert top_folder(listed(*paths)) == top


def test_the_id_before_a_separator() -> None:
    paths = ("x/17_front.jpg", "17.jpg", "a-b_c.jpg", "_none.jpg", "noend_1")
    assert understood(Names(), *paths) == [
        ("17", ""), ("17", ""), ("a-b", ""), "no_external_id", ("noend", ""),
    ]  # fmt: skip
    assert understood(Names("-"), "a-b_c.jpg", "17_1.jpg") == [("a", ""), ("17_1", "")]


_TEXT = st.text(
    st.one_of(
        st.characters(),
        st.sampled_from("/\\.:_\0\n\u202e\u200b\ufeff\udcff\x85 CONaé"),
    ),
    max_size=40,
)


@settings(max_examples=400, deadline=None)
@given(st.lists(_TEXT, max_size=6))
def test_whatever_the_names_are_ids_are_safe_and_nothing_is_lost(raw: list[str]) -> None:
    found = [judged(number, (name, 1, "", None), LIMITS) for number, name in enumerate(raw)]
    for each in found:
        each.name.encode()  # any database keeps it
        assert each.name.isprintable() or not set(each.name) & {"\0", "\n", "\x85"}
        if isinstance(each, Entry):
            assert ".." not in each.name.split("/")
            assert not each.name.startswith("/")
    for layout in (Folders(), Names()):
        results = list(layout.plan(found))
        assert [
            each.entry.number if isinstance(each, Planned) else each.number  # type: ignore[union-attr]
            for each in results
        ] == list(range(len(raw)))
        for each in results:
            if isinstance(each, Planned):
                assert id_fault(each.external_id) is None
                assert not set(each.external_id) & set("/\\\0\n\u202e")
                assert each.external_id == unicodedata.normalize("NFC", each.external_id)


@given(_TEXT)
def test_twins_have_one_key(name: str) -> None:
    for other in (name.upper().lower(), unicodedata.normalize("NFD", name)):
        if other.casefold() == name.casefold():
            assert names.twin_key(other) == names.twin_key(name)
    assert names.shown(names.shown(name)) == names.shown(name)


# --- Manifests ----------------------------------------------------------------------------------


def manifest(tmp_path: Path, data: bytes | str, limits: Limits = LIMITS) -> Manifest:
    path = tmp_path / "people.csv"
    path.write_bytes(data if isinstance(data, bytes) else data.encode())
    return read_manifest_beside(path, limits)


TABLE = "File;External ID;name;several_faces;Department;Badge\n"
ROWS = TABLE + "a.jpg;17;Anna;central;Sales;\nsub\\b.jpg;0017;Bért;;;=1+1\n"


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (ROWS.encode(), "UTF-8, semicolons"),
        (b"\xef\xbb\xbf" + ROWS.encode(), "UTF-8, semicolons"),
        (ROWS.encode("utf-16"), "UTF-16, semicolons"),
        (ROWS.replace(";", "\t").encode("utf-16"), "UTF-16, tabs"),
        (ROWS.replace(";", ",").replace("\n", "\r\n").encode(), "UTF-8, commas"),
    ],
)
def test_tables_as_spreadsheets_write_them(tmp_path: Path, data: bytes, kind: str) -> None:
    found = manifest(tmp_path, data)
    assert found.kind == kind
    assert found.columns == {
        "File": "file", "External ID": "external_id", "name": "name",
        "several_faces": "several_faces", "Department": "metadata", "Badge": "metadata",
    }  # fmt: skip
    a, b = (each for each in ByManifest(found).plan(listed("a.jpg", "sub/b.jpg")))
    assert a == Planned(
        listed("a.jpg")[0],
        "17",
        "Anna",
        {"Department": "Sales"},
        "central",
        2,  # type: ignore[arg-type]
    )
    assert isinstance(b, Planned)
    assert (b.external_id, b.name, b.metadata, b.line) == ("0017", "Bért", {"Badge": "=1+1"}, 3)


def results(found: Manifest, *paths: str, **options: str) -> tuple[dict[str, str], dict[int, str]]:
    """The code or id of each file, and the codes of lines."""
    planned = list(ByManifest(found, **options).plan(listed(*paths)))
    files = {
        (each.entry.name if isinstance(each, Planned) else each.name): (
            each.external_id if isinstance(each, Planned) else each.code
        )
        for each in planned
        if isinstance(each, Planned | Refused)
    }
    return files, {each.line: each.code for each in planned if isinstance(each, LineRefused)}


def test_lines_that_can_not_be_used_are_named_by_their_number(tmp_path: Path) -> None:
    lines = [
        "file,external_id,name,several_faces,note",
        "good.jpg,1,Anna,,",
        "ragged.jpg,2,Bert",
        "noid.jpg,,Cleo,,",
        f"longid.jpg,{'x' * 201},,,",
        "hidden.jpg,a\u200bb,,,",
        f"longname.jpg,3,{'x' * 301},,",
        "policy.jpg,4,,everybody,",
        "twice.jpg,5,Dora,,",
        "twice.jpg,5,Dora,,",
        "differs.jpg,6,Emil,,",
        "differs.jpg,7,Emil,,",
        "othername.jpg,1,Anton,,",
        "missing.jpg,8,,,",
        ",9,,,",
        f"longnote.jpg,10,,,{'x' * 10_001}",
        '"line\nbreak.jpg",11,,LARGEST,',
        "after.jpg,12,,Largest,",
    ]
    found = manifest(tmp_path, "\n".join(lines))
    named = (
        "good ragged noid longid hidden longname policy twice differs othername longnote after "
        "unnamed"
    )
    paths = [f"{name}.jpg" for name in named.split()]
    files, of_lines = results(found, *paths)
    assert files == {
        "good.jpg": "1",
        "ragged.jpg": "not_in_manifest",
        "noid.jpg": "no_external_id",
        "longid.jpg": "bad_external_id",
        "hidden.jpg": "bad_external_id",
        "longname.jpg": "bad_person_name",
        "policy.jpg": "bad_several_faces",
        "twice.jpg": "5",
        "differs.jpg": "duplicate_file",
        "othername.jpg": "different_names",
        "longnote.jpg": "bad_metadata",
        "after.jpg": "12",
        "unnamed.jpg": "not_in_manifest",
    }
    assert of_lines == {
        3: "ragged_line",
        10: "duplicate_file",
        12: "duplicate_file",
        14: "missing_file",
        15: "no_file",
        18: "missing_file",
    }
    sentences = [e.sentence for e in ByManifest(found).plan([]) if isinstance(e, LineRefused)]
    assert "Line 3 of people.csv has 3 cells where the header has 5." in sentences
    assert "Line 13 of people.csv: Line 2 calls the person with this external_id otherwise." in (
        sentences
    )


def test_paths_may_be_written_in_many_ways(tmp_path: Path) -> None:
    nfd = unicodedata.normalize("NFD", "é.jpg")
    found = manifest(tmp_path, f"file,external_id\n./a.jpg,1\nsub\\b.jpg,2\n{nfd},3\nA.jpg,4\n")
    files, lines = results(found, "in/a.jpg", "in/sub/b.jpg", "é.jpg", "in/A.jpg", base="in")
    assert files == {"in/a.jpg": "1", "in/sub/b.jpg": "2", "é.jpg": "3", "in/A.jpg": "4"}
    assert lines == {}
    files, _ = results(found, "a.jpg", "in/a.jpg", base="in")
    assert files == {"a.jpg": "1", "in/a.jpg": "ambiguous_file"}


def test_a_file_that_is_refused_is_not_missing_too(tmp_path: Path) -> None:
    found = manifest(tmp_path, "file,external_id\na.zip,1\n")
    assert results(found, "a.zip") == ({"a.zip": "nested_archive"}, {})


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"", "missing_columns"),
        (b"file,name\na,b\n", "missing_columns"),
        (b"external_id\na\n", "missing_columns"),
        (b"file,external_id,File\na,b,c\n", "missing_columns"),
        ("file,external_id\nM\xfc.jpg,1\n".encode("latin-1"), "unusable_manifest"),
        (b'file,external_id\n"' + b"x" * 200_000 + b'",1\n', "unusable_manifest"),
        (b"\xff\xfea", "unusable_manifest"),
    ],
)
def test_tables_that_can_not_be_read(tmp_path: Path, data: bytes, code: str) -> None:
    with pytest.raises(UnusableManifest) as caught:
        manifest(tmp_path, data)
    assert caught.value.code == code


def test_tables_have_limits(tmp_path: Path) -> None:
    rows = "file,external_id\n" + "".join(f"{n}.jpg,{n}\n" for n in range(1001))
    with pytest.raises(UnusableManifest, match="more than 1,000 lines"):
        manifest(tmp_path, rows)
    small = Limits(1000, 1, 1, 1, manifest_bytes=100)
    with pytest.raises(UnusableManifest, match="larger than"):
        manifest(tmp_path, rows, small)
    with pytest.raises(UnusableManifest, match="can't be read"):
        read_manifest_beside(tmp_path / "none.csv", LIMITS)


def workbook(rows: list[list[object]]) -> bytes:
    book = openpyxl.Workbook()
    for row in rows:
        book.active.append(row)
    stream = io.BytesIO()
    book.save(stream)
    return stream.getvalue()


def test_a_workbook_in_the_source(tmp_path: Path) -> None:
    table = workbook([["file", "external_id", "name", "floor"], ["a.jpg", 17.0, "Anna", True],
                      ["b.jpg", "0017"], ["c.jpg", 3, "C", None, "more"]])  # fmt: skip
    files = [("in/manifest.xlsx", table), ("in/a.jpg", b"a"), ("in/b.jpg", b"b"), ("in/x.csv", b"")]
    with ZipSource(zipped(tmp_path / "a.zip", files), LIMITS) as source:
        layout = open_layout("manifest", source, limits=LIMITS)
        planned = list(layout.plan(source.listing()))
    assert [(e.why, e.name) for e in planned if isinstance(e, Ignored)] == [
        ("manifest", "in/manifest.xlsx")
    ]
    assert [(e.external_id, e.name, e.metadata) for e in planned if isinstance(e, Planned)] == [
        ("17", "Anna", {"floor": "true"}), ("0017", "", {}),
    ]  # fmt: skip
    assert [(e.line, e.code) for e in planned if isinstance(e, LineRefused)] == [(4, "ragged_line")]


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ([("a.jpg", b"")], "has no table"),
        ([("a.csv", b""), ("b.csv", b"")], r"several tables \(a\.csv, b\.csv\)"),
        ([("a.xlsx", b"no workbook")], "no XLSX workbook"),
    ],
)
def test_a_source_without_the_one_table(tmp_path: Path, files: Any, message: str) -> None:
    with (
        ZipSource(zipped(tmp_path / "a.zip", files), LIMITS) as source,
        pytest.raises(UnusableManifest, match=message),
    ):
        open_layout("manifest", source, limits=LIMITS)


def test_a_table_beside_the_source(tmp_path: Path) -> None:
    beside = tmp_path / "who.csv"
    beside.write_text("file,external_id\na/1.jpg,1\ntop/b/1.jpg,2\n")
    files = [("top/a/1.jpg", b"a"), ("top/b/1.jpg", b"b"), ("notes.txt", b"n")]
    with ZipSource(zipped(tmp_path / "a.zip", files), LIMITS) as source:
        layout = open_layout("manifest", source, manifest=beside, limits=LIMITS)
        found = [
            each.external_id if isinstance(each, Planned) else each.code
            for each in layout.plan(source.listing())
            if isinstance(each, Planned | Refused)
        ]
        assert found == ["1", "2", "not_in_manifest"]
        assert open_layout("folders", source, limits=LIMITS) == Folders("top")
        assert open_layout("names", source, separator="-", limits=LIMITS) == Names("-")


# --- Dry runs -----------------------------------------------------------------------------------


def test_the_first_rows_as_they_are_understood(tmp_path: Path) -> None:
    files = [
        ("top/a/1.jpg", b"a"),
        ("top/b/1.jpg", b"b"),
        ("top/x.jpg", b"x"),
        ("top/c/1.jpg", b""),
    ]
    with ZipSource(zipped(tmp_path / "a.zip", files), LIMITS) as source:
        shown = understand(Folders("top"), source, rows=3)
        assert (shown.table, shown.columns) == ("", {})
        assert [(row.file, row.external_id, row.code) for row in shown.rows] == [
            ("top/a/1.jpg", "a", ""), ("top/b/1.jpg", "b", ""), ("top/x.jpg", "", "no_folder"),
        ]  # fmt: skip
        table = manifest(tmp_path, "file,external_id,note\na.jpg,1,hello\nb.jpg,2\nc.jpg,,\n")
        shown = understand(ByManifest(table), source, rows=3)
        assert (shown.table, shown.columns["note"]) == ("UTF-8, commas", "metadata")
        assert [(r.line, r.file, r.external_id, r.metadata, r.code) for r in shown.rows] == [
            (2, "a.jpg", "1", {"note": "hello"}, ""),
            (3, "", "", {}, "ragged_line"),
            (4, "c.jpg", "", {}, "no_external_id"),
        ]


def test_what_is_no_file_passes_through() -> None:
    rest = [LOST, Ignored(0, "a/", "", "folder"), Refused(1, "b", "", "link", "A link.")]
    for layout in (Folders(), Names()):
        assert list(layout.plan(rest)) == rest
