"""Photos to templates."""

import logging
from collections.abc import Sequence
from typing import Any
from uuid import UUID

from celery import Task
from celery.signals import celeryd_after_setup, worker_ready
from django.db import DatabaseError

from common.queue import IDENTIFY_BATCHES, PROCESS_PHOTOS, REEMBED_PHOTOS, enqueue
from config.celery import app
from embedder.memory import give_back_free_memory
from enrolment.processing import process_photos
from enrolment.reembedding import reembed
from identification import batches
from identification.batch_work import look_up_waiting
from photos import services
from photos.pipeline import warm_up, work_in_bulk
from photos.services import LEASE

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
        count = _release(sender)
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
    """Process these photos and others that wait, a chunk of them; then ask for the next chunk.

    Batches have their turn after it. Else whatever has more messages would starve the other.
    """
    worker = self.request.hostname or ""
    processed = _enrol([UUID(each) for each in photo_ids], worker)
    looked_up = _look_up(worker)
    if processed or looked_up:
        give_back_free_memory()
    if processed:
        enqueue(PROCESS_PHOTOS, [])


@app.task(name=IDENTIFY_BATCHES, bind=True)
def identify(self: Task[..., None]) -> None:
    """Look up some photos of batches, and let those to be enrolled have their turn; then again."""
    worker = self.request.hostname or ""
    looked_up = _look_up(worker)
    processed = _enrol([], worker)
    if processed or looked_up:
        give_back_free_memory()
    if looked_up:
        enqueue(IDENTIFY_BATCHES)


def _enrol(photo_ids: Sequence[UUID], worker: str) -> int:
    with deadline(TASK_SECONDS), given_back(_release, worker):
        return process_photos(photo_ids, worker=worker)


def _look_up(worker: str) -> int:
    with deadline(TASK_SECONDS), given_back(_release, worker):
        return look_up_waiting(worker=worker)


def _release(worker: str) -> int:
    """Give back what a worker of this name held. Returns how many photos."""
    return services.release_held_by(worker) + batches.release_held_by(worker)


@app.task(name=REEMBED_PHOTOS)
def give_further_faces() -> None:
    """Give some enrolled photos the faces of another model of their gallery; then ask again."""
    with deadline(TASK_SECONDS):
        has_worked = reembed()
    if has_worked:
        give_back_free_memory()
        enqueue(REEMBED_PHOTOS)
