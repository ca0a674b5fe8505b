"""The logs: lookups and acts, filtered by the address, by name, and as files."""

from __future__ import annotations

import csv
import io

import pytest
from playwright.sync_api import expect

from tests.conftest import Lfw

from .conftest import Member, Open, Portal, Staff

WHO = "George_Robertson"
REASON = "case <b>17</b>"


@pytest.fixture(scope="module", autouse=True)
def looked_up(staff: Staff, gallery: str, lfw: Lfw) -> str:
    """Somebody who was looked up; their id."""
    person = staff.enrol(gallery, WHO, lfw.path(WHO, 1))
    for reason in (REASON, "case 18"):
        staff.ok(
            "POST",
            "identify",
            data={"galleries": gallery, "faces": "central", "reason": reason},
            files={"photo": lfw.bytes(WHO, 1)},
        )
    return person


def test_lookups_are_told_and_exported(portal: Portal, looked_up: str) -> None:
    page = portal.page
    portal.go("/logs")
    portal.heading("Logs")
    table = page.get_by_role("table", name="Lookups")
    expect(table.get_by_role("row")).to_have_count(3)
    expect(table.get_by_role("cell", name="admin")).to_have_count(2)
    expect(table.get_by_text(REASON)).to_be_visible()

    page.get_by_label("Reason contains").fill("17")
    expect(table.get_by_role("row")).to_have_count(2)
    expect(page).to_have_url(f"{portal.url}/logs?reason=%2217%22")
    table.get_by_role("button", name="Details").click()
    expect(table.get_by_role("link", name=WHO)).to_have_attribute("href", f"/people/{looked_up}")
    portal.shoot("logs-lookups")

    with page.expect_download() as download:
        page.get_by_role("link", name="Export as CSV").click()
    rows = list(csv.DictReader(io.StringIO(download.value.path().read_text("utf-8-sig"))))
    assert [row["reason"] for row in rows] == [REASON]

    page.reload()
    expect(page.get_by_label("Reason contains")).to_have_value("17")
    expect(table.get_by_role("row")).to_have_count(2)
    page.get_by_label("Reason contains").fill("nothing like it")
    expect(page.get_by_text("There are no such lookups")).to_be_visible()
    portal.shoot("logs-none", everywhere=False)


def test_acts_are_told_by_name(portal: Portal, looked_up: str) -> None:
    page = portal.page
    portal.go("/logs?tab=audit&action=person.create")
    table = page.get_by_role("table", name="Acts")
    expect(table.get_by_role("cell", name="Made a person")).to_be_visible()
    expect(table.get_by_role("cell", name="admin")).to_be_visible()
    link = table.get_by_role("link", name=f"Person {WHO}")
    expect(link).to_have_attribute("href", f"/people/{looked_up}")
    table.get_by_role("button", name="Details").click()
    expect(table.get_by_text(f"person:{looked_up}")).to_be_visible()
    portal.shoot("logs-acts")

    page.get_by_label("Act", exact=True).select_option(label="Changed the policy")
    expect(table.get_by_role("cell", name="Changed the policy")).to_be_visible()
    page.get_by_label("Until").fill("2020-01-01")
    expect(page.get_by_text("There are no such acts")).to_be_visible()


def test_a_viewer_sees_their_own_lookups_alone(open_portal: Open, member: Member) -> None:
    portal = open_portal(member("viewer"))
    portal.go("/logs?tab=audit")
    expect(portal.page.get_by_text("You see your own lookups.")).to_be_visible()
    expect(portal.page.get_by_text("There are no such lookups")).to_be_visible()
    expect(portal.page.get_by_role("tab", name="Acts")).to_have_count(0)
