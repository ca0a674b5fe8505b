"""Identification, 1:N: who is found in galleries of several sizes, and which strangers match.

After NIST's FRTE 1:N (Grother, Ngan and Hanaoka, NIST IR 8271). People are drawn anew several
times: strangers, who are never enrolled, and the enrolled, of whom those with photos left are
searched. Searches of all draws are counted together.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from embedder.errors import EvaluationError
from embedder.evaluation import metrics
from embedder.evaluation.collection import Collection
from embedder.evaluation.comparisons import FAILED, row_blocks
from embedder.evaluation.faces import Faces, Reader
from embedder.evaluation.metrics import Curve, Floats

ONE, BEST, FUSED = "one photo", "best", "fused"
SIZES = (100, 250, 500, 1000)
FPIRS = (0.1, 0.03, 0.01, 0.003)
DRAWS = 10
ENROLLED = 3
"""Photos enrolled of each person, where there are as many."""

SEARCHED = 5
"""Photos searched of each enrolled person at most, so that no one with a hundred decides."""

_LEAST_STRANGERS = 4

Indexes = NDArray[np.intp]


@dataclass(frozen=True, slots=True, eq=False)
class Draw:
    """One draw: photos of the people enrolled, in order, and the photos that are searched.

    probes: (M, 2) photo and place of its person in `enrolled`. strangers: (S,) photos.
    """

    enrolled: list[Indexes]
    probes: Indexes
    strangers: Indexes

    def gallery(self, size: int) -> Draw:
        """The same with the first `size` people enrolled, and searches of these alone."""
        probes = self.probes[self.probes[:, 1] < size]
        return Draw(self.enrolled[:size], probes, self.strangers)


@dataclass(frozen=True, slots=True, eq=False)
class Searches:
    """Results of searches: score and rank (1 is first) of the person; best score of strangers."""

    scores: Floats
    ranks: Indexes
    strangers: Floats

    def curve(self) -> Curve:
        """FPIR in place of the FMR, and 1 - FNIR in place of the TMR, at each threshold."""
        return metrics.curve(self.scores, self.strangers)

    def rank(self, rank: int) -> float:
        """Share of searches of the enrolled whose person is among the first `rank`."""
        return float((self.ranks <= rank).mean())


@dataclass(frozen=True, slots=True, eq=False)
class Identification:
    """What one model reached: searches by size of the gallery and by way of enrolling."""

    model: str
    searches: dict[tuple[int, str], Searches]
    enrolled: int
    draws: int
    seed: int
    failures: dict[Path, str]
    photos: int

    def record(self) -> dict[str, object]:
        """All figures, ready for JSON."""
        return {
            "model": self.model,
            "photos_enrolled": self.enrolled,
            "draws": self.draws,
            "seed": self.seed,
            "photos": self.photos,
            "fta": len(self.failures) / self.photos,
            "failures": {str(photo): code for photo, code in self.failures.items()},
            "galleries": [
                {"size": size, "enrolment": way, **_record(searches)}
                for (size, way), searches in self.searches.items()
            ],
        }


def fnir_at_fpir(curve: Curve, fpir: float) -> float | None:
    """Share of searches that miss, at the threshold; None if too few strangers were searched."""
    found = metrics.tmr_at_fmr(curve, fpir)
    return None if found is None else 1 - found


def evaluate(
    reader: Reader,
    collection: Collection,
    *,
    sizes: Sequence[int] | None = None,
    enrolled: int = ENROLLED,
    draws: int = DRAWS,
    seed: int = 0,
) -> Identification:
    """Read the photos and search them in galleries of `sizes` people, or of SIZES that fit.

    Raises EvaluationError when the collection is too small.
    """
    people = collection.person_indexes()
    chosen = fitting(sizes, int(people.max()) + 1)
    plans = [draw(people, max(chosen), enrolled, [seed, number]) for number in range(draws)]
    faces = reader.read(collection.photos)
    searches = {
        (size, way): merged([search(faces, plan.gallery(size), way) for plan in plans])
        for size in chosen
        for way in (ONE, BEST, FUSED)
    }
    return Identification(
        reader.model, searches, enrolled, draws, seed, faces.failures, len(people)
    )


def fitting(sizes: Sequence[int] | None, people: int) -> list[int]:
    """The sizes asked for, or those of SIZES that leave a quarter of the people as strangers.

    Raises EvaluationError for sizes that leave no strangers.
    """
    chosen = sorted(set(sizes or [size for size in SIZES if size <= people * 3 // 4]))
    if not chosen or chosen[0] < 1 or chosen[-1] > people - _LEAST_STRANGERS:
        raise EvaluationError(
            f"The folder has {people} people, of whom at least {_LEAST_STRANGERS} must be "
            f"strangers to the gallery. Give --sizes from 1 to {people - _LEAST_STRANGERS}, or "
            "more people."
        )
    return chosen


def draw(people: Indexes, size: int, enrolled: int, seed: Sequence[int]) -> Draw:
    """Divide people at random into `size` enrolled and the rest as strangers.

    Those with photos left to search come first, so that smaller galleries search them too.
    Raises EvaluationError when nobody has.
    """
    rng = np.random.default_rng(seed)
    shuffled = rng.permutation(int(people.max()) + 1)
    photos = [rng.permutation(np.flatnonzero(people == person)) for person in shuffled]
    inside = sorted(photos[:size], key=lambda own: len(own) <= enrolled)
    probes = [
        (photo, place)
        for place, own in enumerate(inside)
        for photo in own[enrolled : enrolled + SEARCHED]
    ]
    if not probes:
        raise EvaluationError(
            f"Nobody has more than the {enrolled} photos that are enrolled. Enrol fewer, with "
            "--enrol."
        )
    return Draw(
        [own[:enrolled] for own in inside],
        np.array(probes, np.intp),
        np.concatenate(photos[size:]),
    )


def search(faces: Faces, plan: Draw, way: str) -> Searches:
    """Search all probes and strangers in a gallery enrolled in one of three ways.

    `one photo` enrols the first photo of each person; `best` all, of which the best score counts;
    `fused` the normalised mean of their templates. Who has no template is never found.
    """
    templates, starts = _gallery(faces, plan, way)
    mates = plan.probes[:, 1]
    scores, ranks = [], []
    for rows, block in _scored(faces, plan.probes[:, 0], templates, starts):
        mate = block[np.arange(len(block)), mates[rows]]
        scores.append(mate)
        # Others with the same score stand before the person: ties are nobody's merit.
        ranks.append((block >= mate[:, None]).sum(axis=1))
    best = [block.max(axis=1) for _, block in _scored(faces, plan.strangers, templates, starts)]
    return Searches(np.concatenate(scores), np.concatenate(ranks), np.concatenate(best))


def merged(searches: Sequence[Searches]) -> Searches:
    """The searches of several draws together."""
    return Searches(
        np.concatenate([one.scores for one in searches]),
        np.concatenate([one.ranks for one in searches]),
        np.concatenate([one.strangers for one in searches]),
    )


def _gallery(faces: Faces, plan: Draw, way: str) -> tuple[NDArray[np.float32], Indexes]:
    """(T, D) templates, and (N,) where each person's begin."""
    own = [photos[:1] if way == ONE else photos for photos in plan.enrolled]
    starts = np.cumsum([0, *(len(photos) for photos in own[:-1])])
    templates = faces.templates[np.concatenate(own)]
    if way != FUSED:
        return templates, starts
    # Templates that weren't acquired are zero and add nothing.
    sums = np.add.reduceat(templates, starts)
    length = np.linalg.norm(sums, axis=1, keepdims=True)
    fused = np.divide(sums, length, out=np.zeros_like(sums), where=length > 0)
    return fused, np.arange(len(fused))


def _scored(
    faces: Faces, probes: Indexes, templates: NDArray[np.float32], starts: Indexes
) -> Iterator[tuple[slice, Floats]]:
    """(B, N) scores of the people enrolled, for a block of probes at a time."""
    missing = ~templates.any(axis=1)
    for rows in row_blocks(len(probes), len(templates)):
        block = faces.templates[probes[rows]] @ templates.T
        block[~faces.acquired[probes[rows]]] = FAILED
        block[:, missing] = FAILED
        yield rows, np.maximum.reduceat(block, starts, axis=1).astype(np.float64)


def _record(searches: Searches) -> dict[str, object]:
    curve = searches.curve()
    return {
        "searches": len(searches.scores),
        "stranger_searches": len(searches.strangers),
        "rank_1": searches.rank(1),
        "rank_10": searches.rank(10),
        "fnir_at_fpir": {f"{fpir:g}": fnir_at_fpir(curve, fpir) for fpir in FPIRS},
    }
