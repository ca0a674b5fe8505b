"""Where the time of something long goes."""

import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager


class Stopwatch:
    """Seconds by part, and of the time when none of the parts was at work. Safe for threads.

    Parts may be at work at the same time; `rest` counts each second once.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._begun = self._since = time.perf_counter()
        self._at_work = 0
        self._busy = 0.0
        self._seconds: dict[str, float] = defaultdict(float)

    @contextmanager
    def of(self, part: str) -> Iterator[None]:
        """The part is at work."""
        begun = self._change(1)
        try:
            yield
        finally:
            ended = self._change(-1)
            with self._lock:
                self._seconds[part] += ended - begun

    @contextmanager
    def paused(self, part: str) -> Iterator[None]:
        """The part, which is at work, waits for another."""
        begun = self._change(-1)
        try:
            yield
        finally:
            ended = self._change(1)
            with self._lock:
                self._seconds[part] -= ended - begun

    def seconds(self, part: str) -> float:
        """How long a part was at work."""
        return self._seconds[part]

    def as_dict(self) -> dict[str, float]:
        """Seconds of all parts."""
        return {part: round(seconds, 3) for part, seconds in self._seconds.items()}

    @property
    def total(self) -> float:
        """Seconds since the start."""
        return time.perf_counter() - self._begun

    @property
    def rest(self) -> float:
        """Seconds in which none of the parts was at work."""
        return self.total - self._busy

    def _change(self, by: int) -> float:
        with self._lock:
            now = time.perf_counter()
            if self._at_work:
                self._busy += now - self._since
            self._since = now
            self._at_work += by
            return now
