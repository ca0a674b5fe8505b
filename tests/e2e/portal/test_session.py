"""Signing in and out, a session that ends, a role that may not."""

from __future__ import annotations

from playwright.sync_api import Locator, expect

from tests.e2e.stack import Stack

from .conftest import Open, Portal, Staff


def sign_in(portal: Portal, username: str, password: str) -> None:
    portal.page.get_by_label("User name").fill(username)
    portal.page.get_by_label("Password", exact=True).fill(password)
    portal.page.get_by_role("button", name="Sign in").click()


def test_a_wrong_password_and_then_the_right_one(open_portal: Open, stack: Stack) -> None:
    portal = open_portal(None)
    portal.will_fail(403)
    portal.go("/people")
    expect(portal.page.get_by_label("User name")).to_be_visible()
    portal.shoot("sign-in")
    sign_in(portal, "admin", "guess")
    expect(portal.page.get_by_role("alert")).to_contain_text("password")
    expect(portal.page.get_by_label("Password", exact=True)).to_have_value("")

    sign_in(portal, "admin", stack.password)
    portal.heading("People")


def ended(open_portal: Open, stack: Stack) -> tuple[Portal, Locator]:
    """The administrator's window, whose session has just ended, and the dialog that says so."""
    mine = Staff(stack, "admin", stack.password)
    portal = open_portal(mine)
    portal.will_fail(401)
    portal.go("/people")
    portal.heading("People")
    mine.ok("DELETE", "session")
    mine.http.close()
    portal.page.get_by_role("link", name="Reviews").click()
    return portal, portal.page.get_by_role("dialog", name="Your session has ended")


def test_a_session_that_ends_loses_nothing_of_the_page(open_portal: Open, stack: Stack) -> None:
    portal, dialog = ended(open_portal, stack)
    expect(dialog).to_be_visible()
    dialog.get_by_label("Password", exact=True).fill(stack.password)
    dialog.get_by_role("button", name="Sign in").click()
    expect(dialog).to_be_hidden()
    portal.heading("Reviews")


def test_somebody_else_signs_in_where_a_session_ended(
    open_portal: Open, stack: Stack, staff: Staff, gallery: str
) -> None:
    colleague = {"username": "colleague", "password": "a-long-word-for-a-colleague"}
    staff.ok("POST", "users", json=colleague)
    staff.ok(
        "POST", "members", json={"gallery": gallery, "username": "colleague", "role": "viewer"}
    )
    portal, dialog = ended(open_portal, stack)
    dialog.get_by_label("User name").fill(colleague["username"])
    dialog.get_by_label("Password", exact=True).fill(colleague["password"])
    dialog.get_by_role("button", name="Sign in").click()
    expect(portal.page.get_by_role("button", name="Account: colleague")).to_be_visible()
    portal.heading("Look up")
    expect(dialog).to_be_hidden()


def test_signing_out(open_portal: Open, stack: Stack) -> None:
    mine = Staff(stack, "admin", stack.password)
    portal = open_portal(mine)
    mine.http.close()
    portal.go("/")
    portal.page.get_by_role("button", name="Account: admin").click()
    portal.page.get_by_role("menuitem", name="Sign out").click()
    expect(portal.page.get_by_role("button", name="Sign in")).to_be_visible()
    portal.go("/people")
    expect(portal.page.get_by_role("button", name="Sign in")).to_be_visible()


def test_an_address_that_leads_nowhere(portal: Portal) -> None:
    portal.go("/nowhere")
    expect(portal.page.get_by_text("There is nothing here")).to_be_visible()
    portal.shoot("not-found")
    portal.page.get_by_role("link", name="To the start").click()
    portal.heading("Look up")
