"""Error rates by score, for people with a template of so many photos.

A calibration keeps one curve for each number of photos, since fusing photos shifts strangers'
scores, too: thresholds from single photos would let twice as many through.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

# From every comparison to one in 1e14: galleries of a hundred million at an FPIR of a millionth.
RATES: Floats = 10.0 ** -np.arange(0, 14.01, 0.125)
_LOG_RATES: Floats = np.log(RATES)
# Shares of genuine comparisons whose scores a curve keeps.
SHARES: Floats = np.linspace(0, 1, 201)
DIGITS = 6
# Templates of more photos are counted with these: strangers' scores hardly change any more.
MOST_PHOTOS = 4


@dataclass(frozen=True, slots=True, eq=False)
class Curve:
    """How often strangers reach a score, and the right person doesn't.

    strangers: (R,) the score that a share RATES[i] of strangers' comparisons reaches, rising.
    genuine: (S,) the score below which a share SHARES[i] of a person's own comparisons lies.
    """

    strangers: Floats
    genuine: Floats

    def fmr(self, score: float) -> float:
        """The share of strangers' comparisons at or above a score. Falls with it, never 0."""
        return float(np.exp(np.interp(score, self.strangers, _LOG_RATES)))

    def score_at(self, fmr: float) -> float:
        """The lowest threshold with this false match rate. Above 1: nobody passes."""
        return float(np.interp(-np.log(fmr), -_LOG_RATES, self.strangers))

    def fnmr(self, threshold: float) -> float:
        """The share of a person's own comparisons below a threshold."""
        return float(np.interp(threshold, self.genuine, SHARES, left=0.0, right=1.0))

    def as_json(self) -> dict[str, list[float]]:
        """Two lists of figures."""
        return {
            "strangers": [round(float(each), DIGITS) for each in self.strangers],
            "genuine": [round(float(each), DIGITS) for each in self.genuine],
        }

    @classmethod
    def from_json(cls, figures: Mapping[str, Any]) -> Curve:
        """What `as_json` wrote. Raises ValueError if it is not that."""
        strangers = np.asarray(figures["strangers"], np.float64)
        genuine = np.asarray(figures["genuine"], np.float64)
        if strangers.shape != RATES.shape or genuine.shape != SHARES.shape:
            raise ValueError("it has another number of figures")
        if not (np.isfinite(strangers).all() and np.isfinite(genuine).all()):
            raise ValueError("some of its figures are none")
        return cls(_rising(strangers), np.maximum.accumulate(genuine))


def _rising(scores: Floats) -> Floats:
    """The same, each at least a little above the one before, so that it can be read both ways."""
    steps = np.arange(len(scores)) * 10.0 ** -(DIGITS + 3)
    risen: Floats = np.maximum.accumulate(scores - steps) + steps
    return risen


def curve(strangers: Floats, genuine: Floats) -> Curve:
    """From (R,) scores at RATES and (S,) at SHARES, which may be measured unevenly."""
    return Curve(_rising(np.maximum.accumulate(strangers)), np.maximum.accumulate(genuine))
