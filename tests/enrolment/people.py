"""People whose faces are known: for tests of who is whom."""

from __future__ import annotations

import numpy as np

from enrolment import admitting
from enrolment.admitting import admit, due
from enrolment.fusion import refresh_templates
from people.models import Gallery, Person
from photos.models import Face
from tests.factories import PersonFactory, face, unit
from tests.fixtures import settle
from vectors.codec import FloatArray
from vectors.models import PersonTemplate
from vectors.services import store_template


def let_in(gallery: Gallery) -> None:
    """What the index worker does, until nothing is left to be done."""
    settle(gallery)
    while due().exists():
        while admit():
            pass
        settle(gallery)


def alike(seed: int, share: float = 0.02) -> FloatArray:
    """A template close to `unit(seed)`."""
    mixed = unit(seed) + share * unit(seed + 10_000)
    close: FloatArray = (mixed / np.linalg.norm(mixed)).astype(np.float32)
    return close


def admitted(gallery: Gallery, vector: FloatArray) -> Person:
    """Somebody whose first template, a ready-made one, was stored, and who waits to be admitted."""
    person = PersonFactory(gallery=gallery)
    template = store_template(person, vector, 1)
    PersonTemplate.objects.filter(pk=template.pk).update(given_faces=1)
    admitting.begin_admission([person])
    return person


def with_photos(gallery: Gallery, *seeds: int) -> Person:
    """Somebody by enrolled photos of these faces."""
    person = PersonFactory(gallery=gallery)
    for seed in seeds:
        face(person, seed)
    refresh_templates(person)
    return person


def vectors() -> dict[int, bytes]:
    """Everybody's template, to the last bit."""
    return {each.person_id: bytes(each.vector) for each in PersonTemplate.objects.all()}


def counting() -> set[tuple[int, int | None]]:
    """Which face counts in which template."""
    return set(Face.objects.filter(template__isnull=False).values_list("pk", "template__person"))
