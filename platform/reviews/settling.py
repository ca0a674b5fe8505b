"""From opinions to a decision. Pure, and the same in whatever order they were given."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from .models import Verdict

# Two who disagree are followed by a third, and by no fourth.
MOST_REVIEWERS = 3


class Said(NamedTuple):
    """A verdict and, of the same person, the key of who it is."""

    verdict: Verdict
    chosen: int | None


def settled(opinions: Sequence[Said], reviewers: int) -> Said | None:
    """What reviewers have decided, of whom so many have to agree; None while one is missing.

    Three who all say something else can't tell.
    """
    if len(opinions) < reviewers:
        return None
    (said, count), *_ = Counter(opinions).most_common(1)
    if count >= reviewers:
        return said
    return Said(Verdict.UNSURE, None) if len(opinions) >= MOST_REVIEWERS else None
