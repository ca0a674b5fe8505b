"""What is asked of Milvus: collections, entries, searches. Nothing else speaks to it.

Traps that shape it (measured, docs/adr/0006-index.md): filters are made of whole numbers only; on
Milvus Lite a partition key breaks every filter on it, so there the gallery is a plain field.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from .codec import DIMENSION, FloatArray
from .connection import Collection, call_seconds, server, server_label, turn
from .errors import ForeignCollection, NotAnId
from .models import IndexType

if TYPE_CHECKING:
    from pymilvus import MilvusClient

# The most rows that one query of a server may return.
LISTING_LIMIT = 16_384
# Ours begin at 1; a stranger's may be any.
FIRST_ID, LAST_ID = -(2**63) + 1, 2**63 - 1
# Somebody waits for a lookup.
LOOKUP_SECONDS = 4
# A large collection takes its time to be made and loaded; nobody waits for that.
MAKING_SECONDS = 60

Integers = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Entries:
    """Entries by columns: template ids (n,), gallery ids (n,), unit vectors (n, 128)."""

    template_ids: Integers
    gallery_ids: Integers
    vectors: FloatArray

    def __len__(self) -> int:
        return len(self.template_ids)


@dataclass(frozen=True, slots=True)
class Hit:
    """A template found, with Milvus's own score: for finding only, never for deciding."""

    template_id: int
    score: float


def create_collection(
    collection: Collection,
    index_type: str = IndexType.FLAT,
    params: Mapping[str, Any] | None = None,
) -> None:
    """Make an empty collection with its index; nothing if it is there."""
    with server(collection.server) as client:
        if client.has_collection(collection.name, timeout=call_seconds()):
            return
        index = client.prepare_index_params()
        index.add_index(
            "vector", index_type=str(index_type), metric_type="IP", params=dict(params or {})
        )
        client.create_collection(
            collection.name,
            schema=_schema(partitioned=_partitions_well(_version(client))),
            index_params=index,
            consistency_level="Bounded",
            timeout=max(MAKING_SECONDS, call_seconds()),
        )


def drop_collection(collection: Collection) -> None:
    """Remove a collection and everything in it."""
    with server(collection.server) as client:
        client.drop_collection(collection.name, timeout=call_seconds())


