"""Threads that compute whatever waits for them: together where they can.

Networks are several times faster on a batch than one by one, and more runs of them at once than
there are cores only get in each other's way. So callers in many threads hand their items over, and
each run takes those that wait for the same work.
"""

import threading
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


@dataclass(slots=True)
class _Job:
    work: Callable[[Sequence[Any]], Sequence[Any]]
    items: Sequence[Any]
    weight: int
    outcome: Future[list[Any]] = field(default_factory=Future)


class Batcher:
    """Runs jobs in its threads, those of one work together as long as they weigh at most `limit`.

    A single job may weigh more. The threads start with the first job, so that a process can fork
    before.
    """

    def __init__(self, limit: int, runners: int = 1) -> None:
        self._limit, self._runners = limit, runners
        self._waiting: deque[_Job] = deque()
        self._news = threading.Condition()
        self._threads: list[threading.Thread] = []

    def run(
        self, work: Callable[[Sequence[Item]], Sequence[Result]], items: Sequence[Item], weight: int
    ) -> list[Result]:
        """`work(items)`, or rather this caller's part of what it makes of a whole batch.

        Raises what `work` raises of these items alone.
        """
        job = _Job(work, items, weight)
        with self._news:
            self._waiting.append(job)
            while len(self._threads) < self._runners:
                thread = threading.Thread(target=self._serve, name="batches", daemon=True)
                self._threads.append(thread)
                thread.start()
            self._news.notify()
        return job.outcome.result()

    def _serve(self) -> None:
        while True:
            _finish(self._take())

    def _take(self) -> list[_Job]:
        """The job that waits longest, and those after it that go with it."""
        with self._news:
            self._news.wait_for(lambda: bool(self._waiting))
            batch = [self._waiting.popleft()]
            weight = batch[0].weight
            for job in list(self._waiting):
                if job.work == batch[0].work and weight + job.weight <= self._limit:
                    self._waiting.remove(job)
                    batch.append(job)
                    weight += job.weight
            return batch


def _finish(batch: Sequence[_Job]) -> None:
    try:
        results = iter(batch[0].work([item for job in batch for item in job.items]))
        parts = [[next(results) for _ in job.items] for job in batch]
    except Exception as error:  # noqa: BLE001 - it is raised again, where the caller waits
        if len(batch) == 1:
            batch[0].outcome.set_exception(error)
            return
        # One of them is bad: each finds out alone.
        for job in batch:
            _finish([job])
        return
    for job, part in zip(batch, parts, strict=True):
        job.outcome.set_result(part)
