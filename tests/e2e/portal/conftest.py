"""The portal in a browser, signed in, in a gallery of the test module's own."""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from tests.e2e.browser import Troubles
from tests.e2e.stack import ROOT, Stack, eventually

AXE = ROOT / "frontend/node_modules/axe-core/axe.min.js"
# Of every page that a test opens: pictures to look at, and what the browser measured.
SHOTS = ROOT / ".shots"
# A busy machine takes its time.
expect.set_options(timeout=15_000)
LOOKS = [(scheme, language) for scheme in ("light", "dark") for language in ("en", "zh")]

# Each element's colour may be on its way to another scheme, and those inside follow one by one.
SETTLED = """async () => {
  const running = () => document.getAnimations().filter(
    (each) => each.playState === "running" && each.effect?.getComputedTiming().endTime < 1e6);
  do {
    await Promise.allSettled(running().map((each) => each.finished));
    for (let frame = 0; frame < 3; frame++) await new Promise(requestAnimationFrame);
  } while (running().length > 0);
}"""


class Staff:
    """A user's own session with the API, beside the browser: to prepare and to check."""

    def __init__(self, stack: Stack, username: str, password: str) -> None:
        self.http = httpx.Client(
            base_url=f"{stack.url}/api/v1/",
            timeout=60,
            trust_env=False,
            # The server closes an idle connection in the very moment in which it is used again.
            limits=httpx.Limits(max_keepalive_connections=0),
        )
        self.http.get("session")
        self._trust()
        answer = self.http.post("session", json={"username": username, "password": password})
        assert answer.status_code == 200, answer.text
        self._trust()

    def _trust(self) -> None:
        """Send the token that the server gave last."""
        self.http.headers["X-CSRFToken"] = self.http.cookies["csrftoken"]
        self.http.headers["Referer"] = str(self.http.base_url)

    def ok(self, method: str, path: str, **arguments: Any) -> Any:
        """The body of an answer of success."""
        answer = self.http.request(method, path, **arguments)
        assert answer.is_success, f"{answer.status_code} {answer.text}"
        return answer.json() if answer.content else None

    def make_gallery(self, name: str) -> str:
        """A new gallery for LFW's photos (see `Api.accept_lfw`); its id."""
        slug = re.sub("[^a-z0-9]+", "-", name.lower()).strip("-")
        fields = {"name": name, "slug": slug, "min_face": 70, "several_faces": "central"}
        gallery = str(self.ok("POST", "galleries", json=fields)["id"])
        self.ok("PATCH", f"galleries/{gallery}/thresholds", json={"misfits": "allow"})
        return gallery

    def enrol(self, gallery: str, name: str, *photos: Path) -> str:
        """A person with these photos, all of them searchable; their id."""
        fields = {"gallery": gallery, "name": name, "external_id": name}
        person = str(self.ok("POST", "people", json=fields)["id"])
        for photo in photos:
            self.ok("POST", "photos", data={"person": person}, files={"photo": photo.read_bytes()})

        def is_searchable() -> bool:
            found = self.ok("GET", "photos", params={"person": person})["results"]
            return len(found) == len(photos) and all(photo["searchable"] for photo in found)

        eventually(is_searchable, f"{name} is searchable", seconds=60)
        return person


