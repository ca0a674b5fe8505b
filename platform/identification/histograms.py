"""Counts in fixed bins, and how sure a share is. Pure.

A histogram maps a bin's number to a count; bins without any are left out, so that a day of few
searches is a few bytes.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

Histogram = Mapping[int, int]

# Scores, which go from -1 to 1: fine enough for networks whose thresholds are close to 1.
SCORE_BINS = 400
SCORE_WIDTH = 2 / SCORE_BINS

# Stranger rates, which go from 0 to 1: bin i reaches from 10 ** -(i / 10) down to the next one's,
# the last to 0.
RATE_BINS_A_DECADE = 10
LAST_RATE_BIN = 80

# Of 20 intervals 19 hold the truth.
USUAL = 1.96


def score_bin(score: float) -> int:
    """Where a score is counted. Rounding may have put it a little beyond 1."""
    return min(max(math.floor((score + 1) / SCORE_WIDTH), 0), SCORE_BINS - 1)


def rate_bin(rate: float) -> int:
    """Where a stranger rate is counted."""
    if rate <= 0:
        return LAST_RATE_BIN
    return min(max(math.floor(-RATE_BINS_A_DECADE * math.log10(rate)), 0), LAST_RATE_BIN)


def merged(histograms: Iterable[Mapping[str, int]]) -> dict[int, int]:
    """The sum of histograms as JSON has them, with texts for numbers."""
    total: dict[int, int] = {}
    for each in histograms:
        for name, count in each.items():
            total[int(name)] = total.get(int(name), 0) + count
    return total


def in_full(histogram: Histogram, bins: int) -> list[int]:
    """The count of every bin."""
    return [histogram.get(number, 0) for number in range(bins)]


def share_up_to(histogram: Histogram, rate: float) -> float:
    """The share of stranger rates that are at most `rate`; 0 of none.

    What is in the bin of `rate` itself is taken to lie evenly in it.
    """
    total = sum(histogram.values())
    if not total:
        return 0.0
    last = rate_bin(rate)
    below = sum(count for number, count in histogram.items() if number > last)
    low, high = _edge(last + 1), _edge(last)
    return (below + histogram.get(last, 0) * (min(rate, 1.0) - low) / (high - low)) / total


def _edge(number: int) -> float:
    return 0.0 if number > LAST_RATE_BIN else 10 ** -(number / RATE_BINS_A_DECADE)


def interval(share: float, number: float) -> tuple[float, float]:
    """Between what the truth is, by a share of so many (Wilson's score interval, 95 %).

    E. B. Wilson, "Probable inference, the law of succession, and statistical inference", Journal
    of the American Statistical Association 22, 1927: good for shares near 0, too.
    """
    spread = USUAL**2 / number
    middle = (share + spread / 2) / (1 + spread)
    half = math.sqrt(spread * (share * (1 - share) + spread / 4)) / (1 + spread)
    return max(0.0, middle - half), min(1.0, middle + half)


def is_surely_above(share: float, number: float, limit: float) -> bool:
    """Whether a share of so many can't be chance if the truth were `limit`, 0 to 1, or less.

    Chance would do it in under 1 of 1,000 cases, by Chernoff's bound: exp(-n KL(share || limit)).
    """
    return share > limit and number * _divergence(share, limit) > math.log(1_000)


def _divergence(share: float, limit: float) -> float:
    """Kullback and Leibler's, of two coins."""
    if limit >= 1:
        return 0.0
    rest = 0.0 if share >= 1 else (1 - share) * math.log((1 - share) / (1 - limit))
    return share * math.log(share / limit) + rest
