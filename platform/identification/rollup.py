"""From the search log to what is counted a day: `SearchDay`.

The log has every lookup before it is answered, and is the truth. What is counted follows from it,
by a task that goes through the days, so that no lookup waits for another's row (sixteen threads
would), and so that a day can be counted again at any time, with the same result: a task that died
is repeated, and one that runs twice does no harm.

**What counts.** A search of one whole gallery counts with everything. One of a list of people, or
of several galleries, is counted as `others` and no more: its N and its thresholds are not the
gallery's, the list is somebody's choice, and the scores of several galleries are not one's own.

**Strangers' scores.** Of most searches nobody knows whether they were right. But where the best
candidate is one that strangers reach in under 1 of 1,000 searches (`FOUND`), it is all but surely
the right person, and so the second best is a stranger to the probe: the highest of N - 1
comparisons with strangers. Neither the decision nor the thresholds matter to that, so that scores
set by hand, margins and confirmations change nothing. What is counted of the second is its
`stranger_rate` (for N - 1); if the calibration is right, that is spread evenly over 0 to 1 at every
size of the gallery, so that days of different sizes can be added up.

Each found person counts once a day: searches of the same person say the same thing again, and who
comes through a door every day would otherwise be most of the figures. Poor probes don't count;
calibrations aren't made of such.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from itertools import groupby
from typing import Any, NamedTuple

from django.db import transaction
from django.utils import timezone

from people.locks import keep_galleries
from thresholds.deciding import Decision

from .histograms import rate_bin, score_bin
from .models import Search, SearchDay

# Who was found with a stranger_rate of at most this is taken for the right one.
FOUND = 0.001
# How often second-best scores should be as high as those counted as `high` and `highest`.
HIGH, HIGHEST = 0.05, 0.005
# Of a search whose gallery has no calibration.
NO_DECISION = "none"
# A search may be logged a little later than its time says.
GRACE = timedelta(hours=2)
KEPT = timedelta(days=400)
CHUNK = 1_000
_DAY = timedelta(days=1)


class Key(NamedTuple):
    """What is counted apart, in a day."""

    gallery: int
    model: str
    calibration: str


class Entry(NamedTuple):
    """An entry of the log, and one of the galleries searched."""

    search: int
    gallery: int
    model: str
    among: int | None
    searched: int
    thresholds: dict[str, Any] | None
    faces: list[dict[str, Any]]
    best_two: list[list[Any]]

    @property
    def key(self) -> Key:
        """Where it is counted."""
        made = self.thresholds["calibrations"] if self.thresholds else []
        return Key(self.gallery, self.model, made[0] if len(made) == 1 else "")


FIELDS = ("search_id", "gallery_id", *(f"search__{name}" for name in Entry._fields[2:]))


@dataclass(slots=True)
class Tally:
    """What has been counted so far. `found` holds who, for as long as the counting takes."""

    searches: int = 0
    others: int = 0
    faces: int = 0
    decisions: Counter[str] = field(default_factory=Counter)
    best: Counter[int] = field(default_factory=Counter)
    second: Counter[int] = field(default_factory=Counter)
    strangers: int = 0
    high: int = 0
    highest: int = 0
    stranger_rates: Counter[int] = field(default_factory=Counter)
    found: set[str] = field(default_factory=set)

    def add(self, entry: Entry) -> None:
        """A search of the whole gallery alone."""
        self.searches += 1
        # Entries of older versions lack the two best.
        known = entry.best_two or [[] for _ in entry.faces]
        for face, two in zip(entry.faces, known, strict=True):
            self._add_face(face, two, entry.searched)

    def _add_face(self, face: dict[str, Any], two: list[Any], searched: int) -> None:
        self.faces += 1
        self.decisions[face["decision"] or NO_DECISION] += 1
        for histogram, (score, _) in zip((self.best, self.second), two, strict=False):
            histogram[score_bin(score)] += 1
        if _is_found(face, two):
            self._add_stranger(face["candidates"][0]["person"], two[1][1], searched)

    def _add_stranger(self, person: str, rate: float, searched: int) -> None:
        if person in self.found:
            return
        self.found.add(person)
        rate = of_one_fewer(rate, searched)
        self.strangers += 1
        self.high += rate <= HIGH
        self.highest += rate <= HIGHEST
        self.stranger_rates[rate_bin(rate)] += 1


def _is_found(face: dict[str, Any], two: list[Any]) -> bool:
    """Whether the best is surely the right one, and there is a second."""
    if face["decision"] in (None, Decision.POOR_QUALITY) or len(two) < 2:  # noqa: PLR2004
        return False
    return bool(two[0][1] <= FOUND and face["candidates"])


def of_one_fewer(rate: float, searched: int) -> float:
    """The stranger rate among N - 1 of the N templates: one of them is the right person's."""
    if searched <= 1:
        return rate
    return -math.expm1(math.log1p(-min(rate, 1 - 1e-12)) * (searched - 1) / searched)


