"""The sets of services that tests run on; LIKENESS_TEST_SERVICES chooses the run's.

- `embedded`: SQLite, a broker of files, Milvus Lite (the default)
- `servers`: PostgreSQL, Redis, a standalone Milvus
- `rabbitmq`: the same with RabbitMQ for Redis
"""

from __future__ import annotations

import os
from functools import cache
from itertools import count
from typing import TypeVar

import pytest

from .services import MilvusServer, PostgresServer, RabbitServer, RedisServer, Server

EMBEDDED, SERVERS, RABBITMQ = "embedded", "servers", "rabbitmq"
CHOSEN = os.environ.get("LIKENESS_TEST_SERVICES") or EMBEDDED
if CHOSEN not in (EMBEDDED, SERVERS, RABBITMQ):
    raise ValueError(f"LIKENESS_TEST_SERVICES is {CHOSEN!r}; say embedded, servers or rabbitmq")

ON_SERVERS = CHOSEN != EMBEDDED
about_the_embedded = pytest.mark.skipif(
    ON_SERVERS, reason="about the embedded services; tests/faults kills the servers"
)
_numbers = count(1)
S = TypeVar("S", bound=Server)


@cache
def postgres() -> PostgresServer:
    """The run's PostgreSQL, which no test kills."""
    return _started(PostgresServer())


@cache
def milvus() -> MilvusServer:
    """The run's Milvus, which no test kills."""
    return _started(MilvusServer())


@cache
def rabbit() -> RabbitServer:
    """The run's RabbitMQ, which no test kills."""
    return _started(RabbitServer())


def _started(server: S) -> S:
    server.start()
    return server


def environment() -> dict[str, str]:
    """Settings of a new, empty installation on the run's services."""
    if not ON_SERVERS:
        return {}
    broker: Server = rabbit() if CHOSEN == RABBITMQ else _started(RedisServer())
    return {
        "DATABASE_URL": postgres().make_database(f"installation_{next(_numbers)}"),
        "CELERY_BROKER_URL": broker.url,
        "MILVUS_URI": milvus().url,
    }
