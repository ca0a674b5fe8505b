"""Who may enter the admin, and that each of its pages opens."""

from __future__ import annotations

import pytest
from django.contrib import admin
from django.contrib.admin.models import LogEntry
from django.test import Client
from django.urls import reverse

from accounts.models import User
from people.models import Gallery, Person, Role
from tests.factories import GalleryFactory, MembershipFactory, PersonFactory, UserFactory
from tests.fixtures import rows
from tests.pages import signed_in

pytestmark = pytest.mark.django_db


def lists() -> list[str]:
    return [
        reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")
        for model in admin.site._registry
    ]


@pytest.fixture
def browser(site_admin: User) -> Client:
    return signed_in(site_admin)


@pytest.mark.parametrize("status", [{"is_staff": True}, {"is_staff": False}])
def test_only_site_administrators_enter(
    gallery: Gallery, person: Person, status: dict[str, bool]
) -> None:
    user = UserFactory(**status)
    MembershipFactory(gallery=gallery, user=user, role=Role.ADMIN)
    client = signed_in(user)
    before = rows()

    for page in [reverse("admin:index"), *lists()]:
        answer = client.get(page)
        assert (answer.status_code, answer["location"]) == (
            302,
            f"{reverse('admin:login')}?next={page}",
        )
    page = f"/admin/people/person/{person.pk}"
    for address in (
        f"{page}/change/",
        f"{page}/cards/",
        f"{page}/erase/",
        reverse("admin:people_gallery_add"),
        reverse("admin:accounts_apikey_add"),
    ):
        answer = client.post(address, {"confirmed": "yes", "name": "changed"})
        assert answer.status_code == 302, address
        assert answer["location"].startswith(reverse("admin:login"))

    assert rows() == before


def test_an_inactive_administrator_does_not_enter(site_admin: User, browser: Client) -> None:
    User.objects.filter(pk=site_admin.pk).update(is_active=False)

    assert browser.get(reverse("admin:index")).status_code == 302


def test_every_list_opens(browser: Client, person: Person) -> None:
    for page in [reverse("admin:index"), *lists()]:
        assert browser.get(page).status_code == 200, page


def test_every_list_searches_for_anything(browser: Client) -> None:
    for page in lists():
        for words in ("ann", "a " * 900, "01a204c0-6532-738b-8219-04755f91cf63", "%_'\"<>"):
            assert browser.get(page, {"q": words}).status_code == 200, page


def test_the_overview_counts_and_says_what_to_do_first(browser: Client, gallery: Gallery) -> None:
    empty = browser.get(reverse("admin:index")).content.decode()
    PersonFactory(gallery=gallery)
    PersonFactory(gallery=gallery, active=False)
    page = browser.get(reverse("admin:index"))

    assert "First steps" in empty
    assert "First steps" not in page.content.decode()
    assert [(card.title, card.figure) for card in page.context["cards"]] == [
        ("People", "2"),
        ("Galleries", "1"),
        ("Reviews open", "0"),
        ("People held", "0"),
        ("Photos waiting", "0"),
        ("Photos rejected", "0"),
        ("Index entries pending", "0"),
    ]


def test_djangos_own_log_stays_empty(browser: Client) -> None:
    browser.post(reverse("admin:people_gallery_add"), gallery_form(name="Log", slug="log"))

    assert Gallery.objects.get().slug == "log"
    assert not LogEntry.objects.exists()


def test_history_is_the_audit_log(browser: Client) -> None:
    gallery = GalleryFactory()

    answer = browser.get(reverse("admin:people_gallery_history", args=[gallery.pk]))

    assert answer["location"] == f"/admin/audit/auditentry/?q={gallery.public_id}"


def gallery_form(**fields: object) -> dict[str, object]:
    return {
        "description": "",
        "min_face": 70,
        "several_faces": "reject",
        "model": "mtcnn-dlib-resnet",
        "min_quality": 0.3,
        "min_focus": 0.35,
        "max_yaw": 45,
        "min_brightness": 0.08,
        "max_brightness": 0.92,
        "min_contrast": 0.02,
        "memberships-TOTAL_FORMS": 0,
        "memberships-INITIAL_FORMS": 0,
        **fields,
    }
