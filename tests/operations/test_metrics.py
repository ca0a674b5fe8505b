"""Figures for Prometheus: who may read them, what they say, and a part that is away."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.db import OperationalError
from django.test import Client as DjangoClient
from django.utils import timezone
from prometheus_client.parser import text_string_to_metric_families
from rest_framework.test import APIClient

from accounts.models import User
from common import queue
from imports.models import ImportJob, JobState
from operations import metrics
from operations.metrics import PlatformFigures, figures
from operations.models import CLOCK, WorkerHeartbeat
from operations.services import Sign, note_sweep, sign
from people.models import Gallery, Person
from tests.embedder.pictures import saved, scene
from tests.factories import GalleryFactory, UserFactory
from tests.fixtures import store, upload
from vectors.connection import server_label
from vectors.models import ActiveIndex, GenerationState, IndexGeneration, Placement

TOKEN = "a-token-of-the-tests"


@pytest.fixture(autouse=True)
def forget() -> Iterator[None]:
    """No figure of another test is remembered."""
    figures._until = 0.0
    yield
    figures._until = 0.0


@pytest.fixture
def token(settings: Any) -> str:
    settings.METRICS_TOKEN = TOKEN
    return TOKEN


def scrape(authorization: str = f"Bearer {TOKEN}", **headers: str) -> Any:
    return DjangoClient().get("/metrics", headers={"Authorization": authorization, **headers})


def samples(text: str) -> dict[str, float]:
    """Every sample by its name and the values of its labels, in the order of the labels' names."""

    def key(sample: Any) -> str:
        return " ".join([sample.name, *(value for _, value in sorted(sample.labels.items()))])

    families = text_string_to_metric_families(text)
    return {key(sample): sample.value for family in families for sample in family.samples}


@pytest.mark.django_db
@pytest.mark.parametrize(
    "authorization", ["", "Bearer", "Bearer ", "Bearer wrong", f"Token {TOKEN}", "Bearer \udcff"]
)
def test_others_are_refused(authorization: str, token: str) -> None:
    answer = DjangoClient().get("/metrics", HTTP_AUTHORIZATION=authorization)
    assert (answer.status_code, answer.json()["code"]) == (401, "not_authenticated")
    assert answer.headers["WWW-Authenticate"] == "Bearer"
    assert b"likeness_" not in answer.content


@pytest.mark.django_db
@pytest.mark.parametrize("authorization", ["Bearer", "Bearer ", "Bearer x"])
def test_without_a_token_no_token_fits(authorization: str) -> None:
    assert scrape(authorization).status_code == 401


@pytest.mark.django_db
def test_users_are_refused_unless_they_administer_the_site(site_admin: User) -> None:
    client = DjangoClient()
    client.force_login(UserFactory(is_staff=True))
    assert client.get("/metrics").status_code == 401
    client.force_login(site_admin)
    assert client.get("/metrics").status_code == 200


@pytest.mark.django_db
def test_prometheus_may_ask_by_any_name_of_the_server(token: str) -> None:
    answer = scrape(Host="web:8000")
    assert answer.status_code == 200
    assert answer.headers["Content-Type"].startswith("text/plain")


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("media")
def test_photos_workers_and_what_waits(token: str, person: Person) -> None:
    store(person, saved(scene(), "PNG"))
    sign(Sign("photos@here", "photos"))
    note_sweep()
    WorkerHeartbeat.objects.update(seen_at=timezone.now() - timedelta(seconds=100))

    found = samples(scrape().content.decode())

    assert found["likeness_photos received"] == 1
    assert found["likeness_photos enrolled"] == 0
    assert found["likeness_outbox_pending"] == 0
    assert found["likeness_outbox_lag_seconds"] == 0
    assert found["likeness_worker_memory_bytes photos@here"] > 50e6
    assert 100 <= found["likeness_worker_last_seen_seconds photos@here"] < 110
    assert 100 <= found["likeness_sweep_age_seconds"] < 110
    assert f"likeness_worker_memory_bytes {CLOCK}" not in found
    assert found["likeness_index_generations ready"] == 0
    assert found["likeness_index_problems"] == 0
    assert "likeness_index_recall" not in found
    assert found["likeness_drift_alarms"] == 0
    for part in ("photos", "outbox", "index", "telemetry", "queues", "workers"):
        assert found[f"likeness_scrape_error {part}"] == 0


