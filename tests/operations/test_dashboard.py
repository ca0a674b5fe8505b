"""The portal's first page: what each caller sees of it; a part that fails stops no other."""

from __future__ import annotations

import time
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from rest_framework.test import APIClient

from identification.models import SearchDay
from operations import dashboard
from operations.dashboard import Board, Disk, Sizes
from operations.models import WorkerHeartbeat
from operations.parts import Check, ok
from people.models import Gallery, Role
from photos.models import PhotoState
from tests.factories import GalleryFactory, PersonFactory, template
from tests.fixtures import Client
from vectors.generations import ensure_active_index
from vectors.models import IndexGeneration, Placement, VectorOutbox

pytestmark = pytest.mark.django_db
PAGE = "/api/v1/dashboard"
NONE = {"match": 0, "review": 0, "no_match": 0, "poor_quality": 0, "none": 0}


@pytest.fixture(autouse=True)
def quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is asked of servers, and no size of another test is remembered."""
    monkeypatch.setattr(dashboard, "_sizes", Sizes())
    monkeypatch.setattr(
        dashboard, "board", Board([Check("database", lambda: ok("database", "answers"))], figures())
    )


def figures(**changed: Any) -> dict[str, Any]:
    return {
        "queues": lambda: {"photos": 3},
        "photos": lambda: {"received": 2, "processing": 1},
        "workers": list,
        "disks": lambda: [Disk("data", 5, 9)],
        **changed,
    }


def show(client: APIClient) -> Any:
    answer = client.get(PAGE)
    assert answer.status_code == 200
    assert answer["Cache-Control"] == "no-store"
    return answer.json()


def counted(gallery: Gallery, days_ago: int, **fields: Any) -> None:
    SearchDay.objects.create(
        gallery=gallery, day=timezone.now().date() - timedelta(days=days_ago),
        model=gallery.model, counted_at=timezone.now(), **fields,
    )  # fmt: skip


def test_a_gallery_s_figures(gallery: Gallery, client_of: Client, indexed: str) -> None:
    person = PersonFactory(gallery=gallery)
    PersonFactory(gallery=gallery, active=False)
    generation = ensure_active_index(gallery)
    template(person)
    now = timezone.now()
    VectorOutbox.objects.update(dirty_since=now - timedelta(seconds=90))
    Placement.objects.filter(gallery=gallery).update(recall=0.9995, measured_at=now)
    IndexGeneration.objects.filter(pk=generation.pk).update(reconciled_at=now, reconciled_wrong=2)
    counted(gallery, 0, searches=3, others=1, faces=5, decisions={"match": 4, "none": 1})
    counted(gallery, 0, calibration="another", searches=1, faces=1, decisions={"match": 1})
    counted(gallery, 13, searches=2, faces=2, decisions={"review": 2})
    counted(gallery, 14, searches=9, faces=9)

    (shown,) = show(client_of(gallery, Role.REVIEWER))["galleries"]

    index, lookups = shown.pop("index"), shown.pop("lookups")
    assert shown == {
        "id": str(gallery.public_id), "name": gallery.name, "role": "reviewer",
        "model": gallery.model, "people": 2, "templates": 1, "open_reviews": 0,
        "running_imports": 0,
    }  # fmt: skip
    assert (index["state"], index["pending"], index["recall"], index["wrong"]) == (
        generation.state, 1, 0.9995, 2,
    )  # fmt: skip
    assert 89 <= index["lag_seconds"] <= 150
    assert index["measured_at"]
    assert index["reconciled_at"]
    assert len(lookups) == 14
    assert lookups[0] == {
        "day": str(timezone.now().date() - timedelta(days=13)), "searches": 2, "faces": 2,
        "decisions": {**NONE, "review": 2},
    }  # fmt: skip
    assert (lookups[13]["searches"], lookups[13]["faces"]) == (5, 6)
    assert lookups[13]["decisions"] == {**NONE, "match": 5, "none": 1}


@pytest.mark.parametrize("role", list(Role))
def test_a_role_sees_what_its_pages_show(gallery: Gallery, client_of: Client, role: Role) -> None:
    GalleryFactory()
    shown = show(client_of(gallery, role))
    (figures,) = shown["galleries"]
    assert shown["installation"] is None
    assert figures["index"]["state"] == "none"
    assert (figures["running_imports"] is None) == (role == Role.VIEWER)
    reviews = role in (Role.REVIEWER, Role.ADMIN)
    assert (figures["open_reviews"] is not None, figures["lookups"] is not None) == (reviews,) * 2


def test_nobody_sees_anything() -> None:
    assert APIClient().get(PAGE).status_code == 401


def test_the_installation_is_for_site_administrators(admin_api: APIClient) -> None:
    assert show(admin_api) == {
        "galleries": [],
        "installation": {
            "parts": [
                {"name": "database", "state": "ok", "detail": "answers", "remedy": ""},
            ],
            "queues": {"photos": 3},
            "photos": {"received": 2, "processing": 1},
            "workers": [],
            "disks": [{"holds": "data", "free_bytes": 5, "total_bytes": 9}],
        },
    }  # fmt: skip


def test_a_part_that_fails_or_hangs_says_so_and_stops_no_other(
    admin_api: APIClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken() -> Any:
        raise RuntimeError("a secret")

    monkeypatch.setattr(dashboard, "PATIENCE", 0.3)
    checks = [
        Check("a", broken),
        Check("b", lambda: time.sleep(2)),  # type: ignore[arg-type,return-value]
        Check("c", lambda: ok("c", "well")),
    ]
    board = Board(checks, figures(queues=broken, disks=lambda: time.sleep(2)))
    monkeypatch.setattr(dashboard, "board", board)

    began = time.monotonic()
    shown = show(admin_api)["installation"]

    assert time.monotonic() - began < 1.5
    assert [each["state"] for each in shown["parts"]] == ["failed", "failed", "ok"]
    assert "secret" not in str(shown)
    assert (shown["queues"], shown["disks"]) == (None, None)
    assert shown["photos"] == {"received": 2, "processing": 1}


def test_it_is_remembered_for_a_moment(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []
    board = Board([], figures(queues=lambda: asked.append(1)))
    for _ in range(3):
        board.installation()
    assert asked == [1]


def test_galleries_take_the_same_queries_however_many(admin_api: APIClient) -> None:
    def queries() -> int:
        with CaptureQueriesContext(connection) as captured:
            show(admin_api)
        return len(captured)

    GalleryFactory()
    few = queries()
    GalleryFactory.create_batch(12)
    assert queries() == few <= 13


def test_the_real_figures() -> None:
    WorkerHeartbeat.objects.create(
        name="photos", queues="photos", pid=1, rss_bytes=1, peak_bytes=1,
        started_at=timezone.now(), seen_at=timezone.now(),
    )  # fmt: skip
    assert [each.name for each in dashboard._workers()] == ["photos"]
    assert dashboard._photos() == {PhotoState.RECEIVED: 0, PhotoState.PROCESSING: 0}
    (disk, *_) = dashboard._disks()
    assert 0 < disk.free_bytes < disk.total_bytes
