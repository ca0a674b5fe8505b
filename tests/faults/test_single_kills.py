"""Parts killed in mid-work: nothing is lost, nothing is done twice, all of it recovers by itself.

LIKENESS_LONG=1 runs the first test with 200 photos and prints its figures.
"""

import os
import sys
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import psutil
import pytest

from tests.conftest import Lfw
from tests.e2e.stack import Api, Stack, eventually, running

from .harness import answers, assert_nothing_twice, photos_to_send

LONG = os.environ.get("LIKENESS_LONG") == "1"
UPLOADS = 200 if LONG else 60
# A photo must be in a final state so many seconds after the last upload, whatever died.
RECOVERY = 150


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """One of our own, to break."""
    with running(Stack(tmp_path_factory.mktemp("faults"))) as started:
        yield started


@pytest.fixture(scope="module")
def api(stack: Stack) -> Iterator[Api]:
    api = Api(stack, stack.make_key())
    with api.http:
        api.accept_lfw()
        yield api


def test_a_worker_killed_in_mid_work_loses_nothing(
    stack: Stack, api: Api, lfw: Lfw, capsys: pytest.CaptureFixture[str]
) -> None:
    to_send = photos_to_send(lfw, UPLOADS, each=4)
    people = {name: api.make_person(name) for name in dict.fromkeys(name for name, _ in to_send)}

    with ThreadPoolExecutor(4) as pool:
        sending = [pool.submit(api.upload, people[name], photo) for name, photo in to_send]
        eventually(lambda: finished(api) >= UPLOADS // 4, "a quarter is done", every=0.02)
        victim = eventually(lambda: caught(stack, api), "a chunk in hand", every=0.02)
        victim.kill()
        killed = time.monotonic()
        held = in_hand(api)
        ids = [each.result() for each in sending]
    stack.await_successor(victim, "photos")
    photos = api.await_photos(UPLOADS, RECOVERY)
    seconds = time.monotonic() - killed

    states = Counter(photo["state"] for photo in photos)
    assert {photo["id"] for photo in photos} == set(ids)
    assert len(set(ids)) == UPLOADS
    assert set(states) <= {"enrolled", "rejected"}
    assert states["enrolled"] > 0.8 * UPLOADS
    assert_nothing_twice(photos)
    assert stack.agrees()
    if LONG:
        with capsys.disabled():
            sys.stdout.write(
                f"\n{UPLOADS} photos uploaded, the worker killed with {held} in hand: "
                f"{dict(states)}, all final {seconds:.1f} s after the kill; none lost, none twice, "
                "reconcile agrees\n"
            )


def finished(api: Api) -> int:
    return len(api.photos(state="enrolled")) + len(api.photos(state="rejected"))


def caught(stack: Stack, api: Api) -> psutil.Process | None:
    """The worker, stopped with photos in hand; None if it has none."""
    worker = stack.process("photos")
    worker.suspend()
    if in_hand(api):
        return worker
    worker.resume()
    return None


def in_hand(api: Api) -> int:
    return len(api.photos(state="processing"))


def test_a_killed_index_is_an_error_and_then_back(stack: Stack, api: Api, lfw: Lfw) -> None:
    person = api.make_person("Winona_Ryder")
    api.await_searchable(api.upload(person, lfw.bytes("Winona_Ryder", 1)))
    probe = lfw.bytes("Winona_Ryder", 2)
    right = api.best(probe)["person"]["id"]
    late = api.make_person("Ricardo_Lagos")

    victim = stack.process("milvus")
    victim.suspend()  # so that it is away for long enough to be asked
    photo = api.upload(late, lfw.bytes("Ricardo_Lagos", 1))
    victim.kill()
    answers = []
    answer = api.identify(probe)
    while answer.status_code != 200:
        answers.append(answer)
        assert len(answers) < 200
        time.sleep(0.1)
        answer = api.identify(probe)

    assert right == person
    assert answers, "it was back before it was asked"
    for each in answers:
        assert each.status_code == 503
        assert each.json()["code"] in ("index_unavailable", "index_not_ready")
        assert int(each.headers["retry-after"]) > 0
    assert answer.json()["faces"][0]["candidates"][0]["person"]["id"] == person
    # What was enrolled meanwhile arrives.
    api.await_searchable(photo, 60)
    assert api.best(lfw.bytes("Ricardo_Lagos", 2))["person"]["id"] == late
    assert stack.agrees()


def test_killed_web_index_worker_and_clock_come_back(stack: Stack, api: Api, lfw: Lfw) -> None:
    victims = {name: stack.kill_process(name) for name in ("web", "index", "beat")}
    for name, victim in victims.items():
        stack.await_successor(victim, name)

    eventually(lambda: answers(api), "the web server answers", seconds=30)
    person = api.make_person("Juan_Carlos_Ferrero")
    api.await_searchable(api.upload(person, lfw.bytes("Juan_Carlos_Ferrero", 1)))

    assert api.best(lfw.bytes("Juan_Carlos_Ferrero", 2))["person"]["id"] == person
    assert stack.agrees()


def test_no_trace_of_an_error_of_ours(stack: Stack) -> None:
    assert "Traceback" not in stack.log
