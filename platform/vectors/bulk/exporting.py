"""A gallery's templates into a Parquet file that `loading.py` reads."""

import json
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from django.db.models import QuerySet

from accounts.actors import Actor
from audit.services import record
from common.errors import Conflict
from people.access import require
from people.models import Gallery, Role
from vectors.codec import DIMENSION, decode_many
from vectors.models import PersonTemplate

from .errors import UnusableFile
from .parquet import MODEL_KEY

PAGE = 10_000

_SCHEMA = pa.schema(
    [
        pa.field("external_id", pa.string()),
        pa.field("person", pa.string()),
        pa.field("name", pa.string()),
        pa.field("metadata", pa.string()),
        pa.field("face_count", pa.int32()),
        pa.field("active", pa.bool_()),
        pa.field("vector", pa.list_(pa.float32(), DIMENSION)),
    ]
)
_COLUMNS = (
    "pk", "vector", "face_count", "person__external_id", "person__public_id", "person__name",
    "person__metadata", "person__active",
)  # fmt: skip


class FileExists(Conflict):
    """The file is there already."""

    code = "file_exists"


@dataclass(frozen=True, slots=True)
class Export:
    """What was written."""

    templates: int
    model: str


def export(
    actor: Actor,
    gallery: Gallery,
    path: Path,
    *,
    force: bool = False,
    progress: Callable[[int], None] = lambda _: None,
) -> Export:
    """Write the templates of the gallery's model, in the order of their ids.

    The file appears when it is complete, readable for its owner alone. Who is enrolled or erased
    meanwhile may be in it or not. `progress` hears how many templates each step wrote.

    Raises:
        Forbidden: the actor is no administrator of the gallery.
        FileExists: and nobody said that it may be replaced.
        UnusableFile: it can't be written, or is something else than a file.
    """
    require(actor, gallery, Role.ADMIN)
    path = Path(os.path.realpath(path))  # a link stays one
    _check_free(path, force=force)
    templates = PersonTemplate.objects.filter(person__gallery=gallery, model=gallery.model)
    with _appearing(path) as unfinished:
        written = _write(unfinished, gallery.model, templates, progress)
    record(
        actor,
        "vectors.export",
        f"gallery:{gallery.public_id}",
        gallery.public_id,
        templates=written,
    )
    return Export(written, gallery.model)


def _check_free(path: Path, *, force: bool) -> None:
    """May a file of this name be made? A device or a pipe must never be replaced by one."""
    with _said(path):
        if not path.exists():
            return
        if not path.is_file():
            raise UnusableFile(f"{path} is no file, and is not replaced by one.")
    if not force:
        raise FileExists(f"{path} is there already; --force replaces it.")


def _write(
    path: Path, model: str, templates: QuerySet[PersonTemplate], progress: Callable[[int], None]
) -> int:
    schema = _SCHEMA.with_metadata({MODEL_KEY: model.encode()})
    written = 0
    # Vectors of faces don't compress; the rest is little.
    with pq.ParquetWriter(
        path, schema, compression="none", use_dictionary=False, write_page_checksum=True
    ) as file:
        for rows in _pages(templates):
            file.write_batch(_batch(rows, schema))
            written += len(rows)
            progress(len(rows))
    return written


def _batch(rows: list[tuple[Any, ...]], schema: pa.Schema) -> pa.RecordBatch:
    _, vectors, faces, external_ids, people, names, metadata, active = zip(*rows, strict=True)
    numbers = pa.array(decode_many(map(bytes, vectors)).ravel())
    columns = [
        external_ids,
        [str(each) for each in people],
        names,
        [json.dumps(each) if each else None for each in metadata],
        faces,
        active,
    ]
    arrays = [pa.array(values, kind) for values, kind in zip(columns, schema.types, strict=False)]
    arrays.append(pa.FixedSizeListArray.from_arrays(numbers, DIMENSION))
    return pa.RecordBatch.from_arrays(arrays, schema=schema)


def _pages(templates: QuerySet[PersonTemplate]) -> Iterator[list[tuple[Any, ...]]]:
    """All templates, a page at a time. No transaction is held open, which would block SQLite."""
    last = 0
    while rows := list(templates.filter(pk__gt=last).order_by("pk").values_list(*_COLUMNS)[:PAGE]):
        yield rows
        last = rows[-1][0]


@contextmanager
def _appearing(path: Path) -> Iterator[Path]:
    """A file under another name beside it, which takes its name when it is complete."""
    with _said(path):
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        os.close(handle)
        unfinished = Path(name)
        try:
            yield unfinished
            _keep(unfinished)
            unfinished.replace(path)
        finally:
            unfinished.unlink(missing_ok=True)


@contextmanager
def _said(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise UnusableFile(f"{path} can't be written: {error.strerror or error}.") from error


def _keep(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())
