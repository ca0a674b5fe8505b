"""The admin in a real browser, as a new administrator would use it."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import httpx
import pytest
from PIL import Image
from playwright.sync_api import Browser, Page, expect
from skimage import data

from tests.conftest import Lfw

from .browser import Troubles
from .stack import Api, Stack, eventually

NAME = "Alejandro_Toledo"
REVIEWED = "Hans_Blix"
IMPORTED = "Donald_Rumsfeld"
# A photo may wait for a worker that has just begun to load its networks.
SLOW = 60_000

PAGES = (
    "", "reviews/review/", "imports/importjob/", "imports/importjob/add/", "imports/importitem/",
    "identification/search/", "thresholds/policy/",
    "thresholds/calibration/", "people/person/", "people/person/add/", "photos/photo/",
    "people/gallery/", "people/gallery/add/", "people/membership/", "people/membership/add/",
    "accounts/apikey/", "accounts/apikey/add/", "vectors/indexgeneration/", "vectors/activeindex/",
    "vectors/vectoroutbox/", "vectors/indexspan/", "accounts/user/", "accounts/user/add/",
    "audit/auditentry/", "enrolment/erasure/",
)  # fmt: skip


class Admin:
    """A signed-in administrator's browser, which remembers what went wrong in it."""

    def __init__(self, page: Page, stack: Stack, shots: Path) -> None:
        self.page, self.stack, self.shots = page, stack, shots
        self.troubles = Troubles(page, stack.url).said
        page.set_default_timeout(20_000)

    def sign_in(self) -> None:
        self.page.goto(f"{self.stack.url}/admin/")
        self.page.get_by_label("Username").fill("admin")
        self.page.locator("#id_password").fill(self.stack.password)
        self.page.get_by_role("button", name="Log in").click()
        expect(self.page.get_by_role("heading", name="Photos by state")).to_be_visible()

    def menu(self, name: str) -> None:
        self.page.locator("#nav-sidebar").get_by_role("link", name=name, exact=True).click()

    def shoot(self, name: str) -> None:
        self.page.screenshot(path=self.shots / f"{name}.png", full_page=True)


@pytest.fixture
def admin(chromium: Browser, stack: Stack, tmp_path: Path) -> Iterator[Admin]:
    context = chromium.new_context(viewport={"width": 1280, "height": 900})
    using = Admin(context.new_page(), stack, tmp_path)
    using.sign_in()
    yield using
    context.close()
    assert using.troubles == []


@pytest.fixture
def without_face(tmp_path: Path) -> Path:
    path = tmp_path / "rocket.jpg"
    Image.fromarray(data.rocket()).save(path, quality=90)  # type: ignore[no-untyped-call]
    return path


def test_a_new_administrator(admin: Admin, lfw: Lfw, without_face: Path) -> None:
    make_gallery(admin)
    enrol(admin, [lfw.path(NAME, 1), lfw.path(NAME, 2), without_face])
    process_again(admin)
    add_photo(admin, lfw.path(NAME, 4))
    key = make_key(admin)
    with httpx.Client(
        base_url=f"{admin.stack.url}/api/v1/",
        headers={"Authorization": f"Api-Key {key}"},
        trust_env=False,
        timeout=60,
    ) as machine:
        assert found(machine, lfw.bytes(NAME, 3)) == ["toledo"]
        press_and_confirm(admin, "Deactivate", "Yes, deactivate")
        expect(admin.page.get_by_text("inactive", exact=True)).to_be_visible()
        assert found(machine, lfw.bytes(NAME, 3)) == []
    erase_and_delete(admin)


