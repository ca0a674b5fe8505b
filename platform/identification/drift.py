"""Whether strangers score as the calibration foretells, by the second-best scores of searches.

If it does, their stranger rates are spread evenly over 0 to 1: one of 20 is at most 0.05, one of
200 at most 0.005. An alarm needs more than twice as many, the factor within which thresholds held
when they were tried, and so many that chance would bring them in under 1 of 1,000 cases. Only more
is one: the tail of a calibration is cautious, so that in large galleries strangers score lower than
it foretells by intent.

What it can't tell apart: a calibration that doesn't fit these photos, and people who are enrolled
twice, whose second self is the second best.

How sure it is goes by people, not by searches (`independent`): the people found on each day, but
no more than the gallery has. Two look-alikes who come every day, each the other's second, would
otherwise count as many.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date, timedelta

from django.db.models import Sum
from django.utils import timezone

from people.models import Gallery
from thresholds.models import Calibration
from thresholds.selectors import calibration_of
from vectors.selectors import make_up

from .histograms import interval, is_surely_above
from .models import SearchDay
from .rollup import HIGH, HIGHEST

WINDOW_DAYS = 30
# Fewer people say nothing yet.
LEAST = 100
TOLERANCE = 2.0


@dataclass(frozen=True, slots=True)
class Level:
    """How many second-best scores are as high as a share `foretold` of them should be."""

    foretold: float
    observed: float
    low: float
    high: float
    alarm: bool


@dataclass(frozen=True, slots=True)
class Drift:
    """What the second-best scores say of the calibration; `levels` is empty with too few."""

    strangers: int
    independent: int
    needed: int = LEAST
    levels: list[Level] = field(default_factory=list)
    alarm: bool = False
    advice: str = ""


@dataclass(frozen=True, slots=True)
class Counts:
    """Second-best scores counted: all, and those at the two levels."""

    strangers: int
    high: int
    highest: int


def since(days: int) -> date:
    """The first of the last so many days, of which today is one."""
    return timezone.now().date() - timedelta(days=days - 1)


def counted(rows: Iterable[SearchDay]) -> Counts:
    """The sum of days, all of one calibration."""
    rows = list(rows)
    return Counts(
        sum(each.strangers for each in rows),
        sum(each.high for each in rows),
        sum(each.highest for each in rows),
    )


def drift(gallery: Gallery, calibration: Calibration, counts: Counts, people: int) -> Drift:
    """How far what was counted with this calibration is from it, in a gallery of so many people."""
    independent = min(counts.strangers, people)
    if independent < LEAST:
        return Drift(counts.strangers, independent)
    levels = [
        _level(foretold, count / counts.strangers, independent)
        for foretold, count in ((HIGH, counts.high), (HIGHEST, counts.highest))
    ]
    worst = max(levels, key=lambda each: (each.alarm, each.observed / each.foretold))
    return Drift(
        counts.strangers,
        independent,
        levels=levels,
        alarm=worst.alarm,
        advice=_advice(gallery, calibration, worst) if worst.alarm else "",
    )


def _level(foretold: float, observed: float, independent: int) -> Level:
    low, high = interval(observed, independent)
    alarm = is_surely_above(observed, independent, TOLERANCE * foretold)
    return Level(foretold, observed, low, high, alarm)


def _advice(gallery: Gallery, calibration: Calibration, worst: Level) -> str:
    return (
        f"Strangers score higher than the calibration {calibration} foretells: {worst.observed:.1%}"
        f" of them as high as {worst.foretold:.1%} should, so more of them pass than the policy "
        "allows. See whether people are enrolled twice; if not, measure again: `manage.py "
        f"calibrate --gallery {gallery.slug}`."
    )


def alarms() -> list[tuple[Gallery, Drift]]:
    """The galleries that drift now, over the usual window, the largest first.

    One query finds the few that might, by whatever calibration; they alone are looked at.
    """
    return sorted(_alarms(), key=lambda each: (-each[1].strangers, each[0].pk))


def _alarms() -> Iterator[tuple[Gallery, Drift]]:
    suspects = [each for each in _sums() if _might_alarm(each[2])]
    if not suspects:
        return
    galleries = Gallery.objects.in_bulk({gallery for gallery, _, _ in suspects})
    for pk, calibration_id, counts in suspects:
        gallery = galleries.get(pk)
        calibration = calibration_of(gallery) if gallery else None
        # What an older calibration was wrong about is mended.
        if gallery is None or calibration is None or str(calibration.public_id) != calibration_id:
            continue
        found = drift(gallery, calibration, counts, sum(make_up([gallery]).values()))
        if found.alarm:
            yield gallery, found


def _sums() -> list[tuple[int, str, Counts]]:
    rows = SearchDay.objects.filter(day__gte=since(WINDOW_DAYS), strangers__gt=0)
    sums = (
        rows.order_by()
        .values_list("gallery", "calibration")
        .annotate(Sum("strangers"), Sum("high"), Sum("highest"))
    )
    return [(gallery, calibration, Counts(*counts)) for gallery, calibration, *counts in sums]


def _might_alarm(counts: Counts) -> bool:
    return counts.strangers >= LEAST and any(
        is_surely_above(count / counts.strangers, counts.strangers, TOLERANCE * foretold)
        for foretold, count in ((HIGH, counts.high), (HIGHEST, counts.highest))
    )
