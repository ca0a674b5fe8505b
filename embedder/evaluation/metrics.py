"""Error rates of scores: pure functions on arrays.

The words are those of ISO/IEC 19795-1: a pair of photos of one person is genuine, of two people an
impostor pair; it matches at threshold t when its score is at or above t. FMR(t) is the share of
impostor pairs that match, TMR(t) = 1 - FNMR(t) the share of genuine pairs that do.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from embedder.errors import EvaluationError

Floats = NDArray[np.float64]

LEAST_FALSE_MATCHES = 10
"""An FMR at which fewer false matches are expected is not measured but guessed: no figure."""

_INTERVAL = (2.5, 97.5)


@dataclass(frozen=True, slots=True, eq=False)
class Curve:
    """Error rates at each of (T,) rising thresholds, the last of which nothing reaches.

    `impostors` is the number of impostor comparisons behind it. A curve that isn't `complete`
    begins at its lowest threshold and says nothing about lower ones.
    """

    thresholds: Floats
    fmr: Floats
    tmr: Floats
    impostors: float
    complete: bool = True

    @property
    def fnmr(self) -> Floats:
        """(T,): the share of genuine pairs that don't match."""
        return 1 - self.tmr


def curve(genuine: NDArray[np.floating], impostor: NDArray[np.floating]) -> Curve:
    """The curve of (G,) genuine and (I,) impostor scores. Raises EvaluationError without both."""
    values, place = np.unique(np.concatenate((genuine, impostor)), return_inverse=True)
    counts = [
        np.bincount(places, minlength=len(values))
        for places in (place[: len(genuine)], place[len(genuine) :])
    ]
    return weighted_curve(values, *counts)


def weighted_curve(
    values: NDArray[np.floating],
    genuine: NDArray[Any],
    impostor: NDArray[Any],
    *,
    impostor_total: float | None = None,
) -> Curve:
    """The curve of weights: `genuine` and `impostor` (V,) at each of (V,) rising score `values`.

    Give `impostor_total`, the weight of all impostor pairs, when those that score below the first
    value are left out. Raises EvaluationError without genuine or impostor weight.
    """
    matching = at_or_above(genuine)
    false = at_or_above(impostor)
    total = float(false[0]) if impostor_total is None else impostor_total
    if matching[0] <= 0 or total <= 0:
        raise EvaluationError("Error rates need genuine and impostor pairs. Give more photos.")
    thresholds = np.append(values.astype(np.float64), np.inf)
    return Curve(thresholds, false / total, matching / matching[0], total, impostor_total is None)


def at_or_above(weights: NDArray[Any]) -> Floats:
    """(V + 1,): the sum of weights from each place to the end, and 0 behind the last."""
    return np.append(weights[::-1].cumsum(dtype=np.float64)[::-1], 0.0)


def place_at_fmr(rates: Curve, fmr: float) -> int | None:
    """Where in the curve the lowest threshold stands whose FMR is at most `fmr`.

    None when the curve can't tell: fewer than ten false matches would stand behind the figure,
    or the threshold lies below the part that is known.
    """
    # The slack forgives the rounding of a product such as 1e-3 * 30,000.
    if fmr * rates.impostors < LEAST_FALSE_MATCHES * (1 - 1e-9):
        return None
    place = int(np.argmax(rates.fmr <= fmr * (1 + 1e-12)))
    return None if place == 0 and not rates.complete else place


def tmr_at_fmr(rates: Curve, fmr: float) -> float | None:
    """The true match rate where at most `fmr` of impostor pairs match; None as `place_at_fmr`."""
    place = place_at_fmr(rates, fmr)
    return None if place is None else float(rates.tmr[place])


def eer(rates: Curve) -> float | None:
    """The equal error rate: where FMR and FNMR are nearest, their mean.

    None when the curve begins above that threshold.
    """
    gap = rates.fmr - rates.fnmr
    place = int(np.argmin(np.abs(gap)))
    if place == 0 and not rates.complete:
        return None
    return float(rates.fmr[place] + rates.fnmr[place]) / 2


def fold_accuracies(
    scores: NDArray[np.floating], genuine: NDArray[np.bool_], folds: NDArray[np.integer]
) -> tuple[Floats, Floats]:
    """Accuracy of each fold at the threshold that is best on all others, and those thresholds.

    (P,) scores, whether each pair is genuine, and its fold, 0 to F - 1. This is the protocol of
    Huang et al., "Labeled Faces in the Wild" (University of Massachusetts, 2007), view 2.
    """
    accuracies, thresholds = [], []
    for fold in range(int(folds.max()) + 1):
        held_out = folds == fold
        threshold = best_threshold(scores[~held_out], genuine[~held_out])
        right = (scores[held_out] >= threshold) == genuine[held_out]
        accuracies.append(right.mean())
        thresholds.append(threshold)
    return np.array(accuracies), np.array(thresholds)


def best_threshold(scores: NDArray[np.floating], genuine: NDArray[np.bool_]) -> float:
    """The score that as a threshold decides most pairs rightly; of several the middle one."""
    values, place = np.unique(scores, return_inverse=True)
    true = at_or_above(np.bincount(place[genuine], minlength=len(values)))
    false = at_or_above(np.bincount(place[~genuine], minlength=len(values)))
    right = true + (false[0] - false)
    best = np.flatnonzero(right == right.max())
    return float(np.append(values, np.inf)[best[len(best) // 2]])


def mean_and_error(values: Floats) -> tuple[float, float]:
    """Mean and its standard error."""
    return float(values.mean()), float(values.std(ddof=1) / np.sqrt(len(values)))


def interval(samples: Sequence[float | None]) -> tuple[float, float] | None:
    """The middle 95 % of a figure's bootstrap samples; None when one of them is unknown."""
    known = [sample for sample in samples if sample is not None]
    if not known or len(known) < len(samples):
        return None
    low, high = np.percentile(known, _INTERVAL)
    return float(low), float(high)
