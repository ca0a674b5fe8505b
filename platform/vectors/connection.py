"""The connection to Milvus: one for each process, behind a breaker, with its errors made ours.

Traps that shape it (measured, docs/adr/0006-index.md): every call needs a timeout, since pymilvus
otherwise retries for minutes.
"""

import logging
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urlsplit

from django.conf import settings

from . import lite
from .breaker import Breaker, BreakerOpenError, CrowdedError, Turns
from .errors import CollectionMissing, IndexUnavailable, LoginRefused

if TYPE_CHECKING:
    from pymilvus import MilvusClient

logger = logging.getLogger(__name__)

EMBEDDED = "embedded"
# Half of the web server's threads may wait for Milvus at a time.
LOOKUPS_AT_ONCE = 8


class Collection(NamedTuple):
    """A collection's name, and the label of the server that has it."""

    server: str
    name: str

    def __str__(self) -> str:
        return self.name


def server_label() -> str:
    """Where new indexes are made: `embedded`, or the server's address without credentials."""
    return _label(settings.MILVUS_URI) if settings.MILVUS_URI else EMBEDDED


def next_server_label() -> str | None:
    """The server that indexes are moved to, if one is named in MILVUS_NEXT_URI."""
    return _label(settings.MILVUS_NEXT_URI) if settings.MILVUS_NEXT_URI else None


def server_labels() -> list[str]:
    """Every server that we can reach: the present one, and the one to move to."""
    following = next_server_label()
    return [server_label(), *([following] if following else [])]


def _label(uri: str) -> str:
    parts = urlsplit(uri)
    return f"{parts.scheme}://{parts.hostname}:{parts.port or 19530}{parts.path}"


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


def call_seconds() -> int:
    """How long an ordinary call may take."""
    seconds: int = settings.MILVUS_TIMEOUT_SECONDS
    return seconds


def _address(label: str) -> tuple[str, str]:
    """The address of the server of this label, and the login for it."""
    if label == next_server_label():
        return settings.MILVUS_NEXT_URI, settings.MILVUS_NEXT_TOKEN
    if label != server_label():
        raise IndexUnavailable(
            f"This index is at {label}, which is named neither in MILVUS_URI nor in "
            "MILVUS_NEXT_URI. Name it there, or rebuild the index where Likeness can reach it."
        )
    uri = settings.MILVUS_URI or lite.endpoint()
    if uri is None:
        raise IndexUnavailable(
            "Milvus Lite is not running. Start everything with `make run`, or name a server in "
            "MILVUS_URI."
        )
    return uri, settings.MILVUS_TOKEN


@lru_cache(maxsize=4)
def _connect(uri: str, token: str, pid: int) -> "MilvusClient":
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
    return MilvusClient(uri=uri, token=token, timeout=call_seconds(), grpc_options=options)


@contextmanager
def turn() -> Iterator[None]:
    """A place among the lookups that wait for Milvus. Raises IndexUnavailable."""
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
def server(label: str) -> Iterator["MilvusClient"]:
    """The Milvus of this label for one exchange; whatever it, gRPC and the network raise is ours.

    One client for each process, opened after the fork; its channel carries all threads' calls.
    """
    uri, token = _address(label)
    breaker = _breaker(uri)
    try:
        breaker.enter()
        yield _connect(uri, token, os.getpid())
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
