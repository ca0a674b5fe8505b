"""What a worker does with photos: decode, detect, choose, embed, enrol.

Each photo ends in one transaction that stores its faces, the person's fused template, the outbox
row and the final state, or nothing. So a run may die anywhere and be repeated.
"""

import logging
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from django.db import transaction

from accounts.actors import system
from audit.services import record
from common.errors import NotFound, Problem, TooLarge
from embedder.errors import EmbedderError
from embedder.images import DecodedImage
from embedder.types import Box
from embedder.types import Face as FoundFace
from people.locks import lock_person
from people.models import Person, SeveralFaces
from photos import pipeline
from photos.faces import box_figures, landmark_figures
from photos.intake import BadPhoto, decode_photo
from photos.models import Face, Photo, PhotoState
from photos.services import claim, fail, finish, locked_if_leased
from vectors.codec import encode

from .choice import Choice, choose
from .fusion import refresh_template

logger = logging.getLogger(__name__)

CHUNK = 16
ACTOR = system("photo-worker")


@dataclass(frozen=True, slots=True)
class Readable:
    """A photo and its picture."""

    photo: Photo
    image: DecodedImage


def process_photos(hints: Sequence[UUID], limit: int = CHUNK, worker: str = "") -> int:
    """Claim photos for `worker` and bring each to a final state, or back to the queue.

    `hints` are taken first; a hint that is finished, deleted or in other hands is passed over.
    Returns how many.
    """
    lease, photos = claim(hints, limit, worker)
    try:
        readable = [each for photo in photos if (each := _read(photo, lease)) is not None]
        by_model: dict[str, list[Readable]] = defaultdict(list)
        for each in readable:
            by_model[each.photo.gallery.model].append(each)
        for model, group in by_model.items():
            _process_group(model, group, lease)
    except Exception as error:
        # Whatever it was, the photos go back before the error is reported.
        for photo in photos:
            fail(photo, lease, f"with {type(error).__name__}")
        raise
    return len(photos)


def _read(photo: Photo, lease: UUID) -> Readable | None:
    """The picture of a photo; None if it is finished for want of one."""
    try:
        with photo.original.file.open("rb") as stored:
            data = stored.read()
    except OSError as error:
        logger.warning("photo %s: its file cannot be read: %s", photo.public_id, error)
        fail(photo, lease, "its file could not be read")
        return None
    try:
        return Readable(photo, decode_photo(data))
    except (BadPhoto, TooLarge) as problem:
        # It was good when it came: the decoder or the limits have changed since.
        _reject_unread(photo, lease, problem)
        return None


@transaction.atomic
def _reject_unread(photo: Photo, lease: UUID, problem: Problem) -> None:
    held = locked_if_leased(photo, lease)
    if held is not None:
        finish(held, PhotoState.REJECTED, problem.code, problem.detail)
        _record(held)


def _process_group(model: str, group: Sequence[Readable], lease: UUID) -> None:
    images = [each.image for each in group]
    detections = pipeline.detect(model, images)
    faces = pipeline.embed(model, images, detections)
    for each, found in zip(group, faces, strict=True):
        try:
            _conclude(each, found, lease)
        except EmbedderError as error:
            logger.exception("photo %s could not be embedded", each.photo.public_id)
            fail(each.photo, lease, f"with {type(error).__name__}")


@transaction.atomic
def _conclude(each: Readable, found: Sequence[FoundFace], lease: UUID) -> None:
    """Store what was found on one photo, and what follows from it for its person."""
    person = _lock_person(each.photo)
    photo = locked_if_leased(each.photo, lease)
    if photo is None:
        return
    photo.gallery = each.photo.gallery
    choice = _choose(photo, each.image, found)
    faces = _store_faces(photo, found, choice)
    if choice.index is None:
        finish(photo, PhotoState.REJECTED, choice.code, choice.text)
    elif person is None:
        finish(photo, PhotoState.REVIEW, "no_person", "A face was found. Say whose it is.")
    else:
        refresh_template(person, new_face=faces[choice.index])
        finish(photo, PhotoState.ENROLLED)
    _record(photo)


def _lock_person(photo: Photo) -> Person | None:
    """The photo's person, locked before the photo as everywhere, so that nothing deadlocks."""
    if photo.person_id is None:
        return None
    try:
        return lock_person(photo.person_id)
    except NotFound:
        return None  # erased, and the photo with them


def _choose(photo: Photo, image: DecodedImage, found: Sequence[FoundFace]) -> Choice:
    policy = SeveralFaces(photo.several_faces or photo.gallery.several_faces)
    return choose(
        found,
        size=(image.info.width, image.info.height),
        gates=photo.gallery.gates,
        several_faces=policy,
        box=Box(**photo.face_box) if photo.face_box else None,
    )


def _store_faces(photo: Photo, found: Sequence[FoundFace], choice: Choice) -> list[Face]:
    photo.faces.all().delete()
    unused = choice.code or "not_chosen"
    return Face.objects.bulk_create(
        [
            _face(photo, face, "" if index == choice.index else unused)
            for index, face in enumerate(found)
        ]
    )


def _face(photo: Photo, found: FoundFace, unused_because: str) -> Face:
    return Face(
        photo=photo,
        **box_figures(found.detection.box),
        landmarks=landmark_figures(found.detection.landmarks),
        detector_score=found.detection.score,
        quality=found.quality.as_dict(),
        vector=encode(found.template),
        model=photo.gallery.model,
        unused_because=unused_because,
    )


def _record(photo: Photo) -> None:
    details = {"state": photo.state, **({"code": photo.code} if photo.code else {})}
    record(ACTOR, "photo.processed", f"photo:{photo.public_id}", photo.gallery.public_id, **details)
