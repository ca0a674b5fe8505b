"""People with a role in a gallery, who sign in."""

from __future__ import annotations

import secrets

from tests.e2e.stack import Stack

from .conftest import Staff


def member(stack: Stack, staff: Staff, gallery: str, role: str) -> Staff:
    """A new user with this role, signed in."""
    username, password = f"{role}-{secrets.token_hex(4)}", secrets.token_urlsafe(16)
    staff.ok("POST", "users", json={"username": username, "password": password})
    staff.ok("POST", "members", json={"gallery": gallery, "username": username, "role": role})
    return Staff(stack, username, password)
