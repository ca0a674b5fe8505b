"""From candidates to a decision. Pure: the same candidates and limits give the same one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from functools import cached_property, lru_cache
from uuid import UUID

from embedder.calibration import MOST_PHOTOS

from . import searching
from .searching import Curves, MakeUp


class Decision(StrEnum):
    """What a search says of a probe."""

    MATCH = "match"
    REVIEW = "review"
    NO_MATCH = "no_match"
    POOR_QUALITY = "poor_quality"


@dataclass(frozen=True, slots=True)
class Standard:
    """What one gallery asks: targets or scores set by hand, and by which error rates."""

    calibration: UUID
    curves: Curves = field(compare=False, repr=False)  # the calibration's, which never change
    match_fpir: float
    review_fpir: float
    margin: float
    match_score: float | None = None
    review_score: float | None = None
    person_confirms: bool = False  # a match is a proposal, never a decision
    probe_photos: int = 1  # of so many the probe is fused

    def for_probe_of(self, photos: int) -> Standard:
        """The same for a probe that is fused of so many photos. Scores set by hand stay."""
        photos = min(photos, MOST_PHOTOS)
        if photos == self.probe_photos:
            return self
        curves = searching.for_probes_of(self.curves, photos)
        return replace(self, curves=curves, probe_photos=photos)


@dataclass(frozen=True)
class Limits:
    """The thresholds of one search.

    Of several galleries the strictest count: the highest threshold, the widest margin, and for a
    score the highest `stranger_rate`.
    """

    make_up: MakeUp
    standards: tuple[Standard, ...]

    @property
    def searched(self) -> int:
        """N."""
        return round(searching.size(self.make_up))

    @property
    def tier(self) -> int:
        """For how many templates the thresholds are good."""
        return searching.tier(self.searched)

    @cached_property
    def _thresholds(self) -> tuple[float, float]:
        make_up = tuple(sorted(searching.at_size(self.make_up, self.tier).items()))
        found = [_thresholds_of(each, make_up) for each in self.standards]
        return max(match for match, _ in found), max(review for _, review in found)

    @property
    def match(self) -> float:
        """At or above it is a match. Above 1: nobody can be."""
        return self._thresholds[0]

    @property
    def review(self) -> float:
        """From it on, below a match, a person decides."""
        return self._thresholds[1]

    @property
    def margin(self) -> float:
        """How many times likelier a stranger the second must be."""
        return max(each.margin for each in self.standards)

    @property
    def person_confirms(self) -> bool:
        """Whether no match stands without a person."""
        return any(each.person_confirms for each in self.standards)

    @property
    def is_overridden(self) -> bool:
        """Whether somebody has set one of the scores by hand."""
        return any(
            score is not None
            for each in self.standards
            for score in (each.match_score, each.review_score)
        )

    def for_probe_of(self, photos: int) -> Limits:
        """The thresholds of the same search for a probe that is fused of so many photos."""
        return Limits(self.make_up, tuple(each.for_probe_of(photos) for each in self.standards))

    def stranger_rate(self, score: float) -> float:
        """How likely somebody who is not enrolled would score so high in this search."""
        return max(
            searching.stranger_rate(each.curves, self.make_up, score) for each in self.standards
        )

    def decide(self, scores: Sequence[float]) -> Decision:
        """What candidates with these scores, best first, of different people, amount to."""
        if not scores or scores[0] < self.review:
            return Decision.NO_MATCH
        if scores[0] < self.match or self.person_confirms or self._is_close(scores):
            return Decision.REVIEW
        return Decision.MATCH

    def _is_close(self, scores: Sequence[float]) -> bool:
        """Whether the second might as well be the right one."""
        if len(scores) == 1 or scores[1] < self.review:
            return False
        return self.stranger_rate(scores[1]) < self.margin * self.stranger_rate(scores[0])


@lru_cache(maxsize=1_000)
def _thresholds_of(
    standard: Standard, make_up: tuple[tuple[int, float], ...]
) -> tuple[float, float]:
    """For a match and for a review. Remembered: galleries are searched more often than changed."""
    asked = (
        (standard.match_score, standard.match_fpir),
        (standard.review_score, standard.review_fpir),
    )
    match, review = (
        searching.threshold(standard.curves, dict(make_up), fpir) if by_hand is None else by_hand
        for by_hand, fpir in asked
    )
    return match, review
