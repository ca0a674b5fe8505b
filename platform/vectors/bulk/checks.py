"""Which rows can be used, and why not the others."""

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, NoReturn, TypeVar

import numpy as np
from numpy.typing import NDArray
from rest_framework.exceptions import ValidationError

from common.api import MAX_METADATA_BYTES, MetadataField
from people.models import Person
from vectors.codec import UNIT_TOLERANCE, FloatArray

from .repeats import Repeats
from .rows import Batch, BoolArray, Chunk, Fault, Refusal, keys_of, public_id

# Shorter than this a vector's direction is noise.
LEAST_LENGTH = 1e-6
# A vector whose length is off by less has it by rounding, and stays as it is.
ROUNDING = 1e-6
MOST_FACES = 2**31 - 1
# JSON may write each character as six.
_LONGEST_METADATA = 6 * MAX_METADATA_BYTES

# What PostgreSQL keeps in no text: NUL. Half a surrogate pair is no character at all.
_FORBIDDEN = re.compile("[\\x00\\ud800-\\udfff]")
_EXTERNAL_ID_LENGTH = Person._meta.get_field("external_id").max_length or 0
_NAME_LENGTH = Person._meta.get_field("name").max_length or 0
_metadata = MetadataField()

T = TypeVar("T")


class _FaultyError(Exception):
    """A value that can't be used; carries its `Fault`."""

    def __init__(self, code: str, reason: str) -> None:
        super().__init__(reason)
        self.fault = Fault(code, reason)


@dataclass(slots=True)
class _Judged:
    """The faults found in a batch so far: the first of each row counts."""

    size: int
    faults: dict[int, Fault] = field(default_factory=dict)

    def refuse(self, where: BoolArray, code: str, reason: Callable[[int], str]) -> None:
        """Note a fault of every row where it is true."""
        for index in np.flatnonzero(where).tolist():
            self.faults.setdefault(index, Fault(code, reason(index)))

    def each(self, values: list[Any] | None, read: Callable[[Any], T], default: T) -> list[T]:
        """Every value as it is to be stored; `default` where there is none, or no column."""
        if values is None:
            return [default] * self.size
        return [
            default if value is None else self._one(index, value, read, default)
            for index, value in enumerate(values)
        ]

    def _one(self, index: int, value: Any, read: Callable[[Any], T], default: T) -> T:
        try:
            return read(value)
        except _FaultyError as error:
            self.faults.setdefault(index, error.fault)
            return default


def check(batch: Batch, repeats: Repeats, *, normalise: bool) -> Chunk:
    """The usable rows of a batch, and the refusals of the others.

    With `normalise` vectors of any length but zero are brought to length 1.
    """
    judged = _Judged(len(batch), dict(batch.faults))
    columns = batch.columns
    keys = keys_of(columns)
    _check_ids(judged, keys)
    _check_repeats(judged, batch.first, keys, repeats)
    people = judged.each(columns.get("person"), _read_person, None)
    names = judged.each(columns.get("name"), _read_name, "")
    no_metadata: dict[str, Any] = {}
    metadata = judged.each(columns.get("metadata"), _read_metadata, no_metadata)
    active = judged.each(columns.get("active"), _read_active, True)  # noqa: FBT003
    faces = judged.each(columns.get("face_count"), _read_faces, 1)
    vectors = _checked_vectors(judged, batch.vectors, normalise=normalise)
    good = np.ones(len(batch), np.bool_)
    good[list(judged.faults)] = False

    def usable(values: list[T]) -> list[T]:
        return values if good.all() else [values[index] for index in np.flatnonzero(good)]

    return Chunk(
        first=batch.first,
        size=len(batch),
        rows=np.flatnonzero(good) + batch.first + 1,
        ids=usable(keys),
        named=usable([bool(each) for each in _texts(columns, len(batch))]),
        people=usable(people),
        names=usable(names),
        metadata=usable(metadata),
        active=usable(active),
        face_counts=usable(faces),
        vectors=vectors[good],
        refusals=list(_refusals(batch.first, keys, judged.faults)),
    )


def _texts(columns: dict[str, list[Any]], size: int) -> list[Any]:
    ids = columns.get("external_id") or [None] * size
    return [each if each is None else str(each).strip() for each in ids]


def _refusals(first: int, keys: list[str], faults: dict[int, Fault]) -> Iterator[Refusal]:
    for index, fault in sorted(faults.items()):
        yield Refusal(first + index + 1, keys[index], *fault)


