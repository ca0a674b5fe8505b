"""Machines show a key, people sign in."""

from __future__ import annotations

from datetime import timedelta
from io import StringIO

import pytest
from django.contrib.auth import authenticate
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import call_command
from django.core.management.base import CommandError
from django.test import RequestFactory
from django.utils import timezone
from rest_framework.exceptions import NotAuthenticated
from rest_framework.test import APIClient

from accounts.actors import actor_of, system
from accounts.models import ApiKey, User
from accounts.services import create_first_administrator
from audit.models import AuditEntry
from people.models import Gallery, Membership, Role
from tests.factories import GalleryFactory, MembershipFactory, UserFactory, api_key
from tests.fixtures import rows

pytestmark = pytest.mark.django_db
LIST = "/api/v1/galleries"


def with_key(secret: str) -> APIClient:
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION=f"Api-Key {secret}")
    return client


def test_a_key_is_kept_as_a_hash(gallery: Gallery) -> None:
    secret = api_key(gallery, Role.VIEWER)
    key = ApiKey.objects.get()
    prefix, _, rest = secret.partition(".")
    assert key.prefix == prefix
    assert rest not in key.hashed_key
    assert rest not in key.pk
    assert [rest in str(row) for table in rows().values() for row in table].count(True) == 0


def test_a_key_opens_its_gallery_alone(gallery: Gallery) -> None:
    GalleryFactory()
    answer = with_key(api_key(gallery, Role.VIEWER)).get(LIST)
    assert [each["id"] for each in answer.json()["results"]] == [str(gallery.public_id)]


@pytest.mark.parametrize(
    ("change", "detail"),
    [
        ({"revoked": True}, "The API key is unknown or revoked."),
        ({"expiry_date": timezone.now() - timedelta(seconds=1)}, "The API key has expired."),
    ],
)
def test_a_key_that_was_taken_back_opens_nothing(
    gallery: Gallery, change: dict[str, object], detail: str
) -> None:
    client = with_key(api_key(gallery, Role.ADMIN))
    ApiKey.objects.update(**change)
    response = client.get(LIST)
    assert response.status_code == 401
    assert response["WWW-Authenticate"] == "Api-Key"
    assert (response.json()["code"], response.json()["detail"]) == ("authentication_failed", detail)


@pytest.mark.parametrize("secret", ["", "x", "x.y", "a.b.c", ".", "\x00", "\xff", "x" * 5000])
def test_a_wrong_key_is_refused(gallery: Gallery, secret: str) -> None:
    api_key(gallery, Role.ADMIN)
    response = with_key(secret).get(LIST)
    assert (response.status_code, response.json()["code"]) == (401, "authentication_failed")


@pytest.mark.parametrize("header", ["Bearer abc", "aBcDeF.secret"])
def test_a_header_of_another_kind_is_told_how_to_write_it(gallery: Gallery, header: str) -> None:
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION=header)
    response = client.get(LIST)
    assert (response.status_code, response.json()["detail"]) == (
        401,
        "Write the header as: Authorization: Api-Key YOUR-KEY",
    )


def test_a_key_s_secret_under_another_prefix_is_refused(gallery: Gallery) -> None:
    one, other = api_key(gallery, Role.VIEWER), api_key(gallery, Role.ADMIN)
    mixed = f"{other.partition('.')[0]}.{one.partition('.')[2]}"
    assert with_key(mixed).get(LIST).status_code == 401


def test_a_deleted_gallery_takes_its_keys_with_it(admin_api: APIClient, gallery: Gallery) -> None:
    client = with_key(api_key(gallery, Role.ADMIN))
    assert admin_api.delete(f"{LIST}/{gallery.public_id}").status_code == 204
    assert ApiKey.objects.count() == 0
    assert client.get(LIST).status_code == 401


def test_a_session_reads_and_needs_a_token_to_write(gallery: Gallery) -> None:
    user = MembershipFactory(gallery=gallery, role=Role.ADMIN).user
    client = APIClient(enforce_csrf_checks=True)
    client.force_login(user)
    address = f"{LIST}/{gallery.public_id}"
    before = rows()

    assert client.get(address).status_code == 200
    refused = client.patch(address, {"name": "Forged"}, format="json")
    assert (refused.status_code, refused.json()["code"]) == (403, "csrf_failed")
    assert rows() == before

    client.cookies["csrftoken"] = "t" * 32
    accepted = client.patch(address, {"name": "Real"}, format="json", HTTP_X_CSRFTOKEN="t" * 32)
    assert (accepted.status_code, accepted.json()["name"]) == (200, "Real")


def test_a_key_needs_no_token(gallery: Gallery) -> None:
    client = APIClient(enforce_csrf_checks=True)
    client.credentials(HTTP_AUTHORIZATION=f"Api-Key {api_key(gallery, Role.ADMIN)}")
    address = f"{LIST}/{gallery.public_id}"
    assert client.patch(address, {"name": "New"}, format="json").status_code == 200


