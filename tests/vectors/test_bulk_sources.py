"""Files of templates: what can be read, what is refused as a whole, what row by row."""

from __future__ import annotations

import csv
import json
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from people.models import DEFAULT_MODEL
from vectors.bulk.checks import check
from vectors.bulk.errors import MissingColumns, RowsDiffer, UnusableFile
from vectors.bulk.refused_file import RefusedFile
from vectors.bulk.repeats import find_repeats
from vectors.bulk.rows import Batch, Chunk, Refusal, Source
from vectors.bulk.sources import open_source
from vectors.codec import UNIT_TOLERANCE, InvalidTemplate, encode

from .bulk_files import ids, parquet, units


def npy(folder: Path, vectors: Any, people: str | bytes, name: str = "v.npy") -> tuple[Path, Path]:
    """An NPY file and its people."""
    np.save(folder / name, vectors)
    data = people if isinstance(people, bytes) else people.encode()
    (folder / "people.csv").write_bytes(data)
    return folder / name, folder / "people.csv"


def chunks(source: Source, start: int = 0, size: int = 100, **options: Any) -> list[Chunk]:
    repeats = find_repeats(source.rows, source.keys)
    normalise = options.get("normalise", False)
    return [check(each, repeats, normalise=normalise) for each in source.batches(start, size)]


def codes(source: Source, **options: Any) -> list[tuple[int, str]]:
    return [(r.row, r.code) for each in chunks(source, **options) for r in each.refusals]


# --- Parquet ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "kind",
    [
        pa.list_(pa.float32()),
        pa.list_(pa.float64()),
        pa.list_(pa.float32(), 128),
        pa.list_(pa.float64(), 128),
        pa.large_list(pa.float32()),
    ],
)
def test_vectors_of_every_kind(tmp_path: Path, kind: pa.DataType) -> None:
    vectors = units(5)
    source = open_source(parquet(tmp_path / "t.parquet", vectors, kind=kind))
    (chunk,) = chunks(source)
    assert np.array_equal(chunk.vectors, vectors)
    assert (chunk.ids, chunk.rows.tolist()) == (ids(5), [1, 2, 3, 4, 5])
    assert (source.rows, source.model) == (5, DEFAULT_MODEL)


def test_half_floats(tmp_path: Path) -> None:
    halves = units(5).astype(np.float16)
    path = parquet(tmp_path / "t.parquet", halves, kind=pa.list_(pa.float16()))
    (chunk,) = chunks(open_source(path), normalise=True)
    assert np.allclose(chunk.vectors, units(5), atol=1e-3)
    assert np.allclose(np.linalg.norm(chunk.vectors, axis=1), 1, atol=1e-6)


def test_vectors_of_a_wrong_dimension_and_none(tmp_path: Path) -> None:
    vectors: list[Any] = list(units(6))
    vectors[1], vectors[2], vectors[3] = vectors[1][:127], None, []
    vectors[4] = [None, *vectors[4][1:].tolist()]
    (chunk,) = chunks(open_source(parquet(tmp_path / "t.parquet", vectors)))
    assert [(r.row, r.code, r.external_id) for r in chunk.refusals] == [
        (2, "wrong_dimension", "id-00001"),
        (3, "wrong_dimension", "id-00002"),
        (4, "wrong_dimension", "id-00003"),
        (5, "not_finite", "id-00004"),
    ]
    assert "this has 127" in chunk.refusals[0].reason
    assert np.array_equal(chunk.vectors, units(6)[[0, 5]])


def test_numbers_too_large_for_a_template(tmp_path: Path) -> None:
    vectors = units(2).astype(np.float64)
    vectors[1, 0] = 1e300
    path = parquet(tmp_path / "t.parquet", vectors, kind=pa.list_(pa.float64()))
    assert codes(open_source(path)) == [(2, "not_finite")]
    assert codes(open_source(path), normalise=True) == [(2, "not_finite")]


