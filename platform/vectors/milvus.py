"""The only place that speaks to Milvus.

Traps that shape it (measured, docs/adr/0006-index.md): every call has a timeout, since pymilvus
otherwise retries for minutes; filters are made of whole numbers only; on Milvus Lite a partition
key breaks every filter on it, so there the gallery is a plain field.
"""

import logging
import os
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import numpy as np
from django.conf import settings

from common.errors import Unavailable

from . import lite
from .codec import DIMENSION, FloatArray

if TYPE_CHECKING:
    from pymilvus import MilvusClient

logger = logging.getLogger(__name__)

EMBEDDED = "embedded"
LISTING_BATCH = 5000


class IndexUnavailable(Unavailable):
    """Milvus is away, slow, or refused; never to be taken for "no match"."""

    code = "index_unavailable"


class CollectionMissing(IndexUnavailable):
    """Milvus answers but has no such collection: it has to be filled again."""

    code = "index_not_ready"


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


def server_label() -> str:
    """Where the index is: `embedded`, or the server's address without credentials."""
    if not settings.MILVUS_URI:
        return EMBEDDED
    parts = urlsplit(settings.MILVUS_URI)
    return f"{parts.scheme}://{parts.hostname}:{parts.port or 19530}{parts.path}"


def create_collection(collection: str) -> None:
    """Make an empty collection with its index; nothing if it is there."""
    client = _client()
    with _translated_errors():
        if client.has_collection(collection, timeout=_timeout()):
            return
        client.create_collection(
            collection,
            schema=_schema(partitioned=not _is_lite(client)),
            index_params=_index_params(client),
            consistency_level="Bounded",
            timeout=_timeout(),
        )


def drop_collection(collection: str) -> None:
    """Remove a collection and everything in it."""
    with _translated_errors():
        _client().drop_collection(collection, timeout=_timeout())


def has_collection(collection: str) -> bool:
    """Whether Milvus has it."""
    with _translated_errors():
        return bool(_client().has_collection(collection, timeout=_timeout()))


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
        with _translated_errors():
            _client().upsert(collection, rows, timeout=_timeout())


def delete(collection: str, template_ids: Sequence[int]) -> None:
    """Remove entries; those that are not there are no error."""
    if template_ids:
        with _translated_errors():
            _client().delete(collection, ids=list(template_ids), timeout=_timeout())


def search(
    collection: str, probes: FloatArray, gallery_ids: Sequence[int], limit: int
) -> list[list[Hit]]:
    """The nearest entries of these galleries to each probe (shape (n, 128)), best first."""
    with _translated_errors():
        found = _client().search(
            collection,
            data=list(probes),
            limit=limit,
            filter=f"gallery_id in {sorted(int(each) for each in gallery_ids)}",
            search_params={"metric_type": "IP"},
            timeout=_timeout(),
        )
        return [[Hit(int(hit["id"]), float(hit["distance"])) for hit in hits] for hits in found]


def get(collection: str, template_ids: Sequence[int]) -> list[Entry]:
    """The entries of these ids that Milvus holds, in no order."""
    with _translated_errors():
        rows = _client().get(
            collection,
            ids=list(template_ids),
            output_fields=["template_id", "gallery_id", "vector"],
            timeout=_timeout(),
        )
        return [
            Entry(row["template_id"], row["gallery_id"], np.asarray(row["vector"], np.float32))
            for row in rows
        ]


def list_entries(collection: str) -> Iterator[tuple[int, int]]:
    """Every entry as (template id, gallery id)."""
    with _translated_errors():
        pages = _client().query_iterator(
            collection,
            batch_size=LISTING_BATCH,
            filter="template_id >= 0",
            output_fields=["template_id", "gallery_id"],
            consistency_level="Strong",
            timeout=_timeout(),
        )
    try:
        while True:
            with _translated_errors():
                page = pages.next()
            if not page:
                return
            yield from ((row["template_id"], row["gallery_id"]) for row in page)
    finally:
        pages.close()


def ping() -> None:
    """Raise IndexUnavailable unless Milvus answers."""
    with _translated_errors():
        _client().list_collections(timeout=_timeout())


@contextmanager
def at_hand() -> Iterator[None]:
    """Milvus for the length of a command: the one configured or running, or else our own Lite.

    Raises:
        IndexUnavailable: the embedded one can't be started.
    """
    if settings.MILVUS_URI:
        yield
        return
    try:
        with lite.running():
            yield
    except lite.LiteError as error:
        raise IndexUnavailable(str(error)) from error


def _timeout() -> int:
    seconds: int = settings.MILVUS_TIMEOUT_SECONDS
    return seconds


def _client() -> "MilvusClient":
    uri = settings.MILVUS_URI or lite.endpoint()
    if uri is None:
        raise IndexUnavailable(
            "Milvus Lite is not running. Start everything with `make run`, or name a server in "
            "MILVUS_URI."
        )
    with _translated_errors():
        return _connect(uri, os.getpid())


@lru_cache(maxsize=4)
def _connect(uri: str, pid: int) -> "MilvusClient":
    from pymilvus import MilvusClient  # noqa: PLC0415 - a second of imports and threads of gRPC

    # It prints a traceback for each error that we catch and answer; its import sets the level.
    logging.getLogger("pymilvus").setLevel(logging.CRITICAL)
    # Its own pings every 10 s are too many for Milvus Lite, which then drops the connection.
    pings = {"grpc.keepalive_time_ms": 300_000, "grpc.keepalive_permit_without_calls": 0}
    return MilvusClient(
        uri=uri, token=settings.MILVUS_TOKEN, timeout=_timeout(), grpc_options=pings
    )


def _schema(*, partitioned: bool) -> Any:
    from pymilvus import DataType, MilvusClient  # noqa: PLC0415

    schema = MilvusClient.create_schema(auto_id=False, enable_dynamic_field=False)
    schema.add_field("template_id", DataType.INT64, is_primary=True)
    schema.add_field("gallery_id", DataType.INT64, is_partition_key=partitioned)
    schema.add_field("vector", DataType.FLOAT_VECTOR, dim=DIMENSION)
    return schema


def _is_lite(client: "MilvusClient") -> bool:
    """Whether this is a Milvus Lite, wherever it runs: it has no answer to this question."""
    import grpc  # noqa: PLC0415

    try:
        client.get_server_version(timeout=_timeout())
    except grpc.RpcError as error:
        if error.code() is not grpc.StatusCode.UNIMPLEMENTED:
            raise
        return True
    return False


def _index_params(client: "MilvusClient") -> Any:
    params = client.prepare_index_params()
    params.add_index("vector", index_type="FLAT", metric_type="IP")
    return params


@contextmanager
def _translated_errors() -> Iterator[None]:
    """Turn everything that Milvus, gRPC and the network can raise into ours."""
    try:
        yield
    except _milvus_errors() as error:
        logger.warning("Milvus: %s", error)
        if getattr(error, "code", None) == _COLLECTION_NOT_FOUND:
            raise CollectionMissing("The index is being rebuilt. Try again shortly.") from error
        raise IndexUnavailable(
            "The search index does not answer. Nothing was searched; try again shortly."
        ) from error


_COLLECTION_NOT_FOUND = 100


@lru_cache(maxsize=1)
def _milvus_errors() -> tuple[type[BaseException], ...]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import grpc  # noqa: PLC0415
        from pymilvus.exceptions import MilvusException  # noqa: PLC0415

    return (MilvusException, grpc.RpcError, ConnectionError, TimeoutError)
