"""Does a photo show the person it was sent for?

One wrong photo moves a fused template away from its person and towards somebody else. So a face
that is less like its person's others than the threshold of 1:1 verification is put aside for a
reviewer, and counts for nothing meanwhile.
"""

from __future__ import annotations

from dataclasses import dataclass

from embedder.types import Template
from people.models import Person
from photos.models import Face, Photo, PhotoState
from photos.services import finish
from reviews.models import Kind
from reviews.services import Question, Resembling, open_review
from thresholds.models import Misfits
from thresholds.selectors import Verifying, policy_of, verification_standard
from vectors.codec import decode
from vectors.models import PersonTemplate

CODE = "misfit"


@dataclass(frozen=True, slots=True)
class Misfit:
    """A face that is unlike its person's others: their score, and what judged it."""

    model: str
    score: float
    standard: Verifying
    reviewers: int


def misfit(person: Person, photo: Photo, face: Template) -> Misfit | None:
    """What is wrong with a face for this person, by their other photos; None if nothing.

    Nothing is, either, for the first photo, where the gallery doesn't ask or has no calibration to
    judge by, and once a reviewer has vouched for the photo.
    """
    if photo.vouched:
        return None
    gallery = person.gallery
    template = PersonTemplate.objects.filter(person=person, model=gallery.model).first()
    policy = policy_of(gallery)
    if template is None or policy.misfits == Misfits.ALLOW:
        return None
    standard = verification_standard(gallery.model, gallery, template.face_count)
    score = float(decode(bytes(template.vector)) @ face)
    if standard is None or score >= standard.threshold:
        return None
    return Misfit(gallery.model, score, standard, policy.reviewers)


def put_aside(photo: Photo, person: Person, face: Face, unlike: Misfit) -> None:
    """Let a reviewer say. The caller holds the rows of the person and the photo."""
    face.unused_because = CODE
    face.save(update_fields=["unused_because"])
    threshold = unlike.standard.threshold
    finish(
        photo,
        PhotoState.REVIEW,
        CODE,
        f"The face scores {unlike.score:.3f} with the person's other photos; one person's photos "
        f"reach {threshold:.3f}. A reviewer decides whether it is theirs.",
    )
    open_review(
        Question(
            kind=Kind.MISFIT,
            gallery=person.gallery,
            person=person,
            photo=photo,
            model=unlike.model,
            searched=1,
            thresholds={"match": threshold},
            reviewers=unlike.reviewers,
            candidates=[Resembling(person.pk, unlike.score, unlike.standard.fmr(unlike.score))],
        )
    )
