"""What a worker does with photos: decode, detect, embed, choose, enrol.

Each photo ends in one transaction that stores its faces, the person's fused template, the outbox
row and the final state, or nothing. So a run may die anywhere and be repeated.
"""

import logging
from collections import defaultdict, deque
from collections.abc import Iterator, Sequence
from uuid import UUID

from django.conf import settings
from django.db import transaction

from audit.services import record
from common.errors import NotFound, Problem
from common.uploads import too_large
from embedder.errors import ImageError
from embedder.images import ImageInfo
from embedder.stream import Outcome
from embedder.types import Face as FoundFace
from people.locks import lock_person
from people.models import Person
from photos import pipeline
from photos.intake import bad_photo
from photos.models import Photo, PhotoState
from photos.pipeline import ModelUnavailable
from photos.services import claim, fail, finish, locked_if_leased

from .concluding import ACTOR, Found, conclude
from .following import followed_models

logger = logging.getLogger(__name__)


def process_photos(hints: Sequence[UUID], limit: int | None = None, worker: str = "") -> int:
    """Claim photos for `worker` and bring each to a final state, or back to the queue.

    `hints` are taken first; a hint that is finished, deleted or in other hands is passed over.
    `limit` None takes as many as keep all cores busy. Returns how many.
    """
    lease, photos = claim(hints, limit or pipeline.stream_length(), worker)
    try:
        by_model: dict[str, list[Photo]] = defaultdict(list)
        for photo in photos:
            by_model[photo.gallery.model].append(photo)
        for model, group in by_model.items():
            _process_or_give_back(model, group, lease)
    except Exception as error:
        # Whatever it was, the photos go back before the error is reported.
        for photo in photos:
            fail(photo, lease, f"with {type(error).__name__}")
        raise
    return len(photos)


def _process_or_give_back(model: str, photos: Sequence[Photo], lease: UUID) -> None:
    """Process photos of one model; where it can't be used, those of others go on all the same."""
    try:
        _process_group(model, photos, lease)
    except ModelUnavailable as problem:
        # Nothing was begun: the model is looked for before the first photo is read.
        logger.error("%d photos wait: %s", len(photos), problem.detail)
        for photo in photos:
            fail(photo, lease, "its gallery's model could not be used")


def _process_group(model: str, photos: Sequence[Photo], lease: UUID) -> None:
    in_hand: deque[Photo] = deque()

    def contents() -> Iterator[bytes]:
        # Read as they are needed: all files of a claim at once could fill the memory.
        for photo in photos:
            data = _read(photo, lease)
            if data is not None:
                in_hand.append(photo)
                yield data

    for outcome in pipeline.stream(model, contents()):
        _settle(in_hand.popleft(), outcome, lease)


def _read(photo: Photo, lease: UUID) -> bytes | None:
    """The content of a photo's file; None if the photo is finished for want of it."""
    try:
        with photo.original.file.open("rb") as stored:
            data: bytes = stored.read()
    except OSError as error:
        logger.warning("photo %s: its file cannot be read: %s", photo.public_id, error)
        fail(photo, lease, "its file could not be read")
        return None
    if len(data) > settings.MAX_UPLOAD_BYTES:
        _reject_unread(photo, lease, too_large())
        return None
    return data


def _settle(photo: Photo, outcome: Outcome, lease: UUID) -> None:
    if isinstance(outcome.error, ImageError):
        # It was good when it came: the decoder or the limits have changed since.
        _reject_unread(photo, lease, bad_photo(outcome.error))
    elif outcome.error is not None or outcome.info is None:
        logger.error("photo %s could not be embedded", photo.public_id, exc_info=outcome.error)
        fail(photo, lease, f"with {type(outcome.error).__name__}")
    else:
        _conclude(photo, outcome.info, outcome.faces, lease)


@transaction.atomic
def _reject_unread(photo: Photo, lease: UUID, problem: Problem) -> None:
    held = locked_if_leased(photo, lease)
    if held is not None:
        finish(held, PhotoState.REJECTED, problem.code, problem.detail)
        _record(held)


@transaction.atomic
def _conclude(stale: Photo, info: ImageInfo, found: Sequence[FoundFace], lease: UUID) -> None:
    """Store what was found on one photo, and what follows from it for its person."""
    person = _lock_person(stale)
    photo = locked_if_leased(stale, lease)
    if photo is None:
        return
    if photo.person_id != stale.person_id:
        fail(photo, lease, "it became another person's meanwhile")
        return
    photo.gallery = stale.gallery
    model = photo.gallery.model
    if model not in followed_models(photo.gallery_id):
        fail(photo, lease, "its gallery's model changed meanwhile")
        return
    conclude([Found(photo, person, info, found)])


def _lock_person(photo: Photo) -> Person | None:
    """The photo's person, locked before the photo as everywhere, so that nothing deadlocks."""
    if photo.person_id is None:
        return None
    try:
        return lock_person(photo.person_id)
    except NotFound:
        return None  # erased, and the photo with them


def _record(photo: Photo) -> None:
    record(
        ACTOR,
        "photo.processed",
        f"photo:{photo.public_id}",
        photo.gallery.public_id,
        state=photo.state,
        code=photo.code,
    )
