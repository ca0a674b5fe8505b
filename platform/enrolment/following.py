"""Which models a gallery's photos have faces of, and how far that is.

A gallery has one model. While that is being changed, and until the index of the old one is
dropped, live index generations of several models hold the gallery; then its enrolled photos have
faces, and its people templates, of each of them. What is to be done for it stands in rows:
`GalleryModel` for the photos that were there, `MissingFaces` for each that lacks faces.
"""

from collections.abc import Sequence

from django.db import transaction
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.utils import timezone

from accounts.actors import system
from audit.services import record
from common.queue import REEMBED_PHOTOS, enqueue_on_commit
from people.models import Gallery, Person
from photos.models import Face, FollowState, GalleryModel, MissingFaces, Photo, PhotoState
from vectors.locks import reshaping
from vectors.models import IndexGeneration, PersonTemplate
from vectors.selectors import further_models
from vectors.takeover import Prepared

ACTOR = system("photo-worker")
# How many of those who would be lost are named.
EXAMPLES = 3


# --- In the transaction of an enrolment -----------------------------------------------------------


def followed_models(gallery_id: int) -> set[str]:
    """The models that a photo enrolled now is to have faces of."""
    own = Gallery.objects.filter(pk=gallery_id).values_list("model", flat=True)
    rows = GalleryModel.objects.filter(gallery=gallery_id).exclude(state=FollowState.ENDING)
    return {*own, *rows.values_list("model", flat=True)}


def note_missing(photos: Sequence[Photo], made_by: str) -> None:
    """Leave it to the workers to give photos of one gallery faces of its other models, too.

    The caller has stored a template: so it shares `vectors.locks`, and whoever begins to follow
    another model either is seen here, or waits and then sees the photos.
    """
    models = followed_models(photos[0].gallery_id) - {made_by} if photos else set()
    if models:
        rows = [
            MissingFaces(photo=photo, model=each) for photo in photos for each in sorted(models)
        ]
        MissingFaces.objects.bulk_create(rows, ignore_conflicts=True)
        enqueue_on_commit(REEMBED_PHOTOS)


# --- By the clock ---------------------------------------------------------------------------------


def follow_generations() -> bool:
    """Begin or end following models, as the index generations say; whether a worker is needed."""
    wanted = _wanted()
    if _differing(wanted):
        _follow(wanted)
    return _is_work_left()


def _wanted() -> set[tuple[int, str]]:
    """Each model of each gallery that has several, the galleries' own among them."""
    further = set(further_models())
    galleries = Gallery.objects.filter(pk__in={gallery for gallery, _ in further})
    return further | set(galleries.values_list("pk", "model"))


def _differing(wanted: set[tuple[int, str]]) -> bool:
    rows = GalleryModel.objects.select_related("gallery")
    kept = {(row.gallery_id, row.model) for row in rows if row.state != FollowState.ENDING}
    return bool(wanted - kept) or any(_is_over(row, wanted) for row in rows)


def _is_over(row: GalleryModel, wanted: set[tuple[int, str]]) -> bool:
    """Whether nothing asks for this model any more. A gallery's own is always asked for."""
    is_asked_for = row.model == row.gallery.model or (row.gallery_id, row.model) in wanted
    return row.state != FollowState.ENDING and not is_asked_for


@transaction.atomic
def _follow(wanted: set[tuple[int, str]]) -> None:
    # The rows before the lock on generations, which is waited for with rows in hand elsewhere.
    rows = list(
        GalleryModel.objects.select_related("gallery")
        .select_for_update(of=("self",))
        .order_by("pk")
    )
    reshaping()
    known = {(row.gallery_id, row.model) for row in rows}
    for gallery_id, model in sorted(wanted - known):
        row, is_new = GalleryModel.objects.get_or_create(gallery_id=gallery_id, model=model)
        if is_new:  # else another sweep was faster
            _set(row, FollowState.SCANNING, "gallery.follow_model")
    for row in rows:
        if _is_over(row, wanted):
            _set(row, FollowState.ENDING, "gallery.forget_model")
        elif row.state == FollowState.ENDING and (row.gallery_id, row.model) in wanted:
            # From the first photo on: some have no faces any more.
            _set(row, FollowState.SCANNING, "gallery.follow_model")


