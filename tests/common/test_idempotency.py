"""A POST sent again under its Idempotency-Key does nothing twice."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import IntegrityError
from django.utils import timezone
from rest_framework.test import APIClient

from common import idempotency
from common.idempotency import forget_old
from common.models import IdempotentRequest
from people.models import Gallery, Person, Role
from photos.models import Photo
from tests.embedder.pictures import saved, scene
from tests.fixtures import Client, rows, upload

pytestmark = pytest.mark.django_db
PNG = saved(scene(), "PNG")


def create(client: APIClient, gallery: Gallery, key: str = "key", **fields: Any) -> Any:
    return client.post(
        "/api/v1/people",
        {"gallery": str(gallery.public_id), **fields},
        format="json",
        headers={"Idempotency-Key": key},
    )


def send(client: APIClient, person: Person, data: bytes, **fields: Any) -> Any:
    return client.post(
        "/api/v1/photos",
        {"person": str(person.public_id), "photo": upload(data), **fields},
        format="multipart",
        headers={"Idempotency-Key": "key"},
    )


def test_the_same_request_gets_the_first_answer(operator: APIClient, gallery: Gallery) -> None:
    first = create(operator, gallery, name="Ann")
    Person.objects.update(name="Changed")
    before = rows()
    again = create(operator, gallery, name="Ann")
    assert (first.status_code, again.status_code) == (201, 201)
    assert again.json() == first.json()
    assert "Idempotent-Replayed" not in first
    assert again["Idempotent-Replayed"] == "true"
    assert rows() == before


def test_the_order_of_fields_does_not_make_another_request(
    operator: APIClient, gallery: Gallery
) -> None:
    create(operator, gallery, name="Ann", notes="x")
    again = create(operator, gallery, notes="x", name="Ann")
    assert (again.status_code, Person.objects.count()) == (201, 1)


def test_an_upload_is_the_same_when_its_bytes_are(
    operator: APIClient, person: Person, media: Path
) -> None:
    first = send(operator, person, PNG)
    Photo.objects.all().delete()
    again = send(operator, person, PNG)
    assert (first.status_code, again.status_code) == (202, 202)
    assert again.json() == first.json()
    assert Photo.objects.count() == 0
    assert send(operator, person, PNG + b"x").json()["code"] == "idempotency_key_reused"
    assert send(operator, person, PNG, several_faces="central").status_code == 409


def test_another_request_under_the_key_is_a_conflict(
    operator: APIClient, gallery: Gallery, person: Person, media: Path
) -> None:
    create(operator, gallery, name="Ann")
    before = rows()
    other = create(operator, gallery, name="Bob")
    assert (other.status_code, other.json()["code"]) == (409, "idempotency_key_reused")
    assert send(operator, person, PNG).json()["code"] == "idempotency_key_reused"
    assert rows() == before


def test_keys_of_two_callers_have_nothing_to_do_with_each_other(
    operator: APIClient, gallery: Gallery, client_of: Client, admin_api: APIClient
) -> None:
    for client in (operator, client_of(gallery, Role.OPERATOR), admin_api):
        assert create(client, gallery, name="Ann").status_code == 201
    assert Person.objects.count() == 3


def test_a_request_that_failed_may_be_sent_again(operator: APIClient, gallery: Gallery) -> None:
    assert create(operator, gallery, name="x" * 301).status_code == 400
    assert IdempotentRequest.objects.count() == 0
    assert create(operator, gallery, name="Ann").status_code == 201


def under_way(operator: APIClient, gallery: Gallery) -> None:
    """As if the first request had not answered yet."""
    create(operator, gallery, name="Ann")
    IdempotentRequest.objects.update(status=None, body="")


def test_the_first_request_still_under_way_is_a_conflict(
    operator: APIClient, gallery: Gallery
) -> None:
    under_way(operator, gallery)
    again = create(operator, gallery, name="Ann")
    assert (again.status_code, again.json()["code"]) == (409, "idempotency_in_progress")
    assert again["Retry-After"] == "1"
    assert Person.objects.count() == 1


def test_a_first_request_whose_process_ended_blocks_nobody(
    operator: APIClient, gallery: Gallery
) -> None:
    under_way(operator, gallery)
    here = IdempotentRequest.objects.get().holder
    host, pid, born = here.rsplit(" ", 2)
    for alive in (here, f"elsewhere {pid} {born}", "", "?"):
        IdempotentRequest.objects.update(holder=alive)
        assert create(operator, gallery, name="Ann").status_code == 409
    for gone in (f"{host} {pid} 1.0", f"{host} 99999999 {born}"):
        IdempotentRequest.objects.update(status=None, holder=gone)
        assert create(operator, gallery, name="Ann").status_code == 201


def test_what_is_made_and_its_answer_are_one_transaction(
    operator: APIClient, gallery: Gallery, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process that dies between the two has made nothing."""

    def die(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(idempotency, "_remember", die)
    with pytest.raises(KeyboardInterrupt):
        create(operator, gallery, name="Ann")
    assert not Person.objects.exists()
    monkeypatch.undo()
    assert create(operator, gallery, name="Ann").status_code == 201


def test_a_first_request_that_died_blocks_for_two_minutes(
    operator: APIClient, gallery: Gallery
) -> None:
    under_way(operator, gallery)
    IdempotentRequest.objects.update(created_at=timezone.now() - timedelta(minutes=2, seconds=1))
    assert create(operator, gallery, name="Ann").status_code == 201
    assert (Person.objects.count(), IdempotentRequest.objects.count()) == (2, 1)


def test_a_first_request_that_fails_just_now_is_a_conflict_and_no_mistake(
    operator: APIClient, gallery: Gallery, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its row is there when the second writes its own, and gone when that reads it."""

    def too_late(**_: Any) -> None:
        raise IntegrityError

    monkeypatch.setattr(IdempotentRequest.objects, "create", too_late)
    response = create(operator, gallery, name="Ann")
    assert (response.status_code, response.json()["code"]) == (409, "idempotency_in_progress")


def test_answers_are_forgotten_after_a_day(operator: APIClient, gallery: Gallery) -> None:
    create(operator, gallery, "old", name="Ann")
    IdempotentRequest.objects.update(created_at=timezone.now() - timedelta(days=1, seconds=1))
    create(operator, gallery, "new", name="Bob")
    assert create(operator, gallery, "old", name="Ann").status_code == 201
    assert Person.objects.count() == 3
    IdempotentRequest.objects.filter(key="old").update(
        created_at=timezone.now() - timedelta(days=1, seconds=1)
    )
    assert forget_old() == 1
    assert IdempotentRequest.objects.get().key == "new"


@pytest.mark.parametrize("key", ["", "x" * 256])
def test_a_key_has_a_length(operator: APIClient, gallery: Gallery, key: str) -> None:
    response = create(operator, gallery, key, name="Ann")
    assert (response.status_code, response.json()["code"]) == (400, "invalid")
    assert response.json()["detail"] == "Idempotency-Key has 1 to 255 characters."
    assert Person.objects.count() == 0
    assert create(operator, gallery, "x" * 255, name="Ann").status_code == 201


def test_galleries_and_batches_are_remembered_too(
    admin_api: APIClient, operator: APIClient, person: Person, media: Path
) -> None:
    body = {"name": "New", "slug": "new"}
    header = {"Idempotency-Key": "key"}
    for _ in range(2):
        made = admin_api.post("/api/v1/galleries", body, format="json", headers=header)
        assert made.status_code == 201
    for _ in range(2):
        answer = operator.post(
            "/api/v1/photos/batch",
            {"person": str(person.public_id), "photos": [upload(PNG), upload(b"")]},
            format="multipart",
            headers=header,
        )
        # The second time alone would be 200: the photo was there.
        assert [each["status"] for each in answer.json()["results"]] == [202, 400]
