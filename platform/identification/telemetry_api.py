"""Telemetry over HTTP: figures only, nobody's faces, names or ids."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any
from uuid import UUID

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.api import ActorMixin
from people.access import gallery_for
from people.models import Role
from thresholds.api import OutlookSerializer
from thresholds.comparing import ModelOutlook

from .drift import WINDOW_DAYS
from .histograms import SCORE_WIDTH
from .rollup import KEPT
from .telemetry import Telemetry, Totals, telemetry


class TelemetryQuerySerializer(serializers.Serializer[Any]):
    """`?days=`."""

    days = serializers.IntegerField(
        min_value=1,
        max_value=KEPT.days,
        default=WINDOW_DAYS,
        help_text="The last so many days (UTC), of which today is one.",
    )


class SharesSerializer(serializers.Serializer[Any]):
    """For each decision. `none`: the gallery's model had no calibration."""

    match = serializers.FloatField()
    review = serializers.FloatField()
    no_match = serializers.FloatField()
    poor_quality = serializers.FloatField()
    none = serializers.FloatField()


class CountsSerializer(serializers.Serializer[Any]):
    """How many faces for each decision. `none`: the gallery's model had no calibration."""

    match = serializers.IntegerField()
    review = serializers.IntegerField()
    no_match = serializers.IntegerField()
    poor_quality = serializers.IntegerField()
    none = serializers.IntegerField()


class TotalsSerializer(serializers.Serializer[Any]):
    """Searches, the faces looked up in them, and how they were decided."""

    searches = serializers.IntegerField(help_text="Of this gallery alone, and whole.")
    others = serializers.IntegerField(
        help_text="Searches of a list of its people, or with other galleries: in no other figure, "
        "since their N and thresholds are not the gallery's."
    )
    faces = serializers.IntegerField()
    decisions = CountsSerializer()
    shares = SharesSerializer()


class DaySerializer(TotalsSerializer):
    """A day with searches (UTC)."""

    day = serializers.DateField()


class ScoresSerializer(serializers.Serializer[Any]):
    """Histograms of scores: bin i holds those from -1 + i times `width` on."""

    width = serializers.FloatField()
    best = serializers.ListField(child=serializers.IntegerField())
    second = serializers.ListField(child=serializers.IntegerField())


class LevelSerializer(serializers.Serializer[Any]):
    """How many second-best scores are as high as a share `foretold` of them should be."""

    foretold = serializers.FloatField()
    observed = serializers.FloatField()
    low = serializers.FloatField(help_text="From here to `high` with 95 %.")
    high = serializers.FloatField()
    alarm = serializers.BooleanField(help_text="More than twice as many, and not by chance.")


class DriftSerializer(serializers.Serializer[Any]):
    """Whether strangers score as the calibration foretells, by the second-best scores of searches
    that found somebody.
    """

    strangers = serializers.IntegerField(
        help_text="So many such scores: one a day for each person found."
    )
    independent = serializers.IntegerField(
        help_text="For how many people they speak, for the intervals; no more than are enrolled."
    )
    needed = serializers.IntegerField(help_text="With fewer there are no figures.")
    levels = LevelSerializer(many=True)
    stranger_rates = serializers.ListField(
        child=serializers.FloatField(),
        help_text="The share of their stranger rates in each twentieth of 0 to 1: 0.05 each, if "
        "the calibration is right.",
    )


class FpirSerializer(serializers.Serializer[Any]):
    """How often searches of people who are not enrolled reach a threshold."""

    target = serializers.FloatField(
        allow_null=True, help_text="The policy's. Null: the score was set by hand."
    )
    foretold = serializers.FloatField(help_text="By the calibration, at today's size.")
    estimate = serializers.FloatField(
        allow_null=True,
        help_text="The share of second-best scores that are as rare as today's threshold. Null "
        "with too few.",
    )
    low = serializers.FloatField(allow_null=True, help_text="From here to `high` with 95 %.")
    high = serializers.FloatField(allow_null=True)
    exceeds = serializers.BooleanField(help_text="Above the target, and not by chance.")


class FpirsSerializer(serializers.Serializer[Any]):
    """For a match and for a review."""

    match = FpirSerializer()
    review = FpirSerializer()


