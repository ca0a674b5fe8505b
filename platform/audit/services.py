"""Writing the log."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from .models import AuditEntry


@dataclass(frozen=True, slots=True)
class Entry:
    """An act to be noted.

    `target` is `kind:public_id`, `gallery` where it was, and `details` may hold ids and figures
    only.
    """

    action: str
    target: str
    gallery: UUID | None
    details: dict[str, Any] = field(default_factory=dict)


def record(actor: object, action: str, target: str, gallery: UUID | None, **details: Any) -> None:
    """Append an entry, inside the transaction of the act itself.

    `actor` is written as its string (`user:...`, `api_key:...`, `system:...`).
    """
    record_all(actor, [Entry(action, target, gallery, details)])


def record_all(actor: object, entries: Sequence[Entry]) -> None:
    """Append several entries of one actor in one statement."""
    AuditEntry.objects.bulk_create(
        AuditEntry(
            actor=str(actor),
            action=each.action,
            target=each.target,
            gallery=each.gallery,
            details=each.details,
        )
        for each in entries
    )
