"""Public identifiers."""

from uuid import UUID

import uuid_utils.compat


def new_id() -> UUID:
    """A UUIDv7 (RFC 9562): unique without asking anyone, and in order of time."""
    return uuid_utils.compat.uuid7()
