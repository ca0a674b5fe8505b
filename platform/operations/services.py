"""Writing and forgetting signs of life."""

import os
import resource
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import psutil
from django.utils import timezone

from .models import CLOCK, WorkerHeartbeat

FORGOTTEN_AFTER = timedelta(days=1)
_KIB = 1024


@dataclass
class Sign:
    """What a worker says of itself."""

    name: str
    queues: str = ""
    task: str = ""
    task_since: datetime | None = None
    started_at: datetime = field(default_factory=timezone.now)


def sign(worker: Sign) -> None:
    """Store that this process lives, in one statement whatever others write meanwhile."""
    rss = psutil.Process().memory_info().rss
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * _KIB
    row = WorkerHeartbeat(
        name=worker.name,
        queues=worker.queues,
        pid=os.getpid(),
        rss_bytes=rss,
        peak_bytes=max(rss, peak),
        task=worker.task,
        task_since=worker.task_since,
        started_at=worker.started_at,
        seen_at=timezone.now(),
    )
    fields = [each.name for each in WorkerHeartbeat._meta.concrete_fields]
    WorkerHeartbeat.objects.bulk_create(
        [row],
        update_conflicts=True,
        unique_fields=["name"],
        update_fields=[name for name in fields if name not in {"id", "name"}],
    )


def note_sweep() -> None:
    """Sign for the clock: a tick of it has just been carried out."""
    sign(Sign(CLOCK))


def sign_off(name: str) -> None:
    """Forget a worker that ends."""
    WorkerHeartbeat.objects.filter(name=name).delete()


def forget_lost_workers() -> int:
    """Remove the rows of workers that have been silent for a day. Returns how many."""
    silent = WorkerHeartbeat.objects.filter(seen_at__lt=timezone.now() - FORGOTTEN_AFTER)
    return silent.delete()[0]