class ModelOutlookSerializer(serializers.Serializer[Any]):
    """What a model with a calibration would mean here, by the policy's targets."""

    model = serializers.CharField()
    calibration = serializers.UUIDField()
    current = serializers.BooleanField(help_text="Whether it is the gallery's.")
    installed = serializers.BooleanField()
    better = serializers.BooleanField(
        help_text="Whether it would miss at least a tenth fewer than the gallery's."
    )
    match = serializers.FloatField(help_text="The score. Above 1: nobody can match.")
    match_fnir = serializers.FloatField(help_text="Enrolled people's searches without a match.")
    review_fnir = serializers.FloatField(help_text="Those that not even a person looks at.")
    ten_times_match_fnir = serializers.FloatField(help_text="The first at ten times the size.")


class TelemetrySerializer(serializers.Serializer[Any]):
    """What a gallery's searches of the last days say, against what its calibration foretells."""

    days = serializers.IntegerField()
    since = serializers.DateField(help_text="The first of them.")
    counted_at = serializers.DateTimeField(
        allow_null=True, help_text="Searches until then are counted; null: there were none."
    )
    model = serializers.CharField(help_text="The gallery's; searches by another aren't counted.")
    calibration = serializers.UUIDField(
        allow_null=True,
        help_text="The one in force, of which drift and FPIR are. Null: none of the model.",
    )
    totals = TotalsSerializer()
    by_day = DaySerializer(many=True)
    scores = ScoresSerializer()
    drift = DriftSerializer(allow_null=True)
    fpir = FpirsSerializer(allow_null=True)
    outlook = OutlookSerializer(allow_null=True, help_text="What the policy means today.")
    models = ModelOutlookSerializer(many=True, help_text="The one that misses least first.")
    verdict = serializers.CharField(help_text="What to do about the model; empty: nothing.")
    alarm = serializers.BooleanField(help_text="Whether strangers score higher than foretold.")
    advice = serializers.CharField(help_text="What to do about it; empty without an alarm.")


class TelemetryView(ActorMixin):
    """What a gallery's searches come to."""

    @extend_schema(
        operation_id="galleries_telemetry_retrieve", tags=["galleries"],
        summary="Show what a gallery's searches came to, and whether its calibration still holds",
        parameters=[TelemetryQuerySerializer], responses=TelemetrySerializer,
    )  # fmt: skip
    def get(self, request: Request, id: UUID) -> Response:  # noqa: A002 - the address's name
        """For reviewers. Counted every five minutes."""
        gallery = gallery_for(self.actor, id, Role.REVIEWER)
        query = TelemetryQuerySerializer(data=request.query_params)
        query.is_valid(raise_exception=True)
        found = telemetry(self.actor, gallery, query.validated_data["days"])
        return Response(TelemetrySerializer(_rendered(found)).data)


def _rendered(found: Telemetry) -> dict[str, Any]:
    return {
        "days": found.days,
        "since": found.since,
        "counted_at": found.counted_at,
        "model": found.model,
        "calibration": found.calibration,
        "totals": _totals(found.totals),
        "by_day": [{"day": each.day, **_totals(each.totals)} for each in found.by_day],
        "scores": {"width": SCORE_WIDTH, "best": found.best, "second": found.second},
        "drift": found.drift
        and {**asdict(found.drift), "stranger_rates": found.stranger_rates},
        "fpir": found.match_fpir
        and found.review_fpir
        and {"match": asdict(found.match_fpir), "review": asdict(found.review_fpir)},
        "outlook": found.outlook and asdict(found.outlook),
        "models": [_model(each) for each in found.models],
        "verdict": found.verdict,
        "alarm": found.alarm,
        "advice": found.advice,
    }  # fmt: skip


def _totals(totals: Totals) -> dict[str, Any]:
    return {**asdict(totals), "shares": totals.shares}


def _model(each: ModelOutlook) -> dict[str, Any]:
    return {
        "model": each.model,
        "calibration": each.calibration.public_id,
        "current": each.current,
        "installed": each.installed,
        "better": each.better,
        "match": each.now.match,
        "match_fnir": each.now.match_fnir,
        "review_fnir": each.now.review_fnir,
        "ten_times_match_fnir": each.later.match_fnir,
    }
