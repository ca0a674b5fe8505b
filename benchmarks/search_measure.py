"""What `search.py` measures of a contender: latency, recall, searches a second, memory."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from itertools import count
from typing import Any

import numpy as np
import psutil
from numpy.typing import NDArray

from benchmarks.search_contenders import Contender, Exact
from benchmarks.search_faces import Floats, Rows

MEGABYTE = 1024 * 1024
WARM_UP = 10
RECALL_BATCH = 100
# Two templates that are as near as this are as good as each other: sums in another order differ.
TIE = 1e-5

Times = NDArray[np.float64]
Row = dict[str, Any]


def latencies(
    contenders: Sequence[Contender], probes: Floats, k: int, rounds: int
) -> dict[str, Times]:
    """Milliseconds of single searches by name: one of each in turn, so that noise hits all."""
    for contender in contenders:
        for place in range(WARM_UP):
            contender.search(probes[place : place + 1], k)
    times: dict[str, list[float]] = {contender.name: [] for contender in contenders}
    for place in range(rounds):
        probe = probes[place % len(probes)][None]
        turn = place % len(contenders)
        for contender in (*contenders[turn:], *contenders[:turn]):
            begun = time.perf_counter()
            contender.search(probe, k)
            times[contender.name].append((time.perf_counter() - begun) * 1000)
    return {name: np.array(each) for name, each in times.items()}


class Truth:
    """What exact search finds, and how much of it a contender finds."""

    def __init__(self, vectors: Floats, probes: Floats, k: int) -> None:
        self._vectors, self.probes, self.k = vectors, probes, k
        self.rows = _in_batches(Exact(vectors), probes, k)
        self._scores = self._score(self.rows)

    def recall(self, contender: Contender) -> tuple[float, float]:
        """Recall@1 and recall@k over all probes. Equal scores are equally right."""
        found = _in_batches(contender, self.probes, self.k)
        scores = np.where(found >= 0, self._score(found), -2)
        first = scores[:, 0] >= self._scores[:, 0] - TIE
        among = scores >= self._scores[:, -1:] - TIE
        return float(first.mean()), float(among.mean())

    def _score(self, rows: Rows) -> Floats:
        scores: Floats = np.einsum("pkd,pd->pk", self._vectors[rows], self.probes)
        return scores


def _in_batches(contender: Contender, probes: Floats, k: int) -> Rows:
    starts = range(0, len(probes), RECALL_BATCH)
    return np.concatenate(
        [contender.search(probes[start : start + RECALL_BATCH], k) for start in starts]
    )


def rate(
    contender: Contender,
    probes: Floats,
    k: int,
    *,
    threads: int,
    batch: int,
    seconds: float,
    leave: Callable[[], None] = lambda: None,
) -> Row:
    """Probes searched a second by so many threads, each with so many probes a call.

    `leave` runs at the end of each thread. A call that was refused counts as such.
    """
    batches = [probes[start : start + batch] for start in range(0, len(probes) - batch + 1, batch)]
    done, refused = [0] * threads, [0] * threads
    begun = time.perf_counter()
    end = begun + seconds

    def client(number: int) -> None:
        for turn in count(number * 7):
            if time.perf_counter() > end:
                break
            try:
                contender.search(batches[turn % len(batches)], k)
                done[number] += batch
            except Exception:  # noqa: BLE001 - whatever it is, it is no answer
                refused[number] += 1
        leave()

    clients = [threading.Thread(target=client, args=(number,)) for number in range(threads)]
    for each in clients:
        each.start()
    for each in clients:
        each.join()
    taken = time.perf_counter() - begun
    return {"a_second": round(sum(done) / taken, 1), "refused": sum(refused)}


def resident(process: psutil.Process) -> float:
    """MB of a process and all that it started."""
    family = [process, *process.children(recursive=True)]
    return round(sum(_rss(each) for each in family) / MEGABYTE, 1)


def _rss(process: psutil.Process) -> int:
    try:
        return int(process.memory_info().rss)
    except psutil.Error:
        return 0


class Peak:
    """The most memory that a process had while the block ran, looked at ten times a second."""

    def __init__(self, process: psutil.Process) -> None:
        self._process = process
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self.megabytes = 0.0

    def _watch(self) -> None:
        while not self._over.wait(0.1):
            try:
                self.megabytes = max(self.megabytes, resident(self._process))
            except psutil.Error:
                return

    def __enter__(self) -> Peak:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()
