"""Browsers sign in over the API, and whoever tries too often waits."""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import Any

import pytest
from axes.models import AccessAttempt
from django.core.management import call_command
from django.test import Client
from django.utils import timezone
from rest_framework.test import APIClient

from accounts import sign_in
from accounts.models import User
from people.models import Gallery, Role
from tests.factories import GalleryFactory, MembershipFactory, UserFactory, api_key
from tests.fixtures import rows
from tests.pages import acts

pytestmark = pytest.mark.django_db
SESSION = "/api/v1/session"
GALLERIES = "/api/v1/galleries"
PASSWORD = "a long one, 4 sure"


@pytest.fixture(autouse=True)
def fast_hashes(settings: Any) -> None:
    """The real ones take half a second each, by intent."""
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


class Browser:
    """A browser that obeys the rules of CSRF, or breaks them."""

    def __init__(self, **extra: Any) -> None:
        self.client = APIClient(enforce_csrf_checks=True, **extra)
        self.token = ""

    def show(self) -> dict[str, Any]:
        return self._kept(self.client.get(SESSION)).json()

    def sign_in(self, username: str, password: str) -> Any:
        self.token = self.token or self.show()["csrf_token"]
        return self.send("post", SESSION, {"username": username, "password": password})

    def send(self, method: str, path: str, data: Any = None) -> Any:
        headers = {"X-CSRFToken": self.token} if self.token else {}
        answer = getattr(self.client, method)(path, data, format="json", headers=headers)
        return self._kept(answer)

    def _kept(self, answer: Any) -> Any:
        if answer.status_code == 200:
            self.token = answer.json().get("csrf_token", self.token)
        return answer


@pytest.fixture
def user() -> User:
    made = UserFactory(username="ann", first_name="Ann", last_name="Lee")
    made.set_password(PASSWORD)
    made.save()
    return made


@pytest.fixture
def browser() -> Browser:
    return Browser()


def test_nobody_is_signed_in_at_first(browser: Browser) -> None:
    answer = browser.client.get(SESSION)
    shown = answer.json()
    assert shown.pop("csrf_token")
    assert shown == {"user": None, "galleries": [], "version": None}
    assert "csrftoken" in answer.cookies
    assert answer["Cache-Control"] == "no-store"


def test_signing_in_and_out(browser: Browser, user: User) -> None:
    second, first = GalleryFactory(name="B"), GalleryFactory(name="A")
    GalleryFactory(name="Another's")
    MembershipFactory(gallery=second, user=user, role=Role.VIEWER)
    MembershipFactory(gallery=first, user=user, role=Role.REVIEWER)

    answer = browser.sign_in("ann", PASSWORD)

    assert answer.status_code == 200
    assert answer.json() == browser.show() | {"csrf_token": answer.json()["csrf_token"]}
    assert answer.json() | {"csrf_token": "", "version": ""} == {
        "user": {
            "id": str(user.public_id), "username": "ann", "name": "Ann Lee", "is_site_admin": False,
        },
        "galleries": [
            {"id": str(first.public_id), "name": "A", "role": "reviewer"},
            {"id": str(second.public_id), "name": "B", "role": "viewer"},
        ],
        "version": "",
        "csrf_token": "",
    }  # fmt: skip
    assert len(browser.client.get(GALLERIES).json()["results"]) == 2
    assert browser.send("delete", SESSION).status_code == 204
    assert browser.show()["user"] is None


def test_a_site_administrator_is_one_of_every_gallery(
    admin_api: APIClient, django_assert_num_queries: Any
) -> None:
    GalleryFactory.create_batch(3)
    with django_assert_num_queries(3):
        shown = admin_api.get(SESSION).json()
    assert shown["user"]["is_site_admin"] is True
    assert [each["role"] for each in shown["galleries"]] == ["admin"] * 3


@pytest.mark.parametrize("given", [("ann", "wrong"), ("nobody", PASSWORD), ("ANN", PASSWORD)])
def test_what_is_wrong_is_not_said(browser: Browser, user: User, given: tuple[str, str]) -> None:
    answer = browser.sign_in(*given)
    assert (answer.status_code, answer.json()["code"]) == (403, "wrong_credentials")
    assert answer.json()["detail"] == "User name or password is wrong."
    assert browser.show()["user"] is None


