"""What is asked of Milvus: collections, entries, searches. Nothing else speaks to it.

Traps that shape it (measured, docs/adr/0006-index.md): filters are made of whole numbers only; on
Milvus Lite a partition key breaks every filter on it, so there the gallery is a plain field.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from .codec import DIMENSION, FloatArray
from .connection import call_seconds, server, server_label, turn
from .errors import ForeignCollection

if TYPE_CHECKING:
    from pymilvus import MilvusClient

LISTING_BATCH = 5000
# Somebody waits for a lookup.
LOOKUP_SECONDS = 4
# A large collection takes its time to be made and loaded; nobody waits for that.
MAKING_SECONDS = 60


@dataclass(frozen=True, slots=True)
class Entry:
    """What Milvus holds of a template."""

    template_id: int
    gallery_id: int
    vector: FloatArray


@dataclass(frozen=True, slots=True)
class Hit:
    """A template found, with Milvus's own score: for finding only, never for deciding."""

    template_id: int
    score: float


def create_collection(collection: str) -> None:
    """Make an empty collection with its index; nothing if it is there."""
    with server() as client:
        if client.has_collection(collection, timeout=call_seconds()):
            return
        client.create_collection(
            collection,
            schema=_schema(partitioned=_partitions_well(_version(client))),
            index_params=_index_params(client),
            consistency_level="Bounded",
            timeout=max(MAKING_SECONDS, call_seconds()),
        )


def drop_collection(collection: str) -> None:
    """Remove a collection and everything in it."""
    with server() as client:
        client.drop_collection(collection, timeout=call_seconds())


def has_collection(collection: str) -> bool:
    """Whether Milvus has it.

    Raises:
        ForeignCollection: it has one of this name, made by somebody else.
    """
    with server() as client:
        if not client.has_collection(collection, timeout=call_seconds()):
            return False
        problem = _schema_problem(client.describe_collection(collection, timeout=call_seconds()))
    if problem:
        raise ForeignCollection(
            f"The collection {collection} at {server_label()} is not ours: {problem}. Rename or "
            "drop it there, or name another Milvus in MILVUS_URI; ours is filled from the database."
        )
    return True


def _schema_problem(description: dict[str, Any]) -> str:
    """What a collection lacks to be ours; empty if it is."""
    fields = {field["name"]: field for field in description["fields"]}
    missing = sorted({"template_id", "gallery_id", "vector"} - fields.keys())
    if missing:
        return f"it has no field {missing[0]}"
    dimension = int(fields["vector"].get("params", {}).get("dim", 0))
    if dimension != DIMENSION:
        return f"its vectors have {dimension} numbers, not {DIMENSION}"
    return ""


def upsert(collection: str, entries: Sequence[Entry]) -> None:
    """Write entries, replacing those with the same template id."""
    rows = [
        {
            "template_id": entry.template_id,
            "gallery_id": entry.gallery_id,
            "vector": entry.vector,
        }
        for entry in entries
    ]
    if rows:
        with server() as client:
            client.upsert(collection, rows, timeout=call_seconds())


def delete(collection: str, template_ids: Sequence[int]) -> None:
    """Remove entries; those that are not there are no error."""
    if template_ids:
        with server() as client:
            client.delete(collection, ids=list(template_ids), timeout=call_seconds())


def await_visible(collection: str) -> None:
    """Return when searches see all that was written before.

    A server's searches (Bounded) may otherwise miss it for seconds; one Strong read makes it take
    in everything so far. That costs half a second there, and nothing on Milvus Lite.
    """
    with server() as client:
        client.query(
            collection,
            filter="template_id in [-1]",
            output_fields=["template_id"],
            consistency_level="Strong",
            timeout=call_seconds(),
        )


def search(
    collection: str, probes: FloatArray, gallery_ids: Sequence[int], limit: int
) -> list[list[Hit]]:
    """The nearest entries of these galleries to each probe (shape (n, 128)), best first."""
    with turn(), server() as client:
        found = client.search(
            collection,
            data=list(probes),
            limit=limit,
            filter=f"gallery_id in {sorted(int(each) for each in gallery_ids)}",
            search_params={"metric_type": "IP"},
            timeout=min(LOOKUP_SECONDS, call_seconds()),
        )
        return [[Hit(int(hit["id"]), float(hit["distance"])) for hit in hits] for hits in found]


def get(collection: str, template_ids: Sequence[int]) -> list[Entry]:
    """The entries of these ids that Milvus holds, in no order."""
    with server() as client:
        rows = client.get(
            collection,
            ids=list(template_ids),
            output_fields=["template_id", "gallery_id", "vector"],
            consistency_level="Strong",
            timeout=call_seconds(),
        )
        return [
            Entry(row["template_id"], row["gallery_id"], np.asarray(row["vector"], np.float32))
            for row in rows
        ]


def list_entries(collection: str) -> Iterator[tuple[int, int]]:
    """Every entry as (template id, gallery id)."""
    await_visible(collection)  # the iterator of older servers doesn't
    with server() as client:
        pages = client.query_iterator(
            collection,
            batch_size=LISTING_BATCH,
            filter="template_id >= 0",
            output_fields=["template_id", "gallery_id"],
            timeout=call_seconds(),
        )
    try:
        while True:
            with server():
                page = pages.next()
            if not page:
                return
            yield from ((row["template_id"], row["gallery_id"]) for row in page)
    finally:
        pages.close()


def ping() -> None:
    """Raise IndexUnavailable unless Milvus answers."""
    with server() as client:
        client.list_collections(timeout=call_seconds())


def server_version() -> str | None:
    """The server's version as it says it; None for Milvus Lite, which has none."""
    with server() as client:
        return _version(client)


def _schema(*, partitioned: bool) -> Any:
    from pymilvus import DataType, MilvusClient  # noqa: PLC0415

    schema = MilvusClient.create_schema(auto_id=False, enable_dynamic_field=False)
    schema.add_field("template_id", DataType.INT64, is_primary=True)
    schema.add_field("gallery_id", DataType.INT64, is_partition_key=partitioned)
    schema.add_field("vector", DataType.FLOAT_VECTOR, dim=DIMENSION)
    return schema


def _version(client: "MilvusClient") -> str | None:
    """A server's version as it says it; None for Milvus Lite, which has no answer to this."""
    import grpc  # noqa: PLC0415

    try:
        return str(client.get_server_version(timeout=call_seconds()))
    except grpc.RpcError as error:
        if error.code() is not grpc.StatusCode.UNIMPLEMENTED:
            raise
        return None


def _partitions_well(version: str | None) -> bool:
    """Whether a partition key can be trusted.

    On Lite it breaks every filter on it. Servers before 2.4 compute it from the wrong field when
    entries are upserted, so that searches with a filter miss most of them (milvus issue 30607).
    """
    return version is not None and version_numbers(version) >= (2, 4)


def version_numbers(version: str) -> tuple[int, ...]:
    """The numbers that a version begins with: `v2.6.11-gpu` is (2, 6, 11)."""
    found = re.match(r"v?(\d+(?:\.\d+)*)", version)
    return tuple(int(part) for part in found[1].split(".")) if found else ()


def _index_params(client: "MilvusClient") -> Any:
    params = client.prepare_index_params()
    params.add_index("vector", index_type="FLAT", metric_type="IP")
    return params