def test_an_import_from_the_browser(admin: Admin, lfw: Lfw, tmp_path: Path) -> None:
    archive, folder = tmp_path / "people.zip", f"people/{IMPORTED}"
    with zipfile.ZipFile(archive, "w") as made:
        for number in (1, 2):
            made.write(lfw.path(IMPORTED, number), f"{folder}/{number}.jpg")
        made.writestr(f"{folder}/broken.jpg", lfw.bytes(IMPORTED, 1)[:700])
    page = admin.page
    page.goto(f"{admin.stack.url}/admin/imports/importjob/add/")
    page.locator("#id_gallery").select_option(label="Main")
    page.get_by_label("Archive").set_input_files(archive)
    # Unfold writes names of files into text fields near them.
    assert page.get_by_label("Separator").input_value() == "_"
    page.get_by_label("If one shows several faces").select_option("central")
    page.get_by_role("button", name="Plan the import").click()
    page.wait_for_url("**/importjob/*/change/")
    page.evaluate("window.untouched = true")
    expect(page.get_by_role("button", name="Start")).to_be_visible(timeout=SLOW)
    expect(page.get_by_role("heading", name="Plan")).to_be_visible(timeout=SLOW)
    assert page.evaluate("window.untouched")
    admin.shoot("planned")
    page.get_by_role("button", name="Start").click()
    expect(page.get_by_text("3 of 3 files")).to_be_visible(timeout=SLOW)
    expect(page.get_by_text("Each file has its result.")).to_be_visible(timeout=SLOW)
    admin.shoot("imported")
    page.get_by_role("link", name="Sheet of files not taken").click()
    expect(page.get_by_text(f"{folder}/broken.jpg")).to_be_visible()
    admin.shoot("sheet")
    page.go_back()
    page.get_by_role("link", name="Undo").click()
    page.get_by_role("button", name="Yes, undo it").click()
    expect(page.get_by_text("What it added is gone.")).to_be_visible(timeout=SLOW)


def make_gallery(admin: Admin) -> None:
    page = admin.page
    admin.menu("Galleries")
    page.get_by_role("link", name="Add gallery", exact=True).first.click()
    page.get_by_label("Name").press_sequentially("North door")
    expect(page.get_by_label("Slug")).to_have_value("north-door")
    page.get_by_label("Min face").fill("70")
    page.get_by_label("Several faces").select_option("central")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_text("was added successfully")).to_be_visible()
    admin.shoot("galleries")


def enrol(admin: Admin, photos: list[Path]) -> None:
    page = admin.page
    admin.menu("People")
    page.get_by_role("link", name="Add person", exact=True).first.click()
    page.locator(".field-gallery .select2-selection").click()
    page.locator(".select2-search__field").fill("north")
    page.get_by_role("option", name="North door").click()
    page.get_by_label("Name", exact=True).fill("Alejandro Toledo")
    page.get_by_label("External id").fill("toledo")
    page.get_by_label("Photos", exact=True).set_input_files(photos)
    admin.shoot("adding")
    page.get_by_role("button", name="Save", exact=True).click()
    page.wait_for_url("**/people/person/*/change/")
    expect(page.get_by_text("3 photos received.")).to_be_visible()
    # Lost if the page were loaded again.
    page.evaluate("window.untouched = true")
    page.screenshot(path=admin.shots / "received.png")
    expect(page.locator("[data-state=enrolled]")).to_have_count(2, timeout=SLOW)
    expect(page.locator("[data-state=rejected]")).to_have_count(1, timeout=SLOW)
    expect(page.get_by_text("searchable", exact=True)).to_be_visible(timeout=SLOW)
    expect(page.locator("[data-state=rejected]")).to_contain_text("no_face")
    expect(page.locator("[data-state=enrolled] .lk-box-used")).to_have_count(2)
    expect(page.locator("[data-under-way]")).to_have_count(0)
    assert page.evaluate("window.untouched")
    admin.shoot("person")


def process_again(admin: Admin) -> None:
    page = admin.page
    page.get_by_role("button", name="Process again").click()
    expect(page.get_by_text("The photo is being processed again.")).to_be_visible()
    expect(page.locator("[data-state=rejected]")).to_have_count(1, timeout=SLOW)
    page.get_by_role("link", name=re.compile("Photo .*Rejected")).click()
    expect(page.get_by_text("No face was found.")).to_be_visible()
    admin.shoot("photo")


def add_photo(admin: Admin, photo: Path) -> None:
    page = admin.page
    page.get_by_role("link", name="Alejandro Toledo", exact=True).click()
    page.get_by_label("Photos", exact=True).set_input_files([photo])
    page.get_by_role("button", name="Upload").click()
    expect(page.get_by_text("1 photo received.")).to_be_visible()
    expect(page.locator("[data-state=enrolled]")).to_have_count(3, timeout=SLOW)
    expect(page.get_by_text("searchable", exact=True)).to_be_visible(timeout=SLOW)
    admin.shoot("added")


