"""Labelled faces to calibrate with: a folder of photos, or a gallery's own people."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
from django.db.models import Count

from embedder.calibration import Labelled, check_enough
from embedder.evaluation.collection import read_people
from embedder.evaluation.faces import FaceReader
from people.models import Gallery
from photos.models import Face
from vectors.codec import decode_many
from vectors.models import PersonTemplate

# Enough for the tail, and for the memory of one process: templates of 512 bytes, and comparisons
# of each person with each photo.
MOST_PEOPLE, MOST_FACES = 20_000, 60_000
FACES_OF_EACH = 6


class Source(NamedTuple):
    """Faces, and what they are in words."""

    labelled: Labelled
    words: str


def from_folder(
    folder: Path,
    reader: Callable[[Callable[[int], None]], FaceReader],
    progress: Callable[[int, int], None],
) -> Source:
    """The photos under `folder`/<person>/; those without a face count as misses.

    Raises:
        EvaluationError: there are none. EvaluationInterruptedError: Ctrl-C. TooFewPeopleError: no
            calibration could come of so few; that is said before any is embedded.
        OSError: a photo can't be read.
    """
    collection = read_people(folder)
    people = collection.person_indexes()
    check_enough(people)
    done = 0

    def advance(count: int) -> None:
        nonlocal done
        done += count
        progress(done, len(collection.photos))

    faces = reader(advance).read(collection.photos)
    return Source(Labelled.of(faces, people), f"labelled photos, folder {folder.name}")


def from_gallery(gallery: Gallery) -> Source:
    """The enrolled faces of people with several, drawn at random, and of others as strangers."""
    faces = Face.objects.filter(template__person__gallery=gallery, model=gallery.model)
    people = PersonTemplate.objects.filter(person__gallery=gallery, model=gallery.model)
    counted = people.alias(photos=Count("faces")).filter(photos__gte=1)
    several = counted.filter(photos__gte=2).order_by("?").values_list("pk", flat=True)
    drawn = list(several[:MOST_PEOPLE])
    single = counted.filter(photos=1).order_by("?").values_list("pk", flat=True)
    drawn += list(single[: MOST_PEOPLE - len(drawn)])
    owners: list[int] = []
    vectors: list[bytes] = []
    seen: dict[int, int] = {}
    for first in range(0, len(drawn), 500):
        rows = faces.filter(template__in=drawn[first : first + 500]).order_by("?")
        for owner, vector in rows.values_list("template", "vector"):
            seen[owner] = seen.get(owner, 0) + 1
            if seen[owner] <= FACES_OF_EACH and len(vectors) < MOST_FACES:
                owners.append(owner)
                vectors.append(bytes(vector))
    known, indexes = np.unique(np.array(owners, np.int64), return_inverse=True)
    labelled = Labelled(decode_many(vectors), indexes, np.zeros(len(known), np.intp))
    return Source(labelled, f"people of the gallery {gallery.slug}")
