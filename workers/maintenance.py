"""What runs by the clock."""

import logging

from common.idempotency import forget_old
from common.queue import APPLY_OUTBOX, PROCESS_PHOTOS, REEMBED_PHOTOS, enqueue
from config.celery import app
from enrolment.following import follow_generations
from enrolment.ledger import sync
from operations.services import forget_lost_workers, note_sweep
from photos.services import release_expired, remove_orphan_files
from vectors.errors import IndexUnavailable
from vectors.reconcile import reconcile_all
from vectors.selectors import generations_with_work

logger = logging.getLogger(__name__)


@app.task(name="maintenance.sweep")
def sweep() -> None:
    """Send again what waits: a message may be lost with its worker or its broker."""
    note_sweep()
    if release_expired():
        enqueue(PROCESS_PHOTOS, [])
    if follow_generations():
        enqueue(REEMBED_PHOTOS)
    for generation in generations_with_work():
        enqueue(APPLY_OUTBOX, str(generation))


@app.task(name="maintenance.reconcile")
def reconcile() -> None:
    """Compare every index with the database and mend what differs."""
    try:
        reports = reconcile_all(repair=True)
    except IndexUnavailable as error:
        logger.warning("no comparison with the index: %s", error.detail)
        return
    for report in reports:
        if report.wrong:
            logger.warning("%s: %d entries were wrong", report.collection, report.wrong)


@app.task(name="maintenance.tidy")
def tidy() -> None:
    """Remove files without rows, and answers and workers' rows older than a day.

    And write to the ledger's file what could not be written when it happened.
    """
    sync()
    removed = remove_orphan_files(), forget_old(), forget_lost_workers()
    logger.info("removed %d files, %d remembered answers, %d lost workers", *removed)
