"""From the index's hits to candidates that hold: read again from the database, scored exactly."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple
from uuid import UUID

import numpy as np

from people.models import Gallery, Person
from photos.models import Face
from vectors.codec import FloatArray, decode_many
from vectors.milvus import Hit
from vectors.models import PersonTemplate

# How many hits to ask the index for beyond those wanted, so that hits which turn out to be gone
# or of inactive people don't leave gaps.
SPARE_HITS = 10


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
    galleries: Sequence[Gallery], probes: FloatArray, hits: Sequence[Sequence[Hit]], top_k: int
) -> list[list[Candidate]]:
    """The best `top_k` candidates of each probe (shape (n, 128)).

    Every hit is read again: a person who was erased, deactivated or is in no gallery searched is
    dropped, whatever the index says. Scores are computed from the stored float32 templates, so
    that no index can move a decision. Two queries for all probes together.
    """
    templates = _templates(galleries, {hit.template_id for each in hits for hit in each})
    ranked = [
        _ranked(
            probe, [templates[hit.template_id] for hit in found if hit.template_id in templates]
        )
        for probe, found in zip(probes, hits, strict=True)
    ]
    best = [each[:top_k] for each in ranked]
    faces = _faces({template.pk for each in best for template, _ in each})
    return [
        [
            Candidate(template.person, score, _evidence(probe, faces.get(template.pk, [])))
            for template, score in each
        ]
        for probe, each in zip(probes, best, strict=True)
    ]


def _templates(galleries: Sequence[Gallery], ids: set[int]) -> dict[int, PersonTemplate]:
    known = {gallery.pk: gallery for gallery in galleries}
    # By primary keys alone, and judged here: a database whose statistics are old may otherwise
    # begin with all the people of the gallery.
    found = {}
    for each in PersonTemplate.objects.select_related("person").filter(pk__in=ids):
        gallery = known.get(each.person.gallery_id)
        if gallery is not None and gallery.model == each.model and each.person.active:
            each.person.gallery = gallery
            found[each.pk] = each
    return found


def _ranked(
    probe: FloatArray, templates: Sequence[PersonTemplate]
) -> list[tuple[PersonTemplate, float]]:
    if not templates:
        return []
    scores = decode_many(bytes(each.vector) for each in templates) @ probe
    order = np.argsort(-scores, kind="stable")
    return [(templates[index], float(scores[index])) for index in order]


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