def make_key(admin: Admin) -> str:
    page = admin.page
    admin.menu("API keys")
    page.get_by_role("link", name="Add API key", exact=True).first.click()
    page.get_by_label("Gallery").select_option(label="North door")
    page.get_by_label("Name").fill("gate 3")
    page.get_by_role("button", name="Make the key").click()
    key = page.get_by_label("API key").input_value()
    assert key not in page.url
    admin.shoot("key")
    page.get_by_role("button", name="Copy").click()
    expect(page.get_by_role("button", name=re.compile("Copied|Selected"))).to_be_visible()
    page.reload()
    expect(page.get_by_text("gate 3")).to_have_count(1)
    assert key not in page.content()
    admin.menu("People")
    page.get_by_role("link", name="Alejandro Toledo").first.click()
    return key


def found(machine: httpx.Client, photo: bytes) -> list[str]:
    """The external ids that a lookup names."""
    (gallery,) = machine.get("galleries").raise_for_status().json()["results"]
    assert gallery["slug"] == "north-door"
    answer = machine.post(
        "identify",
        data={"galleries": gallery["id"], "faces": "central"},
        files={"photo": photo},
    ).raise_for_status()
    candidates: list[dict[str, Any]] = answer.json()["faces"][0]["candidates"]
    return [each["person"]["external_id"] for each in candidates]


def press_and_confirm(admin: Admin, button: str, answer: str) -> None:
    admin.page.get_by_role("link", name=button, exact=True).click()
    admin.shoot(f"asked-{button.lower()}")
    admin.page.get_by_role("button", name=answer).click()


def erase_and_delete(admin: Admin) -> None:
    press_and_confirm(admin, "Erase", "Yes, erase for good")
    expect(admin.page.get_by_text("They are erased.")).to_be_visible()
    admin.menu("Galleries")
    admin.page.get_by_role("link", name="North door").click()
    press_and_confirm(admin, "Delete", "Yes, delete it")
    expect(admin.page.get_by_text("The gallery North door is deleted.")).to_be_visible()


# --- A reviewer -----------------------------------------------------------------------------------


@pytest.fixture
def doubtful(api: Api) -> Iterator[None]:
    """Everybody who is at all alike comes before a reviewer."""
    address = f"galleries/{api.gallery}/thresholds"
    before = api.ok(api.http.get(address))["policy"]
    wanted = {"review_fpir": 0.5, "match_fpir": 0.1}
    api.ok(api.http.patch(address, json=wanted))
    yield
    api.ok(api.http.patch(address, json={name: before[name] for name in wanted}))


def person_of(api: Api, lfw: Lfw, name: str, *numbers: int) -> str:
    person = api.make_person(name)
    for number in numbers:
        api.upload(person, lfw.bytes(REVIEWED, number))
    return person


def held(api: Api, person: str) -> str:
    now = api.ok(api.http.get(f"people/{person}"))
    return str(now["held"])


def finds(api: Api, photo: bytes, person: str) -> bool:
    (face,) = api.ok(api.identify(photo))["faces"]
    return person in [each["person"]["id"] for each in face["candidates"]]


@pytest.mark.usefixtures("doubtful")
def test_a_reviewer(admin: Admin, api: Api, lfw: Lfw) -> None:
    first = person_of(api, lfw, "Blix the first", 1, 2)
    eventually(lambda: finds(api, lfw.bytes(REVIEWED, 1), first), "the first is found")
    again = person_of(api, lfw, "Blix again", 3)
    eventually(lambda: held(api, again) == "duplicate", "the second is held")
    decide_as_the_same(admin)
    assert held(api, again) == "merged"
    undo_the_decision(admin)
    assert held(api, again) == "duplicate"
    merge_by_hand(admin)
    assert held(api, again) == "duplicate"
    preview_a_policy(admin)
    # Other tests enrol the same person, and would be asked whether they are this one.
    for person in (again, first):
        assert api.http.delete(f"people/{person}").status_code == 204


