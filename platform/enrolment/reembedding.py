"""Giving photos that are enrolled the faces of another model, from their stored files.

Who a photo shows was decided when it was enrolled, and that its face is good enough: here the same
face is found again by the other model's detector. Each photo is one transaction, so a run may die
anywhere and be repeated, or be done twice. What the models are, `following` says.
"""

import logging
from collections import deque
from collections.abc import Iterator, Sequence

from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import F
from django.utils import timezone

from common.errors import NotFound
from common.leases import MAX_ATTEMPTS
from embedder.errors import ImageError
from embedder.images import ImageInfo
from embedder.stream import Outcome
from embedder.types import Box
from embedder.types import Face as FoundFace
from people.catalogue import models_in_use
from people.locks import lock_person
from people.models import Person
from photos import pipeline
from photos.faces import best_under
from photos.models import Face, FollowState, GalleryModel, MissingFaces, Photo, PhotoState
from photos.pipeline import ModelUnavailable
from photos.services import LEASE
from vectors.models import PersonTemplate
from vectors.outbox import mark_dirty

from .concluding import NOT_CHOSEN, choose_on, face_row
from .following import enrolled_photos, lacking, to_be_made
from .fusion import refresh_template

logger = logging.getLogger(__name__)

# Photos to look through, and people to take a model's templates from, at a time.
SCAN_BATCH = 1_000
ENDING_BATCH = 500


def reembed(limit: int | None = None) -> bool:
    """Bring the photos of all galleries a step nearer to having the faces that they should.

    `limit` None takes as many photos as keep all cores busy. Returns whether anything was done.
    """
    followed = GalleryModel.objects.order_by().values_list("model", flat=True).distinct()
    models = sorted({*models_in_use(), *followed})
    tried = sum(_reembed_with(model, limit or pipeline.stream_length()) for model in models)
    # Each of these is quick, and each of them is to have its turn.
    return any([tried > 0, scan(), end_one()])


def _reembed_with(model: str, limit: int) -> int:
    if not to_be_made().filter(model=model).exists():
        return 0
    try:
        pipeline.pipeline(model)
    except ModelUnavailable as problem:
        logger.error("photos wait for faces of %s: %s", model, problem.detail)
        return 0
    missing = claim(model, limit)
    try:
        _make(model, missing)
    except Exception:
        release(missing)
        raise
    return len(missing)


# --- Claiming -------------------------------------------------------------------------------------


@transaction.atomic
def claim(model: str, limit: int) -> list[MissingFaces]:
    """Take photos that lack faces of a model. One that failed before is taken alone, and last."""
    waiting = to_be_made().filter(model=model).select_for_update(skip_locked=True)
    rows = list(waiting.order_by("attempts", "id")[:limit])
    chosen = [row for row in rows if not row.attempts] or rows[:1]
    keys = [row.pk for row in chosen]
    until = timezone.now() + LEASE
    MissingFaces.objects.filter(pk__in=keys).update(leased_until=until, attempts=F("attempts") + 1)
    claimed = MissingFaces.objects.filter(pk__in=keys).order_by("id")
    return list(claimed.select_related("photo__original", "photo__gallery"))


def release(missing: Sequence[MissingFaces]) -> None:
    """Let others try, at once."""
    MissingFaces.objects.filter(pk__in=[each.pk for each in missing]).update(leased_until=None)


def _fail(missing: MissingFaces, code: str) -> None:
    """Give it back, or after three attempts up."""
    if missing.attempts >= MAX_ATTEMPTS:
        _give_up(missing, code)
    else:
        release([missing])


def _give_up(missing: MissingFaces, code: str) -> None:
    logger.warning("photo %s gets no faces of %s: %s", missing.photo.public_id, missing.model, code)
    MissingFaces.objects.filter(pk=missing.pk).update(code=code, leased_until=None)


# --- Making faces ---------------------------------------------------------------------------------


def _make(model: str, missing: Sequence[MissingFaces]) -> None:
    in_hand: deque[MissingFaces] = deque()

    def contents() -> Iterator[bytes]:
        for each in missing:
            data = _read(each)
            if data is not None:
                in_hand.append(each)
                yield data

    for outcome in pipeline.stream(model, contents()):
        _settle(in_hand.popleft(), outcome)


def _read(missing: MissingFaces) -> bytes | None:
    if missing.attempts > MAX_ATTEMPTS:  # it killed whoever had it the last time
        _give_up(missing, "quarantined")
        return None
    try:
        with missing.photo.original.file.open("rb") as stored:
            data: bytes = stored.read()
    except OSError:
        _fail(missing, "file_missing")
        return None
    if len(data) > settings.MAX_UPLOAD_BYTES:
        _give_up(missing, "too_large")
        return None
    return data


