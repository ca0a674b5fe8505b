"""Galleries over HTTP."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction
from django.test.utils import CaptureQueriesContext
from rest_framework.test import APIClient

from embedder.gates import Gates
from people.models import Gallery, Membership, Role
from tests.factories import GalleryFactory, PersonFactory
from tests.fixtures import Client, rows

pytestmark = pytest.mark.django_db
LIST = "/api/v1/galleries"


def test_a_gallery_begins_with_the_defaults(admin_api: APIClient) -> None:
    response = admin_api.post(LIST, {"name": "Staff", "slug": "staff"}, format="json")
    assert response.status_code == 201
    gallery = Gallery.objects.get()
    body = response.json()
    assert body.pop("created_at")
    assert body.pop("updated_at")
    assert body == {
        "id": str(gallery.public_id),
        "name": "Staff",
        "slug": "staff",
        "description": "",
        "model": "mtcnn-dlib-resnet",
        "min_face": 100,
        "several_faces": "reject",
        "min_quality": 0.3,
        "min_focus": 0.35,
        "max_yaw": 45.0,
        "min_brightness": 0.08,
        "max_brightness": 0.92,
        "min_contrast": 0.02,
    }
    assert Membership.objects.get().role == Role.ADMIN
    assert admin_api.get(f"{LIST}/{gallery.public_id}").json()["slug"] == "staff"


def test_a_taken_slug_is_a_conflict(admin_api: APIClient, gallery: Gallery) -> None:
    before = rows()
    response = admin_api.post(LIST, {"name": "Other", "slug": gallery.slug}, format="json")
    assert (response.status_code, response.json()["code"]) == (409, "slug_taken")
    assert response.json()["detail"] == f"Another gallery has the slug '{gallery.slug}'."
    assert rows() == before


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({}, {"name", "slug"}),
        ({"name": "", "slug": "a"}, {"name"}),
        ({"name": "x" * 201, "slug": "a"}, {"name"}),
        ({"name": "a\x00b", "slug": "a"}, {"name"}),
        ({"name": "a", "slug": "with space"}, {"slug"}),
        ({"name": "a", "slug": "ümlaut"}, {"slug"}),
        ({"name": "a", "slug": "x" * 81}, {"slug"}),
        ({"name": "a", "slug": "a", "min_face": 19}, {"min_face"}),
        ({"name": "a", "slug": "a", "min_face": 2001}, {"min_face"}),
        ({"name": "a", "slug": "a", "min_face": "wide"}, {"min_face"}),
        ({"name": "a", "slug": "a", "min_face": None}, {"min_face"}),
        ({"name": "a", "slug": "a", "several_faces": "all"}, {"several_faces"}),
        ({"name": "a", "slug": "a", "min_quality": -0.01}, {"min_quality"}),
        ({"name": "a", "slug": "a", "min_focus": 1.01}, {"min_focus"}),
        ({"name": "a", "slug": "a", "min_focus": "nan"}, {"min_focus"}),
        ({"name": "a", "slug": "a", "min_contrast": "sharp"}, {"min_contrast"}),
        ({"name": "a", "slug": "a", "max_yaw": 0.9}, {"max_yaw"}),
        ({"name": "a", "slug": "a", "max_yaw": 91}, {"max_yaw"}),
        (
            {"name": "a", "slug": "a", "min_brightness": 2, "max_brightness": 2},
            {"min_brightness", "max_brightness"},
        ),
    ],
)
def test_fields_out_of_range_are_named(
    admin_api: APIClient, fields: dict[str, Any], named: set[str]
) -> None:
    before = rows()
    response = admin_api.post(LIST, fields, format="json")
    assert (response.status_code, response.json()["code"]) == (400, "invalid")
    assert set(response.json()["errors"]) == named
    assert rows() == before


def test_ranges_are_said(admin_api: APIClient) -> None:
    body = {"name": "a", "slug": "a", "min_face": 5000}
    detail = admin_api.post(LIST, body, format="json").json()["detail"]
    assert detail == "min_face: Ensure this value is less than or equal to 2000."


def test_settings_change_and_slug_and_model_do_not(admin_api: APIClient, gallery: Gallery) -> None:
    changes = {
        "name": "New", "min_face": 20, "several_faces": "largest", "slug": "other", "model": "x",
    }  # fmt: skip
    body = admin_api.patch(f"{LIST}/{gallery.public_id}", changes, format="json").json()
    assert (body["name"], body["min_face"], body["several_faces"]) == ("New", 20, "largest")
    assert (body["slug"], body["model"]) == (gallery.slug, "mtcnn-dlib-resnet")


def test_a_limit_of_quality_changes_and_goes(admin_api: APIClient, gallery: Gallery) -> None:
    changes = {"max_yaw": 30, "min_quality": 0, "min_focus": None}
    body = admin_api.patch(f"{LIST}/{gallery.public_id}", changes, format="json").json()
    assert (body["max_yaw"], body["min_quality"], body["min_focus"]) == (30, 0, None)
    gallery.refresh_from_db()
    assert gallery.gates == Gates(min_face=70, max_yaw=30, min_quality=0, min_focus=None)


@pytest.mark.parametrize("value", [-0.1, 1.1, float("inf")])
def test_the_database_keeps_limits_in_their_range(gallery: Gallery, value: float) -> None:
    with pytest.raises(IntegrityError), transaction.atomic():
        Gallery.objects.update(min_contrast=value)


def test_a_gallery_is_deleted_once_it_is_empty(admin_api: APIClient, gallery: Gallery) -> None:
    person = PersonFactory(gallery=gallery)
    before = rows()
    refused = admin_api.delete(f"{LIST}/{gallery.public_id}")
    assert (refused.status_code, refused.json()["code"]) == (409, "gallery_not_empty")
    assert rows() == before

    person.delete()
    assert admin_api.delete(f"{LIST}/{gallery.public_id}").status_code == 204
    assert Gallery.objects.count() == 0
    assert admin_api.delete(f"{LIST}/{gallery.public_id}").status_code == 404


def test_a_list_of_galleries_takes_the_same_queries_however_long(
    gallery: Gallery, client_of: Client, admin_api: APIClient
) -> None:
    def queries(client: APIClient) -> int:
        with CaptureQueriesContext(
            connection,
        ) as captured:
            assert client.get(LIST).status_code == 200
        return len(captured)

    machine = client_of(gallery, Role.VIEWER)
    few = queries(machine), queries(admin_api)
    GalleryFactory.create_batch(5)
    assert (queries(machine), queries(admin_api)) == few == (2, 3)


@pytest.mark.parametrize("method", ["put", "post", "trace"])
def test_other_methods_are_not_there(admin_api: APIClient, gallery: Gallery, method: str) -> None:
    response = admin_api.generic(method.upper(), f"{LIST}/{gallery.public_id}")
    assert (response.status_code, response.json()["code"]) == (405, "method_not_allowed")
