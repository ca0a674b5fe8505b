"""What keeps a slow or dead Milvus from taking the web server's threads with it.

A call that fails for want of an answer counts; after a few in a row the breaker opens, and calls
fail at once. When it has rested, one call tries; its answer closes the breaker again. And only so
many calls wait at a time, so that the threads that remain can say what is wrong.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from time import monotonic

LIMIT = 3  # failures in a row
REST = 2.0  # seconds


class BreakerOpenError(Exception):
    """Nothing was asked: the last calls all failed a moment ago."""


class CrowdedError(Exception):
    """Nothing was asked: too many calls wait already."""


class Breaker:
    """Fails calls at once while the last ones got no answer. Safe for threads."""

    def __init__(self, limit: int = LIMIT, rest: float = REST) -> None:
        self._limit, self._rest = limit, rest
        self._lock = threading.Lock()
        self._failures = 0
        self._tries_again_at = 0.0

    @property
    def is_open(self) -> bool:
        """Whether calls fail at once."""
        return self._failures >= self._limit

    def enter(self) -> None:
        """Before a call. Raises BreakerOpenError."""
        with self._lock:
            if not self.is_open:
                return
            if monotonic() < self._tries_again_at:
                raise BreakerOpenError
            # This caller tries; the others wait for what comes of it.
            self._tries_again_at = monotonic() + self._rest

    def succeeded(self) -> None:
        """After a call that got an answer, be it a refusal."""
        with self._lock:
            self._failures = 0

    def failed(self) -> None:
        """After a call that got none."""
        with self._lock:
            self._failures += 1
            self._tries_again_at = monotonic() + self._rest


class Turns:
    """At most so many callers at once; the others wait a moment and then give up."""

    def __init__(self, count: int, patience: float) -> None:
        self._places = threading.BoundedSemaphore(count)
        self._patience = patience

    @contextmanager
    def one(self) -> Iterator[None]:
        """Hold a place for the block. Raises CrowdedError."""
        if not self._places.acquire(timeout=self._patience):
            raise CrowdedError
        try:
            yield
        finally:
            self._places.release()