def _settle(missing: MissingFaces, outcome: Outcome) -> None:
    if isinstance(outcome.error, ImageError):
        _give_up(missing, outcome.error.code)
    elif outcome.error is not None or outcome.info is None:
        logger.error("photo %s failed", missing.photo.public_id, exc_info=outcome.error)
        _fail(missing, "failed")
    else:
        conclude(missing, outcome.info, outcome.faces)


@transaction.atomic
def conclude(missing: MissingFaces, info: ImageInfo, found: Sequence[FoundFace]) -> None:
    """Store a photo's faces of another model, and what follows for the person's template of it."""
    person = _lock_person(missing.photo)
    photo = Photo.objects.select_for_update().filter(pk=missing.photo_id).first()
    if person is None or photo is None or photo.person_id != person.pk:
        return  # erased, deleted, or another person's now: its row says what is still to be done
    if not MissingFaces.objects.select_for_update().filter(pk=missing.pk).exists():
        return  # somebody else was faster
    photo.gallery = person.gallery
    index = _same_face(photo, missing.model, info, found)
    if index is None:
        _give_up(missing, "no_face")
        return
    photo.faces.filter(model=missing.model).delete()
    Face.objects.bulk_create(
        face_row(photo, missing.model, face, "" if place == index else NOT_CHOSEN)
        for place, face in enumerate(found)
    )
    refresh_template(person, missing.model)
    MissingFaces.objects.filter(pk=missing.pk).delete()


def _lock_person(photo: Photo) -> Person | None:
    if photo.person_id is None:
        return None
    try:
        return lock_person(photo.person_id)
    except NotFound:
        return None


def _same_face(photo: Photo, model: str, info: ImageInfo, found: Sequence[FoundFace]) -> int | None:
    """The index of the face that is enrolled already, as this model's detector sees it."""
    enrolled = photo.faces.exclude(model=model).filter(template__isnull=False)
    # That of the gallery's present model first; any other is the same person's, too.
    known = sorted(enrolled, key=lambda face: (face.model != photo.gallery.model, face.pk))
    if not known:
        return choose_on(photo, info, found, gates=None).index
    box = Box(known[0].x, known[0].y, known[0].width, known[0].height)
    return best_under([face.detection for face in found], box)


# --- Looking for photos, and taking faces away ----------------------------------------------------


def scan() -> bool:
    """Look through the next photos of a gallery for those that lack faces of one of its models.

    Returns whether there was something to look through.
    """
    try:
        return _scan()
    except IntegrityError:
        return True  # a photo was deleted in the same moment; the next look doesn't see it


@transaction.atomic
def _scan() -> bool:
    scanning = GalleryModel.objects.filter(state=FollowState.SCANNING).order_by("pk")
    row = scanning.select_for_update(skip_locked=True, of=("self",)).first()
    if row is None:
        return False
    photos = enrolled_photos(row.gallery).filter(pk__gt=row.reached).order_by("pk")
    keys = list(photos.values_list("pk", flat=True)[:SCAN_BATCH])
    wanting = lacking(Photo.objects.filter(pk__in=keys), row.model).values_list("pk", flat=True)
    MissingFaces.objects.bulk_create(
        [MissingFaces(photo_id=pk, model=row.model) for pk in sorted(wanting)],
        ignore_conflicts=True,
    )
    if keys:
        row.reached = keys[-1]
    else:
        row.state = FollowState.FOLLOWING
    row.save()
    return True


@transaction.atomic
def end_one() -> bool:
    """Take faces and templates of a model that nothing asks for any more from some people."""
    ending = GalleryModel.objects.filter(state=FollowState.ENDING).order_by("pk")
    row = ending.select_for_update(skip_locked=True, of=("self",)).first()
    if row is None:
        return False
    people = Person.objects.filter(gallery_id=row.gallery_id, pk__gt=row.reached).order_by("pk")
    locked = list(people.select_for_update(of=("self",))[:ENDING_BATCH])
    if locked:
        _take_away(locked, row)
        row.reached = locked[-1].pk
        row.save()
    else:
        MissingFaces.objects.filter(photo__gallery=row.gallery_id, model=row.model).delete()
        row.delete()
    return True


def _take_away(people: Sequence[Person], row: GalleryModel) -> None:
    """What photos gave, their faces can give again; what was brought ready-made stays."""
    Face.objects.filter(
        photo__person__in=people, photo__state=PhotoState.ENROLLED, model=row.model
    ).delete()
    templates = PersonTemplate.objects.filter(person__in=people, model=row.model)
    for template in templates.filter(given_vector__isnull=False).select_related("person__gallery"):
        refresh_template(template.person, row.model)
    made = templates.filter(given_faces=0)
    mark_dirty(row.gallery_id, row.model, list(made.values_list("pk", flat=True)))
    made.delete()
