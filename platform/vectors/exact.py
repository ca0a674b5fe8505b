"""Exact search of a gallery straight from the database: what the index is measured against."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from django.db.models import QuerySet
from numpy.typing import NDArray

from people.models import Gallery

from .codec import FloatArray, decode_many
from .models import PersonTemplate

# So many templates, and so many probes, are in memory at a time, with a score for each pair.
BLOCK, TILE = 10_000, 500

IdArray = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Best:
    """Of each of n probes the id of the template most like it, shape (n,), and its score."""

    ids: IdArray
    scores: FloatArray


def findable(gallery: Gallery, model: str) -> QuerySet[PersonTemplate]:
    """The templates of one model that a search of the gallery may return."""
    return PersonTemplate.objects.filter(model=model, person__gallery=gallery, person__active=True)


def blocks(gallery: Gallery, model: str) -> Iterator[tuple[IdArray, FloatArray]]:
    """All of them, by id, as ids (n,) and vectors (n, 128)."""
    templates = findable(gallery, model).order_by("pk")
    last = 0
    while rows := list(templates.filter(pk__gt=last).values_list("pk", "vector")[:BLOCK]):
        last = rows[-1][0]
        ids = np.fromiter((pk for pk, _ in rows), np.int64, len(rows))
        yield ids, decode_many(bytes(vector) for _, vector in rows)


def nearest(
    gallery: Gallery, model: str, probes: FloatArray, advance: Callable[[int], None]
) -> Best:
    """The best template of each probe (shape (n, 128)) by comparing with every one.

    Memory doesn't grow with the gallery. `advance` is told of templates done. In an empty gallery
    all ids are 0 and the scores minus infinity.
    """
    best = Best(np.zeros(len(probes), np.int64), np.full(len(probes), -np.inf, np.float32))
    for ids, vectors in blocks(gallery, model):
        for start in range(0, len(probes), TILE):
            _improve(best, slice(start, start + TILE), probes, ids, vectors)
        advance(len(ids))
    return best


def _improve(
    best: Best, tile: slice, probes: FloatArray, ids: IdArray, vectors: FloatArray
) -> None:
    scores = probes[tile] @ vectors.T
    columns = scores.argmax(axis=1)
    found = np.take_along_axis(scores, columns[:, None], axis=1)[:, 0]
    better = found > best.scores[tile]
    best.ids[tile][better] = ids[columns[better]]
    best.scores[tile][better] = found[better]
