"""From the error rates of comparisons to those of searches.

A stranger's search is a comparison with each of N templates, so that of a gallery with N_k
templates of k photos the share

    FPIR(t) = 1 - prod over k of (1 - FMR_k(t)) ** N_k

returns anybody at or above t (ISO/IEC 19795-1, for independent comparisons and one k).
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from embedder.calibration.curves import Curve, curve

Curves = Mapping[int, Curve]
# How many templates of k photos; the last k stands for itself and more.
MakeUp = Mapping[int, float]

TIERS = (1_000, 10_000, 100_000, 1_000_000, 10_000_000, 100_000_000)
_LEAST, _STEPS = -1.0, 60


def for_probes_of(curves: Curves, photos: int) -> Curves:
    """The same error rates for probes that are fused of so many photos themselves.

    Fusing raises strangers' scores on either side of a comparison alike: so by as much as, at each
    rate, a template of so many photos raises them over one of a single photo.
    """
    more = np.maximum(curves[photos].strangers - curves[1].strangers, 0)
    return {k: curve(each.strangers + more, each.genuine) for k, each in curves.items()}


def size(make_up: MakeUp) -> float:
    """N."""
    return sum(make_up.values())


def stranger_rate(curves: Curves, make_up: MakeUp, score: float) -> float:
    """The probability that a person who is not enrolled scores so high in this search."""
    return -math.expm1(
        # Exactly, so that the order in which a make-up was counted doesn't matter.
        math.fsum(
            count * math.log1p(-min(curves[k].fmr(score), 1 - 1e-12))
            for k, count in make_up.items()
        )
    )


def threshold(curves: Curves, make_up: MakeUp, fpir: float) -> float:
    """The lowest score whose `stranger_rate` is at most `fpir`. Above 1: nobody passes."""
    low, high = _LEAST, max(float(curves[k].strangers[-1]) for k in make_up)
    for _ in range(_STEPS):
        middle = (low + high) / 2
        if stranger_rate(curves, make_up, middle) > fpir:
            low = middle
        else:
            high = middle
    return high


def miss_rate(curves: Curves, make_up: MakeUp, at: float) -> float:
    """FNIR: the share of searches of enrolled people that score below a threshold."""
    return sum(count * curves[k].fnmr(at) for k, count in make_up.items()) / size(make_up)


def tier(searched: float) -> int:
    """The tier of a search of so many templates, by its upper end."""
    return next((end for end in TIERS if searched <= end), math.ceil(searched))


def at_size(make_up: MakeUp, searched: float) -> dict[int, float]:
    """The same mix in a gallery of another size; single photos, if it is empty."""
    if not size(make_up):
        return {1: searched}
    scale = searched / size(make_up)
    return {k: count * scale for k, count in make_up.items()}
