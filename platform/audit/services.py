"""Writing the log."""

from typing import Any
from uuid import UUID

from .models import AuditEntry


def record(actor: object, action: str, target: str, gallery: UUID | None, **details: Any) -> None:
    """Append an entry, inside the transaction of the act itself.

    `actor` is written as its string (`user:...`, `api_key:...`, `system:...`), `target` as
    `kind:public_id`, and `details` may hold ids and figures only.
    """
    AuditEntry.objects.create(
        actor=str(actor), action=action, target=target, gallery=gallery, details=details
    )
