"""Every photo of a collection against every other, vectorised, in bounded memory.

Scores are cut to a grid of 2**-20, about the precision of a cosine in fp32, so that millions of
them are counts. Of impostor pairs the highest are also kept one by one, with their photos:
resampling people or dropping photos then is a matter of weights, not of comparing again.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from embedder.errors import EvaluationError
from embedder.evaluation import metrics
from embedder.evaluation.metrics import Curve, Floats

STEPS = 2**20
"""Grid steps from score 0 to score 1."""

KEPT = 1_000_000
"""Impostor pairs kept one by one."""

FAILED = -1.0
"""Score of a pair with a photo without a template, below every threshold: it never matches."""

_BLOCK = 2_000_000
"""Scores computed at once."""

_BINS = 2 * STEPS + 1

Indexes = NDArray[np.int32]


@dataclass(frozen=True, eq=False)
class Comparisons:
    """All pairs among N photos.

    people: (N,) the person of each photo, 0 to P - 1. genuine: (G, 3) grid place, photo, photo.
    impostors: (2 * STEPS + 1,) how many pairs lie at each grid place. top: (K, 3) the impostor
    pairs that score highest, like `genuine`; `cut` is the lowest grid place they cover in full.
    """

    people: NDArray[np.intp]
    genuine: Indexes
    impostors: NDArray[np.int64]
    top: Indexes
    cut: int

    def curve(self) -> Curve:
        """Error rates over all pairs."""
        genuine = np.bincount(self.genuine[:, 0], minlength=_BINS)
        used = np.flatnonzero(genuine + self.impostors)
        return metrics.weighted_curve(scores(used), genuine[used], self.impostors[used])

    def resampled(self, weights: Floats) -> Curve:
        """Error rates when person p counts `weights[p]` times, as a bootstrap draws people.

        A person drawn twice is two people: each copy has its own genuine pairs, and the copies
        are not compared, since that would be a photo against itself.
        """
        by_photo = weights[self.people]
        return self._weighted(by_photo[self.genuine[:, 1]], by_photo)

    def kept(self, keep: NDArray[np.bool_]) -> Curve:
        """Error rates among the photos for which (N,) `keep` is true."""
        weights = keep.astype(np.float64)
        both = weights[self.genuine[:, 1]] * weights[self.genuine[:, 2]]
        return self._weighted(both, weights)

    def _weighted(self, genuine: Floats, photos: Floats) -> Curve:
        """A curve down to `cut`: weights of the genuine pairs, and of the photos for impostors."""
        values, genuine_place, top_place = self._places
        impostor = photos[self.top[:, 1]] * photos[self.top[:, 2]]
        curve = metrics.weighted_curve(
            scores(values),
            np.bincount(genuine_place, genuine, len(values)),
            np.bincount(top_place, impostor, len(values)),
            impostor_total=_impostor_weight(photos, self.people),
        )
        known = int(np.searchsorted(values, self.cut))
        return Curve(
            curve.thresholds[known:],
            curve.fmr[known:],
            curve.tmr[known:],
            curve.impostors,
            complete=self.cut == 0,
        )

    @cached_property
    def _places(self) -> tuple[NDArray[np.int32], NDArray[np.intp], NDArray[np.intp]]:
        """Grid places that occur, and which of them each genuine and each top pair has."""
        both = np.concatenate((self.genuine[:, 0], self.top[:, 0]))
        values, place = np.unique(both, return_inverse=True)
        return values, place[: len(self.genuine)], place[len(self.genuine) :]


def scores(places: NDArray[np.integer]) -> Floats:
    """Grid places as scores, -1 to 1."""
    return places / STEPS - 1


def compare(
    templates: NDArray[np.float32],
    acquired: NDArray[np.bool_],
    people: NDArray[np.intp],
    *,
    kept: int = KEPT,
) -> Comparisons:
    """Compare (N, D) unit templates of photos of (N,) people; those not acquired score -1.

    Raises EvaluationError when there is no genuine or no impostor pair.
    """
    impostors = np.zeros(_BINS, np.int64)
    genuine: list[Indexes] = [np.empty((0, 3), np.int32)]
    for place, first, second in _blocks(templates, acquired):
        same = people[first] == people[second]
        genuine.append(_table(place, first, second, same))
        impostors += np.bincount(place[~same], minlength=_BINS)
    pairs = np.concatenate(genuine)
    if not len(pairs) or not impostors.any():
        raise EvaluationError(
            "All pairs need people with two photos and more than one person. Give a larger folder."
        )
    cut = _cut(impostors, kept)
    return Comparisons(people, pairs, impostors, _top(templates, acquired, people, cut), cut)


def _top(
    templates: NDArray[np.float32],
    acquired: NDArray[np.bool_],
    people: NDArray[np.intp],
    cut: int,
) -> Indexes:
    """(K, 3): the impostor pairs at or above the grid place `cut`."""
    top: list[Indexes] = [np.empty((0, 3), np.int32)]
    for place, first, second in _blocks(templates, acquired):
        chosen = (place >= cut) & (people[first] != people[second])
        top.append(_table(place, first, second, chosen))
    return np.concatenate(top)


def _cut(impostors: NDArray[np.int64], kept: int) -> int:
    """The lowest grid place with at most `kept` impostor pairs at or above it."""
    above = impostors[::-1].cumsum()[::-1]
    return int(np.argmax(above <= kept)) if above[-1] <= kept else len(impostors)


def _blocks(
    templates: NDArray[np.float32], acquired: NDArray[np.bool_]
) -> Iterator[tuple[Indexes, Indexes, Indexes]]:
    """Grid place, photo and photo of each pair once, a block of rows at a time."""
    for rows in row_blocks(len(templates), len(templates)):
        begin = rows.start
        cosines = templates[rows] @ templates[begin:].T
        cosines[~acquired[rows]] = FAILED
        cosines[:, ~acquired[begin:]] = FAILED
        first, second = (side.astype(np.int32) for side in np.triu_indices(*_shape(cosines)))
        yield places(cosines[first, second]), first + np.int32(begin), second + np.int32(begin)


def row_blocks(rows: int, columns: int) -> Iterator[slice]:
    """Rows of a table in blocks of about as many cells as fit into memory easily."""
    each = max(1, _BLOCK // columns)
    return (slice(begin, begin + each) for begin in range(0, rows, each))


def _shape(block: NDArray[np.float32]) -> tuple[int, int, int]:
    """Arguments of `triu_indices` for the pairs above a block's diagonal."""
    return block.shape[0], 1, block.shape[1]


def places(values: NDArray[np.floating]) -> Indexes:
    """Scores as grid places, 0 to 2 * STEPS."""
    wide = (values.astype(np.float64) + 1) * STEPS
    return np.clip(wide, 0, _BINS - 1).astype(np.int32)


def _table(place: Indexes, first: Indexes, second: Indexes, chosen: NDArray[np.bool_]) -> Indexes:
    return np.column_stack((place[chosen], first[chosen], second[chosen]))


def _impostor_weight(photos: Floats, people: NDArray[np.intp]) -> float:
    """The weight of all pairs of photos of two people, without forming them."""
    by_person = np.bincount(people, photos)
    return float(photos.sum() ** 2 - (by_person**2).sum()) / 2
