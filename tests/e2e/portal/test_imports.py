"""Imports in the browser: an archive with bad files from its upload to its report, and undone."""

from __future__ import annotations

import os
import re
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import Page, Route, expect

from embedder.opencv import cv2
from tests.conftest import Lfw
from tests.e2e.stack import eventually

from .conftest import Member, Open, Portal, Staff

# A name with markup: shown as it is, and run nowhere.
NASTY = "Igor_<b>Ivanov"
MEGABYTE = 1 << 20


@pytest.fixture(scope="module")
def archive(lfw: Lfw, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six photos of three people, one of them twice, and five files that can't be used."""
    path = tmp_path_factory.mktemp("import") / "people.zip"
    with zipfile.ZipFile(path, "w") as made:
        for number in (1, 2):
            made.writestr(
                f"people/Donald_Rumsfeld/{number}.jpg", lfw.bytes("Donald_Rumsfeld", number)
            )
            made.writestr(f"people/Hans_Blix/{number}.jpg", lfw.bytes("Hans_Blix", number))
            made.writestr(f"people/{NASTY}/{number}.jpg", lfw.bytes("Igor_Ivanov", number))
        made.writestr("people/Hans_Blix/again.jpg", lfw.bytes("Hans_Blix", 1))
        made.writestr("people/Hans_Blix/text.jpg", "I am no photo.")
        made.writestr("people/Hans_Blix/cut.jpg", lfw.bytes("Hans_Blix", 3)[:3000])
        made.writestr("people/Hans_Blix/wall.png", wall())
        made.writestr("people/loose.jpg", lfw.bytes("Hans_Blix", 3))
        made.writestr("../out.jpg", lfw.bytes("Hans_Blix", 3))
        made.writestr("people/.DS_Store", "litter")
    return path


def wall() -> bytes:
    """A picture without a face."""
    pixels = np.linspace(40, 200, 300, dtype=np.uint8)
    return bytes(cv2.imencode(".png", np.dstack([np.tile(pixels, (300, 1))] * 3))[1])


def large(path: Path, lfw: Lfw) -> Path:
    """An archive of several pieces: a hidden file makes it large."""
    with zipfile.ZipFile(path, "w") as made:
        made.writestr("people/Hans_Blix/1.jpg", lfw.bytes("Hans_Blix", 1))
        made.writestr(".filler", os.urandom(9 * MEGABYTE))
    return path


def many(path: Path, lfw: Lfw, count: int) -> Path:
    with zipfile.ZipFile(path, "w") as made:
        for name in lfw.people(count):
            made.writestr(f"{name}/1.jpg", lfw.bytes(name, 1))
    return path


def choose(page: Page, path: Path) -> None:
    page.locator("input[type=file]").first.set_input_files(path)


def step(page: Page, name: str) -> None:
    page.get_by_role("button", name=name, exact=True).click()


def confirm(page: Page, name: str) -> None:
    step(page, name)
    page.get_by_role("dialog").get_by_role("button", name=name, exact=True).click()
    expect(page.get_by_role("dialog")).to_be_hidden()


def state(page: Page, name: str) -> None:
    expect(page.get_by_role("status").get_by_text(name, exact=True)).to_be_visible(timeout=90_000)


def results(page: Page) -> dict[str, int]:
    """The numbers beside the bar."""
    rows = page.get_by_role("table", name="Files by result").get_by_role("row")
    expect(rows).to_have_count(8)
    cells = [row.get_by_role("cell").all_inner_texts() for row in rows.all()[1:]]
    return {name: int(number) for name, number, *_ in cells if number != "0"}


def begin(portal: Portal, path: Path) -> str:
    """Upload and plan; the id of the import."""
    portal.go("/imports/new")
    portal.heading("New import")
    choose(portal.page, path)
    step(portal.page, "Upload and plan")
    portal.page.wait_for_url(re.compile("/imports/[0-9a-f-]{36}"))
    return portal.page.url.rpartition("/")[2]


def test_a_text_file_is_no_archive(portal: Portal, tmp_path: Path) -> None:
    page = portal.page
    portal.go("/imports")
    expect(page.get_by_text("Nothing was imported into this gallery yet")).to_be_visible()
    portal.shoot("imports-empty")
    page.get_by_role("link", name="New import").first.click()
    portal.heading("New import")
    portal.shoot("imports-new")
    text = tmp_path / "list.zip"
    text.write_text("only text")
    choose(page, text)
    expect(page.get_by_role("alert")).to_contain_text("This is no archive.")
    expect(page.get_by_role("button", name="Upload and plan")).to_be_disabled()


def test_an_archive_from_its_upload_to_its_report_and_undone(
    portal: Portal, staff: Staff, gallery: str, archive: Path
) -> None:
    page = portal.page
    job = begin(portal, archive)
    state(page, "Ready to start")
    expect(page.get_by_text("3 new, 0 known")).to_be_visible()
    expect(page.get_by_role("row", name="Its name leads out")).to_contain_text("../out.jpg")
    expect(page.get_by_role("row", name="In no person's folder").first).to_contain_text("loose.jpg")
    expect(page.get_by_text("Ignored: hidden files (1)")).to_be_visible()
    portal.shoot("imports-plan")
    step(page, "Start")

    state(page, "Done")
    assert results(page) == {"Enrolled": 6, "Duplicate": 1, "Rejected": 5}
    reasons = page.get_by_role("table", name="Why files were not taken, or wait")
    for reason in ("No face found", "No photo", "Damaged photo", "In no person's folder"):
        expect(reasons.get_by_role("row", name=reason)).to_be_visible()
    portal.shoot("imports-done")
    look_through_files(page)
    report = download(page, "CSV")
    assert len(report.splitlines()) == 1 + 12
    assert download(page, "XLSX", binary=True)[:2] == b"PK"
    with page.context.expect_page() as opened:
        page.get_by_role("link", name="Sheet with pictures").click()
    expect(opened.value.get_by_text("wall.png").first).to_be_visible()
    opened.value.close()

    page.reload()
    step(page, "Undo import")
    dialog = page.get_by_role("dialog", name="Undo this import?")
    expect(dialog).to_contain_text("6 enrolled, 0 for review, 5 rejected")
    expect(dialog).to_contain_text("duplicates (1)")
    portal.shoot("imports-undo")
    dialog.get_by_role("button", name="Undo import").click()
    state(page, "Undone")
    people = staff.ok("GET", "people", params={"gallery": gallery})["results"]
    assert people == []
    portal.go("/imports")
    expect(page.get_by_role("row", name="Undone")).to_be_visible()
    portal.shoot("imports-list")
    assert staff.ok("GET", f"imports/{job}")["state"] == "undone"


def look_through_files(page: Page) -> None:
    reasons = page.get_by_role("table", name="Why files were not taken, or wait")
    reasons.get_by_role("row", name="No face found").get_by_role("button").click()
    files = page.get_by_role("region", name="Files of this import")
    expect(files.get_by_role("row")).to_have_count(2)
    expect(files).to_contain_text("people/Hans_Blix/wall.png")
    page.get_by_role("combobox", name="Reason").click()
    page.get_by_role("option", name="All reasons").click()
    page.get_by_role("combobox", name="Result").click()
    page.get_by_role("option", name="All results").click()
    page.get_by_role("searchbox", name="File, id or name").fill("<b>")
    expect(files.get_by_role("row")).to_have_count(3)
    expect(files.get_by_role("link", name="Open Igor <b>Ivanov")).to_have_count(2)


def download(page: Page, name: str, *, binary: bool = False) -> Any:
    with page.expect_download() as begun:
        page.get_by_role("link", name=name, exact=True).click()
    path = begun.value.path()
    return path.read_bytes() if binary else path.read_text("utf-8")


def test_a_reload_in_the_middle_of_the_upload(
    portal: Portal, staff: Staff, archive: Path, lfw: Lfw, tmp_path: Path
) -> None:
    page = portal.page
    pieces: list[str] = []
    path = large(tmp_path / "large.zip", lfw)

    def only_the_first(route: Route) -> None:
        pieces.append(route.request.url.rpartition("=")[2])
        route.continue_() if len(pieces) == 1 else route.abort()

    portal.expected.append("net::ERR_FAILED")
    page.route("**/archive?offset=*", only_the_first)
    job = begin(portal, path)
    expect(page.get_by_text("The server doesn't answer.")).to_be_visible()
    portal.shoot("imports-upload-waiting")
    assert staff.ok("GET", f"imports/{job}")["uploaded"] == MEGABYTE

    page.once("dialog", lambda dialog: dialog.accept())  # it asks before the window is left
    page.reload()
    expect(page.get_by_role("heading", name="1 MB arrived; the rest is missing")).to_be_visible()
    expect(page.get_by_text(re.compile("It was large.zip with 9.4 MB."))).to_be_visible()
    portal.shoot("imports-upload-rest")
    page.unroute("**/archive?offset=*")
    choose(page, archive)
    expect(page.get_by_role("alert")).to_contain_text("This is another file")
    asked: list[str] = []
    page.on(
        "request", lambda request: asked.append(request.url) if "offset=" in request.url else None
    )
    choose(page, path)
    state(page, "Ready to start")
    assert asked[0].endswith(f"offset={MEGABYTE}")
    shown = staff.ok("GET", f"imports/{job}")
    assert (shown["uploaded"], shown["plan"]["photos"]) == (path.stat().st_size, 1)
    confirm(page, "Cancel import")
    state(page, "Cancelled")


def test_an_upload_paused_and_gone_on_with_by_itself(
    portal: Portal, staff: Staff, lfw: Lfw, tmp_path: Path
) -> None:
    page = portal.page
    failed: list[str] = []

    def one_fails(route: Route) -> None:
        if "offset=0" in route.request.url or len(failed) > 1:
            route.continue_()
        else:
            failed.append(route.request.url)
            route.fulfill(status=503, body="<html>down</html>")

    portal.will_fail(503)
    page.route("**/archive?offset=*", one_fails)
    job = begin(portal, large(tmp_path / "large.zip", lfw))
    expect(page.get_by_text("The server doesn't answer.")).to_be_visible()
    step(page, "Pause upload")
    expect(page.get_by_text("Paused. What was sent is kept.")).to_be_visible()
    # Other pages may be looked at meanwhile.
    page.get_by_role("link", name="Imports").click()
    page.get_by_role("row", name="Uploading").first.get_by_role("link").click()
    expect(page.get_by_text("Paused. What was sent is kept.")).to_be_visible()
    step(page, "Go on")
    state(page, "Ready to start")
    assert len(failed) == 2
    assert staff.ok("POST", f"imports/{job}/cancel")["state"] == "cancelled"


def test_paused_gone_on_with_cancelled_and_undone(
    portal: Portal, staff: Staff, gallery: str, lfw: Lfw, tmp_path: Path
) -> None:
    page = portal.page
    job = begin(portal, many(tmp_path / "many.zip", lfw, 150))
    state(page, "Ready to start")
    step(page, "Start")
    step(page, "Pause")
    state(page, "Paused")
    portal.shoot("imports-paused")
    step(page, "Go on")
    state(page, "Running")
    expect(page.get_by_text("of 150 files have a result")).to_be_visible(timeout=60_000)
    step(page, "Cancel import")
    dialog = page.get_by_role("dialog", name="Cancel this import?")
    dialog.get_by_role("button", name="Cancel import").click()
    state(page, "Cancelled")

    def is_at_rest() -> bool:
        return bool(staff.ok("GET", f"imports/{job}")["progress"]["working"] == 0)

    eventually(is_at_rest, "what was in hand is given back", seconds=60)
    page.reload()
    counts = staff.ok("GET", f"imports/{job}")["progress"]
    assert sum(results(page).values()) == counts["files"] == 150
    confirm(page, "Undo import")
    state(page, "Undone")
    assert staff.ok("GET", "people", params={"gallery": gallery})["results"] == []


def test_a_table_beside_the_source_with_columns_of_its_own(
    portal: Portal, staff: Staff, gallery: str, lfw: Lfw, tmp_path: Path
) -> None:
    page = portal.page
    path = tmp_path / "photos.zip"
    with zipfile.ZipFile(path, "w") as made:
        made.writestr("a.jpg", lfw.bytes("Hans_Blix", 1))
        made.writestr("b.jpg", lfw.bytes("Donald_Rumsfeld", 1))
    table = tmp_path / "who.csv"
    table.write_text("Scan;工号;姓名;Team\na.jpg;7;Hans Blix;UN\nb.jpg;;Nobody;\nc.jpg;9;Gone;\n")
    portal.go("/imports/new")
    choose(page, path)
    page.get_by_role("radio", name="A table").check()
    page.get_by_label("I send it beside the source").check()
    page.locator("input[type=file]").last.set_input_files(table)
    expect(page.get_by_text("Say which columns are the file")).to_have_count(2)
    page.get_by_role("combobox", name="File or path of the photo").click()
    page.get_by_role("option", name="Scan").click()
    portal.shoot("imports-columns")
    step(page, "Upload and plan")
    state(page, "Ready to start")
    expect(page.get_by_text("UTF-8, semicolons")).to_be_visible()
    expect(page.get_by_role("row", name="a.jpg 7 Hans Blix")).to_contain_text("Team: UN")
    expect(page.get_by_role("row", name="Nothing says who it is").last).to_contain_text("b.jpg")
    portal.shoot("imports-table-plan")
    confirm(page, "Cancel import")


def test_roles(open_portal: Open, member: Member, staff: Staff, archive: Path) -> None:
    viewer = open_portal(member("viewer"))
    viewer.go("/imports")
    expect(viewer.page.get_by_text("Imports are for operators")).to_be_visible()
    viewer.shoot("imports-forbidden", everywhere=False)
    viewer.go("/imports/new")
    expect(viewer.page.get_by_text("Imports are for operators")).to_be_visible()

    operator = open_portal(member("operator"), width=820, height=1180)
    job = begin(operator, archive)
    state(operator.page, "Ready to start")
    operator.shoot("imports-plan-tablet", everywhere=False)
    # Whoever may not see it is told nothing of it, and it isn't started.
    viewer.go(f"/imports/{job}")
    expect(viewer.page.get_by_text("Imports are for operators")).to_be_visible()
    step(operator.page, "Start")
    state(operator.page, "Done")
    operator.shoot("imports-done-tablet", everywhere=False)
    # Undoing erases people: an administrator's.
    expect(operator.page.get_by_role("button", name="Undo import")).to_be_disabled()
    staff.ok("POST", f"imports/{job}/undo")
