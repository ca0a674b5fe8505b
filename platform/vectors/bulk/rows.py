"""Rows of a file of templates, a batch of them at a time."""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from vectors.codec import FloatArray

IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]

# What a file may say of a person beside the template, as the columns are called.
COLUMNS = ("external_id", "person", "name", "metadata", "face_count", "active")
IDS = ("external_id", "person")


class Fault(NamedTuple):
    """Why a row can't be used."""

    code: str
    reason: str


class Refusal(NamedTuple):
    """A row that was not loaded. `row` counts from 1, without a header."""

    row: int
    external_id: str
    code: str
    reason: str


@dataclass(frozen=True, slots=True)
class Batch:
    """Rows as they were read. `first` is the first one's place in the file, from 0.

    `columns` has those of `COLUMNS` that the file has, and `vectors` the shape (n, 128); where it
    could not be filled stands a fault, by the row's place in the batch.
    """

    first: int
    columns: dict[str, list[Any]]
    vectors: FloatArray
    faults: dict[int, Fault] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.vectors)


@dataclass(frozen=True, slots=True)
class Chunk:
    """The usable rows of a batch, and why the others are not.

    `first` and `size` say which rows of the file it is made of, `rows` which of them are usable
    (from 1). `ids` are the people's external ids; where the file gave only `people`, the public
    id as text, and `named` is false.
    """

    first: int
    size: int
    rows: IntArray
    ids: list[str]
    named: list[bool]
    people: list[UUID | None]
    names: list[str]
    metadata: list[dict[str, Any]]
    active: list[bool]
    face_counts: list[int]
    vectors: FloatArray
    refusals: list[Refusal]

    def refuse(self, index: int, code: str, reason: str) -> Refusal:
        """Why the usable row at this place is not loaded after all."""
        return Refusal(int(self.rows[index]), self.ids[index], code, reason)


class Source(Protocol):
    """A file of templates, read from any row on in constant memory."""

    @property
    def rows(self) -> int:
        """How many there are."""

    @property
    def model(self) -> str | None:
        """The model that made them, if the file says so."""

    def sha256(self) -> str:
        """Of everything in it."""

    def keys(self) -> Iterator[list[str]]:
        """Every row's `key_of`, in order."""

    def batches(self, start: int, size: int) -> Iterator[Batch]:
        """Rows from `start` (0 is the first) on, `size` at a time."""


def key_of(external_id: Any, person: Any) -> str:
    """What a row calls its person: the external id, else the public id; empty if neither."""
    text = "" if external_id is None else str(external_id).strip()  # 0 is an id
    return text or str(public_id(person) or "")


def public_id(text: Any) -> UUID | None:
    """The UUID, if it is one."""
    if text:
        with suppress(ValueError):
            return UUID(str(text).strip())
    return None


def keys_of(columns: dict[str, list[Any]]) -> list[str]:
    """Every row's `key_of`."""
    known = [columns[name] for name in IDS if name in columns]
    if len(known) == len(IDS):
        return [key_of(*each) for each in zip(*known, strict=True)]
    if "person" in columns:
        return [key_of(None, person) for person in known[0]]
    return [key_of(external_id, None) for external_id in known[0]]
