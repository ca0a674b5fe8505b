"""Telemetry in the admin: a table of galleries, and a page of figures for each."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from django.contrib import admin
from django.db.models import BooleanField, Case, OuterRef, QuerySet, Subquery, Sum, Value, When
from django.db.models.functions import Coalesce
from django.http import HttpRequest
from django.utils.safestring import SafeString

from accounts.actors import actor_of
from common.admin import ReadOnlyAdmin, column, label
from thresholds.comparing import ModelOutlook

from .drift import WINDOW_DAYS, Drift, alarms, since
from .histograms import SCORE_WIDTH
from .models import GalleryTelemetry, SearchDay
from .telemetry import DECISIONS, PARTS, Day, Fpir, Telemetry, Totals, telemetry

WORDS = {
    "match": "match",
    "review": "review",
    "no_match": "no match",
    "poor_quality": "poor quality",
    "none": "no calibration",
}
# Scores are shown in so many bars.
BARS = 40


@dataclass(frozen=True, slots=True)
class Bar:
    """A bar of a chart: its height, as a style has it, and what it stands for."""

    height: str
    title: str


def page(found: Telemetry) -> dict[str, Any]:
    """What the template shows."""
    fpirs = {"match": found.match_fpir, "review": found.review_fpir}
    return {
        "found": found,
        "counted": _counted(found.totals),
        "decisions": [
            {
                "name": WORDS.get(name, name),
                "count": f"{count:,}",
                "share": f"{found.totals.shares[name]:.1%}",
            }
            for name, count in found.totals.decisions.items()
        ],
        "fpirs": [_fpir(name, each) for name, each in fpirs.items() if each],
        "basis": _basis(found.drift) if found.drift else "",
        "spread": _spread_bars(found.stranger_rates),
        "best": score_bars(found.best),
        "second": score_bars(found.second),
        "models": [_model(each) for each in found.models],
        "words": [WORDS.get(name, name) for name in DECISIONS],
        "by_day": [_day(each) for each in reversed(found.by_day)],
    }


def _counted(totals: Totals) -> str:
    others = f"; {totals.others:,} more of a list of people, or with other galleries"
    ours = f"{totals.searches:,} searches with {totals.faces:,} faces"
    return f"{ours}{others if totals.others else ''}."


def _basis(found: Drift) -> str:
    """What the estimates are made from, or why there are none."""
    if not found.levels:
        return (
            f"Estimates need {found.needed} people who were clearly found, with a second "
            f"candidate; so far there are {found.independent:,}."
        )
    return (
        f"Stranger rates of the second best, {found.strangers:,} of them. If the calibration "
        "holds, all bars are half as high as the chart."
    )


def _fpir(name: str, fpir: Fpir) -> dict[str, Any]:
    estimate = "too few yet"
    if fpir.estimate is not None and fpir.low is not None and fpir.high is not None:
        estimate = f"{_rate(fpir.estimate)} ({_rate(fpir.low)} to {_rate(fpir.high)})"
    return {
        "name": name,
        "target": "set by hand" if fpir.target is None else _rate(fpir.target),
        "foretold": _rate(fpir.foretold),
        "estimate": estimate,
        "exceeds": fpir.exceeds,
    }


def _rate(rate: float) -> str:
    return f"{float(f'{100 * rate:.2g}'):g} %"


def _model(outlook: ModelOutlook) -> dict[str, Any]:
    rates = (outlook.now.match_fnir, outlook.now.review_fnir, outlook.later.match_fnir)
    figures = [f"{outlook.now.match:.4f}", *(f"{rate:.1%}" for rate in rates)]
    return {"outlook": outlook, "figures": figures}


def _day(each: Day) -> dict[str, Any]:
    totals = each.totals
    figures = (totals.searches, totals.faces, *totals.decisions.values())
    return {"day": each.day, "figures": [f"{figure:,}" for figure in figures]}


def _spread_bars(shares: Sequence[float]) -> list[Bar]:
    """What should be even reaches the middle of the chart."""
    titles = [
        f"{number / PARTS:.2f} to {(number + 1) / PARTS:.2f}: {share:.1%}"
        for number, share in enumerate(shares)
    ]
    return _bars(shares, titles, 2 / PARTS)


def score_bars(histogram: Sequence[int]) -> list[Bar]:
    """From the lowest score that was met to the highest, in `BARS` bars at most."""
    filled = [number for number, count in enumerate(histogram) if count]
    if not filled:
        return []
    first, last = filled[0], filled[-1] + 1
    step = math.ceil((last - first) / BARS)
    starts = range(first, last, step)
    counts = [sum(histogram[start : start + step]) for start in starts]
    titles = [
        f"{start * SCORE_WIDTH - 1:.3f} to {(start + step) * SCORE_WIDTH - 1:.3f}: {count:,}"
        for start, count in zip(starts, counts, strict=True)
    ]
    return _bars(counts, titles)


def _bars(values: Sequence[float], titles: Sequence[str], least_top: float = 0.0) -> list[Bar]:
    """The highest value, or `least_top`, is as high as the chart."""
    top = max(least_top, *values)
    return [Bar(f"{value / top:.1%}", title) for value, title in zip(values, titles, strict=True)]


@admin.register(GalleryTelemetry)
class GalleryTelemetryAdmin(ReadOnlyAdmin):
    """What the searches of each gallery came to, and whether its calibration still holds."""

    list_display = ("name", "model", "search_number", "standing")
    search_fields = ("name", "slug")
    ordering = ("name",)
    fields: ClassVar[tuple[str, ...]] = ("name", "model")
    change_form_template = "admin/identification/gallerytelemetry/change_form.html"

    def get_queryset(self, request: HttpRequest) -> QuerySet[GalleryTelemetry]:
        """With the number of searches, and whether there is an alarm."""
        galleries: QuerySet[GalleryTelemetry] = super().get_queryset(request)
        days = SearchDay.objects.filter(gallery=OuterRef("pk"), day__gte=since(WINDOW_DAYS))
        counts = days.order_by().values("gallery").annotate(number=Sum("searches"))
        drifting = [gallery.pk for gallery, _ in alarms()]
        return galleries.annotate(
            search_count=Coalesce(Subquery(counts.values("number")), 0),
            drifts=Case(
                When(pk__in=drifting, then=Value(value=True)),
                default=Value(value=False),
                output_field=BooleanField(),
            ),
        )

    @column(description=f"searches in {WINDOW_DAYS} days", ordering="search_count")
    def search_number(self, gallery: GalleryTelemetry) -> str:
        """Of the whole gallery alone, with whatever model."""
        return f"{getattr(gallery, 'search_count', 0):,}"

    @column(description="strangers", ordering="drifts")
    def standing(self, gallery: GalleryTelemetry) -> SafeString | None:
        """Whether they score higher than foretold."""
        if not getattr(gallery, "drifts", False):
            return None
        return label("higher than foretold", "danger")

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> Any:
        """The figures."""
        gallery = self.get_object(request, object_id) if object_id else None
        shown = page(telemetry(actor_of(request.user), gallery, WINDOW_DAYS)) if gallery else {}
        return super().changeform_view(
            request, object_id, form_url, {**(extra_context or {}), **shown}
        )