def decide_as_the_same(admin: Admin) -> None:
    page = admin.page
    admin.menu("Reviews")
    admin.shoot("reviews")
    row = page.get_by_role("row").filter(has_text="Blix again")
    row.get_by_role("link", name="duplicate").click()
    expect(page.get_by_text("Is this new person one of those enrolled?")).to_be_visible()
    expect(page.locator(".lk-subject img")).to_have_count(1)
    candidate = page.locator(".lk-candidate").filter(has_text="Blix the first")
    expect(candidate.locator("img")).to_have_count(2)
    for picture in page.locator(".lk-compare img").all():
        picture.scroll_into_view_if_needed()
        expect(picture).not_to_have_js_property("naturalWidth", 0)
    admin.shoot("review")
    page.get_by_label("Note, for the record").fill("The glasses.")
    page.get_by_role("button", name="Same person: Blix the first").click()
    expect(page.get_by_text("Decided: same person.")).to_be_visible()


def undo_the_decision(admin: Admin) -> None:
    page = admin.page
    open_person(admin, "Blix the first")
    expect(page.get_by_label("Who is whom")).to_contain_text("Blix again was merged into them")
    admin.shoot("who-is-whom")
    page.get_by_role("link", name="decided in a review").click()
    expect(page.get_by_text("The glasses.")).to_be_visible()
    admin.shoot("decided")
    page.get_by_label("Why", exact=True).fill("a test")
    page.get_by_role("button", name="Undo").click()
    expect(page.get_by_text("Undone. The review is open again.")).to_be_visible()


def merge_by_hand(admin: Admin) -> None:
    page = admin.page
    open_person(admin, "Blix the first")
    page.get_by_role("link", name="Merge with somebody").click()
    page.get_by_label("Name, external id, or id").press_sequentially("again")
    page.get_by_role("link", name="Blix again").click()
    expect(page.locator(".lk-pair img")).to_have_count(3)
    admin.shoot("pair")
    page.get_by_role("button", name="Same person: merge").click()
    # Of whom reviewers are asked nobody decides by hand.
    expect(page.get_by_text("Reviewers are asked who this is.")).to_be_visible()


def preview_a_policy(admin: Admin) -> None:
    page = admin.page
    admin.menu("Galleries")
    page.get_by_role("link", name="Main", exact=True).click()
    page.get_by_role("link", name="Thresholds and policy").click()
    expect(page.get_by_label("What it means")).to_contain_text("at ten times the size")
    page.get_by_label("Strangers that match").fill("0.0001")
    expect(page.get_by_text("Nothing is changed until it is saved.")).to_be_visible()
    page.get_by_label("Strangers that match").fill("0.6")
    expect(page.get_by_role("alert")).to_contain_text("above that for a review")
    admin.shoot("preview")


def open_person(admin: Admin, name: str) -> None:
    admin.menu("People")
    admin.page.get_by_role("link", name=name, exact=True).click()


@pytest.mark.parametrize(("colours", "width"), [("light", 1280), ("dark", 820)])
def test_every_page_fits(admin: Admin, colours: Literal["light", "dark"], width: int) -> None:
    page = admin.page
    page.set_viewport_size({"width": width, "height": 1000})
    page.emulate_media(color_scheme=colours)
    unfit = []
    for name in PAGES:
        page.goto(f"{admin.stack.url}/admin/{name}")
        admin.shoot(f"{name.strip('/').replace('/', '-') or 'overview'}-{colours}-{width}")
        if page.evaluate("document.documentElement.scrollWidth") > width:
            unfit.append(f"{name} is too wide")
        unfit += [f"{name}: nameless {each}" for each in nameless(page)]
    assert unfit == []


def nameless(page: Page) -> list[str]:
    """Visible fields and buttons of which a screen reader could say nothing."""
    found: list[str] = page.evaluate(
        """() => [...document.querySelectorAll("#content-main, main, .lk-panel")]
            .flatMap((part) => [...part.querySelectorAll("input, select, textarea, button")])
            .filter((each) => each.type !== "hidden" && each.checkVisibility() && !each.disabled)
            .filter((each) => !(each.labels?.length || each.ariaLabel || each.title
                || each.textContent.trim() || each.getAttribute("aria-labelledby")))
            .map((each) => each.outerHTML.slice(0, 200))"""
    )
    return found
