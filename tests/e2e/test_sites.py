"""The pages for people: signing in, the admin, the API's documentation, all served by ourselves."""

import re
from collections.abc import Iterator
from urllib.parse import urljoin, urlsplit

import httpx
import pytest

from .stack import Api, Stack

PAGES = ("/admin/login/", "/api/docs/")
ADMIN_PAGES = (
    "/admin/",
    "/admin/people/person/",
    "/admin/people/person/add/",
    "/admin/photos/photo/",
    "/admin/people/gallery/add/",
    "/admin/people/membership/",
    "/admin/accounts/apikey/add/",
    "/admin/vectors/indexgeneration/",
    "/admin/audit/auditentry/",
)
_STYLE_URL = re.compile(r"""url\(\s*["']?([^"')]+)""")


@pytest.fixture
def browser(stack: Stack) -> Iterator[httpx.Client]:
    """A client with cookies and nothing else."""
    with httpx.Client(
        base_url=stack.url, follow_redirects=True, timeout=60, trust_env=False
    ) as client:
        yield client


@pytest.fixture
def signed_in(browser: httpx.Client, stack: Stack) -> httpx.Client:
    """The same, signed in as the administrator through the form."""
    form = browser.get("/admin/login/")
    answer = browser.post(
        "/admin/login/",
        data={
            "username": "admin",
            "password": stack.password,
            "csrfmiddlewaretoken": token_of(form.text),
            "next": "/admin/",
        },
        headers={"Referer": str(form.url)},
    )
    assert answer.status_code == 200, answer.text
    assert answer.url.path == "/admin/"
    assert "sessionid" in browser.cookies
    return browser


def token_of(page: str) -> str:
    found = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', page)
    assert found, page
    return found[1]


def test_the_password_is_printed_once(stack: Stack) -> None:
    assert stack.log.count(stack.password) == 1


def test_signing_in_wants_the_right_password_and_a_token(
    browser: httpx.Client, stack: Stack
) -> None:
    token = token_of(browser.get("/admin/login/").text)
    fields = {"username": "admin", "password": stack.password}

    without = browser.post("/admin/login/", data=fields)
    wrong = browser.post(
        "/admin/login/", data={**fields, "password": "wrong", "csrfmiddlewaretoken": token}
    )

    assert without.status_code == 403
    assert wrong.status_code == 200
    assert wrong.url.path == "/admin/login/"
    assert "sessionid" not in browser.cookies


def test_the_api_takes_the_session_and_wants_its_token(signed_in: httpx.Client, api: Api) -> None:
    galleries = signed_in.get("/api/v1/galleries")
    person = {"gallery": api.gallery, "name": "By session"}

    refused = signed_in.post("/api/v1/people", json=person)
    made = signed_in.post(
        "/api/v1/people", json=person, headers={"X-CSRFToken": signed_in.cookies["csrftoken"]}
    )

    assert "main" in [each["slug"] for each in galleries.json()["results"]]
    assert (refused.status_code, refused.json()["code"]) == (403, "csrf_failed")
    assert made.status_code == 201
    api.ok(api.http.delete(f"people/{made.json()['id']}"))


def test_without_a_key_or_a_session_nothing_is_shown(browser: httpx.Client) -> None:
    answer = browser.get("/api/v1/people")

    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == "Api-Key"
    assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize("page", PAGES)
def test_pages_for_all_load_completely_from_here(page: str, browser: httpx.Client) -> None:
    assert_complete(browser, page)


@pytest.mark.parametrize("page", ADMIN_PAGES)
def test_admin_pages_load_completely_from_here(page: str, signed_in: httpx.Client) -> None:
    assert_complete(signed_in, page)


def assert_complete(client: httpx.Client, page: str) -> None:
    """The page, and whatever it, its styles and its scripts load, is served by this host alone."""
    answer = client.get(page)
    assert answer.status_code == 200
    assert answer.url.path == page
    loaded = loaded_by_page(answer.text)
    assert loaded, "a page without a style?"
    for address in loaded:
        check(client, urljoin(page, address))


def check(client: httpx.Client, address: str) -> None:
    assert not urlsplit(address).netloc, f"from another host: {address}"
    answer = client.get(address)
    assert answer.status_code == 200, address
    if urlsplit(address).path.endswith(".css"):
        for nested in _STYLE_URL.findall(answer.text):
            if not nested.startswith(("data:", "#")):
                check(client, urljoin(address, nested))


def loaded_by_page(html: str) -> set[str]:
    """Addresses that a browser fetches by itself: scripts, styles, images, icons, schemas."""
    tags = re.findall(r"<(?:script|link|img|source|iframe)\b[^>]*>", html)
    found = {address for tag in tags for address in re.findall(r'(?:src|href)="([^"]+)"', tag)}
    found |= set(re.findall(r"""\burl:\s*["']([^"']+)""", html))
    return {address for address in found if not address.startswith(("data:", "#"))}


def test_the_schema_describes_what_is_there(browser: httpx.Client) -> None:
    schema = browser.get("/api/schema/", params={"format": "json"}).json()

    assert {"/api/v1/identify", "/api/v1/photos", "/api/v1/people/{id}"} <= set(schema["paths"])


@pytest.mark.parametrize("address", ["/api/v1/nothing/here", "/nothing.here"])
def test_an_unknown_address_is_a_problem(address: str, browser: httpx.Client) -> None:
    answer = browser.get(address)

    assert answer.status_code == 404
    assert answer.json()["code"] == "not_found"


def test_an_unknown_page_is_the_portals_to_explain(browser: httpx.Client) -> None:
    answer = browser.get("/nothing/here")

    assert answer.status_code == 200
    assert 'id="root"' in answer.text


def test_another_host_is_refused(browser: httpx.Client) -> None:
    answer = browser.get("/admin/login/", headers={"Host": "elsewhere.example"})

    assert answer.status_code == 400