def test_who_was_deactivated_does_not_sign_in(browser: Browser, user: User) -> None:
    User.objects.update(is_active=False)
    assert browser.sign_in("ann", PASSWORD).json()["code"] == "wrong_credentials"


def test_a_token_of_another_page_is_refused(browser: Browser, user: User) -> None:
    for token in ("", "x" * 64):
        fresh = Browser()
        fresh.show()
        fresh.token = token
        answer = fresh.send("post", SESSION, {"username": "ann", "password": PASSWORD})
        assert (answer.status_code, answer.json()["code"]) == (403, "csrf_failed")
        assert "X-CSRFToken" in answer.json()["detail"]
    assert not AccessAttempt.objects.exists()

    browser.sign_in("ann", PASSWORD)
    browser.token = ""
    before = rows()
    for method, path in (("delete", SESSION), ("post", f"{SESSION}/password"), ("post", GALLERIES)):
        answer = browser.send(method, path, {"name": "x", "slug": "x", "old": PASSWORD, "new": "x"})
        assert (answer.status_code, answer.json()["code"]) == (403, "csrf_failed")
    assert rows() == before
    assert browser.show()["user"] is not None


def test_a_session_that_has_ended_is_a_401(browser: Browser, user: User) -> None:
    browser.sign_in("ann", PASSWORD)
    del browser.client.cookies["sessionid"]
    for method, path in (("get", GALLERIES), ("post", GALLERIES), ("post", f"{SESSION}/password")):
        answer = browser.send(method, path, {})
        assert (answer.status_code, answer.json()["code"]) == (401, "not_authenticated")


def test_a_key_is_nobody_here(gallery: Gallery) -> None:
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION=f"Api-Key {api_key(gallery, Role.ADMIN)}")
    assert client.get(SESSION).json()["user"] is None
    refused = client.post(f"{SESSION}/password", {"old": "a", "new": "b"}, format="json")
    assert (refused.status_code, refused.json()["code"]) == (401, "not_authenticated")


# --- One's own password ---


def test_changing_one_s_password(browser: Browser, user: User) -> None:
    browser.sign_in("ann", PASSWORD)
    elsewhere = Browser()
    elsewhere.sign_in("ann", PASSWORD)

    answer = browser.send("post", f"{SESSION}/password", {"old": PASSWORD, "new": " another 1 "})

    assert answer.status_code == 200
    assert browser.show()["user"]["username"] == "ann"
    assert elsewhere.show()["user"] is None
    assert Browser().sign_in("ann", " another 1 ").status_code == 200
    assert acts() == [(f"user:{user.public_id}", "user.password")]


@pytest.mark.parametrize(
    ("old", "new", "status", "code"),
    [
        ("wrong", "b" + PASSWORD, 403, "wrong_credentials"),
        (PASSWORD, "12345678", 400, "invalid"),
        (PASSWORD, "short", 400, "invalid"),
        (PASSWORD, "", 400, "invalid"),
    ],
)
def test_a_refused_change_changes_nothing(
    browser: Browser, user: User, old: str, new: str, *, status: int, code: str
) -> None:
    browser.sign_in("ann", PASSWORD)
    before = rows()
    answer = browser.send("post", f"{SESSION}/password", {"old": old, "new": new})
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    if status == 400:
        assert list(answer.json()["errors"]) == ["new"]
    assert rows() == before


# --- Too many failures ---


def fail(times: int, username: str = "ann", **extra: Any) -> Any:
    browser = Browser(**extra)
    return [browser.sign_in(username, "wrong") for _ in range(times)][-1]


def test_too_many_failures_are_refused_for_a_while(user: User) -> None:
    assert fail(4).status_code == 403
    refused = fail(1, HTTP_USER_AGENT="another")

    assert (refused.status_code, refused.json()["code"]) == (429, "too_many_attempts")
    assert refused["Content-Type"] == "application/problem+json"
    assert 880 <= int(refused["Retry-After"]) <= 900
    assert refused.json()["detail"] == ("Too many failures to sign in. Try again in 15 minutes.")
    right = Browser().sign_in("ann", PASSWORD)
    assert (right.status_code, right.json()["code"]) == (429, "too_many_attempts")


