"""Galleries, memberships and API keys in the admin."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.contrib.sessions.models import Session
from django.test import Client
from django.urls import reverse

from accounts.actors import actor_of
from accounts.models import ApiKey, User
from audit.models import AuditEntry
from common.errors import Forbidden, NotFound
from people.models import Gallery, Membership, Role
from people.services import grant_role, issue_api_key, revoke_role
from tests import factories
from tests.common.test_admin_site import gallery_form
from tests.factories import (
    SYSTEM,
    GalleryFactory,
    MembershipFactory,
    PersonFactory,
    UserFactory,
)
from tests.fixtures import Client as ClientOf
from tests.fixtures import rows
from tests.pages import acts, queries, signed_in, told

pytestmark = pytest.mark.django_db


@pytest.fixture
def browser(site_admin: User) -> Client:
    return signed_in(site_admin)


# --- Roles of users -------------------------------------------------------------


def test_a_role_is_given_changed_and_taken(gallery: Gallery) -> None:
    admin, user = factories.actor(gallery, Role.ADMIN), UserFactory()

    grant_role(admin, gallery, user, Role.VIEWER)
    grant_role(admin, gallery, user, Role.OPERATOR)

    assert Membership.objects.get(user=user).role == Role.OPERATOR
    revoke_role(admin, gallery, user)
    assert not Membership.objects.filter(user=user).exists()
    entries = AuditEntry.objects.order_by("id").values_list("actor", "action", "target", "details")
    assert list(entries) == [
        (str(admin), "membership.grant", f"user:{user.public_id}", {"role": "viewer"}),
        (str(admin), "membership.grant", f"user:{user.public_id}", {"role": "operator"}),
        (str(admin), "membership.revoke", f"user:{user.public_id}", {}),
    ]


@pytest.mark.parametrize("role", [Role.VIEWER, Role.OPERATOR, Role.REVIEWER])
def test_only_administrators_give_and_take_roles(gallery: Gallery, role: Role) -> None:
    member, user = factories.actor(gallery, role), UserFactory()
    before = rows()

    with pytest.raises(Forbidden):
        grant_role(member, gallery, user, Role.VIEWER)
    with pytest.raises(Forbidden):
        revoke_role(member, gallery, member.user or user)

    assert rows() == before


def test_the_administrator_of_another_gallery_gives_no_role(gallery: Gallery) -> None:
    stranger, user = factories.actor(GalleryFactory(), Role.ADMIN), UserFactory()
    before = rows()

    with pytest.raises(NotFound):
        grant_role(stranger, gallery, user, Role.VIEWER)
    with pytest.raises(NotFound):
        revoke_role(stranger, gallery, user)

    assert rows() == before


def test_taking_what_nobody_has_is_not_found(gallery: Gallery) -> None:
    before = rows()

    with pytest.raises(NotFound):
        revoke_role(SYSTEM, gallery, UserFactory())

    assert rows()["audit.AuditEntry"] == before["audit.AuditEntry"]


def test_memberships_in_the_admin(browser: Client, site_admin: User, gallery: Gallery) -> None:
    user = UserFactory()
    add = reverse("admin:people_membership_add")

    browser.post(add, {"gallery": gallery.pk, "user": user.pk, "role": "viewer"})
    member = Membership.objects.get(user=user)
    change = reverse("admin:people_membership_change", args=[member.pk])
    browser.post(change, {"gallery": 999, "user": 999, "role": "operator"})
    member.refresh_from_db()
    assert (member.gallery, member.user, member.role) == (gallery, user, "operator")
    browser.post(reverse("admin:people_membership_delete", args=[member.pk]), {"post": "yes"})

    assert not Membership.objects.exists()
    me = str(actor_of(site_admin))
    assert acts() == [
        (me, "membership.grant"),
        (me, "membership.grant"),
        (me, "membership.revoke"),
    ]


def test_a_membership_needs_a_user(browser: Client, gallery: Gallery) -> None:
    before = rows()

    answer = browser.post(
        reverse("admin:people_membership_add"), {"gallery": gallery.pk, "role": "viewer"}
    )

    assert answer.context["adminform"].form.errors == {"user": ["This field is required."]}
    assert rows() == before


def test_the_list_shows_users_only(browser: Client, gallery: Gallery) -> None:
    factories.api_key(gallery, Role.VIEWER)
    member = MembershipFactory(gallery=gallery)

    page = browser.get(reverse("admin:people_membership_changelist"))

    assert list(page.context["cl"].result_list) == [member]


def test_members_on_the_gallerys_page(browser: Client, gallery: Gallery) -> None:
    first, second = MembershipFactory(gallery=gallery), UserFactory()
    key = factories.api_key(gallery, Role.VIEWER)

    answer = browser.post(
        reverse("admin:people_gallery_change", args=[gallery.pk]),
        gallery_form(
            **{
                "name": gallery.name,
                "memberships-TOTAL_FORMS": 2,
                "memberships-INITIAL_FORMS": 1,
                "memberships-0-id": first.pk,
                "memberships-0-gallery": gallery.pk,
                "memberships-0-user": first.user.pk,
                "memberships-0-role": "viewer",
                "memberships-0-DELETE": "on",
                "memberships-1-gallery": gallery.pk,
                "memberships-1-user": second.pk,
                "memberships-1-role": "admin",
            }
        ),
    )

    assert answer.status_code == 302, answer.context["errors"]
    members = Membership.objects.filter(user__isnull=False)
    assert list(members.values_list("user", "role")) == [(second.pk, "admin")]
    assert ApiKey.objects.is_valid(key)
    assert [action for _, action in acts()] == [
        "api_key.create",
        "membership.revoke",
        "membership.grant",
    ]


# --- Galleries -------------------------------------------------------------


def test_a_gallery_is_made(browser: Client, site_admin: User) -> None:
    answer = browser.post(
        reverse("admin:people_gallery_add"),
        gallery_form(name="Main door", slug="door", several_faces="central"),
    )

    gallery = Gallery.objects.get()
    assert answer.status_code == 302
    assert (gallery.name, gallery.slug, gallery.min_face) == ("Main door", "door", 70)
    assert gallery.model == "mtcnn-dlib-resnet"
    assert Membership.objects.get().user == site_admin
    assert acts() == [(str(actor_of(site_admin)), "gallery.create")]


def test_a_gallery_takes_an_installed_model_and_no_other(browser: Client) -> None:
    page = browser.get(reverse("admin:people_gallery_add")).content.decode()
    offered = re.search(r'<select name="model".*?</select>', page, re.DOTALL)
    assert offered is not None
    found = re.findall(r'<option value="([^"]+)"( selected)?', offered[0])
    assert ("mtcnn-dlib-resnet", " selected") in found
    assert ("haar-dlib-resnet", "") in found

    form = gallery_form(name="Door", slug="door", model="mtcnn-sface")
    answer = browser.post(reverse("admin:people_gallery_add"), form)
    assert set(answer.context["adminform"].form.errors) == {"model"}
    browser.post(reverse("admin:people_gallery_add"), {**form, "model": "haar-dlib-resnet"})
    gallery = Gallery.objects.get()
    assert gallery.model == "haar-dlib-resnet"
    form = gallery_form(name="Door", model="mtcnn-dlib-resnet", min_face=99)
    browser.post(reverse("admin:people_gallery_change", args=[gallery.pk]), form)
    gallery.refresh_from_db()
    assert (gallery.model, gallery.min_face) == ("haar-dlib-resnet", 99)


def test_a_taken_slug_is_said_at_the_field(browser: Client, gallery: Gallery) -> None:
    before = rows()

    answer = browser.post(
        reverse("admin:people_gallery_add"), gallery_form(name="Other", slug=gallery.slug)
    )

    assert answer.context["adminform"].form.errors == {
        "slug": ["Gallery with this Slug already exists."]
    }
    assert rows() == before


def test_settings_change(browser: Client, gallery: Gallery) -> None:
    browser.post(
        reverse("admin:people_gallery_change", args=[gallery.pk]),
        gallery_form(name=gallery.name, slug="ignored", min_face=120),
    )

    changed = Gallery.objects.get()
    assert (changed.min_face, changed.slug) == (120, gallery.slug)
    assert AuditEntry.objects.get().details == {"fields": ["min_face"]}


def test_a_limit_left_empty_is_none(browser: Client, gallery: Gallery) -> None:
    browser.post(
        reverse("admin:people_gallery_change", args=[gallery.pk]),
        gallery_form(name=gallery.name, min_focus="", max_yaw=30),
    )

    changed = Gallery.objects.get()
    assert (changed.min_focus, changed.max_yaw, changed.min_quality) == (None, 30, 0.3)
    assert AuditEntry.objects.get().details == {"fields": ["max_yaw", "min_focus"]}


def test_nothing_changed_is_no_act(browser: Client, gallery: Gallery) -> None:
    browser.post(
        reverse("admin:people_gallery_change", args=[gallery.pk]), gallery_form(name=gallery.name)
    )

    assert acts() == []


def test_an_empty_gallery_is_deleted_after_a_question(browser: Client, gallery: Gallery) -> None:
    address = f"/admin/people/gallery/{gallery.pk}/delete-empty/"

    asked = browser.get(address)
    assert Gallery.objects.exists()
    answer = browser.post(address, {"confirmed": "yes"})

    assert f"Delete the gallery {gallery.name}?" in asked.content.decode()
    assert answer["location"] == reverse("admin:people_gallery_changelist")
    assert not Gallery.objects.exists()
    assert browser.get(address).status_code == 302


def test_a_gallery_with_people_stays(browser: Client, gallery: Gallery) -> None:
    PersonFactory(gallery=gallery)
    before = rows()

    answer = browser.post(f"/admin/people/gallery/{gallery.pk}/delete-empty/", {"confirmed": "yes"})

    assert told(answer) == ["The gallery still holds people or photos. Erase them first."]
    assert rows() == before


def test_djangos_deletion_is_off(browser: Client, gallery: Gallery) -> None:
    before = rows()

    answer = browser.post(
        reverse("admin:people_gallery_delete", args=[gallery.pk]), {"post": "yes"}
    )

    assert answer.status_code == 403
    assert rows() == before


def test_the_list_takes_as_many_queries_for_many(browser: Client) -> None:
    page = reverse("admin:people_gallery_changelist")
    with_people(3)
    few = queries(browser, page)
    with_people(27)

    assert queries(browser, page) == few
    assert browser.get(page).content.decode().count("2 people") == 30


def with_people(number: int) -> None:
    for gallery in GalleryFactory.create_batch(number):
        PersonFactory.create_batch(2, gallery=gallery)


# --- API keys -------------------------------------------------------------


def make_key(browser: Client, gallery: Gallery, **fields: str) -> Any:
    once = browser.get(reverse("admin:accounts_apikey_add")).context["form"].initial["once"]
    return browser.post(
        reverse("admin:accounts_apikey_add"),
        {"gallery": gallery.pk, "role": "operator", "name": "gate 3", "once": once, **fields},
    )


def secret_of(page: str) -> str:
    found = re.search(r'id="secret" value="([^"]+)"', page)
    assert found, page
    return found[1]


def test_a_key_is_shown_once_and_works(
    browser: Client, site_admin: User, gallery: Gallery, caplog: Any
) -> None:
    caplog.set_level("DEBUG")
    answer = make_key(browser, gallery)
    secret = secret_of(answer.content.decode())

    listed = Client().get("/api/v1/galleries", headers={"Authorization": f"Api-Key {secret}"})
    assert [each["slug"] for each in listed.json()["results"]] == [gallery.slug]
    assert "no-store" in answer["cache-control"]
    assert acts() == [(str(actor_of(site_admin)), "api_key.create")]
    for page in ("", "add/", f"{secret.partition('.')[0]}/change/"):
        assert secret not in browser.get(f"/admin/accounts/apikey/{page}").content.decode()
    sessions = [session.get_decoded() for session in Session.objects.all()]
    assert secret not in f"{sessions} {answer.cookies} {caplog.text} {rows()}"


def test_sending_the_form_again_makes_no_other_key(browser: Client, gallery: Gallery) -> None:
    first = make_key(browser, gallery)
    once = first.wsgi_request.POST["once"]
    before = rows()

    again = browser.post(
        reverse("admin:accounts_apikey_add"),
        {"gallery": gallery.pk, "role": "operator", "name": "gate 3", "once": once},
    )

    assert again["location"] == reverse("admin:accounts_apikey_changelist")
    (message,) = told(again)
    assert message.startswith("This form was used already, and a key is shown only once.")
    assert rows() == before


def test_a_wrong_form_keeps_what_was_written(browser: Client, gallery: Gallery) -> None:
    answer = make_key(browser, gallery, name="")

    assert answer.context["form"].errors == {"name": ["This field is required."]}
    assert answer.context["form"]["role"].value() == "operator"
    assert not ApiKey.objects.exists()


@pytest.mark.parametrize("by", ["page", "list"])
def test_revoking(browser: Client, gallery: Gallery, client_of: ClientOf, by: str) -> None:
    client = client_of(gallery)
    key = ApiKey.objects.get()
    address = "/admin/accounts/apikey/"
    fields = {"action": "revoke_selected", "_selected_action": key.pk}
    if by == "page":
        address, fields = f"{address}{key.prefix}/revoke/", {}

    browser.post(address, fields)
    assert client.get("/api/v1/galleries").status_code == 200
    browser.post(address, {**fields, "confirmed": "yes"})

    assert client.get("/api/v1/galleries").status_code == 401
    assert acts()[-1][1] == "api_key.revoke"


def test_a_keys_page_has_a_short_address(browser: Client, gallery: Gallery) -> None:
    issue_api_key(SYSTEM, gallery, Role.VIEWER, "gate")
    key = ApiKey.objects.get()
    listed = browser.get(reverse("admin:accounts_apikey_changelist")).content.decode()

    for address in (key.prefix, key.pk):
        page = browser.get(f"/admin/accounts/apikey/{address}/change/")
        assert f"{gallery}" in page.content.decode()
    assert f'href="/admin/accounts/apikey/{key.prefix}/change/"' in listed
    assert browser.get("/admin/accounts/apikey/nobodys/change/").status_code == 302


def test_the_list_of_keys_takes_as_many_queries_for_many(browser: Client, gallery: Gallery) -> None:
    page = reverse("admin:accounts_apikey_changelist")
    for _ in range(3):
        issue_api_key(SYSTEM, gallery, Role.VIEWER, "gate")
    few = queries(browser, page)
    for _ in range(27):
        issue_api_key(SYSTEM, GalleryFactory(), Role.VIEWER, "gate")

    assert queries(browser, page) == few


def test_the_list_of_members_takes_as_many_queries_for_many(browser: Client) -> None:
    page = reverse("admin:people_membership_changelist")
    MembershipFactory.create_batch(3)
    few = queries(browser, page)
    MembershipFactory.create_batch(27)

    assert queries(browser, page) == few
