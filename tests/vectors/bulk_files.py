"""Files of templates for tests."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from people.models import DEFAULT_MODEL
from vectors.bulk.loading import Options, Result, Watcher, load
from vectors.bulk.rows import Refusal
from vectors.bulk.sources import open_source

Vectors = NDArray[np.float32]


def units(count: int, seed: int = 0) -> Vectors:
    """Random unit vectors, shape (count, 128), the same for the same seed."""
    drawn = np.random.default_rng(seed).standard_normal((count, 128)).astype(np.float32)
    return drawn / np.linalg.norm(drawn, axis=1, keepdims=True)


def ids(count: int, start: int = 0) -> list[str]:
    return [f"id-{number:05d}" for number in range(start, start + count)]


def parquet(
    path: Path,
    vectors: Vectors | Sequence[Any],
    external_ids: Sequence[Any] | None = None,
    *,
    model: str | None = DEFAULT_MODEL,
    kind: pa.DataType | None = None,
    row_group_size: int | None = None,
    **columns: Sequence[Any],
) -> Path:
    """A Parquet file; without ids `id-00000` and so on."""
    lists = pa.array([None if v is None else list(v) for v in vectors], kind or _LIST)
    named = {"external_id": external_ids or ids(len(vectors)), **columns, "vector": lists}
    table = pa.table({name: values for name, values in named.items() if values is not None})
    if model:
        table = table.replace_schema_metadata({"likeness.model": model})
    pq.write_table(table, path, row_group_size=row_group_size)
    return path


_LIST = pa.list_(pa.float32())


class Heard:
    """What a load tells, kept; `stop_after` chunks it is asked to stop."""

    def __init__(self, stop_after: int | None = None) -> None:
        self.refusals: list[Refusal] = []
        self.places: list[int] = []
        self._stop_after = stop_after
        self.watcher = Watcher(
            refused=self.refusals.extend,
            progress=lambda place: self.places.append(place.next_row),
            stop=lambda: len(self.places) == self._stop_after,
        )

    @property
    def codes(self) -> list[tuple[int, str]]:
        return [(each.row, each.code) for each in self.refusals]


def sums(result: Result) -> tuple[int, int, int, int]:
    """How many were created, updated, unchanged, refused."""
    place = result.record
    return place.created, place.updated, place.unchanged, place.refused


def loaded(
    actor: Any, gallery: Any, path: Path, heard: Heard | None = None, **options: Any
) -> Result:
    """The file in the gallery."""
    people, model = options.pop("people", None), options.pop("model", "")
    return load(
        actor,
        gallery,
        open_source(path, people),
        model=model,
        options=Options(**options),
        watcher=(heard or Heard()).watcher,
    )
