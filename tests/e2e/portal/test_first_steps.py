"""What somebody does who has never seen the portal, and the README's pictures of it.

The portrait is in the public domain (NASA's of Eileen Collins, which scikit-image carries).
"""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest
from PIL import Image, ImageEnhance
from playwright.sync_api import expect
from skimage import data

from tests.e2e.stack import Stack

from .conftest import SHOTS, Open, Portal, Staff

WHO = "Eileen Collins"


@pytest.fixture(scope="module")
def gallery(staff: Staff) -> str:
    """A gallery as it is made, with nothing set."""
    return str(staff.ok("POST", "galleries", json={"name": "Visitors", "slug": "visitors"})["id"])


@pytest.fixture
def portrait() -> Image.Image:
    """1024 x 1024: her face is some 200 pixels wide."""
    return Image.fromarray(data.astronaut()).resize((1024, 1024), Image.Resampling.LANCZOS)


def keep(portal: Portal, name: str) -> None:
    """A small picture of the window, for `docs/images` (CONTRIBUTING says how it gets there)."""
    SHOTS.mkdir(exist_ok=True)
    path = SHOTS / f"portal-{name}.png"
    portal.audit()
    portal.page.screenshot(path=path)
    few = Image.open(path).convert("RGB").quantize(192, dither=Image.Dither.NONE)
    few.save(path, optimize=True)


def test_a_stranger_enrols_somebody_and_looks_them_up(
    open_portal: Open, stack: Stack, portrait: Image.Image, tmp_path: Path
) -> None:
    enrolled, probe = tmp_path / "portrait.jpg", tmp_path / "later.jpg"
    portrait.save(enrolled, quality=92)
    darker = ImageEnhance.Brightness(portrait.rotate(4, Image.Resampling.BICUBIC)).enhance(0.7)
    darker.crop((180, 50, 780, 650)).save(probe, quality=85)
    portal = open_portal(None)
    page = portal.page

    portal.go("/")
    page.get_by_label("User name").fill("admin")
    page.get_by_label("Password", exact=True).fill(stack.password)
    page.get_by_role("button", name="Sign in").click()
    portal.heading("Look up")
    page.get_by_role("link", name="Add the first person").click()
    portal.heading("People")
    page.get_by_role("button", name="New person").first.click()
    dialog = page.get_by_role("dialog", name="New person")
    dialog.get_by_label("Name", exact=True).fill(WHO)
    dialog.locator("input[type=file]").first.set_input_files(enrolled)
    dialog.get_by_role("button", name="Add person").click()
    portal.heading(WHO)
    expect(page.get_by_text("Enrolled", exact=True)).to_be_visible()

    page.get_by_role("link", name="Look up").click()
    portal.heading("Look up")
    page.locator("input[type=file]").set_input_files(probe)
    found = page.locator("[data-decision=match]")
    expect(found).to_contain_text(WHO)
    expect(page.get_by_role("article").first.locator("img")).to_have_count(2)
    keep(portal, "lookup")


def test_an_import_of_a_few_pictures(portal: Portal, portrait: Image.Image, tmp_path: Path) -> None:
    page = portal.page
    with zipfile.ZipFile(tmp_path / "disk.zip", "w") as archive:
        for name, picture in (
            ("Eileen Collins/sts-93.jpg", portrait.crop((100, 0, 800, 700))),
            ("Coffee/cup.jpg", Image.fromarray(data.coffee())),
            ("Chelsea/cat.jpg", Image.fromarray(data.chelsea())),
            ("Hubble/field.jpg", Image.fromarray(data.hubble_deep_field())),
        ):
            picture.save(tmp_path / "one.jpg", quality=90)
            archive.write(tmp_path / "one.jpg", name)
        archive.writestr("Coffee/receipt.jpg", "no picture")

    portal.go("/imports/new")
    page.locator("input[type=file]").first.set_input_files(tmp_path / "disk.zip")
    page.get_by_role("button", name="Upload and plan", exact=True).click()
    page.get_by_role("button", name="Start", exact=True).click()
    status = page.get_by_role("status").get_by_text("Done", exact=True)
    expect(status).to_be_visible(timeout=90_000)
    reasons = page.get_by_role("table", name="Why files were not taken, or wait")
    expect(reasons.get_by_role("row", name="No face found")).to_contain_text("3")
    expect(reasons.get_by_role("row", name="No photo")).to_contain_text("1")
    keep(portal, "import")


def test_thresholds_in_the_dark(portal: Portal) -> None:
    portal.page.emulate_media(color_scheme="dark")
    portal.go("/thresholds")
    slider = portal.page.get_by_role("slider", name="Strangers that end as a match (FPIR)")
    slider.press("ArrowLeft")
    expect(portal.page.get_by_role("heading", name="Calibration")).to_be_visible()
    expect(portal.page.locator(".recharts-surface").first).to_be_visible()
    keep(portal, "thresholds")
