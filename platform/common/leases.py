"""Rows in the hands of a worker: taken for a time, and given back by whoever finds it dead.

A run of a worker writes what it found only to rows that still carry its lease. So two runs on one
row have one effect, and a row whose worker died goes to the next.
"""

from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import TypeVar
from uuid import UUID

from django.db import models, transaction
from django.db.models import F, Q, QuerySet
from django.utils import timezone

MAX_ATTEMPTS = 3
_DIED = "its worker died while it had this photo"


class Leased(models.Model):
    """A row that a worker may have in hand."""

    attempts = models.PositiveSmallIntegerField(default=0)
    lease = models.UUIDField(null=True, help_text="The run of the worker that has it.")
    leased_until = models.DateTimeField(null=True)
    leased_by = models.CharField(max_length=200, blank=True, help_text="The worker's name.")

    class Meta:
        abstract = True

    def let_go(self) -> None:
        """No run has it any more. Not written yet."""
        self.lease = self.leased_until = None


L = TypeVar("L", bound=Leased)


def alone_if_failed(rows: Sequence[L]) -> list[L]:
    """Those that never failed; else the first alone.

    So one that kills its worker can't take others with it.
    """
    return [row for row in rows if not row.attempts] or list(rows[:1])


def lease_out(rows: QuerySet[L], state: str, lease: UUID, lasting: timedelta, worker: str) -> None:
    """Give rows, which the caller has locked, to a run of `worker`; one more attempt of each."""
    rows.update(
        state=state,
        lease=lease,
        leased_until=timezone.now() + lasting,
        leased_by=worker,
        attempts=F("attempts") + 1,
    )


def expired() -> Q:
    """Rows whose worker has said nothing for too long."""
    return Q(leased_until__lt=timezone.now())


@transaction.atomic
def release(held: QuerySet[L], give_back: Callable[[L, str], None]) -> int:
    """Give back rows of dead workers, each with the reason. Returns how many.

    Those that somebody else is writing to are left: their worker lives.
    """
    rows = list(held.select_for_update(skip_locked=True).order_by("pk"))
    for row in rows:
        give_back(row, _DIED)
    return len(rows)
