"""One process at a time writes to a generation.

Otherwise an older state of a template, read before a change and written after it, could be the
last to arrive.
"""

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

from django.conf import settings
from django.db.models import Q
from django.utils import timezone

from .models import IndexGeneration


class LeaseLostError(Exception):
    """Another process writes now: this one was away for too long."""


class Lease:
    """The right to write to a generation, for as long as it is renewed."""

    def __init__(self, generation: IndexGeneration, holder: str) -> None:
        self._mine = IndexGeneration.objects.filter(pk=generation.pk, held_by=holder)

    def renew(self) -> None:
        """Before each step.

        Raises:
            LeaseLostError: it ran out, and another has it.
        """
        if not self._mine.update(held_until=timezone.now() + lease_time()):
            raise LeaseLostError

    def release(self) -> None:
        """Let others have it."""
        self._mine.update(held_by="", held_until=None)


def lease_time() -> timedelta:
    """Longer than the calls of one step can take with their time-outs."""
    return timedelta(seconds=3 * settings.MILVUS_TIMEOUT_SECONDS + 40)


def this_process() -> str:
    """A name for whoever has none of a worker."""
    return f"{socket.gethostname()}:{os.getpid()}"


@contextmanager
def held(generation: IndexGeneration, holder: str = "") -> Iterator[Lease | None]:
    """The lease for the length of the block; None if another process has it."""
    holder = holder or this_process()
    free = Q(held_until=None) | Q(held_until__lt=timezone.now())
    taken = IndexGeneration.objects.filter(free, pk=generation.pk).update(
        held_by=holder, held_until=timezone.now() + lease_time()
    )
    if not taken:
        yield None
        return
    lease = Lease(generation, holder)
    try:
        yield lease
    finally:
        lease.release()


def release_held_by(holder: str) -> int:
    """Give back what a dead worker of this name held; returns how many generations."""
    return IndexGeneration.objects.filter(held_by=holder).update(held_by="", held_until=None)
