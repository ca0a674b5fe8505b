"""What browsers are told of each kind of answer."""

from __future__ import annotations

from typing import Any

import pytest
from django.conf import settings
from django.test import Client
from whitenoise.middleware import WhiteNoiseMiddleware

from accounts.models import User
from tests.pages import signed_in

pytestmark = pytest.mark.django_db
NOTHING = {
    "default-src": "'none'",
    "base-uri": "'none'",
    "form-action": "'none'",
    "frame-ancestors": "'none'",
}


def policy(answer: Any) -> dict[str, str]:
    parts = [part.strip().partition(" ") for part in answer["Content-Security-Policy"].split(";")]
    return {name: sources for name, _, sources in parts}


@pytest.mark.parametrize(
    "path", ["/api/v1/session", "/api/v1/galleries", "/api/v1/nothing", "/api/schema/", "/metrics"]
)
def test_figures_load_nothing(client: Client, path: str) -> None:
    assert policy(client.get(path)) == NOTHING


def test_scripts_of_the_docs_are_files(client: Client) -> None:
    page = client.get("/api/docs/")
    found = policy(page)
    assert found["script-src"] == "'self'"
    assert (found["default-src"], found["frame-ancestors"]) == ("'none'", "'none'")
    assert "<script>" not in page.content.decode()
    script = client.get("/api/docs/?script=")
    assert script["Content-Type"].startswith("application/javascript")
    assert b"SwaggerUIBundle" in script.content


def test_the_admin_runs_no_script_in_its_pages(site_admin: User) -> None:
    for page in ("/admin/", "/admin/login/", "/admin/people/person/add/"):
        found = policy(signed_in(site_admin).get(page))
        assert found["script-src"] == "'self' 'unsafe-eval'"
        assert found["style-src"] == "'self' 'unsafe-inline'"
        assert (found["default-src"], found["frame-ancestors"]) == ("'none'", "'none'")


@pytest.mark.parametrize("path", ["/", "/admin/login/", "/api/v1/session", "/api/docs/"])
def test_the_usual_headers(client: Client, path: str) -> None:
    headers = client.get(path).headers
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "same-origin"
    assert headers["Cross-Origin-Opener-Policy"] == "same-origin"
    assert headers["Cross-Origin-Resource-Policy"] == "same-origin"
    assert headers["X-Frame-Options"] == "DENY"
    assert headers["Permissions-Policy"].startswith("camera=(self), microphone=(), ")
    assert "Content-Security-Policy-Report-Only" not in headers


def test_a_drawing_among_static_files_runs_nothing(client: Client) -> None:
    answer = client.get("/static/likeness/icon.svg")
    assert answer.status_code == 200
    assert policy(answer)["default-src"] == "'none'"
    assert "Access-Control-Allow-Origin" not in answer
    answer.close()


def test_no_template_of_ours_has_a_script_in_its_page() -> None:
    templates = settings.BASE_DIR.glob("platform/*/templates/**/*.html")
    for file in templates:
        text = file.read_text("utf-8")
        assert "<script>" not in text, file
        assert " onclick=" not in text, file


def test_static_files_are_not_looked_at_below_whitenoise() -> None:
    names = list(settings.MIDDLEWARE)
    noise = f"{WhiteNoiseMiddleware.__module__}.{WhiteNoiseMiddleware.__name__}"
    assert names.index(noise) < names.index("common.security.SecurityHeaders")
