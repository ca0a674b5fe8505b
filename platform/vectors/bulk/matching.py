"""Whose the rows of a chunk are: new people, known ones without a template, or with another."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple
from uuid import UUID

from django.db import connection
from django.db.models import QuerySet
from django.db.models.expressions import RawSQL

from people.models import Gallery, Person
from vectors.models import PersonTemplate

from .rows import Chunk, Refusal


class Known(NamedTuple):
    """Somebody of the gallery."""

    pk: int
    public_id: UUID
    external_id: str
    active: bool
    merged_into: int | None


class Held(NamedTuple):
    """The template that somebody has already."""

    pk: int
    vector: bytes
    face_count: int
    given_faces: int


@dataclass(frozen=True, slots=True)
class Lacking:
    """A row for somebody known who has no template yet."""

    index: int
    person: Known


@dataclass(frozen=True, slots=True)
class Replaced:
    """A row that takes the place of a template that was brought ready-made before."""

    index: int
    template_id: int


@dataclass(slots=True)
class Plan:
    """What becomes of a chunk's rows, by their place among the usable ones."""

    new: list[int] = field(default_factory=list)
    lacking: list[Lacking] = field(default_factory=list)
    replaced: list[Replaced] = field(default_factory=list)
    unchanged: int = 0
    refusals: list[Refusal] = field(default_factory=list)
    known: list[int] = field(default_factory=list)

    @property
    def to_write(self) -> int:
        """How many templates are to be made."""
        return len(self.new) + len(self.lacking)


class _Twice(NamedTuple):
    """A row that can't be matched, with the reason."""

    code: str
    reason: str


def match(gallery: Gallery, model: str, chunk: Chunk, *, update: bool) -> Plan:
    """Compare a chunk with the database as it is now."""
    people = _People(gallery, chunk)
    held = _held(model, [each.pk for each in people.all])
    plan = Plan(known=sorted(each.pk for each in people.all))
    seen: set[int] = set()
    for index in range(len(chunk.ids)):
        found = people.of(index)
        if found is None:
            plan.new.append(index)
        elif isinstance(found, _Twice):
            plan.refusals.append(chunk.refuse(index, *found))
        elif found.pk in seen:
            reason = "An earlier row names the same person in another way."
            plan.refusals.append(chunk.refuse(index, "duplicate", reason))
        else:
            seen.add(found.pk)
            _match_known(plan, chunk, index, found, held.get(found.pk), update=update)
    return plan


def lock_known(plan: Plan) -> None:
    """Lock the people of a plan until the transaction ends, as everybody does who changes them."""
    locked = Person.objects.select_for_update().filter(pk__in=plan.known).order_by("pk")
    list(locked.values_list("pk"))


def _match_known(
    plan: Plan, chunk: Chunk, index: int, person: Known, held: Held | None, *, update: bool
) -> None:
    if person.merged_into is not None:
        reason = "The person turned out to be another, whose template a row for that one changes."
        plan.refusals.append(chunk.refuse(index, "merged", reason))
    elif held is None:
        plan.lacking.append(Lacking(index, person))
    elif held.vector == chunk.vectors[index].tobytes():
        plan.unchanged += 1
    elif held.given_faces < held.face_count:
        reason = "The person's template is made from photos, which a file can't replace."
        plan.refusals.append(chunk.refuse(index, "made_from_photos", reason))
    elif update:
        plan.replaced.append(Replaced(index, held.pk))
    else:
        reason = "The person has another template; --update replaces it."
        plan.refusals.append(chunk.refuse(index, "has_template", reason))


class _People:
    """Those of a gallery that a chunk may mean."""

    def __init__(self, gallery: Gallery, chunk: Chunk) -> None:
        self._chunk = chunk
        people = Person.objects.filter(gallery=gallery)
        ids = [each for each in chunk.people if each is not None]
        named = _known(people.filter(external_id__in=_any_of(chunk.ids)))
        self._by_external_id = {each.external_id: each for each in named}
        found = _known(people.filter(public_id__in=ids)) if ids else []
        self._by_public_id = {each.public_id: each for each in found}

    @property
    def all(self) -> Iterable[Known]:
        """Everybody found."""
        return {*self._by_external_id.values(), *self._by_public_id.values()}

    def of(self, index: int) -> Known | _Twice | None:
        """The person of a row; None if it is a new one.

        Somebody unknown who comes without an external id gets the id that the row has for one, so
        that the same file finds them again.
        """
        public_id = self._chunk.people[index]
        named = self._by_external_id.get(self._chunk.ids[index])
        by_id = self._by_public_id.get(public_id) if public_id else None
        if by_id is None or by_id == named:
            return named
        if self._chunk.named[index]:
            return _Twice("other_person", "`person` is somebody else's than `external_id`.")
        return by_id


def _any_of(texts: list[str]) -> RawSQL:
    """Thousands of texts as one parameter, which costs a tenth of as many parameters."""
    if connection.vendor == "postgresql":
        return RawSQL("SELECT unnest(%s::text[])", [texts])
    return RawSQL("SELECT value FROM json_each(%s)", [json.dumps(texts)])


def _known(people: QuerySet[Person]) -> list[Known]:
    rows = people.values_list("pk", "public_id", "external_id", "active", "merged_into")
    return [Known(*row) for row in rows]


def _held(model: str, people: Sequence[int]) -> dict[int, Held]:
    if not people:
        return {}
    rows = PersonTemplate.objects.filter(person_id__in=people, model=model).values_list(
        "person_id", "pk", "vector", "face_count", "given_faces"
    )
    return {
        person: Held(pk, bytes(vector), faces, given) for person, pk, vector, faces, given in rows
    }
