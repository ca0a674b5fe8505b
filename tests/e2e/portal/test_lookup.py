"""Looking faces up: what comes of a photo, several, bad ones, and what was looked up before."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from PIL import Image, ImageEnhance
from playwright.sync_api import Locator, expect

from tests.conftest import Lfw
from tests.e2e.stack import Stack, eventually

from .conftest import Open, Portal, Staff

KNOWN = "Donald_Rumsfeld"
OTHER = "Vladimir_Putin"
UNKNOWN = "Winona_Ryder"
# From the API's answer to the result on the screen.
MOST_MS = 150


@pytest.fixture(scope="module")
def gallery(staff: Staff, lfw: Lfw) -> str:
    """Two people are known here."""
    gallery = staff.make_gallery("Portal Lookup")
    for name, numbers in ((KNOWN, (1, 2)), (OTHER, (1, 2, 4))):
        staff.enrol(gallery, name, *(lfw.path(name, number) for number in numbers))
    return gallery


@pytest.fixture
def policy(staff: Staff, gallery: str) -> Iterator[Any]:
    """Changes the gallery's policy for a test."""
    path = f"galleries/{gallery}/thresholds"
    before = staff.ok("GET", path)["policy"]
    changed: set[str] = set()

    def change(**fields: Any) -> None:
        changed.update(fields)
        staff.ok("PATCH", path, json=fields)

    yield change
    staff.ok(
        "PATCH", path, json={"reason": "as before", **{name: before[name] for name in changed}}
    )


def show(portal: Portal, *photos: Path) -> None:
    """Choose photos on the page, which is open."""
    portal.page.locator("input[type=file]").set_input_files(photos)


def decided(portal: Portal, decision: str) -> Locator:
    """Wait for the decision on the face that is looked at."""
    found = portal.page.locator(f"[data-decision={decision}]")
    expect(found).to_be_visible()
    return found


def looked_up(portal: Portal) -> None:
    """Open the page, ready to take photos."""
    portal.go("/")
    portal.heading("Look up")


def lookup_ms(portal: Portal, number: int) -> float:
    """From the answer of the page's lookup of this number until it was on the screen."""
    # Asked from here: the page's policy forbids what `wait_for_function` does.
    script = "performance.getEntriesByName('lookup:shown').map((each) => each.duration)"

    def measured() -> list[float] | None:
        found: list[float] = portal.page.evaluate(script)
        return found if len(found) >= number else None

    return eventually(measured, "the result is on the screen")[number - 1]


def make(path: Path, image: Image.Image) -> Path:
    image.save(path, quality=95)
    return path


def side_by_side(path: Path, *photos: Path) -> Path:
    group = Image.new("RGB", (250 * len(photos), 250))
    for place, photo in enumerate(photos):
        group.paste(Image.open(photo).convert("RGB"), (250 * place, 0))
    return make(path, group)


def test_somebody_known_and_how_soon_it_is_seen(portal: Portal, lfw: Lfw) -> None:
    looked_up(portal)
    portal.shoot("lookup-empty")
    show(portal, lfw.path(KNOWN, 3))
    expect(decided(portal, "match")).to_contain_text(KNOWN)
    card = portal.page.get_by_role("article").first
    expect(card).to_contain_text("A stranger would score this high in 1 of")
    expect(card.locator("img")).to_have_count(2)
    expect(portal.page.get_by_role("status").filter(has_text="Face 1: Match")).to_be_attached()
    portal.page.get_by_text("2 people searched").click()
    expect(portal.page.get_by_text("Match from a score of")).to_be_visible()
    portal.shoot("lookup-match")

    shown = [lookup_ms(portal, 1)]
    for number in (2, 3):
        portal.page.get_by_role("button", name="Look up again").click()
        shown.append(lookup_ms(portal, number))
    told = ", ".join(f"{each:.0f}" for each in shown)
    print(f"\nshown {told} ms after the answer")  # noqa: T201 - the figures are asked for
    # What else runs on the machine makes some slower, and none faster.
    assert min(shown) <= MOST_MS

    card.get_by_role("button", name=f"Compare with {KNOWN}").click()
    dialog = portal.page.get_by_role("dialog", name=f"Compare with {KNOWN}")
    dialog.get_by_text("All their enrolled faces").wait_for()
    dialog.get_by_role("slider", name="Enlarge").press("ArrowRight")
    dialog.get_by_label("Whole photo").check(force=True)
    portal.shoot("lookup-compare")
    portal.page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()

    # Escape closed the dialog alone; now it clears.
    decided(portal, "match")
    portal.page.get_by_role("button", name="Look up again").click()
    decided(portal, "match")
    portal.page.keyboard.press("Escape")
    expect(portal.page.get_by_text("Drop photos anywhere")).to_be_visible()


