"""Milvus and the index worker killed while they write, and a collection that somebody dropped.

Every time both sides agree afterwards though nobody did anything about it.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from functools import partial

import psutil
import pytest

from tests import sets
from tests.conftest import Lfw

from .harness import Installation, eventually, installation, photos_to_send, repeatedly
from .ready_made import File, begin_load, load, write_file
from .records import Records, agrees_unaided, stopped_in_the_middle
from .traffic import FaceOfSomebody, Traffic, candidates

LONG = os.environ.get("LIKENESS_LONG") == "1"
not_on_servers = pytest.mark.skipif(
    sets.ON_SERVERS and not LONG,
    reason="a server is back after half a minute: LIKENESS_LONG=1",
)
TEMPLATES, CHANGED = 15_000, 4_000
# A call may take so long; a dead worker's lease would be good for 58 s then. For as long, rows of a
# load that Milvus did not acknowledge are left alone, since they may still arrive: the last test
# waits for these.
CALL_SECONDS, LEASE, RECOVERY = "6", 58, 150

# Run by `manage.py shell` of the installation: as many people look different from now on.
CHANGE = """
import numpy as np
from django.db import transaction
from vectors.codec import encode
from vectors.models import PersonTemplate
from vectors.outbox import mark_dirty
with transaction.atomic():
    changed = list(
        PersonTemplate.objects.filter(person__photos=None).select_related("person__gallery")
        .order_by("pk")[:{count}]
    )
    vectors = np.random.default_rng().standard_normal((len(changed), 128)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    for template, vector in zip(changed, vectors):
        template.vector = encode(vector)
    PersonTemplate.objects.bulk_update(changed, ["vector"], batch_size=500)
    gallery = changed[0].person.gallery
    mark_dirty(gallery.pk, gallery.model, [template.pk for template in changed])
"""


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """An installation to break."""
    folder = tmp_path_factory.mktemp("index-kills")
    with installation(folder, MILVUS_TIMEOUT_SECONDS=CALL_SECONDS) as started:
        yield started


@pytest.fixture(scope="module")
def records(here: Installation) -> Records:
    return Records(here.stack)


@pytest.fixture(scope="module")
def people(here: Installation, lfw: Lfw) -> Traffic:
    """A few with a photo, who are enrolled before all others."""
    faces = [FaceOfSomebody(photo) for _, photo in photos_to_send(lfw, 4, each=1)]
    traffic = Traffic(here.api, faces)
    for face in faces[:2]:
        traffic.enrol(face)
    return traffic


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> File:
    return write_file(tmp_path_factory.mktemp("ready-made"), "many", TEMPLATES)


@pytest.fixture(scope="module")
def filled(here: Installation, people: Traffic, file: File, records: Records) -> Traffic:
    """The same with everybody of the file, and some who came after them."""
    if records.loaded() < file.rows:
        load(here.stack, file)
    for face in people.faces[2:]:
        people.enrol(face)
    agrees_unaided(here.stack, RECOVERY)
    return people


def test_milvus_killed_during_a_load(
    here: Installation, people: Traffic, file: File, records: Records
) -> None:
    before = records.people()
    loading = begin_load(here.stack, file)
    victim = stopped_in_the_middle(
        lambda: psutil.Process(loading.pid), lambda: 0 < records.loaded() < file.rows
    )
    kill_milvus_at_work(here, victim)
    loading.communicate(timeout=RECOVERY)
    if loading.returncode:
        load(here.stack, file)  # it goes on after the last chunk that is whole

    assert_mended(here, people)
    assert records.people() == records.templates() == before + file.rows


@not_on_servers
@pytest.mark.parametrize("part", ["milvus", "index"])
def test_killed_with_changes_in_hand(
    here: Installation, filled: Traffic, records: Records, part: str
) -> None:
    changing = here.stack.begin("shell", "-c", CHANGE.format(count=CHANGED))
    victim = stopped_in_the_middle(
        lambda: here.stack.process("index"), lambda: 0 < records.changes() < CHANGED
    )
    kill(here, part, victim)
    assert changing.wait(60) == 0

    seconds = assert_mended(here, filled)
    assert part == "milvus" or seconds < LEASE


@pytest.mark.parametrize("part", ["milvus", pytest.param("index", marks=not_on_servers)])
def test_killed_during_a_rebuild(
    here: Installation, filled: Traffic, records: Records, part: str
) -> None:
    old = records.searched()
    building = here.stack.begin("vectors", "rebuild", "--all", "--no-wait")
    victim = stopped_in_the_middle(
        lambda: here.stack.process("index"), lambda: records.indexes()[-1].is_being_filled
    )
    kill(here, part, victim)
    assert building.wait(60) == 0

    seconds = assert_mended(here, filled)
    assert part == "milvus" or seconds < LEASE
    assert records.searched().public_id != old.public_id


def kill(here: Installation, part: str, worker: psutil.Process) -> None:
    """kill -9 of Milvus, or of the suspended index worker itself."""
    if part == "milvus":
        kill_milvus_at_work(here, worker)
        return
    worker.kill()
    here.stack.await_successor(worker, "index")


def kill_milvus_at_work(here: Installation, writer: psutil.Process) -> None:
    """kill -9 while it owes this suspended process an answer; it is started again."""
    server = here.servers.get("milvus")
    milvus = server or here.stack.process("milvus")
    milvus.suspend()
    writer.resume()
    time.sleep(0.5)  # so that the writer's next call is under way
    here.kill("milvus")


def assert_mended(here: Installation, people: Traffic) -> float:
    """Without anybody's help; after how many seconds."""
    killed = time.monotonic()
    eventually(here.is_whole, "every part runs again", seconds=RECOVERY)
    agrees_unaided(here.stack, RECOVERY)
    seconds = time.monotonic() - killed
    people.wrong.clear()
    for face in people.faces:
        people.look_up(face)
    assert people.wrong == []
    assert "Traceback" not in here.stack.log
    return seconds


@not_on_servers
def test_a_collection_that_somebody_dropped(
    here: Installation, filled: Traffic, records: Records
) -> None:
    before = filled.look_up(filled.faces[-1])
    drop_by_hand(here, records.searched().collection)
    look_ups: list[Callable[[], object]] = [partial(filled.look_up, face) for face in filled.faces]
    with repeatedly(lambda: [look_up() for look_up in look_ups], 0.05) as rounds:
        repaired = here.stack.manage("reconcile", "--repair", "--wait", "60")
        eventually(lambda: rounds and is_answered(rounds[-1]), "looked up again", seconds=RECOVERY)
    eventually(lambda: not records.spans(), "what a load left is written", seconds=RECOVERY)
    agrees_unaided(here.stack, RECOVERY)

    assert repaired.returncode == 0, repaired.stdout + repaired.stderr
    answers = [answer for each in rounds for answer in each]
    refused = [answer for answer in answers if answer.status_code != 200]
    assert answers[0] in refused
    assert [each.status_code for each in answers] == (
        [503] * len(refused) + [200] * (len(answers) - len(refused))
    )
    for each in refused:
        assert each.json()["code"] in ("index_not_ready", "index_unavailable")
        assert int(each.headers["retry-after"]) > 0
    # Every answer named whoever was there: the judge of lookups has heard of the refusals alone.
    assert len(filled.wrong) == len(refused)
    assert answers[-1].json()["searched"] == before.json()["searched"] == TEMPLATES + 4
    assert [each["person"]["id"] for each in candidates(answers[-1])] == [
        each["person"]["id"] for each in candidates(before)
    ]


def is_answered(answers: list[object]) -> bool:
    return all(getattr(each, "status_code", 0) == 200 for each in answers)


def drop_by_hand(here: Installation, collection: str) -> None:
    """As somebody does who is at the wrong Milvus."""
    from pymilvus import MilvusClient

    server = here.servers.get("milvus")
    uri = server.url if server else (here.stack.var / "milvus" / "endpoint").read_text().strip()
    with closing(MilvusClient(uri=uri, timeout=10)) as client:
        assert client.has_collection(collection)
        client.drop_collection(collection)
