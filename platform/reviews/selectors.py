"""Reading the queue."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import Count, Exists, F, OuterRef, Prefetch, Q, QuerySet, Subquery
from django.db.models.functions import Coalesce

from accounts.actors import Actor
from common.errors import NotFound
from people.access import galleries_where
from people.models import Gallery, Role
from photos.models import Face

from .models import Candidate, Opinion, Review, State


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


def has_said(actor: Actor, review: Review) -> bool:
    """Whether the actor has given an opinion since the review was opened, or opened again."""
    said = review.opinions.all()
    return any(each.round == review.round and each.actor == str(actor) for each in said)


def takeable_by(actor: Actor, reviews: QuerySet[Review]) -> QuerySet[Review]:
    """Of these the open ones that nobody else has."""
    return reviews.filter(state=State.OPEN, assigned_to__in=["", str(actor)])


def not_said_by(actor: Actor, reviews: QuerySet[Review]) -> QuerySet[Review]:
    """Without those of which the actor has said what they think."""
    said = Opinion.objects.filter(review=OuterRef("pk"), round=OuterRef("round"), actor=str(actor))
    return reviews.exclude(Exists(said))


def standing(actor: Actor, gallery: Gallery, since: datetime) -> dict[str, Any]:
    """How a gallery's queue stands for a reviewer of it, and what was done since."""
    reviews = Review.objects.filter(gallery=gallery)
    opened = reviews.filter(state=State.OPEN)
    turn = not_said_by(actor, takeable_by(actor, reviews))
    kinds = dict(turn.order_by().values_list("kind").annotate(count=Count("pk")))
    said = Opinion.objects.filter(review__gallery=gallery, actor=str(actor), at__gte=since)
    return {
        "open": opened.count(),
        "turn": sum(kinds.values()),
        "mine": opened.filter(assigned_to=str(actor)).count(),
        "kinds": kinds,
        "decided": reviews.filter(state=State.DECIDED, decided_at__gte=since).count(),
        "said": said.count(),
    }
