"""The only place that speaks to Milvus.

Traps that shape it (measured, docs/adr/0006-index.md): every call has a timeout, since pymilvus
otherwise retries for minutes; filters are made of whole numbers only; on Milvus Lite a partition
key breaks every filter on it, so there the gallery is a plain field.
"""

import logging
import os
import re
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
from .breaker import Breaker, BreakerOpenError, CrowdedError, Turns
from .codec import DIMENSION, FloatArray

if TYPE_CHECKING:
    from pymilvus import MilvusClient

logger = logging.getLogger(__name__)

EMBEDDED = "embedded"
LISTING_BATCH = 5000
# Somebody waits for a lookup. Half of the web server's threads may wait for Milvus at a time.
LOOKUP_SECONDS = 4
LOOKUPS_AT_ONCE = 8
# A large collection takes its time to be made and loaded; nobody waits for that.
MAKING_SECONDS = 60


class IndexUnavailable(Unavailable):
    """Milvus is away, slow, or refused; never to be taken for "no match"."""

    code = "index_unavailable"


class CollectionMissing(IndexUnavailable):
    """Milvus answers but has no such collection: it has to be filled again."""

    code = "index_not_ready"


class LoginRefused(IndexUnavailable):
    """Milvus answers, but not to us."""


class ForeignCollection(IndexUnavailable):
    """A collection of our name holds something else."""


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
    with _server() as client:
        if client.has_collection(collection, timeout=_timeout()):
            return
        client.create_collection(
            collection,
            schema=_schema(partitioned=_partitions_well(_version(client))),
            index_params=_index_params(client),
            consistency_level="Bounded",
            timeout=max(MAKING_SECONDS, _timeout()),
        )


def drop_collection(collection: str) -> None:
    """Remove a collection and everything in it."""
    with _server() as client:
        client.drop_collection(collection, timeout=_timeout())


def has_collection(collection: str) -> bool:
    """Whether Milvus has it.

    Raises:
        ForeignCollection: it has one of this name, made by somebody else.
    """
    with _server() as client:
        if not client.has_collection(collection, timeout=_timeout()):
            return False
        problem = _schema_problem(client.describe_collection(collection, timeout=_timeout()))
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
        with _server() as client:
            client.upsert(collection, rows, timeout=_timeout())


def delete(collection: str, template_ids: Sequence[int]) -> None:
    """Remove entries; those that are not there are no error."""
    if template_ids:
        with _server() as client:
            client.delete(collection, ids=list(template_ids), timeout=_timeout())


def await_visible(collection: str) -> None:
    """Return when searches see all that was written before.

    A server's searches (Bounded) may otherwise miss it for seconds; one Strong read makes it take
    in everything so far. That costs half a second there, and nothing on Milvus Lite.
    """
    with _server() as client:
        client.query(
            collection,
            filter="template_id in [-1]",
            output_fields=["template_id"],
            consistency_level="Strong",
            timeout=_timeout(),
        )


def search(
    collection: str, probes: FloatArray, gallery_ids: Sequence[int], limit: int
) -> list[list[Hit]]:
    """The nearest entries of these galleries to each probe (shape (n, 128)), best first."""
    with _turn(), _server() as client:
        found = client.search(
            collection,
            data=list(probes),
            limit=limit,
            filter=f"gallery_id in {sorted(int(each) for each in gallery_ids)}",
            search_params={"metric_type": "IP"},
            timeout=min(LOOKUP_SECONDS, _timeout()),
        )
        return [[Hit(int(hit["id"]), float(hit["distance"])) for hit in hits] for hits in found]


def get(collection: str, template_ids: Sequence[int]) -> list[Entry]:
    """The entries of these ids that Milvus holds, in no order."""
    with _server() as client:
        rows = client.get(
            collection,
            ids=list(template_ids),
            output_fields=["template_id", "gallery_id", "vector"],
            consistency_level="Strong",
            timeout=_timeout(),
        )
        return [
            Entry(row["template_id"], row["gallery_id"], np.asarray(row["vector"], np.float32))
            for row in rows
        ]


