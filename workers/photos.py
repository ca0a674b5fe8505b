"""Photos to templates."""

from collections.abc import Sequence
from uuid import UUID

from common.queue import PROCESS_PHOTOS, enqueue
from config.celery import app
from enrolment.processing import process_photos
from photos.services import LEASE

from .deadline import deadline

# Done, or dead, before the lease runs out and another worker takes the photos.
TASK_SECONDS = LEASE.total_seconds() - 5


@app.task(name=PROCESS_PHOTOS)
def process(photo_ids: Sequence[str]) -> None:
    """Process these photos and others that wait, a chunk of them; then ask for the next chunk."""
    with deadline(TASK_SECONDS):
        processed = process_photos([UUID(each) for each in photo_ids])
    if processed:
        enqueue(PROCESS_PHOTOS, [])
