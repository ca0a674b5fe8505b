"""Templates to Milvus."""

import logging
from typing import Any
from uuid import UUID

from celery import Task
from celery.signals import celeryd_after_setup, worker_ready
from django.db import DatabaseError

from common.queue import ADMIT_PEOPLE, APPLY_OUTBOX, enqueue
from config.celery import app
from enrolment.admitting import is_due
from vectors.applying import work
from vectors.errors import IndexUnavailable
from vectors.lease import release_held_by
from vectors.selectors import live_generations

from .giving_back import given_back

logger = logging.getLogger(__name__)

# A generation that is being filled lets the others have their turn after so long.
TURN_SECONDS = 1.0


@celeryd_after_setup.connect
def take_over(sender: str, **_: Any) -> None:
    """Give back at once what the worker of this name held when it died."""
    try:
        release_held_by(sender)
    except DatabaseError as error:
        logger.warning("what %s held waits for the end of its lease: %s", sender, error)


@app.task(name=APPLY_OUTBOX, bind=True)
def apply(self: Task[..., None], generation_id: str) -> None:
    """Write what is dirty of a generation; if Milvus is away, the sweeper asks again."""
    holder = self.request.hostname or ""
    try:
        with given_back(release_held_by, holder):
            applied = work(UUID(generation_id), seconds=TURN_SECONDS, holder=holder)
    except IndexUnavailable as error:
        logger.warning("index %s waits for Milvus: %s", generation_id, error.detail)
        return
    if applied.more:
        enqueue(APPLY_OUTBOX, generation_id)
    # An index that is ready now, and people whom searches see since.
    if is_due():
        enqueue(ADMIT_PEOPLE)


@worker_ready.connect
def look_at_every_index(**_: object) -> None:
    """At a worker's start: a volume may have been lost, or another Milvus named, meanwhile."""
    for generation in live_generations():
        enqueue(APPLY_OUTBOX, str(generation))
