"""Erasing, deactivating, and what is left of somebody."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from rest_framework.test import APIClient

from audit.models import AuditEntry
from common.errors import NotFound
from common.models import IdempotentRequest
from enrolment.models import Erasure
from enrolment.services import delete_photo, erase, set_active
from people.models import Gallery, Person, Role
from tests.conftest import Lfw
from tests.factories import SYSTEM, PersonFactory
from tests.fixtures import Client, enrol, files, process, rows, settle, store, upload
from vectors import milvus
from vectors.models import IndexGeneration, PersonTemplate, VectorOutbox

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("media")]
WHO = "Donald_Rumsfeld"


def held() -> set[int]:
    collection = IndexGeneration.objects.get().collection
    return {template for template, _ in milvus.list_entries(collection)}


def test_nothing_of_somebody_erased_is_left_but_ids(  # noqa: PLR0917 - fixtures
    gallery: Gallery, client_of: Client, lfw: Lfw, media: Path, indexed: str, committed: Any
) -> None:
    client = client_of(gallery, Role.ADMIN)
    created = client.post(
        "/api/v1/people",
        {"gallery": str(gallery.public_id), "name": "Nomen Nescio", "external_id": "ext-4711"},
        format="json",
        headers={"Idempotency-Key": "person"},
    ).json()
    for number in (1, 2):
        client.post(
            "/api/v1/photos",
            {"person": created["id"], "photo": upload(lfw.bytes(WHO, number), "nomen.jpg")},
            format="multipart",
            headers={"Idempotency-Key": f"photo {number}"},
        )
    other = PersonFactory(gallery=gallery)
    enrol(other, lfw.bytes(WHO, 3))
    settle(gallery)
    erased, kept = PersonTemplate.objects.order_by("-face_count")
    assert held() == {erased.pk, kept.pk}
    assert (IdempotentRequest.objects.count(), len(files(media))) == (3, 3)

    with committed():
        assert client.delete(f"/api/v1/people/{created['id']}").status_code == 204

    assert list(Person.objects.all()) == [other]
    assert list(PersonTemplate.objects.all()) == [kept]
    assert (IdempotentRequest.objects.count(), len(files(media))) == (0, 1)
    assert VectorOutbox.objects.get().template_id == erased.pk
    settle()
    assert held() == {kept.pk}

    ledger = Erasure.objects.get()
    assert (str(ledger.person), ledger.gallery) == (created["id"], gallery.public_id)
    assert (ledger.photos, ledger.templates, ledger.template_ids) == (2, 1, [erased.pk])
    assert ledger.actor.startswith("api_key:")
    everything = str(rows())
    assert [word for word in ("Nomen", "nomen", "4711") if word in everything] == []
    last = AuditEntry.objects.order_by("id").last()
    assert last is not None
    assert (last.action, last.target, last.details) == (
        "person.erase", f"person:{created['id']}", {},
    )  # fmt: skip
    assert client.get(f"/api/v1/people/{created['id']}").status_code == 404


def test_a_second_click_on_erase_finds_nobody(gallery: Gallery, person: Person) -> None:
    stale = Person.objects.select_related("gallery").get()
    erase(SYSTEM, person)
    before = rows()
    with pytest.raises(NotFound):
        erase(SYSTEM, stale)
    with pytest.raises(NotFound):
        set_active(SYSTEM, stale, active=False)
    assert rows() == before


def test_a_photo_whose_person_was_just_erased_is_not_found(person: Person, lfw: Lfw) -> None:
    photo = store(person, lfw.bytes(WHO))
    stale = type(photo).objects.select_related("person__gallery", "gallery").get()
    erase(SYSTEM, person)
    with pytest.raises(NotFound):
        delete_photo(SYSTEM, stale)


def test_erasing_somebody_without_a_photo(gallery: Gallery, person: Person) -> None:
    erasure = erase(SYSTEM, person)
    assert (erasure.photos, erasure.templates, erasure.template_ids) == (0, 0, [])
    assert str(erasure).startswith(f"person {erasure.person} at 20")


def test_who_is_deactivated_leaves_the_index_and_comes_back(
    operator: APIClient, gallery: Gallery, person: Person, lfw: Lfw, indexed: str
) -> None:
    enrol(person, lfw.bytes(WHO))
    settle(gallery)
    template = PersonTemplate.objects.get()
    address = f"/api/v1/people/{person.public_id}"
    for active, expected in [(False, set()), (True, {template.pk})]:
        body = operator.patch(address, {"active": active}, format="json").json()
        assert body["active"] is active
        settle()
        assert held() == expected
    assert PersonTemplate.objects.get().face_count == 1


def test_a_photo_of_somebody_inactive_is_enrolled_and_not_found(
    gallery: Gallery, person: Person, lfw: Lfw, indexed: str
) -> None:
    set_active(SYSTEM, person, active=False)
    store(person, lfw.bytes(WHO))
    process()
    settle(gallery)
    assert not PersonTemplate.objects.get().searchable
    assert held() == set()


def test_photos_show_whether_searches_find_them(
    operator: APIClient, gallery: Gallery, person: Person, lfw: Lfw, indexed: str
) -> None:
    (photo,) = enrol(person, lfw.bytes(WHO))
    address = f"/api/v1/photos/{photo.public_id}"
    assert operator.get(address).json()["searchable"] is False
    settle(gallery)
    assert operator.get(address).json()["searchable"] is True
