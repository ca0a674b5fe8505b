"""The review queue in the browser: from the keyboard, by two reviewers, in two windows."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.conftest import Lfw
from tests.e2e.stack import Stack, eventually

from .conftest import Member, Open, Portal, Staff

Doubtful = Callable[..., str]


@pytest.fixture(scope="module")
def enrolled(staff: Staff, gallery: str, lfw: Lfw) -> dict[str, str]:
    """Who is known, by name; from then on whoever is like somebody comes before reviewers."""
    policy(staff, gallery, duplicates="allow")
    known = {
        name: staff.enrol(gallery, name, lfw.path(name, 1), lfw.path(name, 2))
        for name in ("Igor_Ivanov", "Hans_Blix", "Donald_Rumsfeld")
    }
    policy(
        staff, gallery, duplicates="review", misfits="review", doubtful="queue",
        person_confirms=True, review_fpir=0.5, match_fpir=0.1,
    )  # fmt: skip
    return known


def policy(staff: Staff, gallery: str, **fields: Any) -> None:
    staff.ok("PATCH", f"galleries/{gallery}/thresholds", json=fields)


def reviews(staff: Staff, gallery: str, **query: str) -> list[dict[str, Any]]:
    found = staff.ok("GET", "reviews", params={"gallery": gallery, **query})["results"]
    return list(found)


@pytest.fixture
def duplicate(staff: Staff, gallery: str, enrolled: dict[str, str], lfw: Lfw) -> Doubtful:
    """Makes somebody new who is like somebody enrolled; the id of the review."""

    def make(who: str, name: str = "") -> str:
        fields = {"gallery": gallery, "name": name or f"New {who}"}
        person = staff.ok("POST", "people", json=fields)["id"]
        photo = lfw.bytes(who, 3)
        staff.ok("POST", "photos", data={"person": person}, files={"photo": photo})

        def asked() -> str | None:
            found = reviews(staff, gallery, state="open", person=person)
            return str(found[0]["id"]) if found else None

        return eventually(asked, f"a review of {fields['name']}", seconds=60)

    return make


@pytest.fixture
def clean(staff: Staff, gallery: str, enrolled: dict[str, str]) -> None:
    """Nothing is open, and one reviewer is enough."""
    policy(staff, gallery, reviewers=1)
    for review in reviews(staff, gallery, state="open"):
        staff.http.post(f"reviews/{review['id']}/decide", json={"verdict": "unsure"})
    for person in staff.ok("GET", "people", params={"gallery": gallery})["results"]:
        if person["id"] not in enrolled.values() and person["held"] != "merged":
            staff.ok("DELETE", f"people/{person['id']}")


def question(page: Page, text: str | re.Pattern[str]) -> None:
    expect(page.get_by_role("heading", level=2, name=text)).to_be_visible(timeout=20_000)


def press(page: Page, key: str) -> None:
    """As soon as there is something to decide on."""
    expect(page.get_by_role("button", name=re.compile("^Can't tell"))).to_be_enabled()
    page.keyboard.press(key)


def notice(page: Page) -> Locator:
    return page.locator(".mantine-Notification-root")


def verdict(staff: Staff, review: str) -> tuple[str, str]:
    found = staff.ok("GET", f"reviews/{review}")
    return found["state"], found["verdict"]


def decided(staff: Staff, review: str, wanted: str) -> None:
    eventually(lambda: verdict(staff, review) == ("decided", wanted), f"{review} is {wanted}")


@dataclass
class Kinds:
    """A review of each kind, in the order in which they come."""

    search: str
    duplicate: str
    misfit: str
    photo: str


@pytest.fixture
def kinds(
    staff: Staff,
    gallery: str,
    enrolled: dict[str, str],
    duplicate: Doubtful,
    request: pytest.FixtureRequest,
) -> Kinds:
    """Somebody looked up, somebody new, and a photo of somebody else."""
    request.getfixturevalue("clean")
    lfw: Lfw = request.getfixturevalue("lfw")
    looked_up = {"galleries": gallery, "faces": "central", "reason": "a test"}
    staff.ok("POST", "identify", data=looked_up, files={"photo": lfw.bytes("Hans_Blix", 3)})
    merged = duplicate("Igor_Ivanov", "Igor <i>again</i>")
    hans = {"person": enrolled["Hans_Blix"]}
    other = {"photo": lfw.bytes("Jiang_Zemin", 1)}
    photo = str(staff.ok("POST", "photos", data=hans, files=other)["id"])

    def asked() -> bool:
        return len(reviews(staff, gallery, state="open", kind="misfit")) == 1

    eventually(asked, "a misfit", seconds=60)
    search, _, misfit = (str(each["id"]) for each in reviews(staff, gallery, state="open"))
    return Kinds(search, merged, misfit, photo)


@pytest.mark.usefixtures("clean")
def test_an_empty_queue(portal: Portal) -> None:
    page = portal.page
    portal.go("/reviews")
    expect(page.get_by_role("heading", name="Nothing waits for you")).to_be_visible()
    portal.shoot("reviews-empty")
    page.keyboard.press("z")
    expect(notice(page)).to_contain_text("There is nothing to undo in this window.")


def test_all_kinds_from_the_keyboard(portal: Portal, staff: Staff, kinds: Kinds) -> None:
    page = portal.page
    portal.go("/reviews")
    question(page, re.compile("Is the face that was looked up Hans_Blix"))
    portal.shoot("reviews-search")
    page.keyboard.press("t")
    page.keyboard.type("the same scar")
    page.keyboard.press("Escape")
    press(page, "s")
    decided(staff, kinds.search, "same")
    assert staff.ok("GET", f"reviews/{kinds.search}")["opinions"][0]["note"] == "the same scar"

    question(page, "Is the new person Igor <i>again</i> the same as Igor_Ivanov?")
    portal.shoot("reviews-duplicate")
    press(page, "n")
    question(page, "Does this photo show Hans_Blix?")
    page.keyboard.press("w")
    expect(page.locator(f"img[src='/api/v1/photos/{kinds.photo}/image']")).to_be_visible()
    portal.shoot("reviews-misfit")
    press(page, "d")
    decided(staff, kinds.misfit, "different")
    assert staff.ok("GET", f"photos/{kinds.photo}")["state"] == "rejected"
    page.keyboard.press("z")
    question(page, "Does this photo show Hans_Blix?")
    assert verdict(staff, kinds.misfit) == ("open", "")
    assert staff.ok("GET", f"photos/{kinds.photo}")["state"] == "review"
    press(page, "u")
    decided(staff, kinds.misfit, "unsure")

    expect(page.get_by_text("You have skipped 1.")).to_be_visible()
    page.get_by_role("button", name="Show them again").click()
    question(page, re.compile("Is the new person Igor"))
    press(page, "s")
    decided(staff, kinds.duplicate, "same")
    expect(page.get_by_role("heading", name="Nothing waits for you")).to_be_visible()
    expect(page.get_by_role("region", name="The queue")).to_contain_text("0 open")


@pytest.mark.usefixtures("clean")
def test_keys_move_both_pictures_and_none_decides_under_a_dialog(
    portal: Portal, staff: Staff, duplicate: Doubtful
) -> None:
    page = portal.page
    review = duplicate("Igor_Ivanov")
    portal.go("/reviews")
    question(page, re.compile("New Igor_Ivanov"))
    page.keyboard.press("?")
    expect(page.get_by_role("dialog", name="Keys")).to_be_visible()
    portal.shoot("reviews-keys", everywhere=False)
    page.keyboard.press("s")
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_be_hidden()
    pictures = page.locator("figure img")
    expect(pictures).to_have_count(2)
    for key in ("+", "+", "ArrowLeft"):
        page.keyboard.press(key)
    expect(pictures.first).to_have_attribute("style", re.compile(r"scale\(1\.69\)"))
    assert len({each.get_attribute("style") for each in pictures.all()}) == 1
    pictures.last.hover()
    page.mouse.wheel(0, 200)
    page.mouse.wheel(0, 200)
    expect(pictures.first).to_have_attribute("style", re.compile(r"scale\(1\)"))
    assert verdict(staff, review) == ("open", "")


@pytest.mark.usefixtures("clean")
def test_an_older_decision_is_undone(portal: Portal, staff: Staff, duplicate: Doubtful) -> None:
    page = portal.page
    review = duplicate("Igor_Ivanov", "Igor <i>twin</i>")
    staff.ok("POST", f"reviews/{review}/decide", json={"verdict": "different"})
    portal.go("/reviews")
    page.get_by_role("tab", name="Decided").click()
    row = page.get_by_role("row", name="Igor <i>twin")
    expect(row).to_contain_text("you")
    portal.shoot("reviews-decided")
    row.get_by_role("button", name="Undo").click()
    dialog = page.get_by_role("dialog", name="Undo this decision?")
    expect(dialog).to_contain_text("two people again")
    dialog.get_by_label("Why").fill("twins")
    dialog.get_by_role("button", name="Undo").click()
    expect(dialog).to_be_hidden()
    assert staff.ok("GET", f"reviews/{review}")["undone_because"] == "twins"
    page.get_by_role("tab", name="To decide").click()
    expect(page.get_by_text("This was decided before and undone: twins")).to_be_visible()


@pytest.fixture
def two(
    clean: None, open_portal: Open, member: Member, staff: Staff, gallery: str
) -> tuple[Portal, Portal]:
    """The windows of two reviewers who have to agree."""
    policy(staff, gallery, reviewers=2)
    return open_portal(member("reviewer")), open_portal(member("reviewer"))


def test_a_second_reviewer_is_shown_nothing_of_the_first(
    two: tuple[Portal, Portal], portal: Portal, staff: Staff, duplicate: Doubtful
) -> None:
    first, second = two
    review = duplicate("Hans_Blix")
    first.go("/reviews")
    question(first.page, re.compile("Is the new person New Hans_Blix"))
    expect(first.page.get_by_text("Opinions so far: 0.")).to_be_visible()
    first.page.keyboard.press("t")
    first.page.keyboard.type("SECRET OF THE FIRST")
    first.page.keyboard.press("Escape")
    press(first.page, "s")
    # It doesn't come to the first one again, not even after a reload.
    expect(first.page.get_by_role("heading", name="Nothing waits for you")).to_be_visible()
    first.page.reload()
    expect(first.page.get_by_text("or waits for another reviewer (1)")).to_be_visible()
    assert verdict(staff, review) == ("open", "")

    told: list[str] = []
    second.page.on(
        "response",
        lambda answer: told.append(answer.text()) if "/reviews" in answer.url else None,
    )
    second.go("/reviews")
    question(second.page, re.compile("Is the new person New Hans_Blix"))
    expect(second.page.get_by_text("Opinions so far: 1.")).to_be_visible()
    second.shoot("reviews-second", everywhere=False)
    assert any(review in answer for answer in told)
    assert all("SECRET" not in answer for answer in told)
    press(second.page, "s")
    decided(staff, review, "same")

    second.page.get_by_role("tab", name="Decided").click()
    row = second.page.get_by_role("row", name=re.compile("New Hans_Blix")).first
    expect(row).to_contain_text("SECRET OF THE FIRST")
    expect(row).to_contain_text("takes an administrator to undo")
    portal.go("/reviews?tab=decided")
    row = portal.page.get_by_role("row", name=re.compile("New Hans_Blix")).first
    row.get_by_role("button", name="Undo").click()
    portal.page.get_by_role("dialog").get_by_role("button", name="Undo").click()
    eventually(lambda: verdict(staff, review) == ("open", ""), "it is open again")


@pytest.mark.usefixtures("clean")
def test_the_same_review_in_two_windows(
    open_portal: Open, staff: Staff, duplicate: Doubtful
) -> None:
    review, other = duplicate("Hans_Blix"), duplicate("Donald_Rumsfeld")
    one, two = open_portal(staff), open_portal(staff)
    two.will_fail(409)
    for each in (one, two):
        each.go("/reviews")
        question(each.page, re.compile("New Hans_Blix"))
    press(one.page, "d")
    decided(staff, review, "different")
    press(two.page, "s")
    expect(notice(two.page)).to_contain_text("This one was decided already")
    question(two.page, re.compile("New Donald_Rumsfeld"))
    assert verdict(staff, review) == ("decided", "different")
    # Taken by somebody, it is nobody else's.
    one.page.keyboard.press("a")
    expect(one.page.get_by_text("Assigned to you", exact=True)).to_be_visible()
    assert staff.ok("GET", f"reviews/{other}")["assigned_to"].startswith("user:")


@pytest.mark.usefixtures("clean")
def test_a_session_that_ends_loses_no_decision(
    open_portal: Open, stack: Stack, staff: Staff, duplicate: Doubtful
) -> None:
    review = duplicate("Donald_Rumsfeld")
    mine = Staff(stack, "admin", stack.password)
    portal = open_portal(mine)
    page = portal.page
    portal.will_fail(401)
    portal.go("/reviews")
    question(page, re.compile("New Donald_Rumsfeld"))
    expect(page.get_by_role("button", name=re.compile("^Can't tell"))).to_be_enabled()
    mine.ok("DELETE", "session")
    mine.http.close()
    press(page, "s")
    dialog = page.get_by_role("dialog", name="Your session has ended")
    expect(dialog).to_be_visible()
    assert verdict(staff, review) == ("open", "")
    dialog.get_by_label("Password", exact=True).fill(stack.password)
    dialog.get_by_role("button", name="Sign in").click()
    expect(dialog).to_be_hidden()
    expect(page.get_by_text("1 decision was not sent.")).to_be_visible()
    portal.shoot("reviews-unsent", everywhere=False)
    page.get_by_role("button", name="Send again").click()
    decided(staff, review, "same")
    expect(page.get_by_text("1 decision was not sent.")).to_be_hidden()


@pytest.mark.usefixtures("clean")
def test_roles_and_a_tablet(open_portal: Open, member: Member, duplicate: Doubtful) -> None:
    operator = open_portal(member("operator"))
    operator.go("/reviews")
    expect(operator.page.get_by_text("Reviews are for reviewers")).to_be_visible()
    duplicate("Igor_Ivanov")
    tablet = open_portal(member("reviewer"), width=820, height=1180)
    tablet.go("/reviews?kind=duplicate")
    question(tablet.page, re.compile("New Igor_Ivanov"))
    expect(tablet.page.locator("figure img")).to_have_count(2)
    tablet.shoot("reviews-tablet", everywhere=False)
    tablet.go("/reviews?kind=misfit")
    expect(tablet.page.get_by_text("Nothing of this kind waits.")).to_be_visible()
    tablet.page.get_by_role("button", name="Show all kinds").click()
    question(tablet.page, re.compile("New Igor_Ivanov"))
