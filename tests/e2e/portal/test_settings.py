"""Settings: galleries, members, keys, users, models; what is wrong is said in a sentence."""

from __future__ import annotations

import httpx
from playwright.sync_api import expect

from tests.e2e.stack import Stack

from .conftest import Open, Portal, Staff

PASSWORD = "seven-oaks-9214"


def test_a_gallery_is_made_changed_and_deleted(portal: Portal, staff: Staff) -> None:
    page = portal.page
    portal.will_fail(409)
    portal.go("/settings")
    portal.heading("Settings")
    portal.shoot("settings-gallery")
    page.get_by_role("button", name="Make a gallery").click()
    dialog = page.get_by_role("dialog", name="Make a gallery")
    dialog.get_by_label("Name", exact=False).first.fill("Side Door")
    expect(dialog.get_by_label("Short name")).to_have_value("side-door")
    dialog.get_by_label("Short name").fill("main")
    portal.shoot("settings-make-gallery", everywhere=False)
    dialog.get_by_role("button", name="Make it").click()
    expect(dialog.get_by_role("alert")).to_contain_text("main")
    dialog.get_by_label("Short name").fill("side-door")
    dialog.get_by_role("button", name="Make it").click()
    expect(page.get_by_text("Side Door was made.")).to_be_visible()
    expect(dialog).to_be_hidden()
    expect(page.get_by_label("Short name")).to_have_value("side-door")

    page.get_by_label("Least focus").fill("")
    page.get_by_label("Narrowest face, in pixels").fill("64")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("The gallery's settings were changed.")).to_be_visible()
    (made,) = [
        each for each in staff.ok("GET", "galleries")["results"] if each["slug"] == "side-door"
    ]
    assert (made["min_face"], made["min_focus"]) == (64, None)

    page.get_by_role("button", name="Delete the gallery").click()
    question = page.get_by_role("dialog", name="Delete Side Door?")
    question.get_by_role("button", name="Delete the gallery").click()
    expect(page.get_by_text("Side Door was deleted.")).to_be_visible()
    assert staff.http.get(f"galleries/{made['id']}").status_code == 404


def test_a_user_is_made_given_a_role_and_deactivated(
    portal: Portal, open_portal: Open, stack: Stack
) -> None:
    page = portal.page
    portal.will_fail(400, 409, 422)
    portal.go("/settings?tab=users")
    page.get_by_role("button", name="Make a user").click()
    dialog = page.get_by_role("dialog", name="Make a user")
    dialog.get_by_label("User name").fill("mia")
    dialog.get_by_label("First password").fill("12345")
    dialog.get_by_role("button", name="Make the user").click()
    expect(dialog.get_by_text("too short", exact=False)).to_be_visible()
    portal.shoot("settings-make-user", everywhere=False)
    dialog.get_by_label("First password").fill(PASSWORD)
    dialog.get_by_role("button", name="Make the user").click()
    users = page.get_by_role("table", name="Users")
    expect(users.get_by_role("row", name="mia")).to_be_visible()
    portal.shoot("settings-users")

    page.get_by_role("tab", name="Members").click()
    page.get_by_role("combobox", name="User name").fill("nobody-like-that")
    page.get_by_role("button", name="Add").click()
    expect(page.get_by_text("Nobody has this user name.")).to_be_visible()
    page.get_by_role("combobox", name="User name").fill("mia")
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Add").click()
    role = page.get_by_role("combobox", name="Role of mia")
    expect(role).to_have_value("Viewer")
    role.click()
    page.get_by_role("option", name="Reviewer").click()
    expect(page.get_by_text("mia: Reviewer.")).to_be_visible()
    portal.shoot("settings-members")

    mia = Staff(stack, "mia", PASSWORD)
    (gallery,) = mia.ok("GET", "session")["galleries"]
    assert gallery["role"] == "reviewer"
    theirs = open_portal(mia)
    theirs.go("/settings")
    expect(theirs.page.get_by_text("This is not for your role")).to_be_visible()
    theirs.shoot("settings-forbidden", everywhere=False)

    page.get_by_role("tab", name="Users").click()
    row = users.get_by_role("row", name="mia")
    row.get_by_role("button", name="Deactivate").click()
    page.get_by_role("dialog", name="Deactivate mia?").get_by_role(
        "button", name="Deactivate"
    ).click()
    expect(row.get_by_text("Deactivated")).to_be_visible()
    assert mia.ok("GET", "session")["user"] is None
    mia.http.close()


def test_a_key_is_shown_once_used_and_revoked(portal: Portal, stack: Stack) -> None:
    page = portal.page
    portal.go("/settings?tab=keys")
    expect(page.get_by_text("There is no key yet")).to_be_visible()
    page.get_by_label("Which machine").fill("door north")
    page.get_by_role("button", name="Make a key").click()
    dialog = page.get_by_role("dialog", name="The key was made")
    secret = dialog.get_by_label("The key", exact=True).inner_text()
    portal.shoot("settings-key", everywhere=False)
    dialog.get_by_role("button", name="I have kept it").click()
    expect(dialog).to_be_hidden()
    assert secret not in page.content()

    def status() -> int:
        headers = {"Authorization": f"Api-Key {secret}"}
        url = f"{stack.url}/api/v1/galleries"
        return httpx.get(url, headers=headers, trust_env=False).status_code

    assert status() == 200
    row = page.get_by_role("row", name="door north")
    expect(row.get_by_text("Valid")).to_be_visible()
    row.get_by_role("button", name="Revoke").click()
    question = page.get_by_role("dialog", name="Revoke the key of door north?")
    question.get_by_role("button", name="Revoke").click()
    expect(row.get_by_text("Revoked", exact=True)).to_be_visible()
    assert status() == 401
    portal.shoot("settings-keys")


def test_the_models_and_the_only_site_administrator(portal: Portal) -> None:
    page = portal.page
    portal.will_fail(409)
    portal.go("/settings?tab=models")
    expect(page.get_by_role("rowheader", name="mtcnn-dlib-resnet").first).to_be_visible()
    portal.shoot("settings-models")
    page.get_by_role("tab", name="Users").click()
    row = page.get_by_role("row", name="admin").first
    expect(row.get_by_role("button", name="Deactivate")).to_be_disabled()
    row.get_by_role("button", name="Change admin").click()
    dialog = page.get_by_role("dialog", name="Change admin")
    dialog.get_by_role("switch", name="Site administrator").uncheck(force=True)
    dialog.get_by_role("button", name="Save").click()
    expect(dialog.get_by_role("alert")).to_contain_text("only site administrator")
