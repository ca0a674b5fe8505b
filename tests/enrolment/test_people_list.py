"""The list of people as the portal shows it: whom it finds, and whose face it shows."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from rest_framework.test import APIClient

from people.models import Gallery, Held, Person, Role
from photos.models import Photo, PhotoState
from tests.factories import PersonFactory, face, template
from tests.fixtures import Client

pytestmark = pytest.mark.django_db
LIST = "/api/v1/people"


def results(client: APIClient, **query: Any) -> list[dict[str, Any]]:
    answer = client.get(LIST, query)
    assert answer.status_code == 200, answer.json()
    found: list[dict[str, Any]] = answer.json()["results"]
    return found


def names(client: APIClient, **query: Any) -> set[str]:
    return {each["name"] for each in results(client, **query)}


@pytest.fixture
def all_states(gallery: Gallery) -> None:
    PersonFactory(gallery=gallery, name="active")
    PersonFactory(gallery=gallery, name="inactive", active=False)
    into = Person.objects.get(name="active")
    for held in Held.values:
        PersonFactory(
            gallery=gallery, name=held, active=False, held=held,
            merged_into=into if held == Held.MERGED else None,
        )  # fmt: skip


@pytest.mark.parametrize("state", ["active", "inactive", *Held.values])
@pytest.mark.usefixtures("all_states")
def test_each_state_is_a_filter(operator: APIClient, state: str) -> None:
    assert names(operator, state=state) == {state}


@pytest.mark.usefixtures("all_states")
def test_held_is_any_reason(operator: APIClient) -> None:
    assert names(operator, state="held") == set(Held.values)
    refused = operator.get(LIST, {"state": "gone"})
    assert (refused.status_code, list(refused.json()["errors"])) == (400, ["state"])


def test_searching_as_you_type(gallery: Gallery, operator: APIClient) -> None:
    PersonFactory(gallery=gallery, name="Mary Smith", external_id="E-0017")
    PersonFactory(gallery=gallery, name="Ann Smithers", external_id="E-0018")
    for typed, found in (
        ("s", {"Mary Smith", "Ann Smithers"}),
        ("MARY smi", {"Mary Smith"}),
        ("e-001", {"Mary Smith", "Ann Smithers"}),
        ("0018", {"Ann Smithers"}),
        ("mary 0018", set()),
    ):
        assert names(operator, search=typed) == found


def test_a_search_has_pages(gallery: Gallery, operator: APIClient) -> None:
    PersonFactory.create_batch(5, gallery=gallery)
    page = operator.get(LIST, {"search": "person", "page_size": 2}).json()
    seen = [each["id"] for each in page["results"]]
    while page["next"]:
        page = operator.get(page["next"]).json()
        seen += [each["id"] for each in page["results"]]
    assert len(seen) == len(set(seen)) == 5


def test_the_portrait_is_the_best_enrolled_face(gallery: Gallery, operator: APIClient) -> None:
    person = PersonFactory(gallery=gallery)
    fused = template(person)
    worse = face(person, 1, template=fused, quality={"score": 0.4})
    best = face(person, 2, template=fused, quality={"score": 0.9})
    face(person, 3, template=None, quality={"score": 0.99})
    face(person, 4, model="other-model", quality={"score": 1.0})
    rejected = face(person, 5, quality={"score": 1.0})
    Photo.objects.filter(pk=rejected.photo_id).update(state=PhotoState.REJECTED, code="blurred")
    nobody = PersonFactory(gallery=gallery)

    shown = {each["id"]: (each["photos"], each["portrait"]) for each in results(operator)}

    assert shown == {
        str(person.public_id): (5, str(best.public_id)),
        str(nobody.public_id): (0, None),
    }
    alone = operator.get(f"{LIST}/{person.public_id}").json()
    assert (alone["photos"], alone["portrait"]) == (5, str(best.public_id))
    assert operator.get(f"/api/v1/faces/{best.public_id}").status_code == 200
    best.delete()
    assert results(operator)[1]["portrait"] == str(worse.public_id)


def test_portraits_cost_one_query_for_all(gallery: Gallery, client_of: Client) -> None:
    client = client_of(gallery, Role.VIEWER)

    def queries() -> int:
        with CaptureQueriesContext(connection) as captured:
            results(client)
        return len(captured)

    def add(number: int, seed: int) -> None:
        for each in range(number):
            person = PersonFactory(gallery=gallery)
            face(person, seed + each, template=template(person), quality={"score": 0.5})

    add(2, 10)
    few = queries()
    add(20, 100)
    assert queries() == few
