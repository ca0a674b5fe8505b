"""What a calibration knows, as figures to draw. Pure.

All of them for a mix of templates of several photos, as a gallery has it: a share of a gallery's
comparisons is the mean of its curves' shares, weighted by how many templates there are of each.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from embedder.calibration.curves import RATES, SHARES, Curve, Floats

from .searching import Curves, MakeUp, at_size, size

# Scores are drawn in steps that are whole multiples of telemetry's, about so many of them.
STEP, STEPS = 0.005, 80
# Of strangers and of a person's own comparisons these shares are left out at either end.
LEFT_OUT = 0.005
# FPIR is drawn from here to 1, so many points a decade.
LEAST_FPIR, POINTS_A_DECADE = 1e-6, 8
_FINE = 2_000
# Below the score that so many strangers' comparisons reach only the lowest is kept, an outlier: the
# rest is drawn as low as the normal distribution goes that the next rates down lie on.
_BODY = slice(1, 7)
_LOWEST = -5.0
_NORMAL = NormalDist()


@dataclass(frozen=True, slots=True)
class Trade:
    """At a threshold: what share of strangers' searches passes it, and of others' does not."""

    score: float
    fpir: float
    fnir: float


@dataclass(frozen=True, slots=True)
class Trades:
    """All thresholds, in a gallery of some size. FPIR falls."""

    searched: int
    points: list[Trade]


@dataclass(frozen=True, slots=True)
class Plot:
    """Bin i is from `scores[i]` up to the next; `fmr` and `fnmr` are at `scores[i]`."""

    width: float
    scores: list[float]
    strangers: list[float]
    genuine: list[float]
    fmr: list[float]
    fnmr: list[float]
    trades: list[Trades]


def plot(curves: Curves, make_up: MakeUp, sizes: Sequence[int]) -> Plot:
    """Of comparisons in a gallery of this mix, and of searches in it, as large as each of `sizes`.

    An empty one is drawn as if it held single photos.
    """
    mix = {k: share for k, share in at_size(make_up, 1.0).items() if share > 0}
    width, edges = _edges([curves[k] for k in mix])
    below = sum(share * _strangers_below(curves[k], edges) for k, share in mix.items())
    missed = sum(share * _missed(curves[k], edges) for k, share in mix.items())
    false = sum(share * _fmr(curves[k], edges) for k, share in mix.items())
    return Plot(
        width=width,
        scores=_listed(edges[:-1]),
        strangers=_listed(np.diff(below)),
        genuine=_listed(np.diff(missed)),
        fmr=_listed(np.asarray(false)[:-1]),
        fnmr=_listed(np.asarray(missed)[:-1]),
        trades=[_trades(curves, at_size(make_up, searched)) for searched in sizes],
    )


def _edges(curves: Sequence[Curve]) -> tuple[float, Floats]:
    """A bin's width, and where bins begin and end: from where strangers begin to the highest."""
    low = min(min(_quantile(each, LEFT_OUT), float(each.genuine[1])) for each in curves)
    high = max(float(each.genuine[-1]) for each in curves)
    width = STEP * max(1, math.ceil((high - low) / STEPS / STEP))
    first, last = math.floor(low / width), math.floor(high / width) + 1
    edges: Floats = np.arange(first, last + 1, dtype=np.float64) * width
    return width, edges


def _quantile(curve: Curve, share: float) -> float:
    """The score below which a share of strangers' comparisons lies."""
    scores, places = _on_normal(curve)
    return float(np.interp(_NORMAL.inv_cdf(share), places, scores))


def _on_normal(curve: Curve) -> tuple[Floats, Floats]:
    """Strangers' scores, rising, and where their rates lie on a normal distribution."""
    places = np.array([_LOWEST, *(-_NORMAL.inv_cdf(float(rate)) for rate in RATES[1:])])
    body, at = curve.strangers[_BODY], places[_BODY]
    slope = (body[-1] - body[0]) / (at[-1] - at[0])
    lowest = body[0] - slope * (at[0] - _LOWEST)
    return np.array([lowest, *curve.strangers[1:]]), places


def _strangers_below(curve: Curve, scores: Floats) -> Floats:
    """The share of strangers' comparisons below each score.

    Between the few rates above a tenth that a calibration keeps it goes as in a normal
    distribution, which scores of strangers resemble. For drawing; decisions take `Curve.fmr`.
    """
    known, places = _on_normal(curve)
    return np.array([_NORMAL.cdf(float(each)) for each in np.interp(scores, known, places)])


def _fmr(curve: Curve, scores: Floats) -> Floats:
    logs: Floats = np.interp(scores, curve.strangers, np.log(RATES))
    return np.exp(logs)


def _missed(curve: Curve, scores: Floats) -> Floats:
    found: Floats = np.interp(scores, curve.genuine, SHARES, left=0.0, right=1.0)
    return found


def _trades(curves: Curves, make_up: MakeUp) -> Trades:
    """FNIR by FPIR, at rates in even steps of their logarithm."""
    counts = {k: count for k, count in make_up.items() if count > 0}
    ends = [curves[k].strangers[place] for k in counts for place in (0, -1)]
    scores = np.linspace(min(ends), max(ends), _FINE)
    rates = {k: np.minimum(_fmr(curves[k], scores), 1 - 1e-12) for k in counts}
    fpir = -np.expm1(sum(count * np.log1p(-rates[k]) for k, count in counts.items()))
    missed = sum(count * _missed(curves[k], scores) for k, count in counts.items())
    fnir = np.asarray(missed) / size(counts)
    logs = np.log(np.maximum(fpir, np.finfo(np.float64).tiny))
    asked = 10.0 ** -np.arange(0, -math.log10(LEAST_FPIR) + 1e-9, 1 / POINTS_A_DECADE)
    at = np.interp(-np.log(asked), -logs, scores)
    return Trades(
        searched=round(size(counts)),
        points=[
            Trade(float(score), float(rate), float(np.interp(score, scores, fnir)))
            for score, rate in zip(at, asked, strict=True)
        ],
    )


def _listed(figures: Floats) -> list[float]:
    return [float(f"{each:.6g}") for each in figures]
