"""A calibration from labelled faces: probes against fused templates, as searches compare them.

For each number of photos k, people with as many are enrolled, each by k photos drawn at random;
the photos of all others are strangers' probes, and their own that were not drawn are genuine ones.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from embedder.calibration.curves import MOST_PHOTOS, RATES, SHARES, Curve, curve
from embedder.calibration.tail import fit
from embedder.errors import TooFewPeopleError

if TYPE_CHECKING:
    from embedder.evaluation.faces import Faces

Floats = NDArray[np.float64]
Templates = NDArray[np.float32]
People = NDArray[np.intp]

# People with many photos are enrolled by several draws of them.
DRAWS = 3
# The tail is fitted to this share of the strangers' comparisons, but to so many at least.
TAIL_SHARE, TAIL_LEAST = 1e-4, 250
# A rate is read off what was counted while so many pairs of people stand behind it.
COUNTED = 10
# The cautious end: so many resamples of people, and which of their scores is taken.
RESAMPLES, CAUTIOUS = 200, 0.95
LEAST_PEOPLE = 50
# With fewer people the tail of single photos is taken, as far from it as what was counted is.
LEAST_TAIL_PEOPLE = 300

_STEPS = 2**18
_BINS = 2 * _STEPS + 1
_BLOCK = 4_000_000


@dataclass(frozen=True, slots=True, eq=False)
class Labelled:
    """(n, 128) unit templates of (n,) people, 0 to P - 1; `missed` (P,) photos without a face."""

    templates: Templates
    people: People
    missed: People

    @classmethod
    def of(cls, faces: Faces, people: People) -> Labelled:
        """The faces of photos of (n,) people; photos without one are missed."""
        count = int(people.max()) + 1
        missed = np.bincount(people[~faces.acquired], minlength=count)
        return cls(faces.templates[faces.acquired], people[faces.acquired], missed)


@dataclass(frozen=True, slots=True)
class Measured:
    """A curve, and what stands behind it."""

    curve: Curve
    people: int
    genuine: int
    strangers: int


@dataclass(frozen=True, slots=True, eq=False)
class _Enrolled:
    """(m, 128) fused templates of (m,) people, and (m, k) the rows of the photos in each."""

    templates: Templates
    people: People
    photos: NDArray[np.intp]


def measure(
    labelled: Labelled, *, seed: int = 0, progress: Callable[[int], None] = lambda _: None
) -> dict[int, Measured]:
    """A curve for each number of photos, 1 to MOST_PHOTOS.

    Where fewer than LEAST_PEOPLE have enough photos, the curve of the number before it stands in.

    Raises:
        TooFewPeopleError: fewer than LEAST_PEOPLE people have two photos.
    """
    random = np.random.default_rng(seed)
    found: dict[int, Measured] = {}
    check_enough(labelled.people)
    for k in range(1, MOST_PHOTOS + 1):
        enrolled = _enrol(labelled, k, random)
        if _with_more(labelled.people, k) >= LEAST_PEOPLE:
            found[k] = _measured(labelled, enrolled, random, found.get(1))
        else:
            found[k] = found[k - 1]
        progress(k)
    return found


def _enrol(labelled: Labelled, k: int, random: np.random.Generator) -> _Enrolled:
    """Everybody with more than k photos, in DRAWS draws; for k = 1 also those with one."""
    photos: list[NDArray[np.intp]] = []
    people: list[int] = []
    for person, rows in enumerate(_rows_of(labelled)):
        draws = min(DRAWS, len(rows)) if len(rows) > k else int(len(rows) == k == 1)
        shuffled = random.permutation(rows)
        for draw in range(draws):
            photos.append(np.roll(shuffled, -draw)[:k])  # no two draws alike
            people.append(person)
    chosen = np.array(photos, np.intp).reshape(-1, k)
    fused = labelled.templates[chosen].sum(axis=1)
    fused /= np.linalg.norm(fused, axis=1, keepdims=True)
    return _Enrolled(fused.astype(np.float32), np.array(people, np.intp), chosen)


def _rows_of(labelled: Labelled) -> list[NDArray[np.intp]]:
    order = np.argsort(labelled.people, kind="stable")
    ends = np.searchsorted(labelled.people[order], np.arange(len(labelled.missed) + 1))
    return [order[begin:end] for begin, end in pairwise(ends)]


def check_enough(people: People) -> None:
    """Whether photos of these people, (n,), can make a calibration.

    Raises:
        TooFewPeopleError: they can't.
    """
    several = _with_more(people, 1)
    if several < LEAST_PEOPLE:
        raise TooFewPeopleError(
            f"A calibration needs {LEAST_PEOPLE} people with two photos or more; here are "
            f"{several}."
        )


def _with_more(people: People, k: int) -> int:
    """How many people have more than k photos: k to be enrolled with, and one to be found by."""
    return int((np.bincount(people) > k).sum())


def _measured(
    labelled: Labelled, enrolled: _Enrolled, random: np.random.Generator, single: Measured | None
) -> Measured:
    counts = np.zeros(_BINS, np.int64)
    genuine: list[Floats] = []
    for scores, same, first in _blocks(labelled, enrolled):
        counts += np.bincount(_places(scores[~same]), minlength=_BINS)
        genuine.append(_of_others(scores, same, first, enrolled))
    total = int(counts.sum())
    own = np.concatenate([*genuine, np.full(_missed(labelled, enrolled), -1.0)])
    people = len(np.unique(enrolled.people))
    is_counted = RATES * people * (len(labelled.missed) - 1) >= COUNTED
    counted = _counted(counts)
    if single is not None and people < LEAST_TAIL_PEOPLE:
        last = int(is_counted.sum()) - 1
        tail = single.curve.strangers + (counted[last] - single.curve.strangers[last])
    else:
        tail = _tail(labelled, enrolled, counts, random)
    strangers = np.where(is_counted, counted, tail)
    return Measured(curve(strangers, np.quantile(own, SHARES)), people, len(own), total)


def _blocks(
    labelled: Labelled, enrolled: _Enrolled
) -> Iterator[tuple[Templates, NDArray[np.bool_], int]]:
    """(rows, n) scores of some enrolled with all photos; which are their own; the first."""
    each = max(1, _BLOCK // len(labelled.templates))
    for first in range(0, len(enrolled.templates), each):
        part = slice(first, first + each)
        scores = enrolled.templates[part] @ labelled.templates.T
        yield scores, enrolled.people[part, None] == labelled.people[None], first


def _of_others(
    scores: Templates, same: NDArray[np.bool_], first: int, enrolled: _Enrolled
) -> Floats:
    """Scores of people with their own photos, but for those they were enrolled with."""
    own = same.copy()
    rows = np.arange(len(scores))[:, None]
    own[rows, enrolled.photos[first : first + len(scores)]] = False
    return scores[own].astype(np.float64)


def _missed(labelled: Labelled, enrolled: _Enrolled) -> int:
    """Probes in which no face was found: they count as misses, once for each template."""
    return int(labelled.missed[enrolled.people].sum())


def _places(scores: NDArray[np.floating]) -> NDArray[np.int32]:
    places: NDArray[np.int32] = np.clip((scores + 1) * _STEPS, 0, _BINS - 1).astype(np.int32)
    return places


def _counted(counts: NDArray[np.int64]) -> Floats:
    """(R,) the lowest scores that no more than each of RATES of the comparisons reach."""
    reached = counts[::-1].cumsum()[::-1]
    wanted = np.maximum(RATES * reached[0], 1)
    place: Floats = len(reached) - np.searchsorted(reached[::-1], wanted, side="right")
    return place / _STEPS - 1


def _tail(
    labelled: Labelled, enrolled: _Enrolled, counts: NDArray[np.int64], random: np.random.Generator
) -> Floats:
    """(R,) the cautious end of the tails of resampled people; -1 for rates above the tail's."""
    reached = counts[::-1].cumsum()[::-1]
    share = max(TAIL_SHARE, TAIL_LEAST / int(reached[0]))
    begin = int(np.argmax(reached <= share * reached[0]))
    excess, rows, columns = _top(labelled, enrolled, begin)
    count = len(labelled.missed)
    photos = np.bincount(labelled.people, minlength=count)
    draws = np.bincount(enrolled.people, minlength=count)
    found = []
    for _ in range(RESAMPLES):
        drawn = np.bincount(random.integers(0, count, count), minlength=count).astype(np.float64)
        total = (drawn * draws).sum() * (drawn * photos).sum() - (drawn**2 * draws * photos).sum()
        weights = drawn[rows] * drawn[columns]
        share = max(weights.sum() / total, 1e-300)
        tail = fit(excess, weights, begin / _STEPS - 1, share)
        found.append(np.where(share >= RATES, tail.score_at(np.minimum(RATES, share)), -1.0))
    cautious: Floats = np.quantile(np.array(found), CAUTIOUS, axis=0)
    return cautious


def _top(labelled: Labelled, enrolled: _Enrolled, begin: int) -> tuple[Floats, People, People]:
    """Strangers' comparisons from a place on: by how much they exceed it, and the two people."""
    excesses, rows, columns = [], [], []
    for scores, same, first in _blocks(labelled, enrolled):
        at, other = np.nonzero((_places(scores) >= begin) & ~same)
        excesses.append(scores[at, other].astype(np.float64) - (begin / _STEPS - 1))
        rows.append(enrolled.people[first + at])
        columns.append(labelled.people[other])
    return np.concatenate(excesses), np.concatenate(rows), np.concatenate(columns)
