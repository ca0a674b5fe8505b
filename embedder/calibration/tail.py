"""How often strangers score higher than could be counted: the tail of the impostor scores.

Beyond a high enough score, what exceeds it is distributed as a generalised Pareto (Pickands,
"Statistical inference using extreme order statistics", Annals of Statistics 3, 1975):

    P(score > u + x) = p (1 + shape x / scale) ** (-1 / shape)

with p the share that exceeds u. Scores end at 1, so the shape is never above 0.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

# Below this a shape is taken for 0, the exponential distribution.
_FLAT = 1e-9


@dataclass(frozen=True, slots=True)
class Tail:
    """Scores beyond `begin`, which the share `share` of comparisons exceeds."""

    begin: float
    share: float
    shape: float
    scale: float

    def score_at(self, fmr: Floats) -> Floats:
        """The score that the share `fmr`, at most `share`, of comparisons exceeds.

        Above 1 where no score can be so rare: then nobody passes, and it shows by how much.
        """
        rarity = np.log(self.share / fmr)
        if abs(self.shape) < _FLAT:
            beyond = self.scale * rarity
        else:
            beyond = self.scale * np.expm1(self.shape * rarity) / self.shape
        return self.begin + beyond


def fit(excesses: Floats, weights: Floats, begin: float, share: float) -> Tail:
    """The tail of (n,) excesses over `begin`, each of which counts `weights` times.

    By probability-weighted moments (Hosking and Wallis, "Parameter and quantile estimation for the
    generalized Pareto distribution", Technometrics 29, 1987): in closed form, so that it can be
    repeated for hundreds of resamples, and better than maximum likelihood for some hundred values.
    """
    order = np.argsort(excesses, kind="stable")
    values, counts = excesses[order], weights[order]
    total = counts.sum()
    if total <= 0 or not values.any():
        return Tail(begin, share, 0.0, _FLAT)
    # P(X > x) at the middle of each value's weight.
    survival = 1 - (counts.cumsum() - counts / 2) / total
    mean = float((counts * values).sum() / total)
    moment = float((counts * values * survival).sum() / total)
    gap = mean - 2 * moment
    shape = 2 - mean / gap if gap > 0 else 0.0
    if shape >= 0:
        # What ends can't have a heavier tail than the exponential one; a fit that says so has met
        # wrong labels, or few values.
        return Tail(begin, share, 0.0, max(mean, _FLAT))
    return Tail(begin, share, shape, max(2 * mean * moment / gap, _FLAT))
