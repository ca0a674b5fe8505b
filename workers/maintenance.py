"""What runs by the clock."""

import logging
from uuid import UUID

from accounts import sign_in
from accounts.actors import system
from common.idempotency import forget_old
from common.queue import (
    ADMIT_PEOPLE,
    APPLY_OUTBOX,
    IDENTIFY_BATCHES,
    MEASURE_RECALL,
    PROCESS_PHOTOS,
    REEMBED_PHOTOS,
    WORK_ON_IMPORTS,
    enqueue,
)
from config.celery import app
from enrolment.admitting import is_due
from enrolment.following import follow_generations
from enrolment.ledger import sync
from identification import batches
from identification.probes import forget_old_probes
from identification.rollup import roll_up
from imports import jobs
from imports.uploads import give_up_abandoned, remove_old_uploads
from operations.services import forget_lost_workers, note_sweep
from photos.services import release_expired, remove_orphan_files
from thresholds.services import bring_recorded
from vectors.errors import CollectionMissing, IndexUnavailable
from vectors.growth import grow, outgrown
from vectors.recall import measure_again, placements_to_measure
from vectors.reconcile import reconcile_all
from vectors.selectors import generations_with_work

logger = logging.getLogger(__name__)


@app.task(name="maintenance.sweep")
def sweep() -> None:
    """Send again what waits: a message may be lost with its worker or its broker."""
    note_sweep()
    bring_recorded(system("sweep"))
    if release_expired():
        enqueue(PROCESS_PHOTOS, [])
    if batches.release_expired():
        enqueue(IDENTIFY_BATCHES)
    if follow_generations():
        enqueue(REEMBED_PHOTOS)
    if is_due():
        enqueue(ADMIT_PEOPLE)
    if jobs.release_expired():
        enqueue(WORK_ON_IMPORTS)
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


@app.task(name="maintenance.grow")
def grow_indexes() -> None:
    """Begin to rebuild the indexes that hold more than suits their type."""
    try:
        for generation in outgrown():
            grow(generation)
    except IndexUnavailable as error:
        logger.warning("no index was looked at for its size: %s", error.detail)


@app.task(name=MEASURE_RECALL)
def measure_recall(generation_id: str = "") -> None:
    """Measure every index, or the one that has just taken over, and tune what finds too few."""
    for placement in placements_to_measure(UUID(generation_id) if generation_id else None):
        try:
            found = measure_again(placement)
        except CollectionMissing:
            continue  # it is filled again, or was dropped
        except IndexUnavailable as error:
            logger.warning("recall is not measured: %s", error.detail)
            return
        if found and not found.suffices:
            logger.warning(
                "%s finds only %.2f%% of the best matches",
                placement.generation.name,
                100 * found.recall,
            )


@app.task(name="maintenance.roll_up")
def roll_up_searches() -> None:
    """Count the days of the search log that are new or not over, for telemetry."""
    logger.info("counted %d days of searches", roll_up())


@app.task(name="maintenance.tidy")
def tidy() -> None:
    """Remove files without rows, answers, batches and workers' rows older than a day, and failures
    to sign in that count no more.

    And write to the ledger's file what could not be written when it happened.
    """
    sync()
    answers, old_batches = forget_old(), batches.forget_old()
    if abandoned := give_up_abandoned():
        logger.warning("gave up %d imports for which nothing was sent any more", abandoned)
    lost, probes, failures = forget_lost_workers(), forget_old_probes(), sign_in.forget_old()
    files = remove_orphan_files() + batches.remove_orphan_files() + remove_old_uploads()
    logger.info(
        "removed %d files, %d remembered answers, %d batches, %d faces looked up, %d lost workers, "
        "%d sessions and failures to sign in",
        files, answers, old_batches, probes, lost, failures,
    )  # fmt: skip
