"""Reading photos and faces."""

from collections.abc import Iterable
from typing import NamedTuple
from uuid import UUID

from django.db.models import Count, F, OuterRef, Prefetch, QuerySet, Subquery
from django.db.models.functions import Coalesce

from accounts.actors import Actor
from common.errors import NotFound
from people.access import require, visible_galleries
from people.models import Gallery, Person, Role
from vectors.codec import FloatArray, decode_many
from vectors.models import PersonTemplate

from .models import Face, Photo, PhotoState

READ_AT_ONCE = 1000


def visible_photos(actor: Actor) -> QuerySet[Photo]:
    """The photos of the actor's galleries, with what an answer shows of them."""
    photos = Photo.objects.select_related("gallery", "person__gallery", "original")
    if not actor.is_site_admin:
        photos = photos.filter(gallery__in=visible_galleries(actor))
    templates = PersonTemplate.objects.with_searchable().defer("vector", "given_vector")
    faces = Face.objects.shown().prefetch_related(Prefetch("template", queryset=templates))
    return photos.prefetch_related(Prefetch("faces", queryset=faces))


def photos_wait() -> bool:
    """Whether some wait for a worker."""
    return Photo.objects.filter(state=PhotoState.RECEIVED).exists()


def photo_for(actor: Actor, public_id: UUID, role: Role) -> Photo:
    """The photo of this id, if the actor has at least `role` in its gallery.

    Raises:
        NotFound: there is none, or it is another tenant's.
        Forbidden: the actor's role is less.
    """
    photo = visible_photos(actor).filter(public_id=public_id).first()
    if photo is None:
        raise NotFound("photo")
    require(actor, photo.gallery, role)
    return photo


class Pictured(NamedTuple):
    """How many photos somebody has, in whatever state, and their best enrolled face."""

    photos: int = 0
    portrait: UUID | None = None


def pictured(people: Iterable[Person]) -> dict[int, Pictured]:
    """The same of each of these people, by key, in one query however many they are."""
    photos = Photo.objects.filter(person=OuterRef("pk")).order_by().values("person")
    faces = Face.objects.filter(
        photo__person=OuterRef("pk"),
        photo__state=PhotoState.ENROLLED,
        template__isnull=False,
        model=OuterRef("gallery__model"),
    )
    best = faces.order_by(F("quality__score").desc(nulls_last=True), "pk").values("public_id")
    rows = Person.objects.filter(pk__in=[each.pk for each in people]).values_list(
        "pk",
        Coalesce(Subquery(photos.annotate(number=Count("pk")).values("number")), 0),
        Subquery(best[:1]),
    )
    return {pk: Pictured(number, portrait) for pk, number, portrait in rows}


def visible_faces(actor: Actor) -> QuerySet[Face]:
    """The faces on the photos of the actor's galleries, as their present models find them."""
    faces = Face.objects.shown().select_related(
        "photo__gallery", "photo__person", "photo__original"
    )
    if actor.is_site_admin:
        return faces
    return faces.filter(photo__gallery__in=visible_galleries(actor))


def draw_faces(gallery: Gallery, model: str, count: int) -> FloatArray:
    """Templates of `count` photos or fewer, shape (n, 128), of people who have several; at random.

    Of active people, and of faces that went into their template.
    """
    used = Face.objects.filter(
        model=model,
        template__model=model,
        template__face_count__gt=1,
        template__person__gallery=gallery,
        template__person__active=True,
    )
    drawn = list(used.order_by("?").values_list("pk", flat=True)[:count])
    rows: list[bytes] = []
    for start in range(0, len(drawn), READ_AT_ONCE):
        some = Face.objects.filter(pk__in=drawn[start : start + READ_AT_ONCE])
        rows += [bytes(each) for each in some.values_list("vector", flat=True)]
    return decode_many(rows)