def test_somebody_unknown_is_enrolled_and_found(portal: Portal, lfw: Lfw, staff: Staff) -> None:
    looked_up(portal)
    show(portal, lfw.path(UNKNOWN, 1))
    expect(decided(portal, "no_match")).to_contain_text("2 people were searched")
    portal.shoot("lookup-no-match")
    portal.page.get_by_role("button", name="Enrol as a new person").click()
    dialog = portal.page.get_by_role("dialog", name="Enrol in Portal Lookup")
    dialog.get_by_label("Name").fill("Winona <b>Ryder</b>")
    portal.shoot("lookup-enrol")
    dialog.get_by_role("button", name="Enrol", exact=True).click()
    expect(dialog.get_by_role("status")).to_contain_text("Enrolled")
    dialog.get_by_role("button", name="Close").last.click()

    found = portal.page.locator("[data-decision=match]")
    # The index takes a moment.
    for _ in range(20):
        portal.page.get_by_role("button", name="Look up again").click()
        portal.page.locator("[data-decision]").wait_for()
        if found.count():
            break
        portal.page.wait_for_timeout(300)
    expect(found).to_contain_text("Winona <b>Ryder</b>")
    people = staff.ok("GET", "people", params={"search": "Winona"})["results"]
    for person in people:
        staff.ok("DELETE", f"people/{person['id']}")


def test_a_face_too_poor_to_tell(portal: Portal, lfw: Lfw, tmp_path: Path, policy: Any) -> None:
    looked_up(portal)
    policy(min_probe_quality=1.0)
    show(portal, lfw.path(KNOWN, 3))
    expect(decided(portal, "poor_quality")).to_contain_text("Send a sharp, well lit photo")
    portal.shoot("lookup-poor")
    portal.page.get_by_role("button", name="Clear").click()
    dark = ImageEnhance.Brightness(Image.open(lfw.path(KNOWN, 3)).convert("RGB")).enhance(0.12)
    show(portal, make(tmp_path / "dark.jpg", dark))
    expect(decided(portal, "poor_quality")).to_contain_text("Get more light on it")


def test_several_faces_and_several_photos(portal: Portal, lfw: Lfw, tmp_path: Path) -> None:
    looked_up(portal)
    group = side_by_side(
        tmp_path / "group.jpg", lfw.path(UNKNOWN, 2), lfw.path(KNOWN, 3), lfw.path(OTHER, 3)
    )
    show(portal, group)
    boxes = portal.page.get_by_role("button", name=re.compile(r"^Face \d: "))
    expect(boxes).to_have_count(3)
    decided(portal, "match")
    stranger = portal.page.get_by_role("button", name=re.compile(r"^Face \d: No match$"))
    stranger.focus()
    portal.page.keyboard.press("Enter")
    decided(portal, "no_match")
    expect(stranger).to_have_attribute("aria-pressed", "true")
    portal.shoot("lookup-several-faces")

    show(portal, lfw.path(KNOWN, 4), lfw.path(OTHER, 4), lfw.path(UNKNOWN, 3))
    told = portal.page.get_by_role("status").filter(has_text="4 of 4 photos looked up")
    expect(told).to_be_attached()
    strip = portal.page.get_by_role("list", name="Photos", exact=True)
    expect(strip.get_by_role("listitem")).to_have_count(4)
    portal.shoot("lookup-several-photos")
    strip.get_by_role("button", name=re.compile(OTHER)).click()
    expect(decided(portal, "match")).to_contain_text(OTHER)


def paste(portal: Portal, photo: bytes, name: str, kind: str) -> None:
    """As if somebody had pressed Ctrl-V with a picture in the clipboard."""
    portal.page.evaluate(
        """([data, name, type]) => {
            const bytes = Uint8Array.from(atob(data), (each) => each.charCodeAt(0));
            const clipboardData = new DataTransfer();
            clipboardData.items.add(new File([bytes], name, { type }));
            document.body.dispatchEvent(
                new ClipboardEvent('paste', { clipboardData, bubbles: true, cancelable: true }));
        }""",
        [base64.b64encode(photo).decode(), name, kind],
    )