def _set(row: GalleryModel, state: FollowState, action: str) -> None:
    row.state, row.reached = state, 0
    row.save()
    gallery = row.gallery.public_id
    record(ACTOR, action, f"gallery:{gallery}", gallery, model=row.model)


def _is_work_left() -> bool:
    under_way = GalleryModel.objects.exclude(state=FollowState.FOLLOWING)
    return under_way.exists() or to_be_made().exists()


# --- How far it is --------------------------------------------------------------------------------


def to_be_made() -> QuerySet[MissingFaces]:
    """What no worker has in hand and none has given up."""
    free = Q(leased_until=None) | Q(leased_until__lt=timezone.now())
    return MissingFaces.objects.filter(free, code="")


def enrolled_photos(gallery: Gallery) -> QuerySet[Photo]:
    """Those that are part of a template."""
    return Photo.objects.filter(gallery=gallery, state=PhotoState.ENROLLED)


def lacking(photos: QuerySet[Photo], model: str) -> QuerySet[Photo]:
    """Those of these enrolled photos without a face of this model in a template."""
    faces = Face.objects.filter(photo=OuterRef("pk"), model=model, template__isnull=False)
    return photos.exclude(Exists(faces))


def missing_faces(gallery: Gallery, model: str) -> int:
    """How many photos are still to be given faces of this model.

    Those given up are not among them; those not looked at yet are, all of them.
    """
    row = GalleryModel.objects.filter(gallery=gallery, model=model).first()
    if row is None or row.state == FollowState.ENDING:
        return lacking(enrolled_photos(gallery), model).count()
    noted = MissingFaces.objects.filter(photo__gallery=gallery, model=model, code="").count()
    if row.state == FollowState.FOLLOWING:
        return noted
    return noted + enrolled_photos(gallery).filter(pk__gt=row.reached).count()


def given_up(gallery: Gallery, model: str) -> int:
    """How many photos get no faces of this model: its detector finds none where one is enrolled,
    or the file can't be read any more."""
    noted = MissingFaces.objects.filter(photo__gallery=gallery, model=model)
    return noted.exclude(code="").count()


def without_template(gallery: Gallery, model: str) -> QuerySet[Person]:
    """The people who have a template of the gallery's present model and none of this one."""
    templates = PersonTemplate.objects.filter(person=OuterRef("pk"))
    people = Person.objects.filter(Exists(templates.filter(model=gallery.model)), gallery=gallery)
    return people.exclude(Exists(templates.filter(model=model)))


def people_without_template(gallery: Gallery, model: str) -> int:
    """How many they are."""
    return without_template(gallery, model).count()


def prepared(generation: IndexGeneration) -> Prepared:
    """How many photos have the faces that a generation of another model is made of."""
    total = left = 0
    for gallery in _changing(generation):
        total += enrolled_photos(gallery).count()
        left += missing_faces(gallery, generation.model)
    return Prepared(total - left, total)


def losses(generation: IndexGeneration) -> str:
    """Whom searches would not find any more in a generation of another model; a sentence."""
    for gallery in _changing(generation):
        people = without_template(gallery, generation.model).order_by("pk")
        if some := people[:EXAMPLES]:
            ids = ", ".join(str(each.public_id) for each in some)
            return (
                f"{people.count():,} people of the gallery {gallery.slug} would not be found any "
                f"more: they have no photo in which {generation.model} finds their face. Enrol "
                f"another photo of them, or switch by hand and do without them. Such are: {ids}."
            )
    return ""


def _changing(generation: IndexGeneration) -> QuerySet[Gallery]:
    return generation.galleries.exclude(model=generation.model).order_by("pk")