@pytest.mark.parametrize("start", [0, 1, 7, 20, 24, 25])
def test_reading_from_any_row_on(tmp_path: Path, start: int) -> None:
    vectors = units(25)
    source = open_source(parquet(tmp_path / "t.parquet", vectors, row_group_size=7))
    read = chunks(source, start, 10)
    assert [each.size for each in read] == [10] * ((25 - start) // 10) + (
        [rest] if (rest := (25 - start) % 10) else []
    )
    assert [each.first for each in read] == list(range(start, 25, 10))
    assert [row for each in read for row in each.ids] == ids(25)[start:]
    if read:
        assert np.array_equal(np.concatenate([each.vectors for each in read]), vectors[start:])


def test_whole_numbers_and_dictionaries_for_ids(tmp_path: Path) -> None:
    (chunk,) = chunks(open_source(parquet(tmp_path / "a.parquet", units(2), [7, 8])))
    assert chunk.ids == ["7", "8"]
    texts = pa.array(["x", "y"]).dictionary_encode()
    (chunk,) = chunks(open_source(parquet(tmp_path / "b.parquet", units(2), texts)))
    assert chunk.ids == ["x", "y"]


def test_what_a_row_may_say_of_a_person(tmp_path: Path) -> None:
    deep = "[" * 100_000
    columns: dict[str, list[Any]] = {
        "name": ["A", None, "x" * 301, "a\0b", " B ", None, None, None, None, None],
        "metadata": ['{"a": 1}', None, None, None, " ", "[]", "{", '{"a": NaN}',
                     '{"a": "\\u0000"}', '{"a":' + deep],
        "person": [None, "nonsense", *[None] * 8],
    }  # fmt: skip
    path = parquet(tmp_path / "t.parquet", units(10), **columns)
    (chunk,) = chunks(open_source(path))
    assert [(r.row, r.code) for r in chunk.refusals] == [
        (2, "bad_person"), (3, "bad_name"), (4, "bad_name"), (6, "bad_metadata"),
        (7, "bad_metadata"), (8, "bad_metadata"), (9, "bad_metadata"), (10, "bad_metadata"),
    ]  # fmt: skip
    assert chunk.names == ["A", "B"]
    assert chunk.metadata == [{"a": 1}, {}]
    assert chunk.refusals[3].reason == "Metadata is a JSON object."


def test_counts_and_switches(tmp_path: Path) -> None:
    path = parquet(
        tmp_path / "t.parquet",
        units(4),
        face_count=pa.array([3, None, 0, 2**31], pa.int64()),
        active=[False, None, True, True],
    )
    (chunk,) = chunks(open_source(path))
    assert [(r.row, r.code) for r in chunk.refusals] == [
        (3, "bad_face_count"), (4, "bad_face_count"),
    ]  # fmt: skip
    assert (chunk.face_counts, chunk.active) == ([3, 1], [False, True])


def test_zero_is_an_id(tmp_path: Path) -> None:
    (chunk,) = chunks(open_source(parquet(tmp_path / "t.parquet", units(2), [0, 1])))
    assert (chunk.ids, chunk.refusals) == (["0", "1"], [])


def test_external_ids(tmp_path: Path) -> None:
    person = str(uuid.uuid4())
    given_ids = ["x" * 201, "a\0b", None, "  ", None, "x" * 200]
    path = parquet(tmp_path / "t.parquet", units(6), given_ids, person=[None] * 4 + [person, None])
    (chunk,) = chunks(open_source(path))
    assert [(r.row, r.code) for r in chunk.refusals] == [
        (1, "bad_external_id"), (2, "bad_external_id"), (3, "no_id"), (4, "no_id"),
    ]  # fmt: skip
    assert (chunk.ids, chunk.named) == ([person, "x" * 200], [False, True])


def test_files_that_are_no_templates(tmp_path: Path) -> None:
    whole = parquet(tmp_path / "whole.parquet", units(2000), row_group_size=500).read_bytes()
    cases = {
        "empty": b"",
        "text": b"external_id,vector\n",
        "cut off": whole[:-5],
        "only its mark": b"PAR1",
        "no footer": whole[:4] + b"\0" * 500 + whole[-4:],
        "zip": b"PK\x03\x04" + bytes(100),
    }
    for name, data in cases.items():
        path = tmp_path / f"{name}.parquet"
        path.write_bytes(data)
        with pytest.raises(UnusableFile) as caught:
            open_source(path)
        assert caught.value.code == "unusable_file", name
    with pytest.raises(UnusableFile, match="No such file"):
        open_source(tmp_path / "none.parquet")