def test_a_photo_from_the_clipboard(portal: Portal, lfw: Lfw) -> None:
    looked_up(portal)
    picture = BytesIO()
    Image.open(lfw.path(OTHER, 4)).save(picture, "PNG")
    paste(portal, picture.getvalue(), "image.png", "image/png")
    expect(decided(portal, "match")).to_contain_text(OTHER)


def test_bad_files_end_in_a_sentence(portal: Portal, tmp_path: Path) -> None:
    portal.will_fail(415)
    looked_up(portal)
    huge = tmp_path / "huge.jpg"
    with huge.open("wb") as file:
        file.truncate(60_000_000)
    text = tmp_path / "notes \u202egpj.txt"
    text.write_text("no photo")
    heic = tmp_path / "photo.heic"
    heic.write_bytes(b"\0\0\0\x18ftypheic\0\0\0\0heicmif1" + bytes(500))
    empty = make(tmp_path / "nobody.jpg", Image.new("RGB", (400, 300), (90, 120, 90)))
    told = portal.page.get_by_role("alert")
    for photo, sentence in (
        (huge, "too large for a photo"),
        (text, "This is no photo"),
        (heic, "have to be saved as JPEG first"),
        (empty, "No face was found"),
    ):
        show(portal, photo)
        expect(told.filter(has_text=sentence)).to_be_visible()
        portal.shoot(f"lookup-bad-{photo.suffix[1:]}-{len(photo.stem)}", everywhere=False)
        portal.page.get_by_role("button", name="Clear").click()

    # A folder, as the browser hands it over.
    portal.page.evaluate(
        """() => {
            const dataTransfer = new DataTransfer();
            dataTransfer.items.add(new File([''], 'holiday'));
            const item = DataTransferItem.prototype;
            item.webkitGetAsEntry = () => ({ isDirectory: true, name: 'holiday' });
            window.dispatchEvent(new DragEvent('drop', { dataTransfer, cancelable: true }));
        }"""
    )
    expect(told.filter(has_text="This is a folder")).to_be_visible()


def test_a_server_that_goes_away_in_the_middle(portal: Portal, lfw: Lfw) -> None:
    portal.expected.append("net::ERR_CONNECTION_RESET")
    looked_up(portal)
    portal.page.route("**/api/v1/identify", lambda route: route.abort("connectionreset"))
    show(portal, lfw.path(KNOWN, 3))
    expect(portal.page.get_by_role("alert")).to_contain_text("The server doesn't answer")
    portal.page.unroute("**/api/v1/identify")
    portal.page.get_by_role("button", name="Try again").click()
    decided(portal, "match")


def test_a_session_that_ends_in_the_middle(open_portal: Open, stack: Stack, lfw: Lfw) -> None:
    mine = Staff(stack, "admin", stack.password)
    portal = open_portal(mine)
    portal.will_fail(401)
    looked_up(portal)
    show(portal, lfw.path(KNOWN, 3))
    decided(portal, "match")
    mine.ok("DELETE", "session")
    mine.http.close()
    show(portal, lfw.path(KNOWN, 4))
    dialog = portal.page.get_by_role("dialog", name="Your session has ended")
    dialog.get_by_label("Password", exact=True).fill(stack.password)
    dialog.get_by_role("button", name="Sign in").click()
    expect(dialog).to_be_hidden()
    strip = portal.page.get_by_role("list", name="Photos", exact=True)
    expect(strip.get_by_role("listitem")).to_have_count(2)
    portal.page.get_by_role("button", name="Try again").click()
    decided(portal, "match")


def test_a_gallery_that_wants_a_reason_is_asked_for_it_first(
    portal: Portal, lfw: Lfw, staff: Staff, gallery: str, policy: Any
) -> None:
    policy(requires_reason=True)
    looked_up(portal)
    show(portal, lfw.path(KNOWN, 3))
    reason = portal.page.get_by_label("Reason or case number")
    expect(reason).to_be_focused()
    expect(portal.page.get_by_text("This gallery wants to know why")).to_be_visible()
    expect(portal.page.locator("[data-decision]")).to_have_count(0)
    portal.shoot("lookup-reason")
    reason.fill("case 17")
    reason.press("Enter")
    decided(portal, "match")
    (newest, *_) = staff.ok("GET", "searches", params={"gallery": gallery})["results"]
    assert newest["reason"] == "case 17"


