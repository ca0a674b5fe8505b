"""May requests be sent here? What `/readyz` says, and what a load balancer makes of it."""

from dataclasses import dataclass
from enum import StrEnum
from threading import Lock
from time import monotonic

from .checks import broker, database, index, storage, workers
from .parts import Check, Part, State, examine


class Level(StrEnum):
    """How much of the work can be done.

    Without its database or the folder of photos a web server can do nothing: send requests
    elsewhere. Without any other part it still does some of it, and says 503 or 507 where it can't;
    and since all web servers share those parts, elsewhere it would be no better.
    """

    READY = "ready"
    DEGRADED = "degraded"
    UNAVAILABLE = "unavailable"


VITAL = {"database", "migrations", "media folder"}
ANSWER_SECONDS = 5.0
REMEMBERED_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class Readiness:
    """The level, and each part."""

    level: Level
    parts: list[Part]


def level_of(parts: list[Part]) -> Level:
    """What the parts add up to."""
    broken = {part.name for part in parts if part.state is State.FAILED}
    if broken & VITAL:
        return Level.UNAVAILABLE
    return Level.DEGRADED if broken else Level.READY


class Watch:
    """Looks at the parts at most every two seconds, however often it is asked."""

    def __init__(self, checks: list[Check]) -> None:
        self._checks = checks
        self._lock = Lock()
        self._until = 0.0
        self._last = Readiness(Level.READY, [])

    def readiness(self) -> Readiness:
        """As it is now, or was a moment ago."""
        with self._lock:
            if monotonic() > self._until:
                parts = examine(self._checks, ANSWER_SECONDS)
                self._last = Readiness(level_of(parts), parts)
                self._until = monotonic() + REMEMBERED_SECONDS
            return self._last


def _checks() -> list[Check]:
    return [
        Check("database", database.database),
        Check("migrations", database.migrations),
        Check("media folder", storage.media),
        Check("disk space", storage.disk),
        Check("broker", broker.broker),
        Check("workers", workers.workers),
        Check("clock", workers.clock),
        Check("milvus", index.milvus_ping),
        Check("index", index.index_state),
    ]


watch = Watch(_checks())
