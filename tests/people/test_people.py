"""People over HTTP, as far as no face is concerned."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from rest_framework.test import APIClient

from audit.models import AuditEntry
from common.errors import NotFound
from enrolment.services import change_person
from people.models import Gallery, Person, Role
from people.services import update_gallery
from tests.factories import SYSTEM, GalleryFactory, PersonFactory
from tests.fixtures import Client, rows

pytestmark = pytest.mark.django_db
LIST = "/api/v1/people"


def create(client: APIClient, gallery: Gallery, **fields: Any) -> Any:
    return send(client, json.dumps({"gallery": str(gallery.public_id), **fields}))


def send(client: APIClient, body: str) -> Any:
    return client.post(LIST, body, content_type="application/json")


def names(client: APIClient, query: str) -> list[str]:
    response = client.get(f"{LIST}?{query}")
    assert response.status_code == 200
    return [each["name"] for each in response.json()["results"]]


def test_a_person_needs_a_gallery_and_nothing_else(operator: APIClient, gallery: Gallery) -> None:
    response = create(operator, gallery)
    assert response.status_code == 201
    person = Person.objects.get()
    body = response.json()
    assert body.pop("created_at")
    assert body.pop("updated_at")
    assert body == {
        "id": str(person.public_id),
        "gallery": str(gallery.public_id),
        "external_id": "",
        "name": "",
        "notes": "",
        "metadata": {},
        "active": True,
        "held": "",
        "merged_into": None,
    }
    # Several people without an external id are no conflict.
    assert create(operator, gallery).status_code == 201


@pytest.mark.parametrize(
    "name",
    [
        "x" * 300,
        "مريم بنت محمد",
        "\u202eevitcepsrep\u202c",
        "José" if len("José") == 4 else "",
        "Jose\u0301",
        "../../etc/passwd",
        "<script>alert(1)</script>",
        "=1+1",
        "山田太郎 👩🏽‍🚀",
        "O'Brien; DROP TABLE people--",
    ],
)  # fmt: skip
def test_names_are_kept_as_they_are(operator: APIClient, gallery: Gallery, name: str) -> None:
    response = create(operator, gallery, name=name, external_id=name[:200])
    assert (response.status_code, response.json()["name"]) == (201, name)
    assert Person.objects.get().name == name
    there = operator.get(f"{LIST}/{response.json()['id']}")
    assert (there.json()["name"], there.json()["external_id"]) == (name, name[:200])


def test_twins_of_case_and_of_normal_form_are_both_kept(
    operator: APIClient, gallery: Gallery
) -> None:
    for external_id in ("Id", "id", "Jos\u00e9", "Jose\u0301"):
        assert create(operator, gallery, external_id=external_id).status_code == 201
    assert Person.objects.count() == 4


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"name": "x" * 301}, "name"),
        ({"name": "a\x00b"}, "name"),
        ({"name": "a\ud800b"}, "name"),
        ({"name": None}, "name"),
        ({"name": ["a"]}, "name"),
        ({"notes": "x" * 10_001}, "notes"),
        ({"notes": "\x00"}, "notes"),
        ({"external_id": "x" * 201}, "external_id"),
        ({"external_id": "\x00"}, "external_id"),
        ({"metadata": []}, "metadata"),
        ({"metadata": "text"}, "metadata"),
        ({"metadata": None}, "metadata"),
        ({"metadata": {"a": "x" * 16_384}}, "metadata"),
        ({"metadata": {"a": "\x00"}}, "metadata"),
        ({"metadata": {"\x00": 1}}, "metadata"),
        ({"metadata": {"a": "\ud800"}}, "metadata"),
        ({"metadata": json.loads('{"a": ' * 21 + "1" + "}" * 21)}, "metadata"),
    ],
)
def test_fields_that_cannot_be_kept_are_named(
    operator: APIClient, gallery: Gallery, fields: dict[str, Any], named: str
) -> None:
    before = rows()
    response = create(operator, gallery, **fields)
    assert (response.status_code, response.json()["code"]) == (400, "invalid")
    assert set(response.json()["errors"]) == {named}
    assert response.json()["detail"].startswith(f"{named}: ")
    assert rows() == before


@pytest.mark.parametrize("id_", ["no-uuid", "", None, ["x"], "../../admin"])
def test_a_gallery_is_named_by_its_id(operator: APIClient, gallery: Gallery, id_: object) -> None:
    response = send(operator, json.dumps({"gallery": id_}))
    assert (response.status_code, set(response.json()["errors"])) == (400, {"gallery"})


@pytest.mark.parametrize(
    "number", ["NaN", "Infinity", "-Infinity", "1e400", "-1e400", "[1e999]", '{"deep": 1e400}']
)
def test_numbers_that_are_none_are_refused(
    operator: APIClient, gallery: Gallery, number: str
) -> None:
    before = rows()
    body = f'{{"gallery": "{gallery.public_id}", "metadata": {{"a": {number}}}}}'
    assert send(operator, body).status_code == 400
    assert rows() == before


@pytest.mark.parametrize(
    "body",
    ["", "{", "[1, 2", '{"a": }', "\ufeff{}", "'single'", '{"a": 1}}', "[" * 50_000],
    ids=["empty", "open", "list", "no value", "mark", "quotes", "twice", "deep"],
)
def test_what_is_no_json_is_refused(operator: APIClient, gallery: Gallery, body: str) -> None:
    response = send(operator, body)
    assert response.status_code == 400
    assert response.json()["code"] in {"malformed", "invalid"}


@pytest.mark.parametrize("body", ["[]", "1", "null", '"text"', "true"])
def test_json_that_is_no_object_is_refused(
    operator: APIClient, gallery: Gallery, body: str
) -> None:
    response = send(operator, body)
    assert (response.status_code, response.json()["code"]) == (400, "invalid")


def test_bytes_that_are_no_text_are_refused(operator: APIClient, gallery: Gallery) -> None:
    response = operator.post(LIST, b'{"name": "\xff\xfe"}', content_type="application/json")
    assert (response.status_code, response.json()["code"]) == (400, "malformed")


def test_a_body_of_json_has_a_limit(operator: APIClient, gallery: Gallery) -> None:
    body = json.dumps({"gallery": str(gallery.public_id), "name": "x" * 3_000_000})
    response = send(operator, body)
    assert (response.status_code, response.json()["code"]) == (413, "too_large")
    assert Person.objects.count() == 0


def test_metadata_of_exactly_the_limit_is_kept(operator: APIClient, gallery: Gallery) -> None:
    text = "x" * (16_384 - len('{"a": ""}'))
    assert create(operator, gallery, metadata={"a": text}).status_code == 201
    assert create(operator, gallery, metadata={"a": text + "x"}).status_code == 400
    assert Person.objects.get().metadata == {"a": text}


def test_an_external_id_belongs_to_one_person_of_a_gallery(
    operator: APIClient, gallery: Gallery, client_of: Client
) -> None:
    other = GalleryFactory()
    assert create(operator, gallery, external_id="7").status_code == 201
    before = rows()
    taken = create(operator, gallery, external_id="7")
    assert (taken.status_code, taken.json()["code"]) == (409, "external_id_taken")
    assert taken.json()["detail"] == "Another person of this gallery has the external id '7'."
    assert rows() == before
    assert create(client_of(other), other, external_id="7").status_code == 201


def test_an_external_id_cannot_be_taken_from_another(operator: APIClient, gallery: Gallery) -> None:
    PersonFactory(gallery=gallery, external_id="7")
    person = PersonFactory(gallery=gallery, external_id="8", name="Old")
    before = rows()
    address = f"{LIST}/{person.public_id}"
    taken = operator.patch(address, {"external_id": "7", "name": "New"}, format="json")
    assert (taken.status_code, taken.json()["code"]) == (409, "external_id_taken")
    taken = operator.patch(address, {"external_id": "7", "active": False}, format="json")
    assert taken.status_code == 409
    assert rows() == before


def test_a_person_stays_in_the_gallery(operator: APIClient, person: Person) -> None:
    other = GalleryFactory()
    body = operator.patch(
        f"{LIST}/{person.public_id}",
        {"gallery": str(other.public_id), "id": str(other.public_id), "name": "New"},
        format="json",
    ).json()
    assert (body["gallery"], body["id"], body["name"]) == (
        str(person.gallery.public_id), str(person.public_id), "New",
    )  # fmt: skip


def test_people_are_found_by_name_and_by_external_id(operator: APIClient, gallery: Gallery) -> None:
    for name, external_id in [("Ada Lovelace", "a-1"), ("Grace Hopper", "b-2"), ("ada King", "")]:
        PersonFactory(gallery=gallery, name=name, external_id=external_id)
    PersonFactory(name="Ada of another gallery")
    assert names(operator, "search=ada") == ["ada King", "Ada Lovelace"]
    assert names(operator, "search=love ada") == ["Ada Lovelace"]
    assert names(operator, "search=b-2") == ["Grace Hopper"]
    assert names(operator, "search=%25") == []
    assert names(operator, "search=%20") == ["ada King", "Grace Hopper", "Ada Lovelace"]
    assert names(operator, "external_id=a-1") == ["Ada Lovelace"]
    assert names(operator, f"gallery={gallery.public_id}&search=hopper") == ["Grace Hopper"]


def test_people_are_filtered_by_gallery_and_by_state(
    admin_api: APIClient, gallery: Gallery
) -> None:
    PersonFactory(gallery=gallery, name="Here", active=False)
    PersonFactory(name="There")
    assert names(admin_api, f"gallery={gallery.public_id}") == ["Here"]
    assert names(admin_api, "active=true") == ["There"]
    assert names(admin_api, "active=false") == ["Here"]


@pytest.mark.parametrize("query", ["gallery=7", "external_id=%00", "search=%00"])
def test_a_filter_that_makes_no_sense_is_refused(
    operator: APIClient, person: Person, query: str
) -> None:
    response = operator.get(f"{LIST}?{query}")
    assert (response.status_code, response.json()["code"]) == (400, "invalid")


def test_a_search_of_a_thousand_words_is_refused(operator: APIClient, person: Person) -> None:
    response = operator.get(f"{LIST}?search={'a+' * 1500}")
    assert (response.status_code, response.json()["code"]) == (400, "invalid")


def test_pages_follow_each_other_while_people_come_and_go(
    operator: APIClient, gallery: Gallery
) -> None:
    people = [PersonFactory(gallery=gallery, name=f"{number}") for number in range(7)]
    first = operator.get(f"{LIST}?page_size=3").json()
    assert [each["name"] for each in first["results"]] == ["6", "5", "4"]
    assert first["previous"] is None

    PersonFactory(gallery=gallery, name="new")
    people[3].delete()
    second = operator.get(first["next"]).json()
    assert [each["name"] for each in second["results"]] == ["2", "1", "0"]
    assert second["next"] is None
    back = operator.get(second["previous"]).json()
    assert [each["name"] for each in back["results"]] == ["6", "5", "4"]


def test_a_page_has_at_most_two_hundred(operator: APIClient, gallery: Gallery) -> None:
    Person.objects.bulk_create([Person(gallery=gallery) for _ in range(201)])
    assert len(operator.get(LIST).json()["results"]) == 50
    assert len(operator.get(f"{LIST}?page_size=1000").json()["results"]) == 200
    assert len(operator.get(f"{LIST}?page_size=-1").json()["results"]) == 50


def test_a_cursor_that_is_none_is_no_page(operator: APIClient, person: Person) -> None:
    for cursor in ("x", "cD1hYmM%3D", "bz0tMQ=="):
        assert operator.get(f"{LIST}?cursor={cursor}").status_code == 404, cursor


def test_a_list_of_people_takes_the_same_queries_however_long(
    operator: APIClient, gallery: Gallery
) -> None:
    def queries() -> int:
        with CaptureQueriesContext(connection) as captured:
            assert operator.get(LIST).status_code == 200
        return len(captured)

    PersonFactory(gallery=gallery)
    few = queries()
    PersonFactory.create_batch(20, gallery=gallery)
    assert queries() == few == 3  # the key, the people, what there is of photos


def test_roles_include_those_before_them() -> None:
    assert [role.rank for role in (Role.VIEWER, Role.OPERATOR, Role.REVIEWER, Role.ADMIN)] == [
        0, 1, 2, 3,
    ]  # fmt: skip


def test_a_backslash_before_u0000_is_only_text(operator: APIClient, gallery: Gallery) -> None:
    response = create(operator, gallery, metadata={"path": "C:\\u0000"})
    assert (response.status_code, response.json()["metadata"]) == (201, {"path": "C:\\u0000"})


def test_an_edit_that_began_before_a_deactivation_does_not_undo_it(person: Person) -> None:
    stale = Person.objects.select_related("gallery").get(pk=person.pk)
    change_person(SYSTEM, person, active=False)

    changed = change_person(SYSTEM, stale, notes="x")

    assert (changed.active, changed.notes) == (False, "x")
    assert not Person.objects.get().active
    assert not AuditEntry.objects.filter(action="person.activate").exists()


def test_somebody_for_a_gallery_just_deleted_is_not_found(gallery: Gallery) -> None:
    stale = Gallery.objects.get()
    gallery.delete()
    with pytest.raises(NotFound), transaction.atomic():
        update_gallery(SYSTEM, stale, name="x")
