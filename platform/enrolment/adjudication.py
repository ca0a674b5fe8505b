"""Carrying out what reviewers decide, and taking it back.

A decision and what follows from it are one transaction, so of two reviewers at the same moment one
decides and the other is told. Rows are locked in the usual order: people, photo, then the review.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from django.db import transaction
from django.db.models import Exists, OuterRef, Q, QuerySet

from accounts.actors import Actor, system
from audit.services import record
from common.errors import Conflict
from identification.models import Probe
from identification.probes import forget_probe
from people.access import require
from people.locks import lock_people
from people.models import Held, Person, Role
from people.selectors import root_of
from photos.models import Photo, PhotoState
from photos.services import begin_again, finish, lock_photo
from reviews.models import Candidate, Kind, Review, State, Verdict
from reviews.services import give_opinion, lock_review, reopen, withdraw

from .admitting import await_admission, hold, release
from .concluding import enrol_face
from .fitting import CODE
from .fusion import refresh_templates
from .identities import keep_apart, merge, take_back
from .models import Stage

ERASING = system("erasure")
REFUSALS = {
    Verdict.DIFFERENT: ("another_person", "A reviewer says that it shows somebody else."),
    Verdict.UNSURE: ("unsure", "Reviewers can't tell whom it shows. Send a better photo."),
}


@transaction.atomic
def decide(
    actor: Actor, review: Review, verdict: Verdict, *, chosen: Person | None = None, words: str = ""
) -> Review:
    """Take a reviewer's opinion and, if it decides the review, do what follows.

    Raises: as `reviews.services.give_opinion`, and as `identities.merge` where two people can't
    be merged (any more): then the opinion isn't taken, either.
    """
    require(actor, review.gallery, Role.REVIEWER)
    review = _locked(review)
    if give_opinion(actor, review, verdict, chosen=chosen, words=words):
        _ACTS[Kind(review.kind)](actor, review)
    return review


@transaction.atomic
def undo(actor: Actor, review: Review, *, reason: str = "") -> Review:
    """Take a decision and all that followed from it back; the review is open again.

    Raises:
        Forbidden: the actor is no reviewer of the gallery; what several have decided takes an
            administrator to undo.
        Conflict: it isn't decided (`review_state`), or what followed was changed since, which has
            to be undone first (`merged`, `undone`, `photo_state`).
    """
    require(actor, review.gallery, Role.REVIEWER if review.reviewers == 1 else Role.ADMIN)
    review = _locked(review)
    if review.state != State.DECIDED:
        raise Conflict(
            f"There is no decision to undo: the review is {review.state}.", code="review_state"
        )
    _UNDOINGS[Kind(review.kind)](actor, review, reason)
    reopen(actor, review, reason)
    return review


def _locked(review: Review) -> Review:
    """The review as it is now, locked, and with it everybody whom its decision can touch."""
    concerned = _concerned(review)
    lock_people(concerned)
    if review.photo_id is not None:
        lock_photo(review.photo_id)
    locked = lock_review(review.pk)
    if not _concerned(locked) <= concerned:
        raise Conflict(
            "Who is whom was changed in this very moment. Look, and try again.", code="changed"
        )
    return locked


def _concerned(review: Review) -> set[int]:
    """The keys of the person, the candidates, and whoever they turned out to be."""
    people = Person.objects.filter(
        Q(candidate_in__review=review) | Q(reviews=review) | Q(photos__reviews=review)
    )
    asked = list(people.select_related("merged_into").distinct())
    changes = review.changes.values_list("person", "other")
    return {
        *(each.pk for each in asked),
        *(root_of(each).pk for each in asked),
        *(key for pair in changes for key in pair),
    }


# --- Somebody new who is like somebody enrolled ---------------------------------------------------


def _decide_duplicate(actor: Actor, review: Review) -> None:
    person = _person(review)
    if review.verdict == Verdict.SAME and review.chosen is not None:
        merge(actor, root_of(review.chosen), person, reason=_because(review), review=review)
    elif review.verdict == Verdict.DIFFERENT:
        for candidate in review.candidates.select_related("person__gallery"):
            other = root_of(candidate.person)
            keep_apart(actor, person, other, reason=_because(review), review=review)
        release(actor, [person])
        # Who came meanwhile could not find them.
        await_admission([person], Stage.AFTER)


def _undo_duplicate(actor: Actor, review: Review, reason: str) -> None:
    others = Review.objects.filter(kind=Kind.DUPLICATE, state=State.OPEN, person=review.person)
    other = others.first()
    if other is not None:
        raise Conflict(
            "Another review asks about this person meanwhile. Decide that one first.",
            code="in_review",
            review=str(other.public_id),
        )
    for change in review.changes.filter(undone_at=None).order_by("-pk"):
        take_back(actor, change, reason)
    person = _person(review)
    if person.merged_into is not None:
        raise Conflict("They were merged into somebody else since. Undo that.", code="merged")
    hold([person], Held.DUPLICATE)


def _person(review: Review) -> Person:
    """As the row is now; the caller holds it."""
    return Person.objects.select_related("gallery").get(reviews=review)


def _because(review: Review) -> str:
    return f"review {review.public_id}"


# --- A photo that is unlike its person's others --------------------------------------------------


def _decide_misfit(actor: Actor, review: Review) -> None:
    photo = _photo(review)
    if photo.state != PhotoState.REVIEW:
        raise Conflict(f"The photo is {photo.state} meanwhile.", code="photo_state")
    verdict = Verdict(review.verdict)
    if verdict in REFUSALS:
        finish(photo, PhotoState.REJECTED, *REFUSALS[verdict])
    else:
        _vouch(photo)
    _record(actor, photo, verdict)


def _vouch(photo: Photo) -> None:
    """It counts: with the face that was put aside, or found anew if the model has changed."""
    photo.vouched = True
    photo.save(update_fields=["vouched", "updated_at"])
    face = photo.faces.filter(unused_because=CODE, model=photo.gallery.model).first()
    if face is None or photo.person is None:
        begin_again(photo)
        return
    face.unused_because = ""
    face.save(update_fields=["unused_because"])
    enrol_face(photo.person, photo, face)


def _undo_misfit(actor: Actor, review: Review, reason: str) -> None:
    photo = _photo(review)
    if photo.state not in (PhotoState.ENROLLED, PhotoState.REJECTED):
        raise Conflict(f"The photo is {photo.state} meanwhile.", code="photo_state")
    photo.vouched = False
    photo.save(update_fields=["vouched", "updated_at"])
    # Faces of other models are made again if it is enrolled again.
    photo.faces.exclude(model=review.model).delete()
    photo.missing_faces.all().delete()
    photo.faces.filter(unused_because="").update(unused_because=CODE, template=None)
    finish(photo, PhotoState.REVIEW, CODE, "A reviewer decides whether it shows its person.")
    if photo.person is not None:
        refresh_templates(photo.person)
    _record(actor, photo, "undone")


def _photo(review: Review) -> Photo:
    """Likewise."""
    return Photo.objects.select_related("gallery", "person__gallery").get(reviews=review)


def _record(actor: Actor, photo: Photo, verdict: str) -> None:
    details = {"state": photo.state, "verdict": verdict}
    record(actor, "photo.review", f"photo:{photo.public_id}", photo.gallery.public_id, **details)


# --- A face that was looked up --------------------------------------------------------------------


def _decide_search(actor: Actor, review: Review) -> None:
    """The answer stands in the review, for whoever asked. The face isn't needed any more."""
    if review.search is not None and review.face_number is not None:
        forget_probe(review.search, review.face_number)


