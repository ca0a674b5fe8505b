"""What a review's page shows: the subject beside those it may be, and what was said of them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from django.urls import reverse

from accounts.actors import Actor
from audit.admin import usernames
from common.admin import change_url
from common.errors import NotFound
from enrolment.fitting import CODE
from enrolment.models import IdentityKind
from identification.models import Probe
from identification.probes import probe_of
from people.models import Person
from photos.models import Face
from reviews.models import Candidate, Kind, Opinion, Review, State, Verdict
from reviews.selectors import opinions_shown

from .cards import Standing, enrolled_faces, standing

# Rarer than that is no figure that anybody can picture.
LEAST_RATE = 1e-6
# From this rate on it is told in parts of a hundred.
COMMON_RATE = 0.1
VERDICT_WORDS = {
    Verdict.SAME: "same person",
    Verdict.DIFFERENT: "different people",
    Verdict.UNSURE: "can't tell",
}
VERDICT_VARIANTS = {Verdict.SAME: "info", Verdict.DIFFERENT: "success", Verdict.UNSURE: "warning"}


@dataclass(frozen=True, slots=True)
class Words:
    """How a kind of review is spoken of."""

    name: str
    subject: str
    others: str
    same: str
    different: str
    effects: str


WORDS = {
    Kind.SEARCH: Words(
        name="search",
        subject="The face looked up",
        others="Who it may be",
        same="Same person",
        different="Different: none of them",
        effects="The answer stands here and in the search log, for whoever asked. Nothing changes "
        "for those who are enrolled.",
    ),
    Kind.DUPLICATE: Words(
        name="duplicate",
        subject="The new person",
        others="Who it may be",
        same="Same person",
        different="Different: somebody new",
        effects="Same person: the new entry is merged into that one, who gets its photos. "
        "Different: searches find both, and they are kept apart from now on. Can't tell: the new "
        "one stays out of searches. Each can be undone.",
    ),
    Kind.MISFIT: Words(
        name="misfit",
        subject="The photo that was sent",
        others="Whom it was sent for",
        same="Same person",
        different="Different: somebody else",
        effects="Same person: the photo counts from now on. Different, or can't tell: it is "
        "rejected and counts for nothing. Each can be undone.",
    ),
}


@dataclass(frozen=True, slots=True)
class Shown:
    """Somebody, or a face, with its pictures."""

    name: str
    pictures: Sequence[str]
    url: str = ""
    person: Person | None = None
    standing: Standing | None = None
    lines: Sequence[str] = field(default_factory=tuple)
    is_chosen: bool = False


def review_page(actor: Actor, review: Review) -> dict[str, Any]:
    """All of it. Of what there is nothing left to decide nobody is shown."""
    names = usernames([review.assigned_to, *(each.actor for each in review.opinions.all())])
    words = WORDS[Kind(review.kind)]
    return {
        "review": review,
        "words": words,
        "title": _question(review),
        "given": getattr(review, "given", 0),
        "assignee": names.get(review.assigned_to, review.assigned_to),
        "is_mine": review.assigned_to == str(actor),
        "has_said": has_said(actor, review),
        "may_decide": may_decide(actor, review),
        "verdict": verdict_words(review.verdict),
        **(_contents(actor, review, names) if review.state != State.WITHDRAWN else {}),
    }


def _contents(actor: Actor, review: Review, names: dict[str, str]) -> dict[str, Any]:
    """The pictures, and what was said: both name people."""
    said = [_opinion(each, names) for each in opinions_shown(actor, review)]
    return {"opinions": said, **_pictures(review)}


def _question(review: Review) -> str:
    question = Kind(review.kind).label.partition(": ")[2]
    return question[:1].upper() + question[1:]


def has_said(actor: Actor, review: Review) -> bool:
    """Whether somebody has given their opinion this time."""
    said = {(each.round, each.actor) for each in review.opinions.all()}
    return (review.round, str(actor)) in said


def may_decide(actor: Actor, review: Review) -> bool:
    """Whether it is theirs to decide, here and now."""
    is_free = review.assigned_to in ("", str(actor))
    return review.state == State.OPEN and is_free and not has_said(actor, review)


def verdict_words(verdict: str) -> str:
    """In words; nothing while there is none."""
    return VERDICT_WORDS[Verdict(verdict)] if verdict else ""


def _opinion(opinion: Opinion, names: dict[str, str]) -> dict[str, Any]:
    return {
        "opinion": opinion,
        "who": names.get(opinion.actor, opinion.actor),
        "verdict": verdict_words(opinion.verdict),
    }


# --- Pictures -------------------------------------------------------------------------------------


def _pictures(review: Review) -> dict[str, Any]:
    candidates = list(review.candidates.all())
    moved = _moved(review)
    subject = list(_subject_faces(review, moved))
    hidden = [*moved, *([review.photo.public_id] if review.photo else [])]
    people = [each.person_id for each in candidates]
    faces = enrolled_faces(people, but_of=hidden)
    return {
        "subject": _subject(review, subject),
        "candidates": [
            _candidate(review, each, faces.get(each.person_id, ())) for each in candidates
        ],
    }


def _moved(review: Review) -> list[UUID]:
    """The photos that the new person had, once they are merged into another."""
    merges = review.changes.filter(kind=IdentityKind.MERGE, undone_at=None)
    return [UUID(each) for moved in merges.values_list("moved", flat=True) for each in moved]


def _subject_faces(review: Review, moved: Sequence[UUID]) -> Iterable[Face]:
    if review.photo is not None:
        # The one that was put aside, or counts since; if the model has changed, what it found.
        faces = review.photo.faces.shown().filter(unused_because__in=["", CODE])
        return faces.defer("vector")[:1]
    if moved:
        counted = Face.objects.shown().filter(photo__public_id__in=moved, template__isnull=False)
        return counted.defer("vector").order_by("-width", "pk")[:3]
    if review.person is not None:
        return enrolled_faces([review.person.pk])[review.person.pk]
    return ()


def _subject(review: Review, faces: Sequence[Face]) -> Shown:
    if review.kind == Kind.SEARCH:
        kept = probe_of(review) is not None
        return Shown(
            name=f"Face {(review.face_number or 0) + 1} of the search",
            pictures=[probe_url(review)] if kept else [],
            url=f"{reverse('admin:identification_search_changelist')}?q={review.search}",
            lines=() if kept else ("Its picture isn't kept any more.",),
        )
    if review.photo is not None:
        return Shown(name="The whole photo", pictures=_urls(faces), url=change_url(review.photo))
    if review.person is None:  # which the database keeps from being so
        raise NotFound("person")
    return person_shown(review.person, faces)


def _candidate(review: Review, candidate: Candidate, faces: Sequence[Face]) -> Shown:
    lines = (f"Score {candidate.score:.4f}", rate_words(review, candidate.stranger_rate))
    is_chosen = candidate.person_id == review.chosen_id
    return person_shown(candidate.person, faces, lines, is_chosen=is_chosen)


def person_shown(
    person: Person,
    faces: Sequence[Face],
    lines: Sequence[str] = (),
    *,
    is_chosen: bool = False,
) -> Shown:
    """Somebody with these faces of theirs."""
    return Shown(
        name=str(person),
        pictures=_urls(faces),
        url=change_url(person),
        person=person,
        standing=None if person.active else standing(person),
        lines=lines,
        is_chosen=is_chosen,
    )


def _urls(faces: Iterable[Face]) -> list[str]:
    return [reverse("admin:photos_face_large", args=[each.pk]) for each in faces]


def probe_url(review: Review) -> str:
    """The address of the face that was looked up."""
    return reverse("admin:reviews_review_probe", args=[review.pk])


def small_pictures(reviews: Iterable[Review]) -> dict[int, str]:
    """For a list: by review the address of one picture of its subject, in three queries."""
    shown = [each for each in reviews if each.state != State.WITHDRAWN]
    return {
        **{each.pk: probe_url(each) for each in _with_probe(shown)},
        **_faces_of_the_new([each for each in shown if each.kind == Kind.DUPLICATE]),
        **_faces_put_aside([each for each in shown if each.kind == Kind.MISFIT]),
    }


def _faces_of_the_new(reviews: Sequence[Review]) -> dict[int, str]:
    faces = enrolled_faces(each.person_id for each in reviews if each.person_id)
    found = {each.pk: faces.get(each.person_id or 0) for each in reviews}
    return {review: _small(theirs[0].pk) for review, theirs in found.items() if theirs}


def _faces_put_aside(reviews: Sequence[Review]) -> dict[int, str]:
    faces = Face.objects.shown().filter(
        photo__in=[each.photo_id for each in reviews], unused_because__in=["", CODE]
    )
    found = dict(faces.values_list("photo", "pk"))
    return {each.pk: _small(found[each.photo_id]) for each in reviews if each.photo_id in found}


def _with_probe(reviews: Sequence[Review]) -> list[Review]:
    searches = [each.search for each in reviews if each.kind == Kind.SEARCH]
    kept = set(
        Probe.objects.filter(search__public_id__in=searches).values_list(
            "search__public_id", "number"
        )
    )
    return [each for each in reviews if (each.search, each.face_number) in kept]


def _small(face: int) -> str:
    return reverse("admin:photos_face_thumbnail", args=[face])


# --- Figures in words -----------------------------------------------------------------------------


def rate_words(review: Review, rate: float) -> str:
    """How often strangers score so high; never how likely an answer is wrong."""
    if review.kind == Kind.MISFIT:
        return f"Photos of two people score as high in {_share(rate)} comparisons"
    return f"A stranger would score as high in {_share(rate)} searches"


def _share(rate: float) -> str:
    if rate < LEAST_RATE:
        return f"fewer than 1 of {round(1 / LEAST_RATE):,}"
    if rate >= COMMON_RATE:
        return f"{100 * rate:.0f} of 100"
    return f"1 of {_two_figures(1 / rate):,}"


def _two_figures(number: float) -> int:
    """To two figures: more would pretend to be known."""
    return int(round(number, 1 - math.floor(math.log10(number))))


def threshold_words(review: Review) -> str:
    """The thresholds that it was raised with."""
    figures = review.thresholds
    if figures is None:
        return "none: there was no calibration"
    match = _score(figures["match"])
    if "review" not in figures:
        return f"one person's photos reach {match}"
    by_hand = ", set by hand" if figures.get("overridden") else ""
    return f"a match from {match}, a review from {_score(figures['review'])}{by_hand}"


def _score(score: float) -> str:
    return f"{score:.4f}" if score <= 1 else "more than anybody can score"