@pytest.mark.django_db(transaction=True)
def test_imports_and_their_files_that_wait(token: str, gallery: Gallery) -> None:
    for state in (JobState.RUNNING, JobState.PAUSED):
        job = ImportJob.objects.create(gallery=gallery, state=state, source={}, layout={})
        for number, result in enumerate(("waiting", "waiting", "enrolled", "failed")):
            job.items.create(number=number, name="x", state=result)
    found = samples(scrape().content.decode())
    assert found["likeness_imports running"] == found["likeness_imports paused"] == 1
    assert found["likeness_imports done"] == 0
    assert found["likeness_import_files_waiting"] == 2
    assert found["likeness_scrape_error imports"] == 0


@pytest.mark.django_db(transaction=True)
def test_the_index_with_the_least_recall(token: str, gallery: Gallery) -> None:
    for number, found in enumerate((0.9991, 0.9876)):
        generation = IndexGeneration.objects.create(
            model="m", server=server_label(), state=GenerationState.READY, problem="no" * number
        )
        placed = gallery if number else GalleryFactory()
        ActiveIndex.objects.create(gallery=placed, generation=generation)
        Placement.objects.create(gallery=placed, generation=generation, recall=found)
    # What is kept to go back to says nothing of today's searches.
    old = IndexGeneration.objects.create(model="m", server=server_label())
    Placement.objects.create(gallery=gallery, generation=old, recall=0.1)

    found = samples(scrape().content.decode())

    assert found["likeness_index_recall"] == 0.9876
    assert found["likeness_index_problems"] == 1
    assert found["likeness_index_generations ready"] == 2
    assert found["likeness_index_generations building"] == 1


@pytest.mark.django_db
def test_messages_that_wait(token: str) -> None:
    name = "likeness_queue_length photos"
    before = samples(scrape().content.decode())[name]
    queue.enqueue(queue.PROCESS_PHOTOS, [])
    queue.enqueue(queue.PROCESS_PHOTOS, [])
    figures._until = 0.0
    assert samples(scrape().content.decode())[name] == before + 2


@pytest.mark.django_db(transaction=True)
def test_a_part_that_is_away_costs_its_own_figures(
    token: str, settings: Any, caplog: pytest.LogCaptureFixture
) -> None:
    settings.CELERY_BROKER_URL = "redis://:hunter2@127.0.0.1:1/0"
    found = samples(scrape().content.decode())
    assert found["likeness_scrape_error queues"] == 1
    assert found["likeness_scrape_error photos"] == 0
    assert "likeness_queue_length photos" not in found
    assert "hunter2" not in caplog.text


def test_figures_are_remembered_for_a_moment() -> None:
    asked = []

    def source() -> Any:
        asked.append(1)
        return [metrics._gauge("a", "b", len(asked))]

    collector = PlatformFigures({"a": source})
    for _ in range(3):
        assert [family.samples[0].value for family in collector.collect()] == [1, 0]
    collector._until = 0.0
    assert [family.samples[0].value for family in collector.collect()] == [2, 0]


def test_a_scrape_does_not_wait_for_one_that_hangs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metrics, "PATIENCE", 0.05)

    def source() -> Any:
        raise OperationalError("asked")

    collector = PlatformFigures({"a": source})
    with collector._lock:
        (family,) = collector.collect()
    assert [(each.labels, each.value) for each in family.samples] == [({"part": "a"}, 1)]
    assert list(collector.describe()) == []


@pytest.mark.django_db
def test_requests_and_lookups_are_counted(token: str, operator: APIClient) -> None:
    before = samples(scrape().content.decode())
    galleries = [each["id"] for each in operator.get("/api/v1/galleries").json()["results"]]
    for photo in (saved(scene(), "PNG"), b"x"):
        fields = {"galleries": galleries, "photo": upload(photo)}
        operator.post("/api/v1/identify", fields, format="multipart")
    after = samples(scrape().content.decode())

    def more(name: str) -> float:
        return after[name] - before.get(name, 0)

    assert more("likeness_lookups_total ok identify") == 1
    assert more("likeness_lookups_total unsupported_format identify") == 1
    assert more("likeness_lookup_stage_seconds_count identify decode") == 2
    assert more("likeness_lookup_stage_seconds_count identify detect") == 1
    answers = "django_http_responses_total_by_status_view_method_total"
    assert more(f"{answers} POST 415 identification.api.IdentifyView") == 1
    assert more(f"{answers} GET 200 gallery-list") == 1


@pytest.mark.django_db
def test_invented_methods_make_no_figures_of_their_own(token: str) -> None:
    client = DjangoClient()
    for number in range(3):
        client.generic(f"INVENTED{number}", "/api/v1/galleries")
    text = scrape().content.decode()
    assert "INVENTED" not in text
    assert 'method="<invalid method>"' in text
