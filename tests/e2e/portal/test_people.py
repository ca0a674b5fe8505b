"""People: found, added, looked at, told apart, erased; and a list of a hundred thousand of them."""

from __future__ import annotations

import json
import re
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from tests.conftest import Lfw
from tests.e2e.stack import Stack

from .conftest import Open, Portal, Staff

MANY = 100_000
LONG_MS = 50
HOSTILE = (
    '<img src=x onerror="document.title=1"> \u202e\u0645\u0631\u062d\u0628\u0627 {{name}} $t(x)'
)


def add(staff: Staff, gallery: str, name: str, **fields: Any) -> str:
    body = {"gallery": gallery, "name": name, **fields}
    return str(staff.ok("POST", "people", json=body)["id"])


def grid(portal: Portal) -> Locator:
    return portal.page.get_by_role("grid", name="People")


def cards(portal: Portal) -> Locator:
    return grid(portal).get_by_role("gridcell")


def act(portal: Portal, label: str) -> None:
    """Choose from the menu of who is who."""
    portal.page.get_by_role("button", name="Who is who").click()
    portal.page.get_by_role("menuitem", name=label).click()


@pytest.fixture
def seen(open_portal: Open, staff: Staff) -> Any:
    """Opens a gallery of one test's own: the module's is shared."""

    def show(gallery: str, path: str, who: Staff = staff) -> Portal:
        portal = open_portal(who)
        portal.page.add_init_script(f"localStorage.setItem('likeness.gallery', '\"{gallery}\"')")
        portal.go(path)
        return portal

    return show


def test_searching_as_one_types(staff: Staff, seen: Any) -> None:
    gallery = staff.make_gallery("People searched")
    for number in range(30):
        add(staff, gallery, f"Person {number:02}", external_id=f"E-{number:03}")
    ada = add(staff, gallery, "Ada Lovelace", external_id="A-1")
    staff.ok("PATCH", f"people/{ada}", json={"active": False})
    portal = seen(gallery, "/people")
    page = portal.page
    expect(page.get_by_text("31 people")).to_be_visible()
    portal.shoot("people")

    search = page.get_by_label("Search", exact=True)
    search.press_sequentially("lovel", delay=20)
    expect(page.get_by_text("1 person found")).to_be_visible()
    expect(cards(portal)).to_have_count(1)
    expect(cards(portal)).to_contain_text("Inactive")
    expect(page).to_have_url(re.compile(r"\?q=lovel"))
    search.fill("nobody of this name")
    expect(page.get_by_role("heading", name="Nobody found")).to_be_visible()
    portal.shoot("people-nobody-found")
    page.get_by_role("button", name="Show everybody").click()
    expect(page.get_by_text("31 people")).to_be_visible()
    expect(search).to_have_value("")

    page.get_by_role("combobox", name="State").click()
    page.get_by_role("option", name="Inactive").click()
    expect(page.get_by_text("1 person found")).to_be_visible()
    page.reload()
    expect(page.get_by_text("1 person found")).to_be_visible()


def test_the_keyboard_goes_through_the_cards(staff: Staff, seen: Any) -> None:
    gallery = staff.make_gallery("People by keyboard")
    for number in range(9, -1, -1):
        add(staff, gallery, f"Person {number}")
    portal = seen(gallery, "/people")
    expect(cards(portal)).to_have_count(10)
    portal.page.get_by_label("Search", exact=True).press("ArrowDown")
    expect(grid(portal)).to_be_focused()
    for key in ("ArrowRight", "ArrowRight", "ArrowLeft", "End", "Home", "ArrowRight"):
        grid(portal).press(key)
    grid(portal).press("Enter")
    portal.heading("Person 1")
    portal.page.go_back()
    expect(cards(portal)).to_have_count(10)


def test_an_empty_gallery_says_what_comes_next(staff: Staff, seen: Any) -> None:
    portal = seen(staff.make_gallery("People none"), "/people")
    expect(portal.page.get_by_role("heading", name="Nobody is enrolled yet")).to_be_visible()
    portal.shoot("people-none")


