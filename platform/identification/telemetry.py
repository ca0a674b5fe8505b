"""What a gallery's searches of the last days say, against what its calibration foretells.

From what is counted a day (identification/rollup.py), of the gallery's present model. What goes
into drift and FPIR is of its present calibration alone: what an older one was wrong about is
mended.

**Estimated FPIR.** Whether a search was of a stranger is not known, so FPIR can't be counted. But
the second-best scores of searches that found somebody are strangers' scores, each the highest of
N - 1 comparisons, and how rare each is by the calibration is counted. So

    FPIR = the share of them whose stranger rate is at most that of today's threshold

which, if the calibration is right, is the stranger rate of today's threshold itself (`foretold`).
By rates instead of scores, since the gallery may have grown in the days counted, and its policy may
have changed. It assumes that people who are not enrolled look no more like the enrolled than these
do like each other, and that nobody is enrolled twice. It is a little low, since a stranger who
scores above the right person makes that one the second, with the lower score. How many of those
who are looked up are strangers it doesn't say: nobody knows.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from itertools import pairwise
from uuid import UUID

from accounts.actors import Actor
from people.access import require
from people.models import Gallery, Role
from thresholds.comparing import ModelOutlook, model_outlooks, verdict
from thresholds.deciding import Decision
from thresholds.models import Calibration, Policy
from thresholds.selectors import Outlook, calibration_of, outlooks, policy_of
from vectors.selectors import make_up

from .drift import LEAST, Drift, counted, drift, since
from .histograms import (
    SCORE_BINS,
    Histogram,
    in_full,
    interval,
    is_surely_above,
    merged,
    share_up_to,
)
from .models import SearchDay
from .rollup import NO_DECISION

DECISIONS = (*(each.value for each in Decision), NO_DECISION)
# Twenty parts of 0 to 1, each of which should hold as many stranger rates.
PARTS = 20


@dataclass(frozen=True, slots=True)
class Totals:
    """Searches, the faces looked up in them, and how they were decided."""

    searches: int
    others: int
    faces: int
    decisions: dict[str, int]

    @property
    def shares(self) -> dict[str, float]:
        """Of each decision; 0 of no faces."""
        return {name: count / max(self.faces, 1) for name, count in self.decisions.items()}


@dataclass(frozen=True, slots=True)
class Day:
    """A day with searches."""

    day: date
    totals: Totals


@dataclass(frozen=True, slots=True)
class Fpir:
    """How often strangers reach a threshold: the target, foretold for today, and estimated.

    The estimate and its 95 % interval are None with too few people. `exceeds` says that it is above
    the target, and not by chance; never of a score set by hand, which has no target.
    """

    target: float | None
    foretold: float
    estimate: float | None = None
    low: float | None = None
    high: float | None = None
    exceeds: bool = False


@dataclass(frozen=True, slots=True)
class Telemetry:
    """All of it. `drift`, `fpir` and `outlook` are None without a calibration of the model."""

    days: int
    since: date
    counted_at: datetime | None
    model: str
    calibration: UUID | None
    totals: Totals
    by_day: list[Day]
    best: list[int]
    second: list[int]
    stranger_rates: list[float]
    drift: Drift | None
    match_fpir: Fpir | None
    review_fpir: Fpir | None
    outlook: Outlook | None
    models: list[ModelOutlook]
    verdict: str

    @property
    def alarm(self) -> bool:
        """Whether something is to be done now."""
        return self.drift is not None and self.drift.alarm

    @property
    def advice(self) -> str:
        """What."""
        return self.drift.advice if self.drift else ""


def telemetry(actor: Actor, gallery: Gallery, days: int) -> Telemetry:
    """Of the last so many days, of which today is one.

    For reviewers, who may read the whole search log: in a gallery that is little used, counts of a
    day say what others looked up and what came of it.

    Raises:
        NotFound, Forbidden: as `people.access.require`.
    """
    require(actor, gallery, Role.REVIEWER)
    rows = list(
        SearchDay.objects.filter(gallery=gallery, model=gallery.model, day__gte=since(days))
        .order_by("day", "calibration")
    )  # fmt: skip
    policy = policy_of(gallery)
    calibration = calibration_of(gallery, policy)
    ours = [each for each in rows if calibration and each.calibration == str(calibration.public_id)]
    rates = merged(each.stranger_rates for each in ours)
    found = _drift(gallery, calibration, ours)
    outlook = next(iter(outlooks(gallery, policy)), None)
    models = model_outlooks(gallery, policy)
    match, review = _fpirs(policy, outlook, rates, found)
    return Telemetry(
        days=days,
        since=since(days),
        counted_at=max((each.counted_at for each in rows), default=None),
        model=gallery.model,
        calibration=calibration.public_id if calibration else None,
        totals=_totals(rows),
        by_day=_by_day(rows),
        best=in_full(merged(each.best for each in rows), SCORE_BINS),
        second=in_full(merged(each.second for each in rows), SCORE_BINS),
        stranger_rates=_spread(rates),
        drift=found,
        match_fpir=match,
        review_fpir=review,
        outlook=outlook,
        models=models,
        verdict=verdict(gallery, models),
    )


def _drift(
    gallery: Gallery, calibration: Calibration | None, rows: Sequence[SearchDay]
) -> Drift | None:
    if calibration is None:
        return None
    return drift(gallery, calibration, counted(rows), sum(make_up([gallery]).values()))


def _fpirs(
    policy: Policy, outlook: Outlook | None, rates: Histogram, found: Drift | None
) -> tuple[Fpir | None, Fpir | None]:
    """Of a match and of a review."""
    if outlook is None or found is None:
        return None, None
    by_hand = policy.match_score is not None
    match = None if by_hand else policy.match_fpir
    review = None if by_hand else policy.review_fpir
    return (
        _fpir(match, outlook.match_fpir, rates, found.independent),
        _fpir(review, outlook.review_fpir, rates, found.independent),
    )


def _fpir(target: float | None, foretold: float, rates: Histogram, independent: int) -> Fpir:
    if independent < LEAST:
        return Fpir(target, foretold)
    estimate = share_up_to(rates, foretold)
    low, high = interval(estimate, independent)
    exceeds = target is not None and is_surely_above(estimate, independent, target)
    return Fpir(target, foretold, estimate, low, high, exceeds)


def _spread(rates: Histogram) -> list[float]:
    """The share of stranger rates in each twentieth of 0 to 1."""
    ends = [share_up_to(rates, number / PARTS) for number in range(PARTS + 1)]
    return [after - before for before, after in pairwise(ends)]


def _totals(rows: Iterable[SearchDay]) -> Totals:
    searches = others = faces = 0
    decisions: Counter[str] = Counter()
    for each in rows:
        searches += each.searches
        others += each.others
        faces += each.faces
        decisions.update(each.decisions)
    return Totals(searches, others, faces, {name: decisions[name] for name in DECISIONS})


def _by_day(rows: Sequence[SearchDay]) -> list[Day]:
    """Days without searches are left out."""
    days = dict.fromkeys(each.day for each in rows)
    return [Day(day, _totals(each for each in rows if each.day == day)) for day in days]