@dataclass
class Portal:
    """A browser's window on the portal, which remembers what went wrong in it."""

    page: Page
    url: str
    name: str
    expected: list[str] = field(default_factory=list)
    troubles: list[str] = field(default_factory=list)

    def go(self, path: str) -> None:
        """Load the page at this address."""
        self.page.goto(f"{self.url}{path}")

    def heading(self, name: str) -> None:
        """Wait for the page of that title."""
        expect(self.page.get_by_role("heading", level=1, name=name)).to_be_visible()

    def will_fail(self, *statuses: int) -> None:
        """The console will tell of answers with these statuses, as it should."""
        self.expected += [f"status of {status}" for status in statuses]

    def audit(self) -> None:
        """AssertionError with what axe finds: WCAG 2.2 A and AA, and its best practices."""
        self.page.evaluate(SETTLED)
        self.page.evaluate(AXE.read_text("utf-8"))
        found = self.page.evaluate("axe.run(document, {resultTypes: ['violations']})")
        told = [
            f"{one['id']} ({one['impact']}): {node['html'][:200]} {node['failureSummary'][:300]}"
            for one in found["violations"]
            for node in one["nodes"]
        ]
        assert told == [], "\n".join(told)

    def shoot(self, name: str, *, everywhere: bool = True) -> None:
        """Audit the page as it is, and keep its picture in both schemes and both languages."""
        SHOTS.mkdir(exist_ok=True)
        for scheme, language in LOOKS if everywhere else LOOKS[:1]:
            self.page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
            self.page.evaluate(f"likenessLanguage({language!r})")
            self.audit()
            self.page.screenshot(path=SHOTS / f"{name}-{scheme}-{language}.png", full_page=True)
        self.page.emulate_media(color_scheme="light")
        self.page.evaluate("likenessLanguage('en')")

    def keep_vitals(self) -> None:
        """Add what the browser measured of this page to the run's file."""
        vitals = self.page.evaluate("window.likenessVitals")
        if vitals:
            SHOTS.mkdir(exist_ok=True)
            with (SHOTS / "vitals.jsonl").open("a") as lines:
                lines.write(json.dumps({"test": self.name, "url": self.page.url, **vitals}) + "\n")

    def unexpected(self) -> list[str]:
        """Troubles that no test foretold."""
        return [said for said in self.troubles if not any(known in said for known in self.expected)]


@pytest.fixture(scope="session")
def staff(stack: Stack) -> Iterator[Staff]:
    """The first administrator."""
    staff = Staff(stack, "admin", stack.password)
    yield staff
    staff.http.close()


@pytest.fixture(scope="module")
def gallery(staff: Staff, request: pytest.FixtureRequest) -> str:
    """The id of a gallery that no other module uses."""
    name = request.module.__name__.rpartition(".test_")[2].replace("_", " ").capitalize()
    return staff.make_gallery(f"Portal {name}")


Member = Callable[[str], Staff]


@pytest.fixture
def member(stack: Stack, staff: Staff, gallery: str) -> Iterator[Member]:
    """Makes new users with a role in the module's gallery, signed in."""
    made: list[Staff] = []

    def make(role: str) -> Staff:
        username, password = f"{role}-{secrets.token_hex(4)}", secrets.token_urlsafe(16)
        staff.ok("POST", "users", json={"username": username, "password": password})
        staff.ok("POST", "members", json={"gallery": gallery, "username": username, "role": role})
        made.append(Staff(stack, username, password))
        return made[-1]

    yield make
    for each in made:
        each.http.close()


Open = Callable[..., Portal]


@pytest.fixture
def open_portal(
    chromium: Browser, stack: Stack, gallery: str, request: pytest.FixtureRequest
) -> Iterator[Open]:
    """Makes windows: of whom (`Staff`, or nobody), in which gallery. Closes them all."""
    opened: list[tuple[BrowserContext, Portal]] = []

    def make(who: Staff | None, *, width: int = 1280, height: int = 800) -> Portal:
        context = chromium.new_context(
            viewport={"width": width, "height": height}, locale="en-GB", color_scheme="light",
            reduced_motion="reduce",  # nothing is looked at halfway between two colours
        )  # fmt: skip
        if who is not None:
            context.add_cookies(
                [{"name": name, "value": value, "url": stack.url}
                 for name, value in who.http.cookies.items()]
            )  # fmt: skip
        context.add_init_script(
            f"localStorage.getItem('likeness.gallery') ?? "
            f"localStorage.setItem('likeness.gallery', JSON.stringify({gallery!r}))"
        )
        page = context.new_page()
        page.set_default_timeout(20_000)
        portal = Portal(page, stack.url, request.node.name)
        portal.troubles = Troubles(page, stack.url).said
        opened.append((context, portal))
        return portal

    yield make
    unexpected = [said for _, portal in opened for said in portal.unexpected()]
    for context, portal in opened:
        portal.keep_vitals()
        context.close()
    assert unexpected == []


@pytest.fixture
def portal(open_portal: Open, staff: Staff) -> Portal:
    """The administrator's window."""
    return open_portal(staff)
