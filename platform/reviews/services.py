"""Opening questions, and taking what reviewers say. What follows is carried out in `enrolment`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from accounts.actors import Actor, actor_of, system
from accounts.models import User
from audit.services import record
from common.errors import Conflict, NotFound, Problem, Unprocessable
from people.access import require
from people.models import Gallery, Person, Role
from photos.models import Photo

from .models import Candidate, Kind, Opinion, Review, State, Verdict
from .settling import Said, settled

ACTOR = system("reviews")


@dataclass(frozen=True, slots=True)
class Resembling:
    """Somebody the subject may be: score, and how likely a stranger would score so high."""

    person_id: int
    score: float
    stranger_rate: float


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked, about whom, and by which figures it came to it."""

    kind: Kind
    gallery: Gallery
    model: str
    searched: int
    thresholds: dict[str, Any] | None
    reviewers: int
    candidates: Sequence[Resembling]
    person: Person | None = None
    photo: Photo | None = None
    search: UUID | None = None
    face_number: int | None = None

    @property
    def subject(self) -> dict[str, Any]:
        """What no two open reviews are about."""
        if self.kind == Kind.SEARCH:
            return {"search": self.search, "face_number": self.face_number}
        return {"photo": self.photo} if self.kind == Kind.MISFIT else {"person": self.person}


def open_review(question: Question) -> Review:
    """Put a question before the reviewers; the one that is open already, if it is the same.

    In the transaction of what raised it, whose rows the caller holds.
    """
    known = Review.objects.filter(kind=question.kind, state=State.OPEN, **question.subject).first()
    if known is not None:
        return known
    review = Review.objects.create(
        kind=question.kind,
        gallery=question.gallery,
        person=question.person,
        photo=question.photo,
        search=question.search,
        face_number=question.face_number,
        model=question.model,
        searched=question.searched,
        thresholds=question.thresholds,
        reviewers=question.reviewers,
    )
    Candidate.objects.bulk_create(
        [
            Candidate(
                review=review,
                person_id=each.person_id,
                score=each.score,
                stranger_rate=each.stranger_rate,
            )
            for each in question.candidates
        ]
    )
    note(ACTOR, "review.open", review, kind=review.kind)
    return review


def lock_review(review_id: int) -> Review:
    """The review's row as it is now, locked until the transaction ends, with its gallery.

    People and photos that it is about are locked before.

    Raises:
        NotFound: it is gone, with the person it was about.
    """
    rows = Review.objects.select_for_update(of=("self",)).select_related("gallery")
    review = rows.filter(pk=review_id).first()
    if review is None:
        raise NotFound("review")
    return review


@transaction.atomic
def assign(actor: Actor, review: Review, to: Actor | None) -> Review:
    """Say who is to look at it; None: whoever comes.

    Raises:
        Conflict: it is decided (`review_state`).
        Unprocessable: they are no reviewer of the gallery (`not_a_reviewer`).
    """
    require(actor, review.gallery, Role.REVIEWER)
    review = lock_review(review.pk)
    _check_open(review)
    if to is not None:
        _check_reviewer(review.gallery, to)
    review.assigned_to = "" if to is None else str(to)
    review.save(update_fields=["assigned_to", "updated_at"])
    note(actor, "review.assign", review, to=review.assigned_to)
    return review


def user_actor(public_id: UUID) -> Actor:
    """The user of this id, to be assigned something. Raises NotFound."""
    user = User.objects.filter(public_id=public_id, is_active=True).first()
    if user is None:
        raise NotFound("user")
    return actor_of(user)


def _check_reviewer(gallery: Gallery, actor: Actor) -> None:
    try:
        require(actor, gallery, Role.REVIEWER)
    except Problem as error:
        raise Unprocessable(
            "They have no role in this gallery that lets them decide. Make them a reviewer first.",
            code="not_a_reviewer",
        ) from error