def _undo_search(actor: Actor, review: Review, reason: str) -> None:
    """The face may be gone; the candidates are not."""


# --- Somebody is erased ---------------------------------------------------------------------------


def only_candidate_in(people: Sequence[Person]) -> QuerySet[Review]:
    """The open reviews, about others, that have no candidate but these people."""
    others = Candidate.objects.filter(review=OuterRef("pk")).exclude(person__in=people)
    asked = Review.objects.filter(candidates__person__in=people, state=State.OPEN)
    about_others = asked.filter(Q(person=None) | ~Q(person__in=people))
    return about_others.exclude(Exists(others)).select_related("gallery", "person__gallery")


def drop_from_reviews(people: Sequence[Person]) -> None:
    """End the reviews in which those to be erased were the only candidates.

    The caller holds the rows of all people concerned.
    """
    for review in only_candidate_in(people).distinct():
        withdraw(ERASING, review, "erased")
        if review.person is not None and review.person.held == Held.DUPLICATE:
            # Those whom nobody asked about may be like them, too: they are looked for anew.
            hold([review.person], Held.CHECKING)
            await_admission([review.person])
    for review in _without_a_face(people):
        withdraw(ERASING, review, "erased")


def _without_a_face(people: Sequence[Person]) -> list[Review]:
    """Open reviews of lookups whose face goes with one of these people."""
    going = Probe.objects.filter(
        person__in=people,
        search__public_id=OuterRef("search"),
        number=OuterRef("face_number"),
    )
    asked = Review.objects.filter(Exists(going), kind=Kind.SEARCH, state=State.OPEN)
    return list(asked.select_related("gallery"))


_ACTS: dict[Kind, Callable[[Actor, Review], None]] = {
    Kind.DUPLICATE: _decide_duplicate,
    Kind.MISFIT: _decide_misfit,
    Kind.SEARCH: _decide_search,
}
_UNDOINGS: dict[Kind, Callable[[Actor, Review, str], None]] = {
    Kind.DUPLICATE: _undo_duplicate,
    Kind.MISFIT: _undo_misfit,
    Kind.SEARCH: _undo_search,
}
