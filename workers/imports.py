"""Bulk imports, in a worker of their own that yields to all other work on the machine."""

import logging
import os
import threading
from typing import Any

from celery import Task
from celery.signals import celeryd_after_setup, worker_ready, worker_shutting_down
from django.db import DatabaseError

from common.queue import WORK_ON_IMPORTS, enqueue
from config.celery import app
from embedder.memory import give_back_free_memory
from imports import jobs
from imports.working import work
from photos.pipeline import work_in_bulk

from .giving_back import given_back

logger = logging.getLogger(__name__)

IMPORT_QUEUE = "imports"
# Below everything that somebody waits for.
NICENESS = 19
_stopping = threading.Event()


@celeryd_after_setup.connect
def take_over(sender: str, **_: Any) -> None:
    """Give back at once what the worker of this name held when it died."""
    try:
        count = jobs.release_held_by(sender)
    except DatabaseError as error:
        logger.warning("what %s held waits for the end of its lease: %s", sender, error)
        return
    if count:
        logger.warning("%s died with %d files; they are imported again", sender, count)


@worker_ready.connect
def step_back(sender: Any, **_: Any) -> None:
    """Yield, if imports are this worker's work. Networks are loaded when the first file comes."""
    if IMPORT_QUEUE in sender.app.amqp.queues.consume_from:
        os.nice(NICENESS)
        work_in_bulk()


@worker_shutting_down.connect
def end_turn(**_: Any) -> None:
    """A worker that is told to stop claims no more; what it has in hand takes some seconds."""
    _stopping.set()


@app.task(name=WORK_ON_IMPORTS, bind=True)
def work_on_imports(self: Task[..., None]) -> None:
    """Bring imports on for a while; then ask for the next turn."""
    worker = self.request.hostname or ""
    with given_back(jobs.release_held_by, worker):
        more = work(worker, is_stopped=_stopping.is_set)
    give_back_free_memory()
    if more:
        enqueue(WORK_ON_IMPORTS)
