"""A gallery's thresholds: previewed, changed, followed; and only by its administrators."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

from tests.conftest import Lfw

from .conftest import Member, Open, Portal, Staff

WHO = "George_Robertson"


@pytest.fixture(scope="module", autouse=True)
def enrolled(staff: Staff, gallery: str, lfw: Lfw) -> None:
    """Somebody who can be found."""
    staff.enrol(gallery, WHO, lfw.path(WHO, 1))


def decision(staff: Staff, gallery: str, photo: bytes) -> str:
    answer = staff.ok(
        "POST",
        "identify",
        data={"galleries": gallery, "faces": "central"},
        files={"photo": photo},
    )
    return str(answer["faces"][0]["decision"])


def preview(page: Page) -> str:
    """What the table says of today's score of a match."""
    row = page.get_by_role("row", name=re.compile("Score of a match"))
    return row.get_by_role("cell").first.inner_text()


def test_a_target_is_previewed_saved_and_followed(
    portal: Portal, staff: Staff, gallery: str
) -> None:
    page = portal.page
    portal.go("/thresholds")
    portal.heading("Thresholds")
    slider = page.get_by_role("slider", name="Strangers that end as a match (FPIR)")
    expect(slider).to_have_attribute("aria-valuetext", "1 in 330 (0.3%)")
    before = preview(page)
    portal.shoot("thresholds")

    slider.press("Home")
    expect(slider).to_have_attribute("aria-valuetext", re.compile("1 in 1,000,000"))
    expect(page.get_by_role("row", name=re.compile("Score of a match"))).to_contain_text(
        re.compile(rf"{before}.+")
    )
    portal.shoot("thresholds-preview")
    policy = staff.ok("GET", f"galleries/{gallery}/thresholds")["policy"]
    assert policy["match_fpir"] == 0.003, "a preview changes nothing"

    page.get_by_label("Why, for the audit log").fill("the auditor asked")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("It counts from the next lookup on.")).to_be_visible()
    now = staff.ok("GET", f"galleries/{gallery}/thresholds")
    assert now["policy"]["match_fpir"] == pytest.approx(1e-6)
    expect(page.get_by_role("region", name="Changes not saved yet")).to_be_hidden()


def test_changes_are_not_left_behind_unasked(portal: Portal) -> None:
    page = portal.page
    portal.go("/thresholds")
    page.get_by_role("slider", name="Strangers that end as a match (FPIR)").press("ArrowRight")
    bar = page.get_by_role("region", name="Changes not saved yet")
    expect(bar).to_be_visible()

    page.get_by_role("link", name="People").click()
    question = page.get_by_role("dialog", name="Leave without saving?")
    question.get_by_role("button", name="Stay").click()
    expect(bar).to_be_visible()
    page.get_by_role("link", name="People").click()
    question.get_by_role("button", name="Leave without saving").click()
    portal.heading("People")


def test_a_target_that_contradicts_the_other_is_refused_with_a_sentence(portal: Portal) -> None:
    page = portal.page
    portal.will_fail(422)
    portal.go("/thresholds")
    page.get_by_role("slider", name="Strangers that end as a match (FPIR)").press("End")
    expect(page.get_by_text("Ask for fewer strangers in a match")).to_be_visible()
    page.get_by_role("button", name="Save").click()
    alert = page.get_by_role("region", name="Changes not saved yet").get_by_role("alert")
    expect(alert).to_contain_text("Ask for fewer strangers")
    page.get_by_role("button", name="Discard").click()
    expect(alert).to_be_hidden()


def test_scores_set_by_hand_need_a_reason_and_are_followed(
    portal: Portal, staff: Staff, gallery: str, lfw: Lfw
) -> None:
    page = portal.page
    portal.go("/thresholds")
    page.get_by_role("switch", name="Set the scores by hand").check(force=True)
    expect(page.get_by_text("Scores set by hand don't follow the gallery")).to_be_visible()
    page.get_by_label("Match from score").fill("0.999")
    page.get_by_label("Doubtful from score").fill("0.998")
    portal.shoot("thresholds-by-hand", everywhere=False)
    page.get_by_role("button", name="Save").click()
    why = page.get_by_label("Why, for the audit log")
    assert why.evaluate("field => field.validity.valueMissing")
    why.fill("a trial")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("Reason given: a trial")).to_be_visible()
    limits = staff.ok("GET", f"galleries/{gallery}/thresholds")["policy"]
    assert (limits["match_score"], limits["review_score"]) == (0.999, 0.998)
    staff.ok(
        "PATCH",
        f"galleries/{gallery}/thresholds",
        json={"match_score": 0.1, "review_score": 0.05, "reason": "a trial"},
    )
    assert decision(staff, gallery, lfw.bytes(WHO, 1)) == "match"
    portal.go("/thresholds")
    page.get_by_role("switch", name="Set the scores by hand").uncheck(force=True)
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("It counts from the next lookup on.")).to_be_visible()


def test_a_setting_says_what_follows_from_it(
    portal: Portal, staff: Staff, gallery: str, lfw: Lfw
) -> None:
    page = portal.page
    portal.go("/thresholds")
    expect(page.get_by_text("Lookups may be made without saying why.")).to_be_visible()
    page.get_by_role("switch", name="Lookups must say why").check(force=True)
    expect(page.get_by_text("without a reason or a case number is refused")).to_be_visible()
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("It counts from the next lookup on.")).to_be_visible()
    answer = staff.http.post(
        "identify",
        data={"galleries": gallery},
        files={"photo": lfw.bytes(WHO, 1)},
    )
    assert answer.status_code == 422, answer.text
    staff.ok("PATCH", f"galleries/{gallery}/thresholds", json={"requires_reason": False})


def test_a_viewer_sees_and_may_not_change(open_portal: Open, member: Member) -> None:
    portal = open_portal(member("viewer"))
    portal.go("/thresholds")
    page = portal.page
    expect(page.get_by_text("Only an administrator of the gallery can change it.")).to_be_visible()
    expect(page.get_by_role("switch", name="Lookups must say why")).to_be_disabled()
    expect(page.get_by_text("Reviewers and administrators see")).to_be_visible()
    portal.shoot("thresholds-viewer", everywhere=False)
