"""The portal's page, at every address that is not the server's own."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from django.test import Client

from tests.common.test_security import policy

pytestmark = pytest.mark.django_db
INDEX = """<!doctype html><html><head><title>Likeness</title></head><body>
<script type="module" src="/static/portal/assets/index-Dx3f_9aB.js"></script></body></html>"""
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def bundle(tmp_path: Path, settings: Any) -> Path:
    folder = tmp_path / "dist"
    (folder / "assets").mkdir(parents=True)
    (folder / "index.html").write_text(INDEX)
    (folder / "assets" / "index-Dx3f_9aB.js").write_text("export {}\n")
    (folder / "assets" / "index-Dx3f_9aB.js.gz").write_bytes(b"packed")
    settings.PORTAL_DIR, settings.PORTAL_BUILT = folder, True
    settings.STATICFILES_DIRS = [("portal", str(folder))]
    return folder


def nonce_of(page: Any) -> str:
    found = re.search(r'<head><meta property="csp-nonce" nonce="([^"]+)">', page.content.decode())
    assert found
    return found[1]


@pytest.mark.parametrize(
    "path",
    ["/", "/people/123", "/reviews", "/imports/7/files", "/apiary", "/administrators"],
)
def test_its_addresses_are_one_page(client: Client, bundle: Path, path: str) -> None:
    page = client.get(path)
    assert (page.status_code, page["Content-Type"]) == (200, "text/html; charset=utf-8")
    assert page["Cache-Control"] == "no-store"
    assert "index-Dx3f_9aB.js" in page.content.decode()
    assert "csrftoken" in page.cookies


def test_scripts_are_files_and_styles_carry_the_nonce_of_the_page(
    client: Client, bundle: Path
) -> None:
    page, another = client.get("/"), client.get("/")
    nonce = nonce_of(page)
    assert nonce != nonce_of(another)
    assert policy(page) == {
        "default-src": "'none'",
        "script-src": "'self'",
        "style-src": f"'self' 'nonce-{nonce}'",
        "img-src": "'self' blob: data:",
        "media-src": "'self' blob:",
        "connect-src": "'self'",
        "font-src": "'self'",
        "manifest-src": "'self'",
        "worker-src": "'self'",
        "form-action": "'self'",
        "frame-ancestors": "'none'",
        "base-uri": "'none'",
    }


def test_a_page_with_places_for_the_nonce_gets_it_there(client: Client, bundle: Path) -> None:
    (bundle / "index.html").write_text(
        '<head><meta property="csp-nonce" nonce="__CSP_NONCE__"></head>'
        '<script nonce="__CSP_NONCE__"></script>'
    )
    page = client.get("/")
    assert page.content.decode().count(nonce_of(page)) == 2
    assert "__CSP_NONCE__" not in page.content.decode()


@pytest.mark.parametrize(
    "path", ["/api", "/api/", "/api/v1/nothing", "/static/nothing", "/favicon.ico", "/robots.txt"]
)
def test_other_addresses_that_are_not_there_stay_problems(
    client: Client, bundle: Path, path: str
) -> None:
    answer = client.get(path)
    assert (answer.status_code, answer["Content-Type"]) == (404, "application/problem+json")
    assert answer.json()["code"] == "not_found"


def test_the_server_s_own_addresses_are_not_the_portal_s(client: Client, bundle: Path) -> None:
    assert client.get("/healthz").json() == {"status": "ok"}
    assert client.get("/admin").headers["Location"] == "/admin/"
    assert client.get("/metrics").status_code == 401
    assert client.post("/people").status_code == 405


def test_a_portal_that_is_not_built_says_how(client: Client, settings: Any) -> None:
    settings.PORTAL_BUILT = False
    page = client.get("/people/7")
    assert page.status_code == 503
    assert page["Cache-Control"] == "no-store"
    for words in ("make frontend", 'href="/admin/"', "PORTAL_DIR"):
        assert words in page.content.decode()
    assert policy(page)["default-src"] == "'none'"


def test_assets_are_kept_for_good_and_sent_packed(bundle: Path) -> None:
    client = Client()  # whose WhiteNoise looks at the folder as it is now
    asset = client.get(
        "/static/portal/assets/index-Dx3f_9aB.js", headers={"Accept-Encoding": "gzip"}
    )
    page = client.get("/static/portal/index.html")
    assert asset["Cache-Control"] == "max-age=315360000, public, immutable"
    assert (asset["Content-Encoding"], b"".join(asset)) == ("gzip", b"packed")
    assert "immutable" not in page["Cache-Control"]
    assert policy(page)["default-src"] == "'none'"
    for answer in (asset, page):
        answer.close()


def test_the_folder_is_a_setting(bundle: Path, tmp_path: Path) -> None:
    source = (
        "import json, sys; sys.path.insert(1, 'platform'); import config.settings as s; "
        "print(json.dumps([s.PORTAL_BUILT, s.STATICFILES_DIRS]))"
    )

    def read(folder: Path) -> Any:
        done = subprocess.run(
            [sys.executable, "-c", source], cwd=ROOT, capture_output=True, text=True, check=True,
            env={"LIKENESS_VAR_DIR": str(tmp_path / "var"), "PORTAL_DIR": str(folder)},
        )  # fmt: skip
        return json.loads(done.stdout)

    assert read(bundle) == [True, [["portal", str(bundle)]]]
    assert read(tmp_path / "nothing") == [False, []]
