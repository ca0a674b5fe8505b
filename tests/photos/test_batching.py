"""Whoever computes together gets what they would have got alone."""

import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest

from photos.batching import Batcher


class Doubling:
    """Work that notes its batches, and can be held up."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.begun, self.go = threading.Event(), threading.Event()

    def __call__(self, items: Sequence[int]) -> list[int]:
        self.begun.set()
        self.go.wait(10)
        self.batches.append(list(items))
        if 13 in items:
            raise ValueError("13")
        return [2 * item for item in items]


def together(batcher: Batcher, work: Doubling, jobs: Sequence[list[int]]) -> list[object]:
    """Hand over a first job, the others while it is held up, then let go."""

    def run(items: list[int]) -> object:
        try:
            return batcher.run(work, items, len(items))
        except ValueError as error:
            return str(error)

    with ThreadPoolExecutor(len(jobs)) as pool:
        results = []
        for number, job in enumerate(jobs):
            results.append(pool.submit(run, job))
            assert work.begun.wait(10)
            end = time.monotonic() + 10
            while len(batcher._waiting) < number:
                assert time.monotonic() < end
        work.go.set()
        return [each.result() for each in results]


def test_what_waits_is_worked_on_together_and_each_gets_its_own() -> None:
    work = Doubling()
    assert together(Batcher(10), work, [[1], [2, 3], [], [4]]) == [[2], [4, 6], [], [8]]
    assert work.batches == [[1], [2, 3, 4]]


def test_no_batch_is_heavier_than_the_limit_unless_one_alone_is() -> None:
    work = Doubling()
    together(Batcher(3), work, [[0], [1, 2], [3, 4], [5], [6, 7, 8, 9]])
    assert work.batches == [[0], [1, 2, 5], [3, 4], [6, 7, 8, 9]]


def test_one_bad_item_fails_its_own_caller_alone() -> None:
    work = Doubling()
    assert together(Batcher(10), work, [[0], [1], [13], [2]]) == [[0], [2], "13", [4]]


def test_two_kinds_of_work_are_never_mixed() -> None:
    batcher, one, other = Batcher(10), Doubling(), Doubling()
    one.go.set()
    other.go.set()
    with ThreadPoolExecutor(4) as pool:
        results = [
            pool.submit(batcher.run, (one, other)[number % 2], [number], 1)
            for number in range(20, 60)
        ]
    assert [each.result() for each in results] == [[2 * number] for number in range(20, 60)]
    assert all(number % 2 == 0 for batch in one.batches for number in batch)


def test_nothing_is_nothing() -> None:
    work = Doubling()
    work.go.set()
    assert Batcher(10).run(work, [], 0) == []


@pytest.mark.parametrize("count", [1, 50])
def test_it_can_be_used_again_after_an_error(count: int) -> None:
    work, batcher = Doubling(), Batcher(10)
    work.go.set()
    with pytest.raises(ValueError, match="13"):
        batcher.run(work, [13], 1)
    assert batcher.run(work, [1] * count, count) == [2] * count
