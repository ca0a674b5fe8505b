"""The seam to the workers: tasks are named, never imported."""

import logging
from typing import Any

from celery import current_app
from django.db import transaction

logger = logging.getLogger(__name__)

PROCESS_PHOTOS = "photos.process"
APPLY_OUTBOX = "vectors.apply_outbox"


def enqueue_on_commit(task: str, *args: Any) -> None:
    """Send `task` when the present transaction is committed, and not if it is rolled back."""
    transaction.on_commit(lambda: enqueue(task, *args))


def enqueue(task: str, *args: Any) -> None:
    """Send `task` now.

    A broker that is away, or refuses, is logged and no more: the rows are the work, they are
    committed already, and the sweeper sends again what was lost.
    """
    try:
        current_app.send_task(task, args=args, retry=False)
    except Exception as error:  # noqa: BLE001 - each broker's library has errors of its own
        logger.warning("the broker took no message, the sweeper will repeat it: %r", error)
