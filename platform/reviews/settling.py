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

    @property
    def is_void(self) -> bool:
        """Whether it was of somebody who is gone."""
        return self.verdict == Verdict.SAME and self.chosen is None


def settled(opinions: Sequence[Said], reviewers: int) -> Said | None:
    """What reviewers have decided, of whom so many have to agree; None while one is missing.

    Three who all say something else can't tell. To be the same person as somebody who was erased
    since agrees with nothing, not even with the same of somebody else who was.
    """
    standing = Counter(each for each in opinions if not each.is_void)
    for said, count in standing.most_common(1):
        if count >= reviewers:
            return said
    return Said(Verdict.UNSURE, None) if len(opinions) >= MOST_REVIEWERS else None
