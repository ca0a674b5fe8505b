"""A gallery's index over HTTP."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from rest_framework.test import APIClient

from people.models import Gallery, Person, Role
from tests.factories import GalleryFactory, PersonFactory, template
from tests.fixtures import Client, settle
from vectors.generations import make_generation
from vectors.models import IndexGeneration, IndexSpan, Placement, VectorOutbox
from vectors.recall import tune

pytestmark = pytest.mark.django_db


def address(gallery: Gallery) -> str:
    return f"/api/v1/galleries/{gallery.public_id}/index"


@pytest.fixture
def viewer(gallery: Gallery, client_of: Client) -> APIClient:
    return client_of(gallery, Role.VIEWER)


def shown(client: APIClient, gallery: Gallery) -> dict[str, Any]:
    answer = client.get(address(gallery))
    assert answer.status_code == 200, answer.json()
    return dict(answer.json())


def test_before_the_first_enrolment_there_is_none(viewer: APIClient, gallery: Gallery) -> None:
    assert shown(viewer, gallery) == {
        "state": "none", "model": gallery.model, "index_type": "", "templates": 0, "pending": 0,
        "spans": 0, "lag_seconds": 0.0, "recall": None, "width": None, "probes": None,
        "probes_of": "", "measured_at": None, "others": [],
    }  # fmt: skip
    assert not IndexGeneration.objects.exists()  # reading makes nothing


@pytest.mark.usefixtures("indexed")
def test_a_ready_index_and_what_waits_for_it(
    viewer: APIClient, gallery: Gallery, person: Person
) -> None:
    template(person)
    settle(gallery)
    placement = Placement.objects.select_related("generation", "gallery").get(gallery=gallery)
    tune(placement)
    second = template(PersonFactory(gallery=gallery))
    IndexSpan.objects.create(
        generation=placement.generation, next_id=second.pk, last_id=second.pk + 5
    )
    ago = timezone.now() - timedelta(seconds=90)
    VectorOutbox.objects.update(dirty_since=ago)

    body = shown(viewer, gallery)

    assert 90 <= body.pop("lag_seconds") < 100
    assert body.pop("measured_at")
    assert body == {
        "state": "ready", "model": gallery.model, "index_type": "FLAT", "templates": 2,
        "pending": 1, "spans": 1, "recall": 1.0, "width": None, "probes": 1,
        "probes_of": "templates", "others": [],
    }  # fmt: skip


@pytest.mark.usefixtures("indexed")
def test_the_lag_is_that_of_the_oldest_span(viewer: APIClient, gallery: Gallery) -> None:
    settle(gallery)
    generation = IndexGeneration.objects.get(galleries=gallery)
    IndexSpan.objects.create(generation=generation, next_id=1, last_id=9)
    IndexSpan.objects.update(dirty_since=timezone.now() - timedelta(hours=1))

    assert 3600 <= shown(viewer, gallery)["lag_seconds"] < 3700


@pytest.mark.usefixtures("indexed")
def test_an_index_that_is_being_built_shows_its_progress(
    viewer: APIClient, gallery: Gallery, person: Person
) -> None:
    template(person)
    settle(gallery)
    made = make_generation(gallery.model, [gallery], takes_over=True)
    IndexGeneration.objects.filter(pk=made.pk).update(
        expected=8, written=3, problem="Two photos lack faces of it."
    )

    (other,) = shown(viewer, gallery)["others"]

    assert other.pop("created_at")
    assert other == {
        "id": str(made.public_id), "state": "building", "model": gallery.model,
        "index_type": "FLAT", "takes_over": True, "stage": "filling", "progress": 0.375,
        "verified": False,
        "problem": "Two photos lack faces of it.",
    }  # fmt: skip


@pytest.mark.usefixtures("indexed")
def test_an_older_one_that_is_kept_is_complete(viewer: APIClient, gallery: Gallery) -> None:
    settle(gallery)
    kept = make_generation(gallery.model, [gallery])
    settle()

    (other,) = shown(viewer, gallery)["others"]

    assert (other["id"], other["state"], other["progress"], other["verified"]) == (
        str(kept.public_id), "ready", 1.0, True,
    )  # fmt: skip


def test_another_tenant_s_gallery_does_not_exist(viewer: APIClient) -> None:
    for unknown in (GalleryFactory().public_id, uuid4()):
        answer = viewer.get(f"/api/v1/galleries/{unknown}/index")
        assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
    assert viewer.get("/api/v1/galleries/7/index").status_code == 404


def test_who_does_not_say_who_they_are_sees_nothing(gallery: Gallery) -> None:
    assert APIClient().get(address(gallery)).status_code == 401


@pytest.mark.parametrize("method", ["post", "put", "patch", "delete"])
def test_it_is_only_read(method: str, viewer: APIClient, gallery: Gallery) -> None:
    assert getattr(viewer, method)(address(gallery)).status_code == 405


@pytest.mark.usefixtures("indexed")
def test_it_takes_as_many_queries_for_many(viewer: APIClient, gallery: Gallery) -> None:
    def queries() -> int:
        with CaptureQueriesContext(connection) as captured:
            shown(viewer, gallery)
        return len(captured)

    settle(gallery)
    few = queries()
    for _ in range(5):
        make_generation(gallery.model, [gallery])
    for person in PersonFactory.create_batch(20, gallery=gallery):
        template(person)

    assert queries() == few
