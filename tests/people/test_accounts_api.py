"""Users, members and keys over HTTP: who may, and that a denied call changed nothing."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from rest_framework.test import APIClient

from accounts.models import ApiKey, User
from audit.models import AuditEntry
from people.models import Gallery, Membership, Role
from tests.factories import GalleryFactory, MembershipFactory, UserFactory, api_key
from tests.fixtures import Client, rows
from tests.pages import acts

pytestmark = pytest.mark.django_db
USERS, MEMBERS, KEYS = "/api/v1/users", "/api/v1/members", "/api/v1/keys"
PASSWORD = "a long one, 4 sure"


@pytest.fixture(autouse=True)
def fast_hashes(settings: Any) -> None:
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


@pytest.fixture
def admin(gallery: Gallery, client_of: Client) -> APIClient:
    return client_of(gallery, Role.ADMIN)


def code(answer: Any) -> tuple[int, str]:
    return answer.status_code, answer.json()["code"]


# --- Users ---


def test_a_user_is_made_and_changed(admin_api: APIClient, site_admin: User) -> None:
    made = admin_api.post(
        USERS, {"username": "ann", "password": PASSWORD, "first_name": "Ann"}, format="json"
    )
    ann = User.objects.get(username="ann")
    assert made.status_code == 201
    body = made.json()
    assert body.pop("created_at")
    assert body == {
        "id": str(ann.public_id), "username": "ann", "first_name": "Ann", "last_name": "",
        "email": "", "active": True, "is_site_admin": False, "last_login": None,
    }  # fmt: skip
    assert ann.check_password(PASSWORD)

    address = f"{USERS}/{ann.public_id}"
    changes = {"is_site_admin": True, "active": False, "email": "ann@example.org"}
    changed = admin_api.patch(address, changes, format="json").json()
    admin_api.patch(address, {"password": "b" + PASSWORD}, format="json")

    assert {name: changed[name] for name in changes} == changes
    assert admin_api.get(address).json() == changed
    ann.refresh_from_db()
    assert (ann.is_active, ann.is_staff, ann.is_superuser) == (False, True, True)
    assert ann.check_password("b" + PASSWORD)
    me = f"user:{site_admin.public_id}"
    assert acts() == [(me, "user.create"), (me, "user.update"), (me, "user.password")]
    assert PASSWORD not in str(list(AuditEntry.objects.values()))


def test_users_are_found(admin_api: APIClient, site_admin: User) -> None:
    UserFactory(username="ann", last_name="Lee", is_active=False)
    UserFactory(username="bob", email="bob@lee.example.org")

    def names(query: str) -> set[str]:
        return {each["username"] for each in admin_api.get(f"{USERS}?{query}").json()["results"]}

    assert names("search=lee") == {"ann", "bob"}
    assert names("search=lee&active=true") == {"bob"}
    assert names("is_site_admin=true") == {site_admin.username}
    assert code(admin_api.get(f"{USERS}?name=x")) == (400, "invalid")


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"username": "ann", "password": "12345678"}, "password"),
        ({"username": "ann lee!", "password": PASSWORD}, "username"),
        ({"username": "", "password": PASSWORD}, "username"),
        ({"username": "ann"}, "password"),
        ({"username": "a\0", "password": PASSWORD}, "username"),
    ],
)
def test_users_that_cannot_be(admin_api: APIClient, given: dict[str, str], field: str) -> None:
    before = rows()
    refused = admin_api.post(USERS, given, format="json")
    assert code(refused) == (400, "invalid")
    assert list(refused.json()["errors"]) == [field]
    assert rows() == before


def test_a_name_is_somebody_s(admin_api: APIClient) -> None:
    UserFactory(username="ann")
    before = rows()
    refused = admin_api.post(USERS, {"username": "ann", "password": PASSWORD}, format="json")
    assert code(refused) == (409, "username_taken")
    assert rows() == before


@pytest.mark.parametrize("change", [{"active": False}, {"is_site_admin": False}])
def test_the_last_site_administrator_stays(
    admin_api: APIClient, site_admin: User, change: dict[str, bool]
) -> None:
    UserFactory(is_superuser=True, is_active=False)
    address, before = f"{USERS}/{site_admin.public_id}", rows()
    assert code(admin_api.patch(address, change, format="json")) == (409, "last_site_admin")
    assert rows() == before
    UserFactory(is_superuser=True)
    assert admin_api.patch(address, change, format="json").status_code == 200


def test_who_is_deactivated_or_given_a_password_is_signed_out(
    admin_api: APIClient, gallery: Gallery
) -> None:
    for change in ({"active": False}, {"password": "b" + PASSWORD}):
        user = UserFactory()
        client = APIClient()
        client.force_login(user)
        assert client.get(KEYS).status_code == 200
        admin_api.patch(f"{USERS}/{user.public_id}", change, format="json")
        assert code(client.get(KEYS)) == (401, "not_authenticated")


def test_users_are_for_site_administrators(admin: APIClient) -> None:
    member = MembershipFactory(role=Role.ADMIN)
    session = APIClient()
    session.force_login(member.user)
    address, before = f"{USERS}/{member.user.public_id}", rows()
    for client in (admin, session):
        for answer in (
            client.get(USERS),
            client.get(address),
            client.post(USERS, {"username": "ann", "password": PASSWORD}, format="json"),
            client.patch(address, {"is_site_admin": True}, format="json"),
        ):
            assert code(answer) == (403, "role_needed")
    assert APIClient().get(USERS).status_code == 401
    assert rows() == before


# --- Members ---


def test_members_come_change_and_go(admin: APIClient, gallery: Gallery) -> None:
    user = UserFactory(username="ann", first_name="Ann", last_name="Lee")
    given = {"gallery": str(gallery.public_id), "username": "ann", "role": "viewer"}

    made = admin.post(MEMBERS, given, format="json")
    member = Membership.objects.get(user=user)
    assert (made.status_code, made.json()) == (
        201,
        {
            "id": member.pk, "gallery": str(gallery.public_id), "user": str(user.public_id),
            "username": "ann", "name": "Ann Lee", "active": True, "role": "viewer",
        },
    )  # fmt: skip
    assert code(admin.post(MEMBERS, given, format="json")) == (409, "already_member")
    address = f"{MEMBERS}/{member.pk}"
    assert admin.patch(address, {"role": "reviewer"}, format="json").json()["role"] == "reviewer"
    assert admin.get(f"{MEMBERS}?gallery={gallery.public_id}").json()["results"] == [
        admin.get(address).json()
    ]
    assert admin.delete(address).status_code == 204
    assert not Membership.objects.filter(user=user).exists()
    assert [action for _, action in acts()][1:] == [
        "membership.grant", "membership.grant", "membership.revoke",
    ]  # fmt: skip


def test_somebody_unknown_is_nobody_s_member(admin: APIClient, gallery: Gallery) -> None:
    given = {"gallery": str(gallery.public_id), "username": "nobody", "role": "viewer"}
    assert code(admin.post(MEMBERS, given, format="json")) == (422, "unknown_user")


@pytest.mark.parametrize("role", [Role.VIEWER, Role.OPERATOR, Role.REVIEWER])
def test_lesser_roles_and_other_tenants_change_nothing(
    gallery: Gallery, client_of: Client, role: Role
) -> None:
    member = MembershipFactory(gallery=gallery)
    key = api_key(gallery, Role.VIEWER).partition(".")[0]
    lesser, others = client_of(gallery, role), client_of(GalleryFactory(), Role.ADMIN)
    UserFactory(username="ann")
    new_member = {"gallery": str(gallery.public_id), "username": "ann", "role": "admin"}
    new_key = {"gallery": str(gallery.public_id), "name": "x", "role": "admin"}
    before = rows()
    for client, made in ((lesser, (403, "role_needed")), (others, (404, "not_found"))):
        assert client.get(f"{MEMBERS}?gallery={gallery.public_id}").json()["results"] == []
        assert client.get(f"{KEYS}?gallery={gallery.public_id}").json()["results"] == []
        assert code(client.post(MEMBERS, new_member, format="json")) == made
        assert code(client.post(KEYS, new_key, format="json")) == made
        address = f"{MEMBERS}/{member.pk}"
        assert code(client.patch(address, {"role": "admin"}, format="json")) == (404, "not_found")
        assert code(client.delete(address)) == (404, "not_found")
        assert code(client.delete(f"{KEYS}/{key}")) == (404, "not_found")
    assert rows() == before


# --- Keys ---


def test_a_key_is_shown_once_and_revoked(admin: APIClient, gallery: Gallery) -> None:
    expires = timezone.now() + timedelta(days=1)
    given = {"gallery": str(gallery.public_id), "role": "viewer", "name": "gate 3"}
    made = admin.post(KEYS, {**given, "expires_at": expires.isoformat()}, format="json")
    assert (made.status_code, made["Cache-Control"]) == (201, "no-store")
    body = made.json()
    secret = body.pop("secret")
    assert body == admin.get(f"{KEYS}/{body['id']}").json()
    assert secret.startswith(body["id"] + ".")
    assert {name: body[name] for name in (*given, "state")} == {**given, "state": "valid"}

    machine = APIClient()
    machine.credentials(HTTP_AUTHORIZATION=f"Api-Key {secret}")
    assert machine.get("/api/v1/galleries").status_code == 200
    assert admin.delete(f"{KEYS}/{body['id']}").status_code == 204
    assert machine.get("/api/v1/galleries").status_code == 401

    listed = admin.get(KEYS, {"state": "revoked"})
    assert [each["id"] for each in listed.json()["results"]] == [body["id"]]
    assert secret.partition(".")[2] not in listed.content.decode()
    assert [action for _, action in acts()][1:] == ["api_key.create", "api_key.revoke"]


def test_keys_have_a_state(admin: APIClient, gallery: Gallery) -> None:
    prefix = api_key(gallery, Role.VIEWER).partition(".")[0]
    ApiKey.objects.filter(prefix=prefix).update(expiry_date=timezone.now() - timedelta(seconds=1))
    states = [each["state"] for each in admin.get(KEYS).json()["results"]]
    assert states == ["expired", "valid"]
    for state in ("expired", "valid"):
        (found,) = admin.get(KEYS, {"state": state}).json()["results"]
        assert found["state"] == state
    over = {
        "gallery": str(gallery.public_id), "role": "viewer", "name": "x",
        "expires_at": "2001-01-01T00:00:00Z",
    }  # fmt: skip
    assert list(admin.post(KEYS, over, format="json").json()["errors"]) == ["expires_at"]


def test_keys_have_pages(admin: APIClient, gallery: Gallery) -> None:
    for _ in range(4):
        api_key(gallery, Role.VIEWER)
    page = admin.get(KEYS, {"page_size": 2}).json()
    seen = [each["id"] for each in page["results"]]
    while page["next"]:
        page = admin.get(page["next"]).json()
        seen += [each["id"] for each in page["results"]]
    assert len(seen) == len(set(seen)) == 5


@pytest.mark.parametrize("path", [USERS, MEMBERS, KEYS])
def test_lists_take_the_same_queries_however_long(admin_api: APIClient, path: str) -> None:
    def queries() -> int:
        with CaptureQueriesContext(connection) as captured:
            assert admin_api.get(path).status_code == 200
        return len(captured)

    def add(number: int) -> None:
        for _ in range(number):
            member = MembershipFactory()
            api_key(member.gallery, Role.VIEWER)

    add(2)
    few = queries()
    add(10)
    assert queries() == few
