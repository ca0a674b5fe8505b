"""The breaker's laws, and a Milvus that no longer answers seen through the index."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from vectors import connection, milvus
from vectors.breaker import Breaker, BreakerOpenError, CrowdedError, Turns
from vectors.errors import IndexUnavailable
from vectors.milvus import version_numbers


def test_it_opens_after_failures_in_a_row_and_not_before() -> None:
    breaker = Breaker(limit=3, rest=60)
    for outcome in (breaker.failed, breaker.failed, breaker.succeeded, breaker.failed):
        breaker.enter()
        outcome()
    assert not breaker.is_open
    breaker.failed()
    breaker.failed()
    with pytest.raises(BreakerOpenError):
        breaker.enter()


def test_after_its_rest_one_caller_tries_and_the_others_wait() -> None:
    breaker = Breaker(limit=1, rest=0.05)
    breaker.failed()
    time.sleep(0.06)
    breaker.enter()
    with pytest.raises(BreakerOpenError):
        breaker.enter()
    breaker.succeeded()
    breaker.enter()
    breaker.enter()


def test_a_trial_that_fails_opens_it_again() -> None:
    breaker = Breaker(limit=2, rest=0.05)
    breaker.failed()
    breaker.failed()
    time.sleep(0.06)
    breaker.enter()
    breaker.failed()
    with pytest.raises(BreakerOpenError):
        breaker.enter()


def test_only_so_many_hold_a_turn() -> None:
    turns, leave = Turns(2, patience=0.05), threading.Event()

    def hold() -> bool:
        try:
            with turns.one():
                return leave.wait(5)
        except CrowdedError:
            return False

    with ThreadPoolExecutor(5) as pool:
        held = [pool.submit(hold) for _ in range(5)]
        while sum(each.done() for each in held) < 3:
            time.sleep(0.01)
        leave.set()
    assert sorted(each.result() for each in held) == [False, False, False, True, True]
    with turns.one():
        pass


def test_a_dead_server_is_no_longer_asked_once_that_is_known(
    settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.MILVUS_URI, settings.MILVUS_TIMEOUT_SECONDS = "http://127.0.0.1:1", 1
    for _ in range(3):
        with pytest.raises(IndexUnavailable, match="does not answer"):
            milvus.ping()
    monkeypatch.setattr(connection, "_connect", lambda *_: pytest.fail("it was asked"))
    with pytest.raises(IndexUnavailable, match="does not answer"):
        milvus.ping()


@pytest.mark.parametrize(
    ("version", "numbers", "well"),
    [
        ("v2.3.5-lite", (2, 3, 5), False),
        ("2.3.22", (2, 3, 22), False),
        ("v2.4.0-rc.1", (2, 4, 0), True),
        ("v2.6.11-gpu", (2, 6, 11), True),
        ("2.10", (2, 10), True),
        ("master-20260101", (), False),
    ],
)
def test_a_partition_key_is_trusted_from_2_4_on(
    version: str, numbers: tuple[int, ...], well: object
) -> None:
    assert version_numbers(version) == numbers
    assert milvus._partitions_well(version) is well


def test_milvus_lite_is_never_given_a_partition_key() -> None:
    assert not milvus._partitions_well(None)


def test_an_error_that_is_its_own_cause_is_one_error() -> None:
    """So pymilvus raises what a server says."""
    from pymilvus.exceptions import MilvusException

    error = MilvusException(101, "collection not loaded")
    error.__cause__ = error
    assert connection._status(error) == ""