def _check_ids(judged: _Judged, keys: list[str]) -> None:
    missing = np.fromiter((not key for key in keys), np.bool_, len(keys))
    judged.refuse(missing, "no_id", lambda _: "It has neither an external_id nor a person's id.")
    too_long = np.fromiter((len(key) > _EXTERNAL_ID_LENGTH for key in keys), np.bool_, len(keys))
    judged.refuse(
        too_long,
        "bad_external_id",
        lambda index: (
            f"An external_id has at most {_EXTERNAL_ID_LENGTH} characters; this has "
            f"{len(keys[index])}."
        ),
    )
    forbidden = np.fromiter(map(_is_forbidden, keys), np.bool_, len(keys))
    judged.refuse(
        forbidden,
        "bad_external_id",
        lambda _: "An external_id may contain neither U+0000 nor half a surrogate pair.",
    )


def _check_repeats(judged: _Judged, first: int, keys: list[str], repeats: Repeats) -> None:
    earlier = repeats.first_rows(keys)
    rows = np.arange(first, first + len(keys))
    judged.refuse(
        (earlier >= 0) & (earlier < rows),
        "duplicate",
        lambda index: f"Row {earlier[index] + 1} has the same id.",
    )


def _checked_vectors(judged: _Judged, vectors: FloatArray, *, normalise: bool) -> FloatArray:
    """The vectors as they are to be stored, shape (n, 128)."""
    with np.errstate(invalid="ignore"):  # some NaN warn when they are cast
        lengths: NDArray[np.float64] = np.linalg.norm(vectors.astype(np.float64), axis=1)
    finite = np.isfinite(lengths)  # the sum of 128 squares of float32 fits into a float64
    judged.refuse(~finite, "not_finite", lambda _: "A template's numbers must all be finite.")
    judged.refuse(
        finite & (lengths < LEAST_LENGTH), "zero_length", lambda _: "The template has length zero."
    )
    if normalise:
        return _normalised(vectors, lengths)
    judged.refuse(
        finite & (np.abs(lengths - 1) > UNIT_TOLERANCE),
        "not_unit_length",
        lambda index: f"A template has length 1; this has {lengths[index]:.4g} (see --normalise).",
    )
    return vectors


def _normalised(vectors: FloatArray, lengths: NDArray[np.float64]) -> FloatArray:
    """Vectors of length 1. One that has it stays the same to the last bit."""
    off = np.isfinite(lengths) & (np.abs(lengths - 1) > ROUNDING) & (lengths >= LEAST_LENGTH)
    result = vectors.copy()
    result[off] = (vectors[off] / lengths[off, np.newaxis]).astype(np.float32)
    return result


def _is_forbidden(text: str) -> bool:
    return _FORBIDDEN.search(text) is not None


def _read_person(value: Any) -> Any:
    found = public_id(value)
    if found is None and str(value).strip():
        raise _FaultyError("bad_person", "`person` is a person's id, a UUID, or empty.")
    return found


def _read_name(value: Any) -> str:
    name = str(value).strip()
    if len(name) > _NAME_LENGTH:
        raise _FaultyError("bad_name", f"A name has at most {_NAME_LENGTH} characters.")
    if _is_forbidden(name):
        raise _FaultyError(
            "bad_name", "A name may contain neither U+0000 nor half a surrogate pair."
        )
    return name


def _read_active(value: Any) -> bool:
    if not isinstance(value, bool):
        raise _FaultyError("bad_active", "`active` is true or false.")
    return value


def _read_faces(value: Any) -> int:
    if not isinstance(value, int) or not 1 <= value <= MOST_FACES:
        raise _FaultyError("bad_face_count", "`face_count` is a whole number from 1 on.")
    return value


def _read_metadata(text: str) -> dict[str, Any]:
    if not text.strip():
        return {}
    if len(text) > _LONGEST_METADATA:
        raise _FaultyError("bad_metadata", f"Metadata takes at most {MAX_METADATA_BYTES} bytes.")
    try:
        value: dict[str, Any] = _metadata.run_validation(
            json.loads(text, parse_constant=_no_number)
        )
    except ValidationError as error:
        raise _FaultyError("bad_metadata", " ".join(map(str, error.detail))) from error
    except (ValueError, RecursionError) as error:
        raise _FaultyError("bad_metadata", "Metadata is a JSON object, written as text.") from error
    return value


def _no_number(text: str) -> NoReturn:
    raise ValueError(text)
