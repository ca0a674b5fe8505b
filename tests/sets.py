"""The sets of services that tests run on; LIKENESS_TEST_SERVICES chooses the run's.

- `embedded`: SQLite, a broker of files, Milvus Lite (the default)
- `postgresql`: the same with PostgreSQL for SQLite: locks and SQL, without the seconds
  that a Milvus server takes for each change
- `servers`: PostgreSQL, Redis, a standalone Milvus
- `rabbitmq`: as `servers`, with RabbitMQ for Redis
"""

from __future__ import annotations

import os
from functools import cache
from itertools import count
from typing import TypeVar

import pytest

from .services import MilvusServer, PostgresServer, RabbitServer, RedisServer, Server

EMBEDDED, POSTGRESQL, SERVERS, RABBITMQ = SETS = "embedded", "postgresql", "servers", "rabbitmq"
CHOSEN = os.environ.get("LIKENESS_TEST_SERVICES") or EMBEDDED
if CHOSEN not in SETS:
    raise ValueError(f"LIKENESS_TEST_SERVICES is {CHOSEN!r}; say one of {', '.join(SETS)}")

ON_POSTGRESQL = CHOSEN != EMBEDDED
ON_SERVERS = CHOSEN in (SERVERS, RABBITMQ)
about_the_embedded = pytest.mark.skipif(
    ON_POSTGRESQL, reason="about the embedded services; tests/faults kills the servers"
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
    if not ON_POSTGRESQL:
        return {}
    database = postgres().make_database(f"installation_{next(_numbers)}")
    if not ON_SERVERS:
        return {"DATABASE_URL": database}
    broker: Server = rabbit() if CHOSEN == RABBITMQ else _started(RedisServer())
    return {
        "DATABASE_URL": database,
        "CELERY_BROKER_URL": broker.url,
        "MILVUS_URI": milvus().url,
    }
