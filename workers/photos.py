"""Photos to templates."""

import logging
from collections.abc import Sequence
from typing import Any
from uuid import UUID

from celery import Task
from celery.signals import celeryd_after_setup, worker_ready
from django.db import DatabaseError

from common.queue import PROCESS_PHOTOS, REEMBED_PHOTOS, enqueue
from config.celery import app
from embedder.memory import give_back_free_memory
from enrolment.processing import process_photos
from enrolment.reembedding import reembed
from photos.pipeline import warm_up, work_in_bulk
from photos.services import LEASE, release_held_by

from .deadline import deadline
from .giving_back import given_back

logger = logging.getLogger(__name__)

PHOTO_QUEUE = "photos"
# Done, or dead, before the lease runs out and another worker takes the photos.
TASK_SECONDS = LEASE.total_seconds() - 5


@celeryd_after_setup.connect
def take_over(sender: str, **_: Any) -> None:
    """Give back at once what the worker of this name held when it died."""
    try:
        count = release_held_by(sender)
    except DatabaseError as error:
        logger.warning("what %s held waits for the end of its lease: %s", sender, error)
        return
    if count:
        logger.warning("%s died with %d photos; they are processed again", sender, count)


@worker_ready.connect
def load_networks(sender: Any, **_: Any) -> None:
    """Before the first photo comes, if photos are this worker's work."""
    if PHOTO_QUEUE in sender.app.amqp.queues.consume_from:
        work_in_bulk()
        warm_up()


@app.task(name=PROCESS_PHOTOS, bind=True)
def process(self: Task[..., None], photo_ids: Sequence[str]) -> None:
    """Process these photos and others that wait, a chunk of them; then ask for the next chunk."""
    worker = self.request.hostname or ""
    with deadline(TASK_SECONDS), given_back(release_held_by, worker):
        processed = process_photos([UUID(each) for each in photo_ids], worker=worker)
    if processed:
        give_back_free_memory()
        enqueue(PROCESS_PHOTOS, [])


@app.task(name=REEMBED_PHOTOS)
def give_further_faces() -> None:
    """Give some enrolled photos the faces of another model of their gallery; then ask again."""
    with deadline(TASK_SECONDS):
        has_worked = reembed()
    if has_worked:
        give_back_free_memory()
        enqueue(REEMBED_PHOTOS)
