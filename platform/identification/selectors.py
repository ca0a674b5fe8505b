"""From matches to candidates: who it is, and the enrolled face that shows it."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple
from uuid import UUID

import numpy as np

from people.models import Gallery, Person
from photos.models import Face
from vectors.codec import FloatArray, decode_many
from vectors.selectors import Match

READ_AT_ONCE = 1000


@dataclass(frozen=True, slots=True)
class Evidence:
    """The enrolled face of a candidate that is most like the probe."""

    face: UUID
    photo: UUID
    score: float


@dataclass(frozen=True, slots=True)
class Candidate:
    """An active person, with the exact score of their fused template."""

    person: Person
    score: float
    evidence: Evidence | None


def candidates(
    galleries: Sequence[Gallery], probes: FloatArray, matches: Sequence[Sequence[Match]]
) -> list[list[Candidate]]:
    """Each probe's matches (shape (n, 128)) with the people and the evidence.

    Two queries for all probes together. Who was erased since the search is left out.
    """
    people = _people(galleries, {match.person_id for found in matches for match in found})
    faces = _faces({match.template_id for found in matches for match in found})
    return [
        [
            Candidate(
                people[match.person_id],
                match.score,
                _evidence(probe, faces.get(match.template_id, [])),
            )
            for match in found
            if match.person_id in people
        ]
        for probe, found in zip(probes, matches, strict=True)
    ]


def _people(galleries: Sequence[Gallery], ids: set[int]) -> dict[int, Person]:
    known = {gallery.pk: gallery for gallery in galleries}
    people = Person.objects.in_bulk(ids)
    for person in people.values():
        person.gallery = known[person.gallery_id]
    return people


class _EnrolledFace(NamedTuple):
    template_id: int
    face: UUID
    photo: UUID
    vector: bytes


def _faces(template_ids: set[int]) -> dict[int, list[_EnrolledFace]]:
    rows = Face.objects.filter(template_id__in=template_ids).values_list(
        "template_id", "public_id", "photo__public_id", "vector"
    )
    grouped: dict[int, list[_EnrolledFace]] = {}
    for each in map(_EnrolledFace._make, rows):
        grouped.setdefault(each.template_id, []).append(each)
    return grouped


def _evidence(probe: FloatArray, faces: Sequence[_EnrolledFace]) -> Evidence | None:
    if not faces:
        return None
    scores = decode_many(bytes(each.vector) for each in faces) @ probe
    best = int(np.argmax(scores))
    return Evidence(faces[best].face, faces[best].photo, float(scores[best]))


def named(public_ids: Collection[str], galleries: Sequence[str]) -> dict[str, Person]:
    """Those of these people, with their gallery, who are active and in one of these galleries."""
    people = Person.objects.select_related("gallery").filter(
        active=True, gallery__public_id__in=galleries
    )
    return {
        str(person.public_id): person
        for some in _parts(public_ids)
        for person in people.filter(public_id__in=some)
    }


def still_there(faces: Collection[str]) -> set[str]:
    """Those of these enrolled faces (public ids) that were not deleted."""
    return {
        str(face)
        for some in _parts(faces)
        for face in Face.objects.filter(public_id__in=some).values_list("public_id", flat=True)
    }


def _parts(ids: Collection[str]) -> Iterator[list[str]]:
    everything = sorted(ids)
    for start in range(0, len(everything), READ_AT_ONCE):
        yield everything[start : start + READ_AT_ONCE]
