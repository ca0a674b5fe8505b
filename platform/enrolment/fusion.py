"""The person's templates, made again from the faces that count."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from typing import NamedTuple

from people.models import Person
from photos.models import Face, PhotoState
from vectors.codec import FloatArray, decode, decode_many, encode, fuse
from vectors.models import PersonTemplate
from vectors.selectors import models_of
from vectors.services import remove_templates, store_templates


def refresh_templates(person: Person) -> None:
    """Fuse the person's enrolled faces anew, those of each model that they have templates of.

    The caller holds the person's row.
    """
    # Also of a model on its way out: it may be wanted again before its templates are gone.
    held = person.templates.values_list("model", flat=True)
    for model in sorted({*models_of(person.gallery), *held}):
        refresh_template(person, model)


def refresh_template(person: Person, model: str) -> PersonTemplate | None:
    """Fuse the person's enrolled faces of one model anew; with nothing left the template goes.

    The caller holds the person's row. Returns the template, or None.
    """
    makeup = makeups([person], model)[person.pk]
    if makeup.is_empty:
        remove_templates(person, model)
        return None
    store_makeups([makeup])
    return makeup.template


class _Given(NamedTuple):
    """A template that was brought ready-made, and of how many faces."""

    vector: bytes
    faces: int


class Makeup:
    """What a person's template of one model is made of: faces enrolled, and what was brought.

    What was brought ready-made, for them or for somebody who turned out to be them, counts for as
    many faces as it was made of.
    """

    def __init__(
        self, person: Person, model: str, template: PersonTemplate | None, given: Iterable[_Given]
    ) -> None:
        self.person, self.model, self.template = person, model, template
        if template is not None:
            template.person = person
        self._own = _given_of(template)
        self._parts = [each for each in (self._own, *given) if each is not None]
        self._astray: list[int] = []
        self._fused: tuple[FloatArray, int] | None = None
        if template is not None:
            self._fused = decode(bytes(template.vector)), template.face_count

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to make a template of."""
        return not self._parts

    @property
    def fused(self) -> tuple[FloatArray, int] | None:
        """The template as it is now, (128,), and of how many faces; None without any."""
        if self._fused is None and self._parts:
            self._fused = self._fuse()
        return self._fused

    def _fuse(self) -> tuple[FloatArray, int]:
        vectors, counts = zip(*self._parts, strict=True)
        # A single one as it is, to the last bit.
        vector = decode(vectors[0]) if len(vectors) == 1 else fuse(decode_many(vectors), counts)
        return vector, sum(counts)

    def add(self, vector: bytes) -> None:
        """Another face counts."""
        self._parts.append(_Given(vector, 1))
        self._fused = None

    def add_stored(self, face: int, template: int | None, vector: bytes) -> None:
        """The same of a face whose row is there: it is part of the template, if it points to it."""
        self._parts.append(_Given(vector, 1))
        if self.template is None or self.template.pk != template:
            self._astray.append(face)

    def renewed(self) -> PersonTemplate:
        """The template to be stored, with what was brought beside it if there is more than that."""
        template = self.template
        if template is None:
            template = PersonTemplate(person=self.person, model=self.model, version=0)
        vector, template.face_count = self._fuse()
        template.vector = encode(vector)
        has_more = self._own is not None and len(self._parts) > 1
        template.given_vector = self._own.vector if self._own and has_more else None
        self.template = template
        return template

    def gather(self) -> None:
        """Let the faces that were there point to the template, once it is stored."""
        if self._astray:
            Face.objects.filter(pk__in=self._astray).update(template=self.template)
            self._astray = []


def makeups(people: Collection[Person], model: str) -> dict[int, Makeup]:
    """What the templates of some people are made of, by their keys.

    The caller holds the people's rows; from now on it holds those of their templates, too.
    """
    rows = PersonTemplate.objects.select_for_update().filter(person__in=people, model=model)
    templates = {each.person_id: each for each in rows.order_by("pk")}
    merged = _given_of_merged(people, model)
    found = {
        each.pk: Makeup(each, model, templates.get(each.pk), merged[each.pk]) for each in people
    }
    faces = Face.objects.filter(
        photo__person__in=people,
        photo__state=PhotoState.ENROLLED,
        unused_because="",
        model=model,
    ).order_by("id")
    for pk, person_id, template, vector in faces.values_list(
        "pk", "photo__person", "template", "vector"
    ):
        found[person_id].add_stored(pk, template, bytes(vector))
    return found


def store_makeups(changed: Sequence[Makeup]) -> None:
    """Store the templates of some people of one gallery, all of one model, as they are made up."""
    if not changed:
        return
    first = changed[0]
    store_templates(first.person.gallery, first.model, [each.renewed() for each in changed])
    for each in changed:
        each.gather()


def merged_into(person: Person) -> list[Person]:
    """Everybody who turned out to be this person, also by way of others; the nearest last."""
    found: list[Person] = []
    for each in person.merged_from.order_by("pk"):
        found += [*merged_into(each), each]
    return found


def _given_of_merged(people: Collection[Person], model: str) -> dict[int, list[_Given]]:
    """What was brought for those who turned out to be one of these."""
    found: dict[int, list[_Given]] = defaultdict(list)
    merged = Person.objects.filter(merged_into__in=people).values_list("merged_into", flat=True)
    roots = set(merged)
    for person in people:
        for each in merged_into(person) if person.pk in roots else []:
            held = each.templates.select_for_update().filter(model=model, given_faces__gt=0)
            given = _given_of(held.first())
            found[person.pk] += [given] if given else []
    return found


def _given_of(template: PersonTemplate | None) -> _Given | None:
    if template is None or not template.given_faces:
        return None
    # Until a face is fused with it, it is the template itself.
    return _Given(bytes(template.given_vector or template.vector), template.given_faces)