def has_collection(collection: Collection) -> bool:
    """Whether Milvus has it.

    Raises:
        ForeignCollection: it has one of this name, made by somebody else.
    """
    name = collection.name
    with server(collection.server) as client:
        if not client.has_collection(name, timeout=call_seconds()):
            return False
        problem = _schema_problem(client.describe_collection(name, timeout=call_seconds()))
    if problem:
        raise ForeignCollection(
            f"The collection {name} at {collection.server} is not ours: {problem}. Rename or "
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


def insert(collection: Collection, entries: Entries) -> None:
    """Write entries whose ids the collection doesn't have; for others, `upsert`."""
    _write(collection, entries, "insert")


def upsert(collection: Collection, entries: Entries) -> None:
    """Write entries, replacing those with the same template id."""
    _write(collection, entries, "upsert")


def _write(collection: Collection, entries: Entries, how: str) -> None:
    """Send entries by columns, the vectors as the bytes that they are in memory.

    pymilvus's own way takes the vectors apart into Python floats: 20 us of processor time for
    each of them instead of 1.3.
    """
    if not len(entries):
        return
    from pymilvus.grpc_gen import milvus_pb2  # noqa: PLC0415

    kinds = {"insert": milvus_pb2.InsertRequest, "upsert": milvus_pb2.UpsertRequest}
    request = kinds[how](collection_name=collection.name, num_rows=len(entries))
    _add_numbers(request, "template_id", entries.template_ids)
    _add_numbers(request, "gallery_id", entries.gallery_ids)
    _add_vectors(request, "vector", entries.vectors)
    with server(collection.server) as client:
        handler = client._get_connection()
        if how == "insert":
            handler.batch_insert(
                collection.name, [], insert_param=request, schema=_NO_SCHEMA, timeout=call_seconds()
            )
        else:
            handler.upsert(
                collection.name, [], upsert_param=request, schema=_NO_SCHEMA, timeout=call_seconds()
            )


# A request that is complete needs none, and pymilvus would ask the server for it.
_NO_SCHEMA: dict[str, Any] = {"fields": []}


def _add_numbers(request: Any, name: str, numbers: Integers) -> None:
    from pymilvus import DataType  # noqa: PLC0415

    field = request.fields_data.add(type=DataType.INT64, field_name=name)
    field.scalars.long_data.data.extend(numbers.tolist())


def _add_vectors(request: Any, name: str, vectors: FloatArray) -> None:
    from pymilvus import DataType  # noqa: PLC0415

    field = request.fields_data.add(type=DataType.FLOAT_VECTOR, field_name=name)
    field.vectors.dim = DIMENSION
    numbers = np.ascontiguousarray(vectors, dtype="<f4").tobytes()
    # Protocol Buffers, "packed repeated": field 1 as bytes, their count, the little-endian floats.
    field.vectors.float_vector.MergeFromString(b"\x0a" + _varint(len(numbers)) + numbers)


def _varint(number: int) -> bytes:
    """A number as Protocol Buffers writes lengths: seven bits a byte, the lowest first."""
    high, low = divmod(number, 0x80)
    return bytes([low | 0x80]) + _varint(high) if high else bytes([low])


def delete(collection: Collection, template_ids: Sequence[int]) -> None:
    """Remove entries; those that are not there are no error."""
    if template_ids:
        with server(collection.server) as client:
            client.delete(collection.name, ids=_ids(template_ids), timeout=call_seconds())


def await_visible(collection: Collection) -> None:
    """Return when searches see all that was written before.

    A server's searches (Bounded) may otherwise miss it for seconds; one Strong read makes it take
    in everything so far. That costs half a second there, and nothing on Milvus Lite.
    """
    with server(collection.server) as client:
        client.query(
            collection.name,
            filter="template_id in [-1]",
            output_fields=["template_id"],
            consistency_level="Strong",
            timeout=call_seconds(),
        )


def finish_writing(collection: Collection) -> None:
    """Let a server close what it holds open, so that it indexes all of it; Lite has no need."""
    with server(collection.server) as client:
        if _version(client) is None:
            return
        client.flush(collection.name, timeout=max(MAKING_SECONDS, call_seconds()))


def unindexed(collection: Collection) -> int:
    """How many entries the server has still to index; they are searched one by one meanwhile."""
    with server(collection.server) as client:
        if _version(client) is None:
            return 0
        figures = client.describe_index(collection.name, "vector", timeout=call_seconds())
    return int(figures.get("pending_index_rows", 0)) if figures else 0


def search(
    collection: Collection,
    probes: FloatArray,
    gallery_ids: Sequence[int] | None,
    limit: int,
    params: Mapping[str, int] | None = None,
) -> list[list[Hit]]:
    """The nearest entries of these galleries (None: of all) to each probe, best first.

    `probes` has the shape (n, 128); `params` are the index's own, such as ef.
    """
    wanted = "" if gallery_ids is None else f"gallery_id in {sorted(_ids(gallery_ids))}"
    with turn(), server(collection.server) as client:
        found = client.search(
            collection.name,
            data=list(probes),
            limit=limit,
            filter=wanted,
            search_params={"metric_type": "IP", "params": dict(params or {})},
            timeout=min(LOOKUP_SECONDS, call_seconds()),
        )
        return [[Hit(int(hit["id"]), float(hit["distance"])) for hit in hits] for hits in found]


def _ids(values: Sequence[int]) -> list[int]:
    """Whole numbers for a filter; anything else could say anything there. Raises NotAnId."""
    wrong = next((each for each in values if not isinstance(each, (int, np.integer))), None)
    if wrong is not None:
        raise NotAnId(f"{type(wrong).__name__} instead of a whole number in a filter of Milvus")
    return [int(each) for each in values]


def get(collection: Collection, template_ids: Sequence[int]) -> Entries:
    """The entries of these ids that Milvus holds, in no order."""
    with server(collection.server) as client:
        rows = client.get(
            collection.name,
            ids=_ids(template_ids),
            output_fields=["template_id", "gallery_id", "vector"],
            consistency_level="Strong",
            timeout=call_seconds(),
        )
        return Entries(
            np.array([row["template_id"] for row in rows], np.int64),
            np.array([row["gallery_id"] for row in rows], np.int64),
            np.array([row["vector"] for row in rows], np.float32).reshape(-1, DIMENSION),
        )


def entries_between(collection: Collection, first: int, last: int) -> dict[int, int]:
    """The gallery id of every entry with a template id from `first` to `last`, both included.

    As of a few seconds ago, unless `await_visible` came before.
    """
    with server(collection.server) as client:
        rows = client.query(
            collection.name,
            filter="template_id >= {} and template_id <= {}".format(*_ids([first, last])),
            output_fields=["template_id", "gallery_id"],
            limit=LISTING_LIMIT,
            timeout=call_seconds(),
        )
        held = {int(row["template_id"]): int(row["gallery_id"]) for row in rows}
    if len(held) < LISTING_LIMIT:
        return held
    middle = (first + last) // 2
    return {
        **entries_between(collection, first, middle),
        **entries_between(collection, middle + 1, last),
    }


def list_entries(collection: Collection) -> Iterator[tuple[int, int]]:
    """Every entry as (template id, gallery id), all at once in memory: for small ones and tests."""
    await_visible(collection)
    yield from entries_between(collection, FIRST_ID, LAST_ID).items()


def ping(label: str | None = None) -> None:
    """Raise IndexUnavailable unless the Milvus of this label answers; the present one if None."""
    with server(label or server_label()) as client:
        client.list_collections(timeout=call_seconds())


def server_version(label: str | None = None) -> str | None:
    """The server's version as it says it; None for Milvus Lite, which has none."""
    with server(label or server_label()) as client:
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
