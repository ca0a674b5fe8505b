"""Verification, 1:1: LFW's protocol, and the error rates over all pairs of a folder.

A photo without a face scores -1 against every other: a failure to acquire is a miss, and counts.
Intervals are bootstraps over people, since the pairs of one person rise and fall together (Bolle,
Ratha and Pankanti, "Error analysis of pattern recognition systems: the subsets bootstrap", 2004).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from embedder.errors import EvaluationError
from embedder.evaluation import metrics
from embedder.evaluation.collection import Collection, Pair
from embedder.evaluation.comparisons import FAILED, Comparisons, compare
from embedder.evaluation.faces import Faces, Reader
from embedder.evaluation.metrics import Curve, Floats

FMRS = (1e-2, 1e-3, 1e-4, 1e-5)
DRAWS = 200
"""Draws of a bootstrap."""

Interval = tuple[float, float] | None


@dataclass(frozen=True, slots=True)
class Figure:
    """A figure and its 95 % interval; None where too little was compared to know it."""

    value: float | None
    interval: Interval


@dataclass(frozen=True, slots=True, eq=False)
class Accuracy:
    """LFW's protocol: accuracy and threshold of each fold; (P,) scores and whether genuine."""

    accuracies: Floats
    thresholds: Floats
    scores: Floats
    genuine: NDArray[np.bool_]

    @property
    def mean(self) -> float:
        """Mean accuracy of the folds."""
        return float(self.accuracies.mean())

    @property
    def error(self) -> float:
        """Standard error of the mean."""
        return metrics.mean_and_error(self.accuracies)[1]


@dataclass(frozen=True, slots=True, eq=False)
class Verification:
    """What one model reached: `tmr` by FMR, over all pairs of `photos` photos."""

    model: str
    accuracy: Accuracy
    comparisons: Comparisons
    curve: Curve
    tmr: dict[float, Figure]
    eer: Figure
    photos: int
    people: int
    failures: dict[Path, str]

    def record(self) -> dict[str, object]:
        """All figures, ready for JSON."""
        return {
            "model": self.model,
            "accuracy": self.accuracy.mean,
            "accuracy_stderr": self.accuracy.error,
            "fold_accuracies": self.accuracy.accuracies.tolist(),
            "fold_thresholds": [
                # Where nothing should match the best threshold is infinite, which JSON is not.
                threshold if math.isfinite(threshold) else None
                for threshold in self.accuracy.thresholds.tolist()
            ],
            "pairs": len(self.accuracy.scores),
            "tmr_at_fmr": {
                f"{fmr:g}": {"tmr": figure.value, "interval": figure.interval}
                for fmr, figure in self.tmr.items()
            },
            "eer": self.eer.value,
            "eer_interval": self.eer.interval,
            "photos": self.photos,
            "people": self.people,
            "genuine_pairs": len(self.comparisons.genuine),
            "impostor_pairs": int(self.curve.impostors),
            "fta": len(self.failures) / self.photos,
            "failures": {str(photo): code for photo, code in self.failures.items()},
        }

    def figures(self) -> dict[str, float]:
        """The main figures, as a manifest carries them."""
        tmr = {f"tmr_{_name(fmr)}": figure.value for fmr, figure in self.tmr.items()}
        measured = {name: round(v, 4) for name, v in tmr.items() if v is not None}
        return {
            "accuracy": round(self.accuracy.mean, 4),
            "accuracy_stderr": round(self.accuracy.error, 4),
            **measured,
            "fta": round(len(self.failures) / self.photos, 4),
        }


def _name(fmr: float) -> str:
    """1e-4 and the like, as people write it."""
    return f"1e-{round(-math.log10(fmr))}"


def evaluate(
    reader: Reader, collection: Collection, pairs: Sequence[Pair], *, seed: int = 0
) -> Verification:
    """Read the photos of the collection and of the pairs, and measure.

    Raises EvaluationError when the collection has no genuine or no impostor pair.
    """
    own = {photo: place for place, photo in enumerate(collection.photos)}
    paired = dict.fromkeys(photo for pair in pairs for photo in (pair.first, pair.second))
    others = [photo for photo in paired if photo not in own]
    faces = reader.read([*collection.photos, *others])
    places = own | {photo: len(own) + place for place, photo in enumerate(others)}
    people = collection.person_indexes()
    count = len(collection.photos)
    comparisons = compare(faces.templates[:count], faces.acquired[:count], people)
    curve = comparisons.curve()
    tmr, eer = figures(comparisons, curve, seed=seed)
    return Verification(
        model=reader.model,
        accuracy=accuracy(faces, places, pairs),
        comparisons=comparisons,
        curve=curve,
        tmr=tmr,
        eer=eer,
        photos=len(faces.acquired),
        people=int(people.max()) + 1,
        failures=faces.failures,
    )


def accuracy(faces: Faces, places: dict[Path, int], pairs: Sequence[Pair]) -> Accuracy:
    """LFW's protocol over pairs, whose photos stand in `faces` at `places`."""
    first, second = (
        np.array([places[photo] for photo in side])
        for side in zip(*((pair.first, pair.second) for pair in pairs), strict=True)
    )
    scores = (faces.templates[first] * faces.templates[second]).sum(axis=1).astype(np.float64)
    scores[~(faces.acquired[first] & faces.acquired[second])] = FAILED
    genuine = np.array([pair.genuine for pair in pairs])
    folds = np.array([pair.fold for pair in pairs])
    return Accuracy(*metrics.fold_accuracies(scores, genuine, folds), scores, genuine)


def figures(
    comparisons: Comparisons, curve: Curve, *, seed: int, draws: int = DRAWS
) -> tuple[dict[float, Figure], Figure]:
    """TMR at each of FMRS, and the EER, with bootstrap intervals over people."""
    rng = np.random.default_rng(seed)
    samples = [_sample(comparisons, drawn(rng, comparisons)) for _ in range(draws)]
    columns = zip(_measured(curve), *samples, strict=True)
    *tmr, eer = (Figure(value, metrics.interval(drawn)) for value, *drawn in columns)
    return dict(zip(FMRS, tmr, strict=True)), eer


def drawn(rng: np.random.Generator, comparisons: Comparisons) -> Floats:
    """(P,): how often each person is drawn, of as many draws as there are people."""
    people = int(comparisons.people.max()) + 1
    return rng.multinomial(people, np.full(people, 1 / people)).astype(np.float64)


def _sample(comparisons: Comparisons, weights: Floats) -> list[float | None]:
    try:
        return _measured(comparisons.resampled(weights))
    except EvaluationError:  # of a few people nobody with two photos may be drawn
        return [None] * (len(FMRS) + 1)


def _measured(rates: Curve) -> list[float | None]:
    return [*(metrics.tmr_at_fmr(rates, fmr) for fmr in FMRS), metrics.eer(rates)]