def test_a_file_that_is_damaged_in_the_middle(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    table = pa.table({"external_id": ids(2000), "vector": list(units(2000))})
    pq.write_table(table, path, row_group_size=500, write_page_checksum=True, compression="zstd")
    data = bytearray(path.read_bytes())
    middle = len(data) * 6 // 10
    data[middle : middle + 1000] = bytes(1000)
    path.write_bytes(data)
    read: list[Batch] = []
    with pytest.raises(UnusableFile, match="damaged"):
        read.extend(open_source(path).batches(0, 100))


def test_files_with_wrong_bytes_anywhere(tmp_path: Path) -> None:
    path = parquet(tmp_path / "t.parquet", units(50), name=["é"] * 50, row_group_size=20)
    whole, draw = path.read_bytes(), np.random.default_rng(0)
    read = refused = 0
    for _ in range(300):
        data = bytearray(whole)
        # Mostly in the footer, which says where everything is.
        first = len(data) - 2000 if draw.random() < 0.7 else 0
        data[draw.integers(first, len(data))] = draw.integers(256)
        path.write_bytes(data)
        try:
            found = chunks(open_source(path), size=10)
        except UnusableFile:
            refused += 1
        else:
            read += 1
            assert sum(each.size for each in found) == 50
    assert min(read, refused) > 30


@pytest.mark.parametrize(
    ("columns", "says"),
    [
        ({"vector": [[1.0]]}, "needs the columns"),
        ({"external_id": ["a"]}, "needs the columns"),
        ({"external_id": ["a"], "vector": [1.0]}, "lists of 128"),
        ({"external_id": ["a"], "vector": ["text"]}, "lists of 128"),
        ({"external_id": ["a"], "vector": [[1, 2]]}, "lists of 128"),
        ({"external_id": [1.5], "vector": [[1.0]]}, "texts or whole numbers"),
        ({"external_id": ["a"], "vector": [[1.0]], "face_count": ["3"]}, "whole numbers"),
        ({"external_id": ["a"], "vector": [[1.0]], "name": [3]}, "texts"),
    ],
)
def test_columns_that_do_not_suit(tmp_path: Path, columns: dict[str, Any], says: str) -> None:
    path = tmp_path / "t.parquet"
    pq.write_table(pa.table(columns), path)
    with pytest.raises(MissingColumns, match=says) as caught:
        open_source(path)
    assert caught.value.code == "missing_columns"


# --- NPY and CSV --------------------------------------------------------------------------------


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_an_array_with_its_people(tmp_path: Path, encoding: str, separator: str) -> None:
    lines = ["External_ID,name,face_count,metadata", 'é,"B, ""C"" Ü",3,', "", "f,,,{}"]
    text = "\r\n".join(lines).replace(",", separator).replace(f"B{separator}", "B,")
    source = open_source(*npy(tmp_path, units(2), text.encode(encoding)))
    (chunk,) = chunks(source)
    assert (chunk.ids, chunk.names, chunk.face_counts) == (
        ["é", "f"], ['B, "C" Ü', ""], [3, 1],
    )  # fmt: skip
    assert np.array_equal(chunk.vectors, units(2))
    assert (source.rows, source.model) == (2, None)


@pytest.mark.parametrize("kind", ["<f2", "<f4", "<f8", ">f8"])
def test_arrays_of_every_kind(tmp_path: Path, kind: str) -> None:
    people = "external_id\n" + "\n".join(ids(12))
    source = open_source(*npy(tmp_path, np.asfortranarray(units(12).astype(kind)), people))
    read = chunks(source, 5, 4, normalise=True)
    assert [each.ids for each in read] == [ids(12)[5:9], ids(12)[9:]]
    assert np.allclose(np.concatenate([each.vectors for each in read]), units(12)[5:], atol=1e-3)


def test_rows_of_people_that_are_ragged(tmp_path: Path) -> None:
    people = "external_id,name,face_count\na,A,1\nb\nc,C,x,y\nd,D,many\ne,E,-1\n"
    heard = codes(open_source(*npy(tmp_path, units(5), people)))
    assert heard == [
        (2, "ragged"), (3, "ragged"), (4, "bad_face_count"), (5, "bad_face_count"),
    ]  # fmt: skip


@pytest.mark.parametrize("count", [1, 3])
def test_another_number_of_people(tmp_path: Path, count: int) -> None:
    people = "external_id\n" + "\n".join(ids(count))
    source = open_source(*npy(tmp_path, units(2), people))
    with pytest.raises(RowsDiffer) as caught:
        find_repeats(source.rows, source.keys)
    assert caught.value.code == "rows_differ"


def test_arrays_that_are_no_templates(tmp_path: Path) -> None:
    people = "external_id\na\n"
    for array in (np.zeros((1, 127)), np.zeros(128), np.zeros((1, 128), int)):
        with pytest.raises(UnusableFile):
            open_source(*npy(tmp_path, array, people))
    path, csv_file = npy(tmp_path, np.array([{"an": "object"}], object), people)
    with pytest.raises(UnusableFile):
        open_source(path, csv_file)
    path, csv_file = npy(tmp_path, units(10), people)
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(UnusableFile):
        open_source(path, csv_file)
    path.write_bytes(path.read_bytes()[:20])
    with pytest.raises(UnusableFile):
        open_source(path, csv_file)


@pytest.mark.parametrize(
    ("people", "error"),
    [
        (b"", MissingColumns),
        (b"name\nA\n", MissingColumns),
        (b"external_id,external_id\na,b\n", MissingColumns),
        ("external_id\nM\xfcller\n".encode("latin-1"), UnusableFile),
        (b'external_id\n"' + b"x" * 200_000 + b'"\n', UnusableFile),
    ],
)
def test_people_that_can_not_be_read(tmp_path: Path, people: bytes, error: type) -> None:
    with pytest.raises(error):
        chunks(open_source(*npy(tmp_path, units(1), people)))


def test_which_files_belong_together(tmp_path: Path) -> None:
    array, people = npy(tmp_path, units(1), "external_id\na\n")
    with pytest.raises(UnusableFile, match="--people"):
        open_source(array)
    with pytest.raises(UnusableFile, match="--people"):
        open_source(parquet(tmp_path / "t.parquet", units(1)), people)


def test_both_files_make_the_identity_of_a_load(tmp_path: Path) -> None:
    array, people = npy(tmp_path, units(1), "external_id\na\n")
    before = open_source(array, people).sha256()
    assert open_source(array, people).sha256() == before
    people.write_text("external_id\nb\n")
    assert open_source(array, people).sha256() != before


# --- Ids that stand in several rows -------------------------------------------------------------


@settings(deadline=None)  # other tests may have the processor
@given(st.lists(st.text(alphabet="abc", min_size=1, max_size=2), max_size=60), st.integers(1, 9))
def test_the_first_row_of_every_repeated_id(keys: list[str], size: int) -> None:
    def parts() -> Iterator[list[str]]:
        for start in range(0, len(keys), size):
            yield keys[start : start + size]

    repeats = find_repeats(len(keys), parts)
    found = [row for part in parts() for row in repeats.first_rows(part).tolist()]
    assert found == [keys.index(key) if keys.count(key) > 1 else -1 for key in keys]


def test_a_million_ids_are_looked_through_at_once() -> None:
    keys = [str(number % 999_990) for number in range(1_000_000)]
    repeats = find_repeats(len(keys), lambda: [keys[:600_000], keys[600_000:]])
    assert np.flatnonzero(repeats.first_rows(keys) >= 0).tolist() == [
        *range(10), *range(999_990, 1_000_000),
    ]  # fmt: skip


# --- Numbers ------------------------------------------------------------------------------------


_NUMBERS = st.floats(width=32) | st.sampled_from([0.0, np.nan, np.inf, 3e38])
_VECTORS = arrays.arrays(np.float32, (3, 128), elements=st.floats(-1, 1, width=32), fill=_NUMBERS)


@settings(deadline=None)
@given(_VECTORS, st.floats(0.9, 1.1), st.booleans())
def test_what_passes_is_what_the_codec_takes(
    drawn: Any,
    length: float,
    unit_length: bool,  # noqa: FBT001
) -> None:
    if unit_length:
        with np.errstate(all="ignore"):
            lengths = np.linalg.norm(drawn.astype(np.float64), axis=1, keepdims=True)
            drawn = (drawn / lengths * length).astype(np.float32)
    batch = Batch(0, {"external_id": ids(3)}, drawn)
    nothing = find_repeats(3, lambda: [ids(3)])

    plain = check(batch, nothing, normalise=False)
    assert plain.rows.tolist() == [n + 1 for n, vector in enumerate(drawn) if _encodes(vector)]

    normalised = check(batch, nothing, normalise=True)
    assert set(plain.rows) <= set(normalised.rows)
    assert all(_encodes(vector) for vector in normalised.vectors)
    assert np.isfinite(normalised.vectors).all()
    again = check(
        Batch(0, {"external_id": normalised.ids}, normalised.vectors), nothing, normalise=True
    )
    assert again.vectors.tobytes() == normalised.vectors.tobytes()


def _encodes(vector: Any) -> bool:
    try:
        encode(vector)
    except InvalidTemplate:
        return False
    return True


def test_the_tolerance_is_the_codecs(tmp_path: Path) -> None:
    vectors = units(2).astype(np.float64)
    vectors[0] *= 1 + UNIT_TOLERANCE * 0.9
    vectors[1] *= 1 + UNIT_TOLERANCE * 1.1
    assert codes(open_source(parquet(tmp_path / "t.parquet", vectors))) == [(2, "not_unit_length")]


@pytest.mark.parametrize(
    "header",
    [
        "{'descr': '<f4', 'fortran_order': False, 'shape': (-1, 128)}",
        f"{{'descr': '<f4', 'fortran_order': False, 'shape': ({2**80}, 128)}}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (3, 128",
        "{1: 2, 'descr': '<f4'}",
        "{[]: 1}",
    ],
)
def test_arrays_whose_header_is_damaged(tmp_path: Path, header: str) -> None:
    path, csv_file = npy(tmp_path, units(3), "external_id\na\nb\nc\n")
    path.write_bytes(b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header.encode())
    with pytest.raises(UnusableFile):
        open_source(path, csv_file)


# --- The report of refused rows -----------------------------------------------------------------


def test_the_report_of_refused_rows(tmp_path: Path) -> None:
    path = tmp_path / "refused.csv"
    first = [Refusal(3, "=1+1", "no_id", "-x"), Refusal(9, "ü", "bad_name", "A, b")]
    with RefusedFile(path) as report:
        report.start(0)
        report.write(first)
        report.write([Refusal(12, "late", "no_id", "x")])  # of a chunk that was rolled back
    with RefusedFile(path) as report:
        report.start(10)
        report.write([Refusal(11, "@a", "no_id", "y")])
    text = path.read_text("utf-8-sig")
    assert list(csv.reader(text.splitlines())) == [
        ["row", "external_id", "code", "reason"],
        ["3", "'=1+1", "no_id", "'-x"],
        ["9", "ü", "bad_name", "A, b"],
        ["11", "'@a", "no_id", "y"],
    ]
    with RefusedFile(path) as report:
        report.start(0)
    assert len(path.read_text().splitlines()) == 1


def test_a_report_that_can_not_be_written(tmp_path: Path) -> None:
    with pytest.raises(UnusableFile, match="can't be written"), RefusedFile(tmp_path) as report:
        report.start(0)


def test_metadata_is_read_once_from_text(tmp_path: Path) -> None:
    long = json.dumps({"a": "x" * 20_000})
    path = parquet(tmp_path / "t.parquet", units(1), metadata=[long])
    (chunk,) = chunks(open_source(path))
    assert chunk.refusals[0].reason == "Metadata takes at most 16384 bytes."