def give_opinion(
    actor: Actor, review: Review, verdict: Verdict, *, chosen: Person | None, words: str = ""
) -> bool:
    """Take what a reviewer says, of a review whose row the caller holds; whether that decides it.

    `chosen` says which candidate it is, if it is the same person; the only one needn't be named.

    Raises:
        Forbidden: the actor is no reviewer of the gallery.
        Conflict: it is decided (`review_state`), they have said it already (`opinion_given`), or
            somebody else has it (`review_assigned`).
        Unprocessable: it isn't said which of several it is, or of nobody asked about (`who_is_it`).
    """
    require(actor, review.gallery, Role.REVIEWER)
    _check_open(review)
    _check_turn(actor, review)
    said = Said(verdict, _who(review, verdict, chosen))
    Opinion.objects.create(
        review=review, round=review.round, actor=str(actor), verdict=verdict,
        chosen_id=said.chosen, note=words,
    )  # fmt: skip
    note(actor, "review.opinion", review, verdict=verdict.value)
    decided = settled(_said(review), review.reviewers)
    if decided is None:
        # The next one is somebody else.
        review.assigned_to = ""
        review.save(update_fields=["assigned_to", "updated_at"])
        return False
    close(actor, review, decided)
    return True


def close(actor: Actor, review: Review, decided: Said) -> None:
    """Write down what was decided, in the transaction that carries it out."""
    review.state, review.verdict = State.DECIDED, decided.verdict
    review.chosen_id, review.decided_at = decided.chosen, timezone.now()
    review.save(update_fields=["state", "verdict", "chosen", "decided_at", "updated_at"])
    note(actor, "review.decide", review, verdict=decided.verdict)


def reopen(actor: Actor, review: Review, reason: str) -> None:
    """Ask again, of a decided review whose row the caller holds. What was said stays on record."""
    review.state, review.verdict, review.chosen, review.decided_at = State.OPEN, "", None, None
    review.assigned_to, review.round, review.undone_because = "", review.round + 1, reason
    review.save()
    note(actor, "review.undo", review)


def withdraw(actor: Actor, review: Review, why: str) -> None:
    """Ask no longer: there is nothing left to decide."""
    review.state, review.assigned_to = State.WITHDRAWN, ""
    review.save(update_fields=["state", "assigned_to", "updated_at"])
    note(actor, "review.withdraw", review, why=why)


def forget_words(people: Sequence[Person]) -> None:
    """Delete what reviewers wrote where these people were asked about: it may name them."""
    reviews = Review.objects.filter(candidates__person__in=people)
    Opinion.objects.filter(review__in=reviews).exclude(note="").update(note="")
    Review.objects.filter(pk__in=reviews.values("pk")).exclude(undone_because="").update(
        undone_because=""
    )


def note(actor: Actor, action: str, review: Review, **details: Any) -> None:
    """An entry of the audit log."""
    record(actor, action, f"review:{review.public_id}", review.gallery.public_id, **details)


def _check_open(review: Review) -> None:
    if review.state != State.OPEN:
        raise Conflict(
            f"This review is {review.state} already. Undo the decision to decide anew.",
            code="review_state",
        )


def _check_turn(actor: Actor, review: Review) -> None:
    if review.opinions.filter(round=review.round, actor=str(actor)).exists():
        raise Conflict(
            "You have said what you think; another reviewer is to decide.", code="opinion_given"
        )
    if review.assigned_to not in ("", str(actor)):
        raise Conflict(
            "Somebody else has this review. Assign it to yourself first.", code="review_assigned"
        )


def _who(review: Review, verdict: Verdict, chosen: Person | None) -> int | None:
    if verdict != Verdict.SAME:
        return None
    candidates = list(review.candidates.values_list("person", flat=True))
    if chosen is None and len(candidates) == 1:
        return candidates[0]
    if chosen is None or chosen.pk not in candidates:
        raise Unprocessable(
            "Say which of the candidates is the same person: send `person`.", code="who_is_it"
        )
    return chosen.pk


def _said(review: Review) -> list[Said]:
    opinions = review.opinions.filter(round=review.round)
    return [Said(Verdict(each.verdict), each.chosen_id) for each in opinions]