def test_a_user_who_was_shut_out_has_no_session(gallery: Gallery) -> None:
    user = MembershipFactory(gallery=gallery, role=Role.ADMIN).user
    client = APIClient()
    client.force_login(user)
    User.objects.filter(pk=user.pk).update(is_active=False)
    assert client.get(LIST).status_code == 401


def test_a_role_that_was_taken_back_ends_at_once(gallery: Gallery) -> None:
    member = MembershipFactory(gallery=gallery, role=Role.ADMIN)
    client = APIClient()
    client.force_login(member.user)
    assert client.get(f"{LIST}/{gallery.public_id}").status_code == 200
    Membership.objects.all().delete()
    assert client.get(f"{LIST}/{gallery.public_id}").status_code == 404


def test_actors_are_written_by_id() -> None:
    user = UserFactory()
    assert str(actor_of(user)) == f"user:{user.public_id}"
    assert str(system("sweeper")) == "system:sweeper"
    from django.contrib.auth.models import AnonymousUser

    with pytest.raises(NotAuthenticated):
        actor_of(AnonymousUser())


def test_the_first_administrator_is_made_once() -> None:
    password = create_first_administrator(system("test"))
    (user,) = User.objects.all()
    assert password is not None
    assert user.check_password(password)
    assert (user.username, user.is_superuser, user.is_staff) == ("admin", True, True)
    assert create_first_administrator(system("test")) is None
    (entry,) = AuditEntry.objects.all()
    assert (entry.actor, entry.action, entry.target) == (
        "system:test", "user.create", f"user:{user.public_id}",
    )  # fmt: skip


def test_the_command_prints_a_key_that_works(gallery: Gallery) -> None:
    out = StringIO()
    call_command("api_key", gallery.slug, "--role", "viewer", stdout=out)
    assert with_key(out.getvalue().strip()).get(LIST).status_code == 200
    entry = AuditEntry.objects.get()
    assert (entry.actor, entry.action) == ("system:command-line", "api_key.create")
    assert entry.details == {"role": "viewer"}


def test_the_command_names_the_galleries_there_are(gallery: Gallery) -> None:
    with pytest.raises(CommandError) as caught:
        call_command("api_key", "nowhere")
    assert str(caught.value) == (
        f"There is no gallery with the slug 'nowhere'. There are: {gallery.slug}."
    )
    Gallery.objects.all().delete()
    with pytest.raises(CommandError, match=r"There are: none yet\.$"):
        call_command("api_key", "nowhere")


@pytest.mark.parametrize("page", ["", "people/person/", "people/gallery/", "people/membership/",
    "accounts/user/", "audit/auditentry/", "photos/photo/", "vectors/indexgeneration/",
    "vectors/vectoroutbox/", "enrolment/erasure/"])  # fmt: skip
def test_the_admin_pages_open_for_a_site_administrator(
    admin_api: APIClient, gallery: Gallery, page: str
) -> None:
    assert admin_api.get(f"/admin/{page}").status_code == 200
    assert APIClient().get(f"/admin/{page}").status_code == 302


def test_the_first_start_makes_an_administrator_and_a_gallery() -> None:
    out = StringIO()
    call_command("bootstrap", stdout=out)
    gallery = Gallery.objects.get()
    assert (gallery.slug, gallery.active_index.generation.state) == ("main", "building")
    password = out.getvalue().partition("Password:")[2].split()[0]
    assert authenticate(RequestFactory().post("/"), username="admin", password=password)
    again = StringIO()
    call_command("bootstrap", stdout=again)
    assert (again.getvalue(), Gallery.objects.count(), User.objects.count()) == ("", 1, 1)


def test_keys_are_listed_and_revoked(gallery: Gallery) -> None:
    secret = api_key(gallery, Role.OPERATOR)
    prefix = secret.partition(".")[0]
    out = StringIO()
    call_command("api_key", gallery.slug, "--list", stdout=out)
    assert out.getvalue().split()[:2] == [prefix, "operator"]

    call_command("api_key", gallery.slug, "--revoke", prefix, stdout=out)
    assert with_key(secret).get(LIST).status_code == 401
    assert AuditEntry.objects.filter(action="api_key.revoke", target=f"api_key:{prefix}").exists()
    with pytest.raises(CommandError, match=r"no such key; --list shows them"):
        call_command("api_key", GalleryFactory().slug, "--revoke", prefix)


@pytest.mark.parametrize("path", ["verify", "detect"])
def test_who_has_a_role_nowhere_looks_at_no_face(path: str) -> None:
    client = APIClient()
    client.force_login(UserFactory())
    form = {name: SimpleUploadedFile("x.jpg", b"x") for name in ("photo", "first", "second")}
    response = client.post(f"/api/v1/{path}", form, format="multipart")
    assert (response.status_code, response.json()["code"]) == (403, "role_needed")


def test_a_form_that_is_too_large_is_refused_by_pages_too() -> None:
    client = APIClient(enforce_csrf_checks=True)
    client.cookies["csrftoken"] = "a" * 32
    form = {"file": SimpleUploadedFile("x.jpg", bytes(16 * 1024 * 1024))}
    response = client.post("/admin/login/", form, format="multipart")
    assert (response.status_code, response.json()["code"]) == (413, "too_large")
