"""A person puts a face that was looked up before the reviewers, whatever was decided of it."""

from __future__ import annotations

from hashlib import sha256
from typing import Any

from django.db import transaction

from accounts.actors import Actor
from common.errors import Conflict, NotFound, Unprocessable
from embedder.images import crop, encode_jpeg
from embedder.types import Box
from people.access import require
from people.locks import lock_people
from people.models import Gallery, Person, Role
from photos.intake import decode_photo
from reviews.models import Kind, Review, State
from reviews.services import Question, Resembling, note, open_review
from thresholds.selectors import policies_of

from .models import Probe, Search
from .probes import asked_already, kept_face


def ask_reviewers(actor: Actor, search: Search, number: int, data: bytes | None = None) -> Review:
    """Ask whether a face of a search is one of its candidates; the open review, if there is one.

    `data` is the photo again, of which the face is kept until it is decided; it may be left out
    while the face is kept anyway. All candidates of the best one's gallery are asked about, those
    below the thresholds, too: whoever asks may see what the machine doesn't.

    Raises:
        NotFound: the search has no such face.
        Forbidden: the actor is no operator of the gallery.
        Unprocessable: there is nobody it could be (`no_candidates`), no calibration then
            (`not_calibrated`), or no picture of it (`photo_required`, `another_photo`).
        BadPhoto, TooLarge: the photo can't be used.
        Conflict: a reviewer has decided it (`review_state`).
    """
    if number >= len(search.faces):
        raise NotFound("face")
    face = search.faces[number]
    best = _best(search, face)
    if best is None:
        raise Unprocessable(
            "There is nobody to compare this face with: the search found no one, or they are gone.",
            code="no_candidates",
        )
    require(actor, best.gallery, Role.OPERATOR)
    if search.thresholds is None:
        raise Unprocessable(
            "The gallery's model had no calibration when this was looked up. Look it up again.",
            code="not_calibrated",
        )
    known = _known(search, number, best.gallery)
    if known is not None:
        return known
    return _open(actor, search, number, best, _picture(search, number, data))


def _best(search: Search, face: dict[str, Any]) -> Person | None:
    """The first candidate who is still there."""
    ids = [each["person"] for each in face["candidates"]]
    people = Person.objects.select_related("gallery").filter(
        public_id__in=ids, active=True, gallery__in=search.galleries.all()
    )
    there = {str(person.public_id): person for person in people}
    return next((there[each] for each in ids if each in there), None)


def _known(search: Search, number: int, gallery: Gallery) -> Review | None:
    known = asked_already(search, number, gallery)
    if known is not None:
        return known
    mine = Review.objects.filter(search=search.public_id, face_number=number)
    if mine.filter(state=State.DECIDED).exists():
        raise Conflict(
            "A reviewer has decided this already. Undo the decision to ask again.",
            code="review_state",
        )
    return None


def _picture(search: Search, number: int, data: bytes | None) -> bytes | None:
    """The face cut out of the photo; None while it is kept anyway."""
    if kept_face(search.public_id, number) is not None:
        return None
    if data is None:
        raise Unprocessable(
            "The face isn't kept. Send the photo again, so that a reviewer sees it.",
            code="photo_required",
        )
    if sha256(data).hexdigest() != search.probe:
        raise Unprocessable(
            "This isn't the photo that was looked up. Send that one.", code="another_photo"
        )
    image = decode_photo(data)
    box = Box(**search.faces[number]["box"]).scaled(image.scale)
    return encode_jpeg(crop(image.pixels, box))


@transaction.atomic
def _open(actor: Actor, search: Search, number: int, best: Person, picture: bytes | None) -> Review:
    figures = {each["person"]: each for each in search.faces[number]["candidates"]}
    asked = Person.objects.filter(public_id__in=figures, active=True, gallery=best.gallery)
    people = lock_people(asked.values_list("pk", flat=True))
    if best.pk not in people:
        raise Conflict("Who it may be was changed in this very moment. Try again.", code="changed")
    if picture is not None:
        Probe.objects.get_or_create(
            search=search, number=number, defaults={"jpeg": picture, "person": best}
        )
    of_each = [(person, figures[str(person.public_id)]) for person in people.values()]
    review = open_review(
        Question(
            kind=Kind.SEARCH,
            gallery=best.gallery,
            search=search.public_id,
            face_number=number,
            model=search.model,
            searched=search.searched,
            thresholds=search.thresholds,
            reviewers=policies_of([best.gallery])[best.gallery_id].reviewers,
            candidates=[
                Resembling(person.pk, each["score"], each["stranger_rate"])
                for person, each in of_each
            ],
        )
    )
    note(actor, "review.ask", review, face=number)
    return review
