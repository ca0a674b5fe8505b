"""Faces that were looked up: kept where a policy says so, and put before a reviewer.

Unless a gallery wants it, nothing of a probe is stored. `keep_probe_days` keeps its face for so
long; a doubtful one that is queued for a reviewer is kept until it is decided.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from uuid import UUID

from django.db.models import Exists, OuterRef
from django.utils import timezone

from embedder.images import DecodedImage, crop, encode_jpeg
from people.locks import lock_people
from people.models import Gallery, Person
from reviews.models import Kind, Review, State
from reviews.services import Question, Resembling, open_review
from thresholds.deciding import Decision, Limits
from thresholds.models import Doubtful, Policy

from .models import Probe, Search
from .searches import Answered, Lookup, limit_figures

Policies = Mapping[int, Policy]


def keep_and_ask(
    search: Search,
    policies: Policies,
    asked: Limits | None,
    photo: Answered,
) -> list[UUID | None]:
    """Keep the faces that are to be kept, and put the doubtful ones before reviewers.

    In the transaction of the search log's entry. `policies` are those of the galleries searched;
    the longest time counts. Returns each face's review, if it has one.
    """
    days = max(policy.keep_probe_days for policy in policies.values())
    people = _locked(photo.lookups) if days or _is_queued(policies) else {}
    reviews = [
        _ask(search, number, policies, asked, _of_those(people, lookup)) if asked else None
        for number, lookup in enumerate(photo.lookups)
    ]
    # Of a face that is before a reviewer already the picture is there.
    own = {each.face_number for each in Review.objects.filter(search=search.public_id)}
    kept = [number for number in range(len(reviews)) if days or number in own]
    if kept:
        image = photo.image()
        for number in kept:
            _keep(search, number, image, _of_those(people, photo.lookups[number]), days)
    return reviews


def _is_queued(policies: Policies) -> bool:
    return any(policy.doubtful == Doubtful.QUEUE for policy in policies.values())


def _locked(lookups: Sequence[Lookup]) -> dict[int, Person]:
    """The candidates who are still there, and stay until this is stored."""
    return lock_people(each.person.pk for lookup in lookups for each in lookup.candidates)


def _of_those(people: Mapping[int, Person], lookup: Lookup) -> Lookup:
    """A lookup without the candidates who were erased since."""
    there = [each for each in lookup.candidates if each.person.pk in people]
    return replace(lookup, candidates=there)


def _ask(
    search: Search, number: int, policies: Policies, asked: Limits, lookup: Lookup
) -> UUID | None:
    """The review of a doubtful face, in the gallery of its first candidate."""
    if lookup.decision != Decision.REVIEW or not lookup.candidates:
        return None
    gallery = lookup.candidates[0].person.gallery
    policy = policies[gallery.pk]
    if policy.doubtful != Doubtful.QUEUE:
        return None
    known = asked_already(search, number, gallery)
    if known is not None:
        return known.public_id
    question = Question(
        kind=Kind.SEARCH,
        gallery=gallery,
        search=search.public_id,
        face_number=number,
        model=search.model,
        searched=search.searched,
        thresholds=limit_figures(asked),
        reviewers=policy.reviewers,
        candidates=_resembling(gallery, asked, lookup),
    )
    return open_review(question).public_id


def asked_already(search: Search, number: int, gallery: Gallery) -> Review | None:
    """The open review of the same face of the same photo: looked up twice it is one question."""
    same = Search.objects.filter(probe=search.probe, galleries=gallery).values("public_id")
    waiting = Review.objects.filter(kind=Kind.SEARCH, state=State.OPEN, gallery=gallery)
    return waiting.filter(search__in=same, face_number=number).order_by("pk").first()


def _resembling(gallery: Gallery, asked: Limits, lookup: Lookup) -> list[Resembling]:
    """Those of the gallery whom a reviewer of it may see and has to tell apart."""
    return [
        Resembling(each.person.pk, each.score, asked.stranger_rate(each.score))
        for each in lookup.candidates
        if each.person.gallery_id == gallery.pk and each.score >= asked.review
    ]


def _keep(search: Search, number: int, image: DecodedImage, lookup: Lookup, days: int) -> None:
    box = lookup.face.detection.box.scaled(image.scale)
    best = lookup.candidates[0].person if lookup.candidates else None
    Probe.objects.create(
        search=search,
        number=number,
        jpeg=encode_jpeg(crop(image.pixels, box)),
        person=best,
        keep_until=timezone.now() + timedelta(days=days),
    )


def probe_of(review: Review) -> bytes | None:
    """The face that a review is about, as a JPEG; None if it is gone."""
    if review.search is None or review.face_number is None:
        return None
    return kept_face(review.search, review.face_number)


def kept_face(search: UUID, number: int) -> bytes | None:
    """A face of a search, as a JPEG; None if it isn't kept, or not any more."""
    found = Probe.objects.filter(search__public_id=search, number=number)
    jpeg = found.values_list("jpeg", flat=True).first()
    return None if jpeg is None else bytes(jpeg)


def give_probes_to(person: Person, search: UUID) -> None:
    """The faces of a search are somebody's, and go with them: who was enrolled by them."""
    Probe.objects.filter(search__public_id=search).update(person=person)


def forget_probe(search: UUID, number: int) -> None:
    """Delete a face whose review is decided, unless the policy keeps it longer."""
    now = timezone.now()
    Probe.objects.filter(search__public_id=search, number=number, keep_until__lte=now).delete()


def forget_old_probes() -> int:
    """Delete the faces whose time is over, but for those that a reviewer has yet to see."""
    waits = Review.objects.filter(
        kind=Kind.SEARCH,
        state=State.OPEN,
        search=OuterRef("search__public_id"),
        face_number=OuterRef("number"),
    )
    over = Probe.objects.filter(keep_until__lte=timezone.now()).exclude(Exists(waits))
    deleted, _ = over.delete()
    return deleted
