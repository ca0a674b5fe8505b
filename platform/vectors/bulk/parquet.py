"""Templates in a Parquet file: a column of vectors beside columns about the people."""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from vectors.codec import DIMENSION, FloatArray

from .errors import MissingColumns, UnusableFile
from .rows import COLUMNS, IDS, Batch, Fault, keys_of

MODEL_KEY = b"likeness.model"
# Column chunks are read through a buffer of this size, never whole: one may be gigabytes.
BUFFER = 1 << 20
KEYS_AT_ONCE = 65_536


class ParquetSource:
    """A Parquet file with `external_id` or `person`, and `vector`."""

    def __init__(self, path: Path) -> None:
        """Open it.

        Raises:
            UnusableFile: it is no Parquet file, or its end is missing.
            MissingColumns: it has not what is needed.
        """
        self._path = path
        try:
            self._file = pq.ParquetFile(
                path, buffer_size=BUFFER, pre_buffer=False, page_checksum_verification=True
            )
        except _DAMAGE as error:
            raise UnusableFile(f"{path.name} is no whole Parquet file: {_first(error)}") from error
        self._columns = _columns_of(self._file.schema_arrow, path)
        self._groups = _groups_of(self._file.metadata, path)

    @property
    def rows(self) -> int:
        """As many as the file says it has."""
        return sum(self._groups)

    @property
    def model(self) -> str | None:
        """The model, in a file that Likeness wrote."""
        found = (self._file.schema_arrow.metadata or {}).get(MODEL_KEY)
        return None if found is None else found.decode("utf-8", "replace")

    def sha256(self) -> str:
        """Of the file."""
        with self._path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()

    def keys(self) -> Iterator[list[str]]:
        """Every row's key.

        Raises:
            UnusableFile: the file is damaged from here on.
        """
        ids = [name for name in self._columns if name in IDS]
        with self._readable():
            for table in self._tables(0, KEYS_AT_ONCE, ids):
                yield keys_of(_values(table, ids))

    def batches(self, start: int, size: int) -> Iterator[Batch]:
        """Rows from `start` on.

        Raises:
            UnusableFile: the file is damaged from here on.
        """
        first = start
        with self._readable():
            for table in self._tables(start, size, [*self._columns, "vector"]):
                vectors, faults = _vectors(table.column("vector").combine_chunks())
                yield Batch(first, _values(table, self._columns), vectors, faults)
                first += table.num_rows

    @contextmanager
    def _readable(self) -> Iterator[None]:
        try:
            yield
        except _DAMAGE as error:
            raise UnusableFile(
                f"{self._path.name} is damaged and can't be read any further: {_first(error)}"
            ) from error

    def _tables(self, start: int, size: int, columns: list[str]) -> Iterator[pa.Table]:
        """The rows from `start` on, `size` to a table but the last."""
        held: list[pa.RecordBatch] = []
        read = 0
        for batch in self._record_batches(start, size, columns):
            held.append(batch)
            read += batch.num_rows
            while sum(each.num_rows for each in held) >= size:
                table = pa.Table.from_batches(held)
                yield table.slice(0, size)
                held = table.slice(size).to_batches()
        if start + read != self.rows:
            raise UnusableFile(f"{self._path.name} has not the {self.rows:,} rows that it says.")
        if held:
            yield pa.Table.from_batches(held)

    def _record_batches(
        self, start: int, size: int, columns: list[str]
    ) -> Iterator[pa.RecordBatch]:
        groups, skip = self._groups_from(start)
        for batch in self._file.iter_batches(size, row_groups=groups, columns=columns):
            passed = min(skip, batch.num_rows)
            skip -= passed
            if passed < batch.num_rows:
                yield batch.slice(passed)

    def _groups_from(self, start: int) -> tuple[list[int], int]:
        """The row groups from that of row `start` on, and how many of its rows come before it."""
        before = 0
        for group, rows in enumerate(self._groups):
            if start < before + rows:
                return list(range(group, len(self._groups))), start - before
            before += rows
        return [], 0


