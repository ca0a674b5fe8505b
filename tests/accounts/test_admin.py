"""Users in the admin, and the audit log that says what was done to them."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from accounts.actors import actor_of, system
from accounts.models import User
from audit.models import AuditEntry
from audit.services import record
from people.models import Gallery
from tests.factories import UserFactory
from tests.fixtures import rows
from tests.pages import acts, queries, signed_in

pytestmark = pytest.mark.django_db

USERS = "/admin/accounts/user/"
LOG = "/admin/audit/auditentry/"


@pytest.fixture
def browser(site_admin: User) -> Client:
    return signed_in(site_admin)


def fields(user: User, **changed: Any) -> dict[str, Any]:
    switches = {
        name: "on" for name in ("is_active", "is_staff", "is_superuser") if getattr(user, name)
    }
    return {"username": user.username, **switches, **changed}


def passwords(password: str) -> dict[str, str]:
    return {"usable_password": "true", "password1": password, "password2": password}


def test_a_user_is_made_and_changed(browser: Client, site_admin: User) -> None:
    password = "a long one, 4 sure"
    browser.post(f"{USERS}add/", {"username": "ann", **passwords(password)})
    ann = User.objects.get(username="ann")
    browser.post(f"{USERS}{ann.pk}/change/", fields(ann, email="ann@example.org"))
    browser.post(f"{USERS}{ann.pk}/password/", passwords("b" + password))

    ann.refresh_from_db()
    assert (ann.is_superuser, ann.email) == (False, "ann@example.org")
    assert ann.check_password("b" + password)
    me = str(actor_of(site_admin))
    assert acts() == [(me, "user.create"), (me, "user.update"), (me, "user.password")]
    assert password not in str(rows()["audit.AuditEntry"])
    assert AuditEntry.objects.all()[1].details == {"fields": ["email"]}


@pytest.mark.parametrize("switch", ["is_active", "is_staff", "is_superuser"])
def test_the_last_site_administrator_stays(browser: Client, site_admin: User, switch: str) -> None:
    given = fields(site_admin)
    del given[switch]
    before = rows()

    refused = browser.post(f"{USERS}{site_admin.pk}/change/", given)

    assert refused.context["adminform"].form.non_field_errors() == [
        "This is the only site administrator. Make another one first."
    ]
    assert rows() == before
    UserFactory(is_superuser=True, is_staff=True)
    assert browser.post(f"{USERS}{site_admin.pk}/change/", given).status_code == 302
    site_admin.refresh_from_db()
    assert not getattr(site_admin, switch)


def test_users_are_not_deleted(browser: Client) -> None:
    user = UserFactory()
    before = rows()

    assert browser.post(f"{USERS}{user.pk}/delete/", {"post": "yes"}).status_code == 403

    assert rows() == before


# --- The audit log -------------------------------------------------------------


def test_the_log_names_users_and_leads_to_what_was_done_to(
    browser: Client, site_admin: User, gallery: Gallery
) -> None:
    record(
        actor_of(site_admin), "gallery.update", f"gallery:{gallery.public_id}", None, fields=["a"]
    )
    record(system("tidy"), "user.create", "user:7", None)

    shown = browser.get(LOG).content.decode()

    assert f">{site_admin.username}<" in shown.replace("\n", "").replace(" ", "")
    assert "system:tidy" in shown
    assert f'href="/admin/people/gallery/?q={gallery.public_id}"' in shown


def test_finding_entries(browser: Client) -> None:
    record(system("a"), "person.erase", "person:1", None)
    record(system("b"), "photo.delete", "photo:2", None)

    def found(**query: Any) -> list[str]:
        return [entry.action for entry in browser.get(LOG, query).context["cl"].result_list]

    assert found() == ["photo.delete", "person.erase"]
    assert found(kind="person") == ["person.erase"]
    assert found(q="system:b") == ["photo.delete"]
    assert found(q="person:1") == ["person.erase"]
    assert found(at__gte="2000-01-01 00:00:00+00:00", at__lt="2001-01-01 00:00:00+00:00") == []


def test_the_log_is_only_read(browser: Client) -> None:
    record(system("a"), "person.erase", "person:1", None)
    entry = AuditEntry.objects.get()
    before = rows()

    assert browser.get(f"{LOG}{entry.pk}/change/").status_code == 200
    assert browser.post(f"{LOG}{entry.pk}/change/", {}).status_code == 403
    assert browser.post(f"{LOG}{entry.pk}/delete/", {"post": "yes"}).status_code == 403
    assert browser.post(f"{LOG}add/", {}).status_code == 403

    assert rows() == before


@pytest.mark.parametrize("page", [USERS, LOG])
def test_lists_take_as_many_queries_for_many(browser: Client, page: str) -> None:
    def add(number: int) -> None:
        for user in UserFactory.create_batch(number):
            record(actor_of(user), "user.update", f"user:{user.public_id}", None)

    add(3)
    few = queries(browser, page)
    add(27)

    assert queries(browser, page) == few
