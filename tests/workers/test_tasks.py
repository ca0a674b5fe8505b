"""Tasks: named as the platform calls them, thin, and harmless when repeated."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from django.conf import settings as django_settings
from django.utils import timezone

from common import queue
from common.models import IdempotentRequest
from enrolment.admitting import await_admission, hold
from identification import batches
from identification.models import Batch, BatchItem, Search, SearchDay
from people.models import Gallery, Held, Person, Role
from photos import services
from photos.models import MissingFaces, Photo, PhotoState
from photos.services import claim
from tests import factories
from tests.conftest import Lfw
from tests.embedder.pictures import saved, scene
from tests.factories import GalleryFactory, template
from tests.fixtures import files, settle, store
from tests.identification.logged import log
from tests.sets import about_the_embedded
from vectors import milvus, recall
from vectors.models import IndexGeneration, PersonTemplate, Placement, VectorOutbox
from workers import admitting, maintenance, photos, vectors
from workers.app import app

ROOT = Path(__file__).resolve().parents[2]
WHO = "Donald_Rumsfeld"


def sent() -> list[str]:
    """The names of the tasks in the broker, which is emptied."""
    names = []
    for file in sorted((Path(django_settings.BROKER_DIR) / "messages").glob("*")):
        names.append(json.loads(file.read_text())["headers"]["task"])
        file.unlink()
    return sorted(names)


def messages(task: str) -> list[Any]:
    """What is in the broker for a task."""
    found = [
        json.loads(file.read_text())
        for file in (Path(django_settings.BROKER_DIR) / "messages").glob("*")
    ]
    return [each for each in found if each["headers"]["task"] == task]


@pytest.fixture(autouse=True)
def empty_broker() -> None:
    assert app.conf.broker_url == "filesystem://localhost"
    sent()


def test_every_name_that_the_platform_sends_is_a_task() -> None:
    app.loader.import_default_modules()
    ours = {name for name in app.tasks if not name.startswith("celery.")}
    clock = {entry["task"] for entry in app.conf.beat_schedule.values()}
    sent_by_us = {
        queue.PROCESS_PHOTOS, queue.REEMBED_PHOTOS, queue.IDENTIFY_BATCHES, queue.APPLY_OUTBOX,
        queue.ADMIT_PEOPLE, queue.WORK_ON_IMPORTS,
    }  # fmt: skip
    assert ours == sent_by_us | clock
    by_need = ("photos", "vectors", "enrolment", "imports")
    assert {name for name in ours if name.partition(".")[0] not in by_need} == clock


@pytest.mark.parametrize(
    ("task", "expected"),
    [
        ("photos.process", "photos"),
        ("photos.reembed", "photos"),
        ("photos.identify_batches", "photos"),
        ("vectors.apply_outbox", "index"),
        ("maintenance.sweep", "index"),
        ("enrolment.admit", "index"),
        ("imports.work", "imports"),
        ("maintenance.reconcile", "maintenance"),
        ("maintenance.measure_recall", "maintenance"),
        ("maintenance.roll_up", "maintenance"),
        ("maintenance.tidy", "maintenance"),
    ],
)
def test_tasks_are_routed(task: str, expected: str) -> None:
    assert app.amqp.router.route({}, task)["queue"].name == expected


def test_a_tick_of_the_clock_expires_before_the_next() -> None:
    for entry in app.conf.beat_schedule.values():
        every = entry["schedule"]
        longest = every if isinstance(every, float) else 24 * 3600
        assert 0 < entry["options"]["expires"] <= longest


def test_a_dead_worker_s_task_goes_back() -> None:
    assert app.conf.task_acks_late
    assert app.conf.task_reject_on_worker_lost
    assert app.conf.task_ignore_result
    assert app.conf.worker_prefetch_multiplier == 1
    assert app.conf.accept_content == ["json"]


def test_a_worker_ends_itself_before_its_lease_runs_out() -> None:
    assert services.LEASE.total_seconds() > photos.TASK_SECONDS > 30


@pytest.mark.django_db
def test_photos_are_processed_and_the_next_chunk_asked_for(
    person: Person, lfw: Lfw, media: Path
) -> None:
    photo = store(person, lfw.bytes(WHO))
    photos.process.apply(args=[[str(photo.public_id)]], throw=True)
    assert Photo.objects.get().state == PhotoState.ENROLLED
    assert sent() == [queue.PROCESS_PHOTOS]
    photos.process.apply(args=[[str(photo.public_id), str(uuid4())]], throw=True)
    assert sent() == []
    assert PersonTemplate.objects.get().version == 1


def probe(gallery: Gallery, *photos: bytes) -> Batch:
    """A batch that waits."""
    return batches.receive(factories.actor(gallery, Role.VIEWER), [gallery], photos)


@pytest.mark.django_db
def test_batches_are_looked_up_and_the_next_chunk_asked_for(
    gallery: Gallery, lfw: Lfw, media: Path, indexed: str
) -> None:
    settle(gallery)
    probe(gallery, lfw.bytes(WHO))
    photos.identify.apply(throw=True)
    assert BatchItem.objects.get().state == "done"
    assert sent() == [queue.IDENTIFY_BATCHES]
    photos.identify.apply(throw=True)
    assert (sent(), Search.objects.count()) == ([], 1)


@pytest.mark.django_db
def test_photos_and_batches_have_their_turns_whatever_has_more_messages(
    person: Person, lfw: Lfw, media: Path, indexed: str
) -> None:
    settle(person.gallery)
    photo = store(person, lfw.bytes(WHO))
    probe(person.gallery, lfw.bytes(WHO))
    photos.process.apply(args=[[str(photo.public_id)]], throw=True)
    assert (Photo.objects.get().state, BatchItem.objects.get().state) == ("enrolled", "done")
    # Each asks for its own kind again, so that messages never multiply.
    assert sent() == [queue.PROCESS_PHOTOS]

    store(person, lfw.bytes(WHO, 2))
    probe(person.gallery, lfw.bytes(WHO))
    photos.identify.apply(throw=True)
    assert not Photo.objects.exclude(state="enrolled").exists()
    assert not BatchItem.objects.exclude(state="done").exists()
    assert sent() == [queue.IDENTIFY_BATCHES]


@pytest.mark.django_db
def test_the_sweeper_sends_batches_again(
    gallery: Gallery, lfw: Lfw, media: Path, indexed: str
) -> None:
    settle(gallery)
    probe(gallery, lfw.bytes(WHO))
    maintenance.sweep.apply(throw=True)
    assert sent() == [queue.IDENTIFY_BATCHES]
    batches.claim(16)
    maintenance.sweep.apply(throw=True)
    assert sent() == []
    BatchItem.objects.update(leased_until=timezone.now() - timedelta(seconds=1))
    maintenance.sweep.apply(throw=True)
    assert sent() == [queue.IDENTIFY_BATCHES]
    assert BatchItem.objects.get().state == "waiting"


@pytest.mark.django_db
def test_faces_of_another_model_are_asked_for_until_none_is_missing(
    person: Person, lfw: Lfw, media: Path
) -> None:
    store(person, lfw.bytes(WHO))
    photos.process.apply(args=[[]], throw=True)
    other = IndexGeneration.objects.create(model="none-such", server="elsewhere")
    Placement.objects.create(generation=other, gallery=person.gallery)
    sent()

    maintenance.sweep.apply(throw=True)
    # It is worth nothing when it had to wait: so it never stands in the way of enrolments.
    (message,) = messages(queue.REEMBED_PHOTOS)
    assert message["headers"]["expires"] is not None
    sent()
    while True:
        photos.give_further_faces.apply(throw=True)
        if sent() == []:
            break
    # The photo was found; that this model isn't installed is for the sweeper to repeat.
    assert MissingFaces.objects.get().attempts == 0
    maintenance.sweep.apply(throw=True)
    assert queue.REEMBED_PHOTOS in sent()


@pytest.mark.django_db
def test_templates_are_indexed(person: Person, indexed: str) -> None:
    template(person)
    settle(person.gallery)
    template(person)
    (generation,) = IndexGeneration.objects.all()
    vectors.apply.apply(args=[str(generation.public_id)], throw=True)
    assert PersonTemplate.objects.get().searchable
    vectors.apply.apply(args=[str(uuid4())], throw=True)


@about_the_embedded
@pytest.mark.django_db
def test_milvus_away_leaves_the_work_for_later(
    person: Person, indexed: str, settings: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    settle(person.gallery)
    template(person)
    (generation,) = IndexGeneration.objects.all()
    here, settings.VAR_DIR = settings.VAR_DIR, tmp_path
    vectors.apply.apply(args=[str(generation.public_id)], throw=True)
    maintenance.reconcile.apply(throw=True)
    settings.VAR_DIR = here
    assert VectorOutbox.objects.count() == 1
    waits = f"index {generation.public_id} waits for Milvus: Milvus Lite is not running"
    assert waits in caplog.text
    assert "no comparison with the index: Milvus Lite is not running" in caplog.text


@pytest.mark.django_db
def test_the_sweeper_sends_what_a_lost_broker_forgot(
    person: Person, media: Path, indexed: str
) -> None:
    settle(person.gallery)
    maintenance.sweep.apply(throw=True)
    assert sent() == []

    store(person, saved(scene(), "PNG"))
    template(person)
    maintenance.sweep.apply(throw=True)
    assert sent() == [queue.PROCESS_PHOTOS, queue.APPLY_OUTBOX]

    claim([], 16)
    settle()
    maintenance.sweep.apply(throw=True)
    assert sent() == []
    Photo.objects.update(leased_until=timezone.now() - timedelta(seconds=1))
    maintenance.sweep.apply(throw=True)
    assert sent() == [queue.PROCESS_PHOTOS]
    assert Photo.objects.get().state == PhotoState.RECEIVED

    hold([person], Held.CHECKING)
    settle()
    await_admission([person])
    sent()
    maintenance.sweep.apply(throw=True)
    assert queue.ADMIT_PEOPLE in sent()
    admitting.admit_people.apply(throw=True)
    person.refresh_from_db()
    assert person.active


@pytest.mark.django_db
def test_the_hourly_comparison_mends(
    gallery: Gallery, person: Person, indexed: str, caplog: pytest.LogCaptureFixture
) -> None:
    stored = template(person)
    settle(gallery)
    (generation,) = IndexGeneration.objects.all()
    milvus.delete(generation.collection, [stored.pk])
    maintenance.reconcile.apply(throw=True)
    assert f"{generation.collection}: 1 entries were wrong" in caplog.text
    settle()
    assert len(milvus.get(generation.collection, [stored.pk])) == 1


@pytest.mark.django_db
def test_every_night_recall_is_measured(person: Person, indexed: str) -> None:
    template(person)
    settle(person.gallery)
    maintenance.measure_recall.apply(args=[str(uuid4())], throw=True)
    assert Placement.objects.get().recall is None

    maintenance.measure_recall.apply(throw=True)

    assert Placement.objects.get().recall == 1.0


@about_the_embedded
@pytest.mark.django_db
def test_recall_waits_for_milvus(
    person: Person, indexed: str, settings: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    template(person)
    settle(person.gallery)
    milvus.drop_collection(IndexGeneration.objects.get(placement__isnull=False).collection)
    maintenance.measure_recall.apply(throw=True)  # nothing to say: the index worker fills it
    here, settings.VAR_DIR = settings.VAR_DIR, tmp_path
    maintenance.measure_recall.apply(throw=True)
    settings.VAR_DIR = here
    told = [record.getMessage() for record in caplog.records if "recall" in record.getMessage()]
    assert told[-1].startswith("recall is not measured: Milvus Lite is not running")
    assert Placement.objects.get().recall is None


@pytest.mark.django_db
def test_an_index_that_finds_too_few_is_said(
    person: Person, indexed: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    template(person)
    settle(person.gallery)
    monkeypatch.setattr(recall, "TARGET", 1.1)
    maintenance.measure_recall.apply(throw=True)
    name = IndexGeneration.objects.get(placement__isnull=False).name
    assert f"{name} finds only 100.00% of the best matches" in caplog.text


@pytest.mark.django_db
def test_every_hour_searches_are_counted(gallery: Gallery) -> None:
    log(gallery)
    for _ in range(2):
        maintenance.roll_up_searches.apply(throw=True)
    assert SearchDay.objects.get().searches == 1


@pytest.mark.django_db
def test_tidying_forgets_answers_and_removes_orphans(
    media: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    IdempotentRequest.objects.create(caller="c", key="k", fingerprint="f")
    IdempotentRequest.objects.update(created_at=timezone.now() - timedelta(days=2))
    (media / "originals").mkdir(parents=True)
    (media / "originals" / "orphan.jpg").write_bytes(b"x")
    (media / "probes").mkdir()
    (media / "probes" / "orphan.jpg").write_bytes(b"x")
    probe(GalleryFactory(), b"no photo")
    BatchItem.objects.update(finished_at=timezone.now() - timedelta(days=2))
    monkeypatch.setattr(services, "ORPHAN_AGE", timedelta(0))
    maintenance.tidy.apply(throw=True)
    assert (IdempotentRequest.objects.count(), files(media)) == (0, [])
    assert Batch.objects.count() == 0


def deadline(seconds: float, block: str) -> subprocess.CompletedProcess[str]:
    source = (
        "import time; from workers.deadline import deadline\n"
        f"with deadline({seconds}):\n    {block}\nprint('done', flush=True); {{after}}"
    )
    return subprocess.run(
        [sys.executable, "-c", source.replace("{after}", "time.sleep(0.6)")],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


@pytest.mark.parametrize("block", ["time.sleep(60)", "sum(range(10**12))"])
def test_a_worker_that_hangs_is_ended_and_says_where(block: str) -> None:
    began = time.monotonic()
    done = deadline(0.5, block)
    assert time.monotonic() - began < 15
    assert done.returncode == 1
    assert "Timeout (0:00:00.500000)!" in done.stderr
    assert 'File "<string>", line 3 in <module>' in done.stderr
    assert done.stdout == ""


def test_a_worker_in_time_is_left_alone() -> None:
    done = deadline(0.5, "pass")
    assert (done.returncode, done.stdout, done.stderr) == (0, "done\n", "")


def test_a_failure_within_the_time_is_passed_on_and_ends_the_watch() -> None:
    done = deadline(0.5, "raise SystemExit(7)")
    assert done.returncode == 7


def test_the_worker_s_command_line_finds_the_platform() -> None:
    done = subprocess.run(
        [sys.executable, "-c", "import workers.app; print(workers.app.app.main)"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stdout.strip()) == (0, "likeness"), done.stderr