# What pyarrow raises for a damaged file: a name in it may be no UTF-8, too.
_DAMAGE = (pa.ArrowException, OSError, UnicodeDecodeError)


def _groups_of(metadata: pq.FileMetaData, path: Path) -> list[int]:
    """How many rows each row group has."""
    groups = [metadata.row_group(number).num_rows for number in range(metadata.num_row_groups)]
    if min(groups, default=0) < 0 or sum(groups) != metadata.num_rows:
        raise UnusableFile(f"{path.name} is damaged: it doesn't know how many rows it has.")
    return groups


def _columns_of(schema: pa.Schema, path: Path) -> list[str]:
    """The columns about people that the file has."""
    found = [name for name in COLUMNS if name in schema.names]
    if "vector" not in schema.names or not set(found) & set(IDS):
        raise MissingColumns(
            f"{path.name} needs the columns `external_id` (or `person`) and `vector`; it has: "
            f"{', '.join(schema.names) or 'none'}."
        )
    for name in (*found, "vector"):
        if schema.names.count(name) > 1:
            raise MissingColumns(f"{path.name} has several columns `{name}`; leave one.")
        if not _suits(name, schema.field(name).type):
            raise MissingColumns(
                f"The column `{name}` of {path.name} is of type {schema.field(name).type}; it "
                f"must hold {_WANTED.get(name, 'texts')}."
            )
    return found


_WANTED = {
    "vector": f"lists of {DIMENSION} floating point numbers",
    "face_count": "whole numbers",
    "active": "true or false",
    "external_id": "texts or whole numbers",
}


def _suits(name: str, kind: pa.DataType) -> bool:
    if name != "vector" and pa.types.is_null(kind):
        return True  # a column without any value has no type
    if name == "vector":
        return _is_list(kind) and bool(pa.types.is_floating(kind.value_type))
    if name == "face_count":
        return bool(pa.types.is_integer(kind))
    if name == "active":
        return bool(pa.types.is_boolean(kind))
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    is_text = pa.types.is_string(kind) or pa.types.is_large_string(kind)
    return bool(is_text or pa.types.is_string_view(kind) or (
        name == "external_id" and pa.types.is_integer(kind)
    ))  # fmt: skip


def _is_list(kind: pa.DataType) -> bool:
    types = pa.types
    return bool(types.is_list(kind) or types.is_large_list(kind) or types.is_fixed_size_list(kind))


def _values(table: pa.Table, names: list[str]) -> dict[str, list[Any]]:
    """Columns as Python's values."""
    return {name: table.column(name).to_pylist() for name in names}


def _vectors(lists: pa.Array) -> tuple[FloatArray, dict[int, Fault]]:
    """The vectors, shape (n, 128), and where there is none of 128 numbers."""
    lengths = pc.fill_null(pc.list_value_length(lists), 0)
    right = pc.equal(lengths, DIMENSION)
    numbers = lists.filter(right).flatten().to_numpy(zero_copy_only=False)
    with np.errstate(over="ignore"):  # what is too large becomes infinite, which is refused
        filled = numbers.astype(np.float32, copy=False).reshape(-1, DIMENSION)
    if len(filled) == len(lists):
        return filled, {}
    vectors = np.zeros((len(lists), DIMENSION), np.float32)
    is_right = right.to_numpy(zero_copy_only=False)
    vectors[is_right] = filled
    wrong = np.flatnonzero(~is_right).tolist()
    return vectors, {index: wrong_dimension(lengths[index].as_py()) for index in wrong}


def wrong_dimension(length: int) -> Fault:
    """A vector of so many numbers."""
    return Fault("wrong_dimension", f"A template has {DIMENSION} numbers; this has {length}.")


def _first(error: Exception) -> str:
    """An error's first line."""
    return (str(error).splitlines() or [type(error).__name__])[0]
