"""Imports that should go on and don't."""

from django.db import DatabaseError
from django.utils import timezone

from imports.models import ImportItem, ImportJob, ItemState, JobState
from operations.parts import Part, failed, ok, warning

from .workers import WAITING_SECONDS


def running_imports() -> Part:
    """Does anybody work on the imports that run? One by one: of several all but one may wait."""
    try:
        running = ImportJob.objects.filter(state=JobState.RUNNING, listed=True)
        count = running.count()
        in_hand = ImportItem.objects.filter(
            job__state=JobState.RUNNING, state=ItemState.WORKING, leased_until__gt=timezone.now()
        )
        is_idle = count > 0 and not in_hand.exists()
        newest = running.order_by("-updated_at").values_list("updated_at", flat=True).first()
    except DatabaseError:
        return failed("imports", "can't be read", "See the database.")
    detail = f"{count} running" if count else "none runs"
    if not is_idle or newest is None:
        return ok("imports", detail)
    if (timezone.now() - newest).total_seconds() < WAITING_SECONDS:
        return ok("imports", detail)
    return warning(
        "imports",
        f"{detail}, and nobody works on them",
        "Is the worker of imports well (`manage.py start imports`)? Its log says why it waits.",
    )
