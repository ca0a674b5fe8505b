"""What a template is made of, over HTTP."""

from __future__ import annotations

from typing import Any

import pytest
from rest_framework.test import APIClient

from enrolment.fusion import refresh_templates
from enrolment.identities import merge
from people.models import DEFAULT_MODEL, Gallery, Person, Role
from tests.factories import SYSTEM, GalleryFactory, PersonFactory, face
from tests.fixtures import Client

from .test_fusion import given

pytestmark = pytest.mark.django_db


def template_of(client: APIClient, person: Person) -> Any:
    response = client.get(f"/api/v1/people/{person.public_id}/template")
    assert response.status_code == 200
    return response.json()


@pytest.fixture
def viewer(gallery: Gallery, client_of: Client) -> APIClient:
    return client_of(gallery, Role.VIEWER)


def test_nobody_without_a_face_has_a_template(viewer: APIClient, person: Person) -> None:
    assert template_of(viewer, person) == {
        "model": DEFAULT_MODEL, "faces": 0, "searchable": False, "updated_at": None, "parts": [],
    }  # fmt: skip


def test_faces_and_what_was_brought_with_their_weights(viewer: APIClient, person: Person) -> None:
    given(person, 1, faces=3)
    other = PersonFactory(gallery=person.gallery)
    given(other, 4, faces=1)
    enrolled = face(person, 2)
    refresh_templates(person)
    merge(SYSTEM, person, other)

    body = template_of(viewer, person)

    assert body["faces"] == 5
    by_weight = sorted(body["parts"], key=lambda part: (part["weight"], part["face"] or ""))
    told = [(part["faces"], part["weight"], part["face"], part["person"]) for part in by_weight]
    assert told == [
        (1, 0.2, None, str(other.public_id)),
        (1, 0.2, str(enrolled.public_id), str(person.public_id)),
        (3, 0.6, None, str(person.public_id)),
    ]
    assert by_weight[1]["photo"] == str(enrolled.photo.public_id)
    scores = [part["score"] for part in body["parts"]]
    assert scores == sorted(scores)
    assert body["parts"][-1] == by_weight[2]  # what counts most fits best


def test_a_single_face_is_the_template(viewer: APIClient, person: Person) -> None:
    face(person, 1)
    refresh_templates(person)
    (part,) = template_of(viewer, person)["parts"]
    assert part["weight"] == 1
    assert part["score"] == pytest.approx(1)


def test_another_gallerys_is_not_there(client_of: Client, person: Person) -> None:
    stranger = client_of(GalleryFactory(), Role.ADMIN)
    assert stranger.get(f"/api/v1/people/{person.public_id}/template").status_code == 404