def test_somebody_new_with_photos(portal: Portal, lfw: Lfw, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("no photo")
    (tmp_path / "large.jpg").write_bytes(b"\xff\xd8\xff" + bytes(60_000_000))
    portal.will_fail(413, 415)
    # The server may end the connection of an upload that it refuses.
    portal.expected.append("ERR_CONNECTION")
    portal.go("/people")
    page = portal.page
    page.get_by_role("button", name="New person").click()
    dialog = page.get_by_role("dialog", name="New person")
    dialog.get_by_label("Name", exact=True).fill("Alejandro Toledo")
    dialog.get_by_label("External id").fill("AG-1")
    dialog.get_by_role("button", name="Add a line").click()
    dialog.get_by_label("Key 1").fill("desk")
    dialog.get_by_label("Value 1").fill("7")
    photos = [lfw.path("Alejandro_Toledo", 1), lfw.path("Alejandro_Toledo", 2)]
    files = [*photos, tmp_path / "notes.txt", tmp_path / "large.jpg"]
    dialog.locator("input[type=file]").first.set_input_files(files)
    expect(dialog.get_by_text("4 photos will be sent")).to_be_visible()
    portal.shoot("people-new")
    dialog.get_by_role("button", name="Add person").click()

    expect(dialog.get_by_text("notes.txt")).to_be_visible()
    expect(dialog.get_by_text("large.jpg")).to_be_visible()
    expect(dialog.get_by_role("button", name="To the person")).to_be_enabled()
    portal.shoot("people-new-refused")
    dialog.get_by_role("button", name="To the person").click()
    portal.heading("Alejandro Toledo")
    expect(page.get_by_text("Enrolled", exact=True)).to_have_count(2)
    expect(page.get_by_text("Made of 2 faces. Searches use it as it is.")).to_be_visible()
    expect(page.get_by_role("cell", name="7", exact=True)).to_be_visible()
    portal.shoot("person")

    # The same external id once more.
    portal.will_fail(409)
    portal.go("/people")
    page.get_by_role("button", name="New person").click()
    dialog.get_by_label("External id").fill("AG-1")
    dialog.get_by_role("button", name="Add person").click()
    taken = dialog.get_by_text("Another person of this gallery has this external id.")
    expect(taken.first).to_be_visible()


def test_what_somebody_else_wrote_meanwhile_stays(staff: Staff, seen: Any) -> None:
    gallery = staff.make_gallery("People in two tabs")
    person = add(staff, gallery, "Ada", notes="as it was")
    portal = seen(gallery, f"/people/{person}")
    portal.page.get_by_role("button", name="Edit").click()
    dialog = portal.page.get_by_role("dialog", name=re.compile("Edit|Change"))
    dialog.get_by_label("Name", exact=True).fill("Ada Lovelace")
    staff.ok("PATCH", f"people/{person}", json={"notes": "written in another tab"})
    dialog.get_by_role("button", name="Save").click()
    portal.heading("Ada Lovelace")
    assert staff.ok("GET", f"people/{person}")["notes"] == "written in another tab"


def test_a_long_name_pushes_nobody_away(staff: Staff, seen: Any) -> None:
    gallery = staff.make_gallery("People with long names")
    add(staff, gallery, "Ada")
    long = add(staff, gallery, 300 * "W")
    add(staff, gallery, "Zoe")
    portal = seen(gallery, "/people")
    for card in (cards(portal).nth(number) for number in range(3)):
        expect(card).to_be_in_viewport()
    portal.go(f"/people/{long}")
    portal.heading(300 * "W")
    assert portal.page.evaluate("document.documentElement.scrollWidth") <= 1280


def test_photos_on_their_way_are_not_left_unasked(staff: Staff, seen: Any, lfw: Lfw) -> None:
    gallery = staff.make_gallery("People with many photos")
    person = add(staff, gallery, "Ada")
    portal = seen(gallery, f"/people/{person}")
    photos = [lfw.path(name, 1) for name in lfw.people(30)]
    portal.page.locator("input[type=file]").first.set_input_files(photos)
    portal.page.get_by_role("link", name="Look up").click()
    question = portal.page.get_by_role("dialog", name="Leave without saving?")
    expect(question).to_contain_text("Photos are still being sent.")
    question.get_by_role("button", name="Stay").click()
    portal.heading("Ada")


def test_choosing_among_several_faces(staff: Staff, seen: Any, test_data: Path) -> None:
    gallery = staff.make_gallery("People several")
    staff.ok("PATCH", f"galleries/{gallery}", json={"several_faces": "reject", "min_face": 20})
    person = add(staff, gallery, "One of many")
    portal = seen(gallery, f"/people/{person}")
    page = portal.page
    page.locator("input[type=file]").first.set_input_files(test_data / "photos" / "multiface.jpg")
    expect(page.get_by_text("Rejected", exact=True)).to_be_visible(timeout=60_000)
    page.get_by_role("button", name="Choose the face").click()
    dialog = page.get_by_role("dialog", name="Photo")
    expect(dialog.get_by_role("button", name="Use this face")).to_be_disabled()
    dialog.get_by_role("button", name="Face 2").click()
    expect(dialog.get_by_role("button", name="Face 2")).to_have_attribute("aria-pressed", "true")
    portal.shoot("person-choose-face")
    dialog.get_by_role("button", name="Use this face").click()
    expect(dialog).to_be_hidden()
    expect(page.get_by_text("Enrolled", exact=True)).to_be_visible(timeout=60_000)

    page.get_by_role("button", name="Delete").click()
    question = page.get_by_role("dialog", name="Delete this photo?")
    question.get_by_role("button", name="Delete").click()
    expect(page.get_by_role("heading", name="No photos")).to_be_visible()


def test_out_of_searches_and_in_again(portal: Portal, staff: Staff, gallery: str) -> None:
    person = add(staff, gallery, "Passing through", notes="first")
    portal.go(f"/people/{person}")
    page = portal.page
    page.get_by_role("button", name="Deactivate").click()
    expect(page.get_by_text("Searches don't find this person. Photos")).to_be_visible()
    portal.shoot("person-inactive")
    assert staff.ok("GET", f"people/{person}")["active"] is False
    page.get_by_role("button", name="Activate").click()
    expect(page.get_by_role("button", name="Deactivate")).to_be_visible()

    page.get_by_role("button", name="Edit").click()
    dialog = page.get_by_role("dialog", name="Edit details")
    dialog.get_by_label("Notes").fill("second")
    dialog.get_by_label("Name", exact=True).fill("Settled")
    dialog.get_by_role("button", name="Save").click()
    portal.heading("Settled")
    details = page.locator("section").filter(has=page.get_by_role("heading", name="Details"))
    expect(details.get_by_text("second")).to_be_visible()
    expect(page.get_by_text("Details changed")).to_be_visible()


def test_two_are_one_and_then_two_again(staff: Staff, seen: Any, lfw: Lfw) -> None:
    gallery = staff.make_gallery("People merged")
    # They are alike, and neither is to be held for it.
    staff.ok("PATCH", f"galleries/{gallery}/thresholds", json={"duplicates": "allow"})
    kept = staff.enrol(gallery, "Merge kept", lfw.path("Arnold_Schwarzenegger", 1))
    gone = staff.enrol(gallery, "Merge gone", lfw.path("Arnold_Schwarzenegger", 2))
    portal = seen(gallery, f"/people/{gone}")
    page = portal.page
    act(portal, "Merge with another")
    dialog = page.get_by_role("dialog", name="Merge")
    dialog.get_by_label("Search for the other person").fill("Merge kept")
    dialog.get_by_role("radio", name="Merge kept").click()
    expect(dialog.get_by_role("region", name="The other person")).to_contain_text("Merge kept")
    dialog.get_by_label("Reason").fill("the same passport")
    portal.shoot("person-merge")
    dialog.get_by_role("button", name="Merge", exact=True).click()

    expect(page.get_by_text("They turned out to be the same person")).to_be_visible()
    expect(page.get_by_text("the same passport")).to_be_visible()
    portal.shoot("person-merged")
    page.get_by_role("alert").get_by_role("link", name="Merge kept").click()
    portal.heading("Merge kept")
    expect(page.get_by_text("Made of 2 faces")).to_be_visible()
    page.get_by_role("button", name="Undo").click()
    question = page.get_by_role("dialog", name="Undo this?")
    question.get_by_label("Reason").fill("another passport")
    question.get_by_role("button", name="Undo").click()
    expect(page.get_by_text("Undone", exact=True).first).to_be_visible()
    expect(page.get_by_text("Made of 1 face.")).to_be_visible()
    assert staff.ok("GET", f"people/{gone}")["held"] == ""
    assert staff.ok("GET", f"people/{kept}")["photos"] == 1

    act(portal, "Keep apart")
    dialog = page.get_by_role("dialog", name="Keep apart")
    dialog.get_by_label("Search for the other person").fill("Merge gone")
    dialog.get_by_role("radio", name="Merge gone").click()
    dialog.get_by_role("button", name="Keep apart").click()
    expect(page.get_by_text("Kept apart from")).to_be_visible()


def test_photos_of_somebody_else_are_split_off(
    portal: Portal, staff: Staff, gallery: str, lfw: Lfw
) -> None:
    mixed = staff.enrol(
        gallery, "Mixed", lfw.path("Andre_Agassi", 1), lfw.path("Antonio_Palocci", 1)
    )
    portal.go(f"/people/{mixed}")
    page = portal.page
    page.get_by_role("checkbox", name="Choose").first.check()
    portal.shoot("person-split-chosen")
    page.get_by_role("button", name="Split off").click()
    dialog = page.get_by_role("dialog", name="Split")
    dialog.get_by_label("Name", exact=True).fill("Split off")
    dialog.get_by_role("button", name="Split off").click()
    portal.heading("Split off")
    expect(page.get_by_text("Split off from")).to_be_visible()
    expect(page.get_by_role("button", name="Show the photo")).to_have_count(1)
    assert staff.ok("GET", f"people/{mixed}")["photos"] == 1


def test_erasing_says_what_goes_and_wants_the_name(
    portal: Portal, staff: Staff, gallery: str, lfw: Lfw
) -> None:
    person = staff.enrol(gallery, "To be erased", lfw.path("Bill_Clinton", 1))
    portal.go(f"/people/{person}")
    page = portal.page
    page.get_by_role("button", name="Erase").click()
    dialog = page.get_by_role("dialog", name="Erase this person for good?")
    erase = dialog.get_by_role("button", name="Erase")
    expect(dialog.get_by_text("1 photo with its file and its faces")).to_be_visible()
    expect(erase).to_be_disabled()
    dialog.get_by_label("To confirm, type").fill("To be erase")
    expect(erase).to_be_disabled()
    portal.shoot("person-erase")
    dialog.get_by_label("To confirm, type").fill("To be erased")
    erase.click()
    portal.heading("People")
    assert staff.http.get(f"people/{person}").status_code == 404
    portal.will_fail(404)
    portal.go(f"/people/{person}")
    expect(page.get_by_role("heading", name="There is nothing here")).to_be_visible()


def test_a_viewer_sees_and_changes_nothing(
    staff: Staff, stack: Stack, gallery: str, open_portal: Open, lfw: Lfw
) -> None:
    password = "looks-at-people-only"
    staff.ok("POST", "users", json={"username": "people-viewer", "password": password})
    member = {"gallery": gallery, "username": "people-viewer", "role": "viewer"}
    staff.ok("POST", "members", json=member)
    person = staff.enrol(gallery, "Looked at", lfw.path("Anna_Kournikova", 1))
    viewer = Staff(stack, "people-viewer", password)
    with closing(viewer.http):
        portal = open_portal(viewer)
        page = portal.page
        portal.go("/people")
        expect(cards(portal).first).to_be_visible()
        expect(page.get_by_role("button", name="New person")).to_be_hidden()
        portal.go(f"/people/{person}")
        expect(page.get_by_text("Made of 1 face.")).to_be_visible()
        for name in ("Deactivate", "Who is who", "Erase", "Edit", "Delete", "Choose files"):
            expect(page.get_by_role("button", name=name)).to_have_count(0)
        expect(page.get_by_role("checkbox")).to_have_count(0)
        expect(page.get_by_role("heading", name="History")).to_be_hidden()
        portal.shoot("person-viewer")


def test_a_name_is_only_ever_text(portal: Portal, staff: Staff, gallery: str) -> None:
    metadata = {"<b>key</b>": "<script>document.title=1</script>"}
    person = add(staff, gallery, HOSTILE, notes=HOSTILE, metadata=metadata)
    portal.go("/people?q=onerror")
    card = cards(portal).first
    expect(card.locator("bdi").first).to_have_text(HOSTILE)
    portal.shoot("people-hostile", everywhere=False)
    portal.go(f"/people/{person}")
    expect(portal.page.get_by_role("heading", level=1).locator("bdi")).to_have_text(HOSTILE)
    expect(portal.page.get_by_text("<script>document.title=1</script>")).to_be_visible()
    portal.shoot("person-hostile", everywhere=False)
    assert portal.page.title() != "1"


# --- A hundred thousand ---------------------------------------------------------------------------

FILL = """
from people.models import Gallery, Person
gallery = Gallery.objects.get(public_id="{gallery}")
Person.objects.bulk_create(
    [
        Person(gallery=gallery, name=f"Somebody {{n:06}}", external_id=f"S-{{n:06}}")
        for n in range({many})
    ],
    batch_size=5_000,
)
"""

# A task of 50 ms or more is what the browser calls long: a frame or three are missed.
WATCH = """() => {
  window.longTasks = [];
  new PerformanceObserver((list) => {
    for (const task of list.getEntries()) window.longTasks.push(Math.round(task.duration));
  }).observe({ type: "longtask" });
}"""

# What Chromium has called a task of a thread's loop, by version.
TASKS = ("RunTask", "ThreadControllerImpl::RunTask", "ThreadController active")

# As fast as a hand at the wheel: 240 px a frame, 14,400 px a second.
SCROLL = """async ([frames, step]) => {
  const grid = document.querySelector('[role=grid]');
  for (let frame = 0; frame < frames; frame += 1) {
    grid.scrollTop += step;
    await new Promise((next) => requestAnimationFrame(next));
  }
  return grid.scrollTop;
}"""


def figures(page: Page) -> dict[str, float]:
    """Nodes in the page, and the heap in MB once nothing more can be freed."""
    session = page.context.new_cdp_session(page)
    session.send("HeapProfiler.collectGarbage")
    session.send("Performance.enable")
    metrics = session.send("Performance.getMetrics")["metrics"]
    found = {each["name"]: each["value"] for each in metrics}
    # Cards whose people are still on their way have fewer.
    page.wait_for_function("!document.querySelector('[role=gridcell]:not(:has(a))')")
    nodes = page.evaluate("document.querySelectorAll('*').length")
    session.detach()
    return {"nodes": nodes, "heap": round(found["JSHeapUsedSize"] / 1e6, 1)}


def longest_task(events: list[dict[str, Any]]) -> float:
    """Milliseconds of CPU that the longest task of the page's thread took, from the mark on.

    The clock would count what the machine does for others meanwhile.
    """
    (mark,) = (each for each in events if each.get("name") == "scrolls")
    return max(
        float(each["tdur"]) / 1000
        for each in events
        if each.get("name") in TASKS
        and (each["pid"], each["tid"]) == (mark["pid"], mark["tid"])
        and each["ts"] > mark["ts"]
        and "tdur" in each
    )


def test_a_hundred_thousand_people_scroll(
    staff: Staff, stack: Stack, chromium: Browser, seen: Any
) -> None:
    gallery = staff.make_gallery("People many")
    made = stack.manage("shell", "-c", FILL.format(gallery=gallery, many=MANY))
    assert made.returncode == 0, made.stderr
    portal = seen(gallery, "/people")
    page = portal.page
    expect(page.get_by_text(f"Somebody {MANY - 1:06}")).to_be_visible()
    page.evaluate(SCROLL, [60, 240])
    begin = figures(page)
    page.evaluate(WATCH)

    chromium.start_tracing(page=page, categories=["toplevel", "blink.user_timing"])
    page.evaluate("performance.mark('scrolls')")
    reached = 0.0
    for _ in range(20):
        reached = page.evaluate(SCROLL, [60, 240])
    busy = longest_task(json.loads(chromium.stop_tracing())["traceEvents"])
    seen_long = page.evaluate("window.longTasks")
    end = figures(page)
    told = (
        f"scrolled {reached:,.0f} px; begin {begin}; end {end}; longest task {busy:.0f} ms of CPU; "
        f"the browser saw {len(seen_long)} longer than 50 ms by the clock: {seen_long}"
    )
    print(f"\n{told}")  # noqa: T201 - figures to read, whether or not they are within the limits
    assert reached > 50_000
    assert end["nodes"] < begin["nodes"] + 200
    assert end["heap"] < begin["heap"] + 10
    assert busy <= LONG_MS

    # Dragged back to the top and down again: one request away, not all pages in between.
    middle = page.evaluate(
        "() => { const g = document.querySelector('[role=grid]');"
        " g.scrollTop = g.scrollHeight / 2; return g.scrollHeight / 2 }"
    )
    assert middle > 0
    expect(cards(portal).first).to_contain_text("Somebody")
    page.get_by_label("Search", exact=True).fill("000042")
    expect(page.get_by_text("1 person found")).to_be_visible()
    expect(page.get_by_text("Somebody 000042")).to_be_visible()
    portal.shoot("people-many", everywhere=False)
