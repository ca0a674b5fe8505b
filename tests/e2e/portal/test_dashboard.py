"""The dashboard: galleries for everybody, the installation for site administrators."""

from __future__ import annotations

from playwright.sync_api import expect

from .conftest import Member, Open, Portal


def test_a_site_administrator_sees_everything(portal: Portal) -> None:
    portal.go("/dashboard")
    portal.heading("Dashboard")
    page = portal.page
    galleries = page.get_by_role("table", name="Galleries")
    expect(galleries.get_by_role("button", name="Portal Dashboard")).to_be_visible()
    parts = page.get_by_role("table", name="Parts of the installation")
    for part in ("Database", "Milvus", "Workers", "Index lag", "Disk space"):
        expect(parts.get_by_role("rowheader", name=part, exact=True)).to_be_visible()
    expect(page.get_by_role("table", name="Workers").get_by_role("row")).to_have_count(5)
    expect(page.get_by_role("progressbar", name="Data")).to_be_visible()
    page.get_by_text("The figures as a table").click()
    lookups = page.get_by_role("table").filter(has_text="Too poor to tell")
    expect(lookups.get_by_role("row")).to_have_count(15)  # a fortnight and the head
    portal.shoot("dashboard")


def test_a_gallery_is_gone_to(portal: Portal) -> None:
    portal.go("/dashboard")
    portal.page.get_by_role("button", name="Main", exact=True).click()
    portal.heading("People")
    chosen = portal.page.get_by_role("combobox", name="Gallery").locator("option:checked")
    expect(chosen).to_have_text("Main")


def test_a_viewer_sees_their_gallery_alone(open_portal: Open, member: Member) -> None:
    portal = open_portal(member("viewer"))
    portal.go("/dashboard")
    page = portal.page
    expect(page.get_by_role("table", name="Galleries").get_by_role("row")).to_have_count(2)
    expect(page.get_by_text("shown to site administrators")).to_be_visible()
    expect(page.get_by_text("Reviewers and administrators see how")).to_be_visible()
    portal.shoot("dashboard-viewer", everywhere=False)
