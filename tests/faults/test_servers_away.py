"""Broker, database and Milvus restarted, cut off, emptied or slow, on real servers."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from tests import sets
from tests.conftest import Lfw
from tests.e2e.stack import eventually

from .harness import Installation, Load, installation, photos_to_send, settled

pytestmark = pytest.mark.skipif(
    not sets.ON_SERVERS, reason="about servers: LIKENESS_TEST_SERVICES=servers"
)
# The sweeper sends again what a broker lost; so long after, photos are worked on again.
CONSUMED_AGAIN = 60


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """An installation that reaches each of its servers through a proxy."""
    folder = tmp_path_factory.mktemp("away")
    with installation(folder, through_proxies=("database", "broker", "milvus")) as started:
        yield started


def enrol_one(here: Installation, lfw: Lfw, name: str) -> str:
    """A new person with one photo, not yet awaited; the photo's id."""
    person = here.api.make_person(name)
    return here.api.upload(person, lfw.bytes(name, 1))


def is_final(here: Installation, photo: str) -> bool:
    return bool(here.api.photo(photo)["state"] == "enrolled")


@pytest.mark.parametrize("fault", ["restart", "flush", "reset", "away"])
def test_a_broker_that_fails_loses_no_work(here: Installation, lfw: Lfw, fault: str) -> None:
    names = dict(zip(("restart", "flush", "reset", "away"), lfw.people(400)[::100], strict=True))
    broker, proxy = here.servers["broker"], here.proxies["broker"]
    if fault == "away":
        proxy.cut()
        photo = enrol_one(here, lfw, names[fault])  # accepted all the same
        time.sleep(3)
        proxy.mend()
    else:
        photo = enrol_one(here, lfw, names[fault])
        if fault == "restart":
            broker.restart()
        elif fault == "flush" and sets.CHOSEN == sets.SERVERS:
            import redis

            with redis.Redis.from_url(broker.url) as client:
                client.flushall()
        else:
            assert proxy.reset() > 0

    eventually(lambda: is_final(here, photo), f"enrolled after {fault}", seconds=CONSUMED_AGAIN)
    # And what comes later is taken at once, not by the sweeper alone.
    later = here.api.upload(here.api.photo(photo)["person"], lfw.bytes("Winona_Ryder", 1))
    eventually(lambda: is_final(here, later), "the next one too", seconds=CONSUMED_AGAIN)


def test_milvus_cut_off_is_no_answer_and_enrolments_wait(here: Installation, lfw: Lfw) -> None:
    api, proxy = here.api, here.proxies["milvus"]
    known = enrol_one(here, lfw, "Ricardo_Lagos")
    api.await_searchable(known, 120)
    proxy.cut()
    late = enrol_one(here, lfw, "Jeremy_Greenstock")
    answers = [api.identify(lfw.bytes("Ricardo_Lagos", 2)) for _ in range(5)]
    eventually(lambda: is_final(here, late), "enrolled without Milvus")
    waiting = api.photo(late)
    proxy.mend()
    api.await_searchable(late, 120)

    assert not waiting["searchable"]
    for each in answers:
        assert (each.status_code, each.json()["code"]) == (503, "index_unavailable")
        assert int(each.headers["retry-after"]) > 0
    eventually(lambda: api.identify(lfw.bytes("Ricardo_Lagos", 2)).is_success, "the breaker closes")
    assert api.best(lfw.bytes("Jeremy_Greenstock", 2))["person"]["name"] == "Jeremy_Greenstock"


def test_a_slow_milvus_takes_no_thread_from_others(here: Installation, lfw: Lfw) -> None:
    """Twelve lookups wait for a Milvus that takes ten seconds for each answer."""
    api, proxy = here.api, here.proxies["milvus"]
    proxy.delay = 10
    with ThreadPoolExecutor(12) as pool:
        lookups = [pool.submit(api.identify, lfw.bytes("Ricardo_Lagos", 2)) for _ in range(12)]
        others = []
        while not all(each.done() for each in lookups):
            others.append(quick(here))
            time.sleep(0.2)
    after = api.identify(lfw.bytes("Ricardo_Lagos", 2))  # the breaker is open: nobody is asked
    proxy.mend()
    eventually(
        lambda: api.identify(lfw.bytes("Ricardo_Lagos", 2)).is_success, "found again", seconds=60
    )

    assert [each.result().status_code for each in lookups] == [503] * 12
    assert after.status_code == 503
    assert others
    assert set(others) == {200}


def quick(here: Installation) -> int:
    """What the API says to somebody who has no wish to wait."""
    try:
        return here.api.http.get("galleries", timeout=8).status_code
    except httpx.TimeoutException:
        return 0


def test_a_database_that_fails_over_leaves_no_half_person(
    here: Installation, lfw: Lfw, tmp_path: Path
) -> None:
    before = {photo["id"] for photo in here.api.photos()}
    people = count(here)
    load = Load(here.api, photos_to_send(lfw, 80)[20:])
    load.start()
    for share in (10, 30):
        while load.accepted < share:
            time.sleep(0.02)
        here.servers["database"].restart()
    ids = load.ids()
    settled(here, sorted({*before, *ids}))

    assert count(here) == people + len(load.people)
    assert sum(load.refusals.values()) > 0, "nobody noticed"


def count(here: Installation) -> int:
    """How many people the gallery has."""
    found, page = 0, here.api.ok(here.api.http.get("people", params={"page_size": "100"}))
    while True:
        found += len(page["results"])
        if not page["next"]:
            return found
        page = here.api.ok(here.api.http.get(page["next"]))


@pytest.mark.skipif(
    os.environ.get("LIKENESS_LONG") != "1",
    reason="waits for a lease of a minute: LIKENESS_LONG=1 (the law: tests/photos/test_claims.py)",
)
def test_a_worker_that_outlives_its_lease_stores_nothing(here: Installation, lfw: Lfw) -> None:
    """Two runs of one task, as when the broker sends again what takes too long: one effect."""
    before = [photo["id"] for photo in here.api.photos()]
    load = Load(here.api, photos_to_send(lfw, 140)[100:])
    load.start()
    ids = load.ids()
    worker = here.stack.process("photos")
    eventually(
        lambda: bool(here.api.photos(state="processing")), "a chunk in hand", every=0.01, seconds=20
    )
    worker.suspend()
    time.sleep(70)  # past the lease: the sweeper gives the photos back
    worker.resume()
    settled(here, sorted({*before, *ids}))
