"""Reading the queue."""

from __future__ import annotations

from uuid import UUID

from django.db.models import Count, F, OuterRef, Prefetch, Q, QuerySet, Subquery
from django.db.models.functions import Coalesce

from accounts.actors import Actor
from common.errors import NotFound
from people.access import galleries_where
from people.models import Role
from photos.models import Face

from .models import Candidate, Opinion, Review


def visible_reviews(actor: Actor) -> QuerySet[Review]:
    """Those of the galleries where the actor decides, with all that an answer shows."""
    candidates = Candidate.objects.select_related("person").annotate(face=_face("person"))
    given = Count("opinions", filter=Q(opinions__round=F("round")), distinct=True)
    return (
        Review.objects.filter(gallery__in=galleries_where(actor, Role.REVIEWER))
        .select_related("gallery", "person", "photo", "chosen")
        .prefetch_related(
            Prefetch("candidates", queryset=candidates),
            Prefetch("opinions", queryset=Opinion.objects.select_related("chosen")),
        )
        .annotate(given=given, face=Coalesce(_doubted_face(), _face("person")))
    )


def _doubted_face() -> Subquery:
    """Of a photo that doesn't fit: the face that is asked about."""
    doubted = Face.objects.filter(photo=OuterRef("photo"), model=OuterRef("model"))
    meant = doubted.exclude(unused_because="not_chosen").order_by("pk")
    return Subquery(meant.values("public_id")[:1])


def _face(person: str) -> Subquery:
    """An enrolled face of somebody, to look at."""
    enrolled = Face.objects.shown().filter(template__person=OuterRef(person))
    return Subquery(enrolled.order_by("pk").values("public_id")[:1])


def review_for(actor: Actor, public_id: UUID) -> Review:
    """The review of this id, if the actor decides in its gallery. Raises NotFound."""
    review = visible_reviews(actor).filter(public_id=public_id).first()
    if review is None:
        raise NotFound("review")
    return review


def opinions_shown(actor: Actor, review: Review) -> list[Opinion]:
    """What the actor may see of what others said: nothing, until the review is decided.

    Nor of what they said before it was undone: that would decide it again.
    """
    return [each for each in review.opinions.all() if review.verdict or each.actor == str(actor)]
