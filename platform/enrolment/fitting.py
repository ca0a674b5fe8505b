"""Does a photo show the person it was sent for?

One wrong photo moves a fused template away from its person and towards somebody else. So a face
that is less like its person's others than the threshold of 1:1 verification is put aside for a
reviewer, and counts for nothing meanwhile.
"""

from __future__ import annotations

from dataclasses import dataclass

from embedder.calibration import MOST_PHOTOS
from embedder.types import Template
from people.models import Gallery, Person
from photos.models import Face, Photo, PhotoState
from photos.services import finish
from reviews.models import Kind
from reviews.services import Question, Resembling, open_review
from thresholds.models import Misfits
from thresholds.selectors import Verifying, policy_of, verification_standard

from .fusion import Makeup

CODE = "misfit"


@dataclass(frozen=True, slots=True)
class Misfit:
    """A face that is unlike its person's others: their score, and what judged it."""

    model: str
    score: float
    standard: Verifying
    reviewers: int


class Fitting:
    """What a gallery asks of photos that join others of their person."""

    def __init__(self, gallery: Gallery) -> None:
        self._gallery = gallery
        self._policy = policy_of(gallery)
        self._standards: dict[int, Verifying | None] = {}

    def misfit(self, makeup: Makeup, photo: Photo, face: Template) -> Misfit | None:
        """What is wrong with a face for this person, by their other photos; None if nothing.

        Nothing is, either, for the first photo, where the gallery doesn't ask or has no calibration
        to judge by, and once a reviewer has vouched for the photo.
        """
        if photo.vouched or self._policy.misfits == Misfits.ALLOW or makeup.fused is None:
            return None
        template, photos = makeup.fused
        standard = self._standard(photos)
        score = float(template @ face)
        if standard is None or score >= standard.threshold:
            return None
        return Misfit(self._gallery.model, score, standard, self._policy.reviewers)

    def _standard(self, photos: int) -> Verifying | None:
        """Of a template of so many photos."""
        counted = min(photos, MOST_PHOTOS)
        if counted not in self._standards:
            found = verification_standard(self._gallery.model, self._gallery, counted)
            self._standards[counted] = found
        return self._standards[counted]


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
