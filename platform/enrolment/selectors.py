"""Reading who turned out to be whom, and what templates are made of."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db.models import Q, QuerySet

from people.models import Person
from people.selectors import root_of
from photos.models import Face
from vectors.codec import decode, decode_many, scores
from vectors.models import PersonTemplate

from .fusion import merged_into
from .models import IdentityChange, IdentityKind


def changes_of(person: Person) -> QuerySet[IdentityChange]:
    """What was found out of somebody, the newest first."""
    about = Q(person=person) | Q(other=person)
    found = IdentityChange.objects.filter(about).select_related("person", "other", "review")
    return found.order_by("-pk")


def kept_apart_from(person: Person) -> set[int]:
    """The keys of those who are somebody else, as a person has decided.

    What was decided of somebody counts for whoever they were merged into.
    """
    own = _family(person)
    found = _keeping_apart().filter(Q(person__in=own) | Q(other__in=own))
    sides = [each for change in found for each in (change.person, change.other)]
    return {root_of(each).pk for each in sides} - {person.pk}


def most_kept_apart(person_ids: Iterable[int]) -> int:
    """How many decisions of one of these people there are at most; nearly always none."""
    ids = list(person_ids)
    counts: dict[int, int] = {}
    pairs = _keeping_apart().filter(Q(person__in=ids) | Q(other__in=ids))
    for pair in pairs.values_list("person", "other"):
        for each in pair:
            counts[each] = counts.get(each, 0) + 1
    return max((counts.get(each, 0) for each in ids), default=0)


def keeping_apart(person: Person, other: Person) -> IdentityChange | None:
    """The decision that two people, or any who were merged into them, are two."""
    one, two = _family(person), _family(other)
    either = Q(person__in=one, other__in=two) | Q(person__in=two, other__in=one)
    return _keeping_apart().filter(either).order_by("pk").first()


def _family(person: Person) -> list[Person]:
    return [person, *merged_into(person)]


def _keeping_apart() -> QuerySet[IdentityChange]:
    kinds = [IdentityKind.APART, IdentityKind.SPLIT]
    found = IdentityChange.objects.filter(kind__in=kinds, undone_at=None)
    return found.select_related("person__merged_into", "other__merged_into")


@dataclass(frozen=True, slots=True)
class Part:
    """A face in a template, or what was brought ready-made: then without face and photo."""

    person: UUID
    faces: int
    weight: float
    score: float
    face: UUID | None = None
    photo: UUID | None = None


@dataclass(frozen=True, slots=True)
class Composition:
    """What somebody's template of their gallery's model is made of; empty without one."""

    model: str
    faces: int = 0
    searchable: bool = False
    updated_at: datetime | None = None
    parts: tuple[Part, ...] = ()


def composition_of(person: Person) -> Composition:
    """The parts of somebody's template, the one that fits the others worst first."""
    model = person.gallery.model
    template = person.templates.filter(model=model).first()
    if template is None:
        return Composition(model)
    faces = list(Face.objects.filter(template=template).select_related("photo"))
    brought = _brought(person, model)
    vectors = [
        *(bytes(each.vector) for each in faces),
        *(bytes(each.given_vector or each.vector) for each in brought),
    ]
    if not vectors:  # they changed in this very moment
        return Composition(model)
    (found,) = scores(decode_many(vectors), decode(bytes(template.vector))[None])
    total = template.face_count
    parts = [
        Part(person.public_id, 1, 1 / total, float(score), each.public_id, each.photo.public_id)
        for each, score in zip(faces, found, strict=False)
    ]
    parts += [
        Part(each.person.public_id, each.given_faces, each.given_faces / total, float(score))
        for each, score in zip(brought, found[len(faces) :], strict=True)
    ]
    parts.sort(key=lambda part: part.score)
    return Composition(model, total, template.searchable, template.updated_at, tuple(parts))


def _brought(person: Person, model: str) -> list[PersonTemplate]:
    """What was brought ready-made for somebody, or for those who turned out to be them."""
    found = PersonTemplate.objects.filter(person__in=_family(person), model=model)
    return list(found.filter(given_faces__gt=0).select_related("person").order_by("pk"))