def list_entries(collection: str) -> Iterator[tuple[int, int]]:
    """Every entry as (template id, gallery id)."""
    await_visible(collection)  # the iterator of older servers doesn't
    with _server() as client:
        pages = client.query_iterator(
            collection,
            batch_size=LISTING_BATCH,
            filter="template_id >= 0",
            output_fields=["template_id", "gallery_id"],
            timeout=_timeout(),
        )
    try:
        while True:
            with _server():
                page = pages.next()
            if not page:
                return
            yield from ((row["template_id"], row["gallery_id"]) for row in page)
    finally:
        pages.close()


def ping() -> None:
    """Raise IndexUnavailable unless Milvus answers."""
    with _server() as client:
        client.list_collections(timeout=_timeout())


def server_version() -> str | None:
    """The server's version as it says it; None for Milvus Lite, which has none."""
    with _server() as client:
        return _version(client)


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


def _uri() -> str:
    uri = settings.MILVUS_URI or lite.endpoint()
    if uri is None:
        raise IndexUnavailable(
            "Milvus Lite is not running. Start everything with `make run`, or name a server in "
            "MILVUS_URI."
        )
    return uri


@lru_cache(maxsize=4)
def _connect(uri: str, pid: int) -> "MilvusClient":
    from pymilvus import MilvusClient  # noqa: PLC0415 - a second of imports and threads of gRPC

    # It prints a traceback for each error that we catch and answer; its import sets the level.
    logging.getLogger("pymilvus").setLevel(logging.CRITICAL)
    # Its own pings every 10 s are too many for Milvus Lite, which then drops the connection; and a
    # server that was away for long is to be found soon after it is back.
    options = {
        "grpc.keepalive_time_ms": 300_000,
        "grpc.keepalive_permit_without_calls": 0,
        "grpc.max_reconnect_backoff_ms": 2_000,
    }
    return MilvusClient(
        uri=uri, token=settings.MILVUS_TOKEN, timeout=_timeout(), grpc_options=options
    )


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
        return str(client.get_server_version(timeout=_timeout()))
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


@contextmanager
def _turn() -> Iterator[None]:
    try:
        with _turns.one():
            yield
    except CrowdedError:
        raise IndexUnavailable(
            "The search index is slow and too many lookups wait for it. Nothing was searched; try "
            "again shortly."
        ) from None


_turns = Turns(LOOKUPS_AT_ONCE, patience=1.0)


@lru_cache(maxsize=4)
def _breaker(uri: str) -> Breaker:
    return Breaker()


@contextmanager
def _server() -> Iterator["MilvusClient"]:
    """Milvus for one exchange; whatever it, gRPC and the network can raise becomes ours."""
    uri = _uri()
    breaker = _breaker(uri)
    try:
        breaker.enter()
        yield _connect(uri, os.getpid())
        breaker.succeeded()
    except BreakerOpenError:
        raise _no_answer() from None
    except _milvus_errors() as error:
        logger.warning("Milvus: %s", error)
        raise _translated(error, breaker) from error


def _translated(error: BaseException, breaker: Breaker) -> IndexUnavailable:
    if getattr(error, "code", None) == _COLLECTION_NOT_FOUND:
        breaker.succeeded()
        return CollectionMissing("The index is being rebuilt. Try again shortly.")
    if _status(error) == "UNAUTHENTICATED":
        breaker.succeeded()
        return LoginRefused(
            "Milvus refuses the login. Correct MILVUS_TOKEN (USER:PASSWORD) and start again."
        )
    breaker.failed()
    return _no_answer()


def _no_answer() -> IndexUnavailable:
    return IndexUnavailable(
        "The search index does not answer. Nothing was searched; try again shortly."
    )


def _status(error: BaseException | None) -> str:
    """The name of gRPC's status behind an error, if there is one."""
    import grpc  # noqa: PLC0415

    cause = None if error is None else error.__cause__
    # pymilvus raises some errors from themselves.
    for each in (error, None if cause is error else cause):
        if isinstance(each, grpc.Call):
            return str(each.code().name)
    return ""


_COLLECTION_NOT_FOUND = 100


@lru_cache(maxsize=1)
def _milvus_errors() -> tuple[type[BaseException], ...]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import grpc  # noqa: PLC0415
        from pymilvus.exceptions import MilvusException  # noqa: PLC0415

    return (MilvusException, grpc.RpcError, ConnectionError, TimeoutError)