def test_trying_meanwhile_does_not_make_it_longer(user: User) -> None:
    fail(5)
    AccessAttempt.objects.update(attempt_time=timezone.now() - timedelta(minutes=14))
    assert 50 <= int(fail(3)["Retry-After"]) <= 60
    AccessAttempt.objects.update(attempt_time=timezone.now() - timedelta(minutes=16))
    assert Browser().sign_in("ann", PASSWORD).status_code == 200
    assert not AccessAttempt.objects.exists()


def test_success_forgets_failures_before(user: User) -> None:
    fail(4)
    assert Browser().sign_in("ann", PASSWORD).status_code == 200
    assert fail(4).status_code == 403


def test_others_and_other_addresses_sign_in(user: User) -> None:
    fail(5)
    assert fail(1, username="bob").status_code == 403
    elsewhere = Browser(REMOTE_ADDR="192.0.2.9")
    assert elsewhere.sign_in("ann", PASSWORD).status_code == 200


def test_an_administrator_lifts_it(user: User) -> None:
    fail(5)
    call_command("axes_reset", verbosity=0)
    assert Browser().sign_in("ann", PASSWORD).status_code == 200


def test_guessing_the_old_password_is_refused_too(browser: Browser, user: User) -> None:
    browser.sign_in("ann", PASSWORD)
    body = {"old": "wrong", "new": "b" + PASSWORD}
    answers = [browser.send("post", f"{SESSION}/password", body) for _ in range(5)]
    assert [each.status_code for each in answers] == [403] * 4 + [429]
    right = browser.send("post", f"{SESSION}/password", {**body, "old": PASSWORD})
    assert (right.status_code, right.json()["code"]) == (429, "too_many_attempts")
    user.refresh_from_db()
    assert user.check_password(PASSWORD)


def test_the_admin_s_door_is_the_same(site_admin: User, client: Client) -> None:
    form = {"username": site_admin.username, "password": "wrong"}
    answers = [client.post("/admin/login/", form) for _ in range(5)]
    assert [each.status_code for each in answers] == [200] * 4 + [429]
    page = answers[-1]
    assert page["Content-Type"].startswith("text/html")
    assert "Try again in 15 minutes." in page.content.decode()
    assert int(page["Retry-After"]) > 880


@pytest.mark.parametrize(
    ("proxies", "forwarded", "address"),
    [
        (0, "192.0.2.1", "127.0.0.1"),
        (1, "203.0.113.9, 192.0.2.1", "192.0.2.1"),
        (2, "203.0.113.9, 192.0.2.1, 10.0.0.1", "192.0.2.1"),
        (2, "192.0.2.1", "192.0.2.1"),
        (1, "nonsense", None),
    ],
)
def test_whose_address_counts(
    rf: Any, settings: Any, proxies: int, forwarded: str, address: str | None
) -> None:
    settings.TRUSTED_PROXIES = proxies
    assert sign_in.address_of(rf.get("/", headers={"X-Forwarded-For": forwarded})) == address


def test_no_password_and_no_name_is_kept_or_logged(
    user: User, client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    for secret in ("my-secret-guess",):
        Browser().sign_in("ann", secret)
        client.post("/admin/login/?password=" + secret, {"username": "ann", "password": secret})
    kept = str(list(AccessAttempt.objects.values()))
    assert "my-secret-guess" not in kept + caplog.text
    assert '"ann"' not in "".join(
        each.getMessage() for each in caplog.records if each.name.startswith("axes")
    )


def test_keys_cost_no_query_of_it(gallery: Gallery, django_assert_num_queries: Any) -> None:
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION=f"Api-Key {api_key(gallery, Role.VIEWER)}")
    fail(5)
    with django_assert_num_queries(2) as captured:
        assert client.get(GALLERIES).status_code == 200
    assert not any("axes" in each["sql"] for each in captured.captured_queries)


def test_old_failures_and_sessions_are_forgotten(user: User) -> None:
    fail(2)
    fail(1, username="bob")
    AccessAttempt.objects.filter(username="bob").update(
        attempt_time=timezone.now() - timedelta(minutes=16)
    )
    assert sign_in.forget_old() == 1
    assert AccessAttempt.objects.get().username == "ann"
