"""The audit log over HTTP: for whom, how it is found, and as a file."""

from __future__ import annotations

import csv
from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from rest_framework.test import APIClient

from accounts.actors import actor_of, system
from accounts.models import User
from audit.models import AuditEntry
from audit.services import record
from people.models import Gallery, Role
from tests.factories import GalleryFactory, UserFactory, api_key
from tests.fixtures import Client, rows

pytestmark = pytest.mark.django_db
LOG = "/api/v1/audit"


def actions(client: APIClient, **query: Any) -> list[str]:
    answer = client.get(LOG, query)
    assert answer.status_code == 200, answer.json()
    return [each["action"] for each in answer.json()["results"]]


@pytest.fixture
def log(gallery: Gallery, site_admin: User) -> Gallery:
    """Entries of this gallery, of another, and of none. Returns the other."""
    other = GalleryFactory()
    record(actor_of(site_admin), "user.create", "user:7", None)
    record(system("a"), "person.create", "person:1", gallery.public_id, photos=2)
    record(system("b"), "person.erase", "person:1", gallery.public_id)
    record(system("a"), "photo.delete", "photo:2", other.public_id)
    return other


def test_a_site_administrator_sees_all_the_newest_first(
    admin_api: APIClient, site_admin: User, log: Gallery, gallery: Gallery
) -> None:
    shown = admin_api.get(LOG).json()["results"]
    assert [each["action"] for each in shown] == [
        "photo.delete", "person.erase", "person.create", "user.create",
    ]  # fmt: skip
    entry = AuditEntry.objects.get(action="person.create")
    assert admin_api.get(f"{LOG}/{entry.pk}").json() == shown[2]
    assert shown[2].pop("at")
    assert shown[2] == {
        "id": entry.pk, "actor": "system:a", "actor_name": None, "action": "person.create",
        "target": "person:1", "gallery": str(gallery.public_id), "details": {"photos": 2},
    }  # fmt: skip
    assert shown[3]["actor_name"] == site_admin.username


def test_an_administrator_sees_their_gallery_s(
    log: Gallery, gallery: Gallery, client_of: Client
) -> None:
    client = client_of(gallery, Role.ADMIN)
    assert actions(client) == ["api_key.create", "person.erase", "person.create"]
    assert actions(client, gallery=str(log.public_id)) == []
    theirs = AuditEntry.objects.get(action="photo.delete")
    assert client.get(f"{LOG}/{theirs.pk}").status_code == 404
    assert "photo.delete" not in b"".join(client.get(f"{LOG}/export")).decode()


@pytest.mark.parametrize("role", [Role.VIEWER, Role.OPERATOR, Role.REVIEWER])
@pytest.mark.parametrize("path", [LOG, f"{LOG}/export"])
def test_others_see_nothing(
    log: Gallery, gallery: Gallery, client_of: Client, role: Role, path: str
) -> None:
    answer = client_of(gallery, role).get(path)
    assert (answer.status_code, answer.json()["code"]) == (403, "role_needed")
    assert APIClient().get(path).status_code == 401


def test_finding_entries(admin_api: APIClient, log: Gallery, gallery: Gallery) -> None:
    assert actions(admin_api, actor="system:a") == ["photo.delete", "person.create"]
    assert actions(admin_api, action="person.erase") == ["person.erase"]
    assert actions(admin_api, action="person.") == ["person.erase", "person.create"]
    assert actions(admin_api, target="photo:2") == ["photo.delete"]
    assert actions(admin_api, gallery=str(gallery.public_id)) == ["person.erase", "person.create"]
    at = AuditEntry.objects.get(action="person.erase").at
    assert actions(admin_api, since=at.isoformat()) == ["photo.delete", "person.erase"]
    assert actions(admin_api, until=at.isoformat()) == ["person.create", "user.create"]
    assert actions(admin_api, since=(at + timedelta(days=1)).isoformat()) == []
    for query in ({"who": "a"}, {"since": "yesterday"}, {"gallery": "1"}):
        assert admin_api.get(LOG, query).status_code == 400


def test_it_has_pages(admin_api: APIClient, log: Gallery) -> None:
    page = admin_api.get(LOG, {"page_size": 3}).json()
    rest = admin_api.get(page["next"]).json()
    assert (len(page["results"]), len(rest["results"]), rest["next"]) == (3, 1, None)


def test_the_file_has_the_same_and_no_formula(
    admin_api: APIClient, log: Gallery, gallery: Gallery
) -> None:
    record(system("a"), "=1+1", "+2", None)
    answer = admin_api.get(f"{LOG}/export", {"actor": "system:a"})
    assert answer["Content-Type"] == "text/csv; charset=utf-8"
    assert answer["Content-Disposition"] == 'attachment; filename="audit.csv"'
    formula, photo, person = csv.DictReader(StringIO(b"".join(answer).decode()))
    assert (formula["action"], formula["target"]) == ("'=1+1", "'+2")
    assert (photo["details"], person["details"]) == ("", '{"photos": 2}')
    assert (person["target"], person["gallery"]) == ("person:1", str(gallery.public_id))


def test_it_is_only_read(admin_api: APIClient, log: Gallery) -> None:
    entry, before = AuditEntry.objects.first(), rows()
    assert entry
    assert admin_api.post(LOG, {}, format="json").status_code == 405
    assert admin_api.patch(f"{LOG}/{entry.pk}", {}, format="json").status_code == 405
    assert admin_api.delete(f"{LOG}/{entry.pk}").status_code == 405
    assert rows() == before


def test_it_takes_the_same_queries_however_long(admin_api: APIClient, gallery: Gallery) -> None:
    def queries() -> int:
        with CaptureQueriesContext(connection) as captured:
            assert admin_api.get(LOG).status_code == 200
        return len(captured)

    def add(number: int) -> None:
        for user in UserFactory.create_batch(number):
            record(actor_of(user), "x.y", "x:1", None)
            prefix = api_key(gallery, Role.VIEWER).partition(".")[0]
            record(f"api_key:{prefix}", "x.y", "x:1", None)
            record("user:nobody", "x.y", "x:1", None)

    add(2)
    few = queries()
    add(10)
    assert queries() == few == 5
