"""Templates to Milvus."""

import logging
from uuid import UUID

from celery.signals import worker_ready

from common.queue import APPLY_OUTBOX, enqueue
from config.celery import app
from vectors.errors import IndexUnavailable
from vectors.selectors import live_generations
from vectors.services import apply_outbox

logger = logging.getLogger(__name__)


@app.task(name=APPLY_OUTBOX)
def apply(generation_id: str) -> None:
    """Write everything dirty of a generation; if Milvus is away, the sweeper asks again."""
    try:
        apply_outbox(UUID(generation_id))
    except IndexUnavailable as error:
        logger.warning("index %s waits for Milvus: %s", generation_id, error.detail)


@worker_ready.connect
def look_at_every_index(**_: object) -> None:
    """At a worker's start: a volume may have been lost, or another Milvus named, meanwhile."""
    for generation in live_generations():
        enqueue(APPLY_OUTBOX, str(generation))