def roll_up() -> int:
    """Count the days that are new or not over, and forget the oldest. Returns how many."""
    done = 0
    day = _next_logged(_first_day())
    while day is not None:
        _roll_up_day(day)
        done += 1
        day = _next_logged(day + _DAY)
    SearchDay.objects.filter(day__lt=_oldest()).delete()
    return done


def _oldest() -> date:
    return (timezone.now() - KEPT).date()


def _first_day() -> date:
    """The first that may lack a search.

    Days are counted in their order, so that all before the last one are done, and that one is as
    far as it was when it was counted.
    """
    last = SearchDay.objects.order_by("day", "counted_at").last()
    if last is None:
        return _oldest()
    return max(_oldest(), min((last.counted_at - GRACE).date(), last.day + _DAY))


def _next_logged(day: date) -> date | None:
    """The first day from this one on that has searches."""
    later = Search.objects.filter(created_at__gte=_begin(day)).order_by("created_at")
    found = later.values_list("created_at", flat=True).first()
    return found.astimezone(UTC).date() if found else None


def _begin(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)


def _roll_up_day(day: date) -> None:
    counted_at = timezone.now()
    tallies: dict[Key, Tally] = {}
    # Read outside of the transaction that writes: on SQLite that one keeps all other writers out.
    for entries in _searches(day):
        whole = len(entries) == 1 and entries[0].among is None
        for entry in entries:
            tally = tallies.setdefault(entry.key, Tally())
            if whole:
                tally.add(entry)
            else:
                tally.others += 1
    _keep(day, tallies, counted_at)


def _searches(day: date) -> Iterator[list[Entry]]:
    """Each of the day's, once for each gallery searched."""
    rows = Search.galleries.through.objects.filter(
        search__created_at__gte=_begin(day), search__created_at__lt=_begin(day + _DAY)
    )
    ordered = rows.order_by("search__created_at", "search_id", "gallery_id")
    entries = map(Entry._make, ordered.values_list(*FIELDS).iterator(CHUNK))
    for _, of_one in groupby(entries, key=lambda each: each.search):
        yield list(of_one)


@transaction.atomic
def _keep(day: date, tallies: dict[Key, Tally], counted_at: datetime) -> None:
    """In place of what was counted of the day before. A gallery may have gone meanwhile."""
    there = keep_galleries({key.gallery for key in tallies})
    SearchDay.objects.bulk_create(
        [
            _row(day, key, tally, counted_at)
            for key, tally in sorted(tallies.items())
            if key.gallery in there
        ],
        update_conflicts=True,
        unique_fields=["gallery", "day", "model", "calibration"],
        update_fields=[
            "searches", "others", "faces", "decisions", "best", "second", "strangers", "high",
            "highest", "stranger_rates", "counted_at",
        ],
        batch_size=CHUNK,
    )  # fmt: skip


def _row(day: date, key: Key, tally: Tally, counted_at: datetime) -> SearchDay:
    return SearchDay(
        gallery_id=key.gallery,
        day=day,
        model=key.model,
        calibration=key.calibration,
        searches=tally.searches,
        others=tally.others,
        faces=tally.faces,
        decisions=dict(tally.decisions),
        best=tally.best,
        second=tally.second,
        strangers=tally.strangers,
        high=tally.high,
        highest=tally.highest,
        stranger_rates=tally.stranger_rates,
        counted_at=counted_at,
    )