def test_a_doubtful_face_is_confirmed_and_undone(portal: Portal, lfw: Lfw, policy: Any) -> None:
    policy(person_confirms=True)
    looked_up(portal)
    show(portal, lfw.path(KNOWN, 3))
    expect(decided(portal, "review")).to_contain_text("a person confirms every match")
    portal.shoot("lookup-doubtful")
    portal.page.get_by_role("button", name="It is them").first.click()
    said = portal.page.get_by_role("status").filter(has_text="Confirmed: it is")
    expect(said).to_contain_text(KNOWN)
    portal.shoot("lookup-confirmed", everywhere=False)
    portal.page.get_by_role("button", name="Undo").click()
    waits = portal.page.get_by_role("status").filter(has_text="Waits for a reviewer")
    expect(waits).to_be_visible()


def test_a_face_is_sent_to_review_whatever_was_decided(
    portal: Portal, lfw: Lfw, staff: Staff, gallery: str
) -> None:
    looked_up(portal)
    show(portal, lfw.path(UNKNOWN, 3))
    decided(portal, "no_match")
    portal.page.get_by_role("button", name="Send to review").click()
    waits = portal.page.get_by_role("status").filter(has_text="Waits for a reviewer")
    expect(waits).to_be_visible()
    query = {"gallery": gallery, "kind": "search", "state": "open"}
    review = staff.ok("GET", "reviews", params=query)["results"][-1]
    assert len(review["candidates"]) == 2


def test_a_viewer_looks_up_and_does_no_more(
    portal: Portal, lfw: Lfw, gallery: str, staff: Staff
) -> None:
    def as_viewer(route: Any) -> None:
        answer = route.fetch()
        session = answer.json()
        session["user"]["is_site_admin"] = False
        for each in session["galleries"]:
            each["role"] = "viewer"
        route.fulfill(response=answer, json=session)

    portal.page.route("**/api/v1/session", as_viewer)
    looked_up(portal)
    show(portal, lfw.path(UNKNOWN, 3))
    decided(portal, "no_match")
    expect(portal.page.get_by_role("button", name="Enrol as a new person")).to_have_count(0)
    expect(portal.page.get_by_role("button", name="Send to review")).to_have_count(0)


def test_what_was_looked_up_before(portal: Portal, lfw: Lfw) -> None:
    looked_up(portal)
    show(portal, lfw.path(KNOWN, 4))
    decided(portal, "match")
    portal.page.get_by_role("link", name="Past lookups").click()
    portal.heading("Past lookups")
    newest = portal.page.get_by_role("row").nth(1)
    expect(newest).to_contain_text("Match")
    expect(newest).to_contain_text(KNOWN)
    portal.shoot("lookup-history")
    newest.get_by_role("link").click()
    expect(decided(portal, "match")).to_contain_text(KNOWN)
    portal.shoot("lookup-past")
    portal.page.get_by_role("link", name="Other lookups of the same photo").click()
    expect(portal.page.get_by_text("Only lookups of the same photo")).to_be_visible()
    portal.page.get_by_label("Decision").select_option(label="Too poor to tell")
    expect(portal.page.get_by_text("No lookup is like that")).to_be_visible()
    portal.shoot("lookup-history-none", everywhere=False)


def test_a_camera_that_is_refused(portal: Portal) -> None:
    refuse = (
        "() => { navigator.mediaDevices.getUserMedia ="
        " async () => { throw new DOMException('', '%s'); }; }"
    )
    looked_up(portal)
    for error, sentence in (
        ("NotAllowedError", "was told not to give this page the camera"),
        ("NotFoundError", "No camera was found"),
    ):
        portal.page.evaluate(refuse % error)
        portal.page.get_by_role("button", name="Take a photo").click()
        dialog = portal.page.get_by_role("dialog", name="Take a photo")
        expect(dialog.get_by_role("alert")).to_contain_text(sentence)
        portal.shoot(f"lookup-camera-{error}", everywhere=False)
        portal.page.keyboard.press("Escape")
        expect(dialog).to_be_hidden()


def test_on_a_tablet(open_portal: Open, staff: Staff, lfw: Lfw) -> None:
    portal = open_portal(staff, width=820, height=1180)
    looked_up(portal)
    show(portal, lfw.path(KNOWN, 3))
    decided(portal, "match")
    portal.shoot("lookup-tablet", everywhere=False)
