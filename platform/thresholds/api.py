"""Policies and calibrations over HTTP."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any, ClassVar
from uuid import UUID

from django.db.models import Q, QuerySet
from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.api import ActorMixin, ReadViewSet
from common.api import problem
from common.errors import NotFound
from people.access import gallery_for, visible_galleries
from people.models import Gallery, Role

from . import services
from .models import REASON_LENGTH, Calibration, Policy
from .selectors import Outlook, calibration_of, outlooks, plot_of, policy_of, tier_outlooks

TARGETS = (
    "match_fpir", "review_fpir", "verify_fmr", "margin", "min_probe_quality", "requires_reason",
    "doubtful", "person_confirms", "keep_probe_days", "duplicates", "misfits", "requires_document",
    "reviewers",
)  # fmt: skip
SCORES = ("match_score", "review_score")


class CalibrationSerializer(serializers.ModelSerializer[Calibration]):
    """Error rates of a model, as measured; the curves themselves are left out."""

    id = serializers.UUIDField(source="public_id", read_only=True)
    gallery = serializers.UUIDField(
        source="gallery.public_id",
        read_only=True,
        allow_null=True,
        default=None,
        help_text="Made from this gallery's people, and for it alone.",
    )

    class Meta:
        model = Calibration
        fields: ClassVar[list[str]] = [
            "id", "model", "version", "gallery", "source", "people", "photos", "comparisons",
            "created_at",
        ]  # fmt: skip


class OutlookSerializer(serializers.Serializer[Any]):
    """What a policy means in a gallery of some size."""

    searched = serializers.IntegerField()
    tier = serializers.IntegerField()
    match = serializers.FloatField(help_text="The score. Above 1: nobody can match.")
    review = serializers.FloatField()
    match_fpir = serializers.FloatField(help_text="Strangers' searches that end in a match.")
    review_fpir = serializers.FloatField(help_text="Those that at least a person looks at.")
    match_fnir = serializers.FloatField(help_text="Enrolled people's searches without a match.")
    review_fnir = serializers.FloatField(help_text="Those that not even a person looks at.")


class PolicySerializer(serializers.ModelSerializer[Policy]):
    """What a gallery asks of a match."""

    calibration = serializers.UUIDField(
        source="calibration.public_id",
        allow_null=True,
        default=None,
        help_text="Null: the newest of its own people, or of its model.",
    )

    class Meta:
        model = Policy
        fields: ClassVar[list[str]] = [*TARGETS, "calibration", *SCORES, "override_reason"]


class PolicyChangeSerializer(PolicySerializer):
    """What is to change."""

    calibration = serializers.UUIDField(required=False, allow_null=True)
    reason = serializers.CharField(
        required=False, allow_blank=True, max_length=REASON_LENGTH,
        help_text="For the audit log; scores set by hand need one.",
    )  # fmt: skip

    class Meta(PolicySerializer.Meta):
        fields: ClassVar[list[str]] = [*TARGETS, "calibration", *SCORES, "reason"]


class ThresholdsSerializer(serializers.Serializer[Any]):
    """A gallery's policy, what it follows, and what it means now and at ten times the size."""

    policy = PolicySerializer()
    calibration = CalibrationSerializer(
        allow_null=True, help_text="Null: none of its model, so lookups get no decisions."
    )
    outlook = OutlookSerializer(many=True)
    tiers = OutlookSerializer(
        many=True,
        help_text="At the upper end of each tier.",
    )


class PreviewSerializer(serializers.Serializer[Any]):
    """What a change would mean, before it is made."""

    before = OutlookSerializer(many=True)
    after = OutlookSerializer(many=True)
    tiers = OutlookSerializer(many=True, help_text="At the upper end of each tier, after it.")


class TradeSerializer(serializers.Serializer[Any]):
    """What a threshold would mean for searches."""

    score = serializers.FloatField()
    fpir = serializers.FloatField()
    fnir = serializers.FloatField()


class TradesSerializer(serializers.Serializer[Any]):
    """All thresholds in a gallery of some size, from the lowest on."""

    searched = serializers.IntegerField()
    points = TradeSerializer(many=True)


class PlotSerializer(serializers.Serializer[Any]):
    """A gallery's calibration for its mix of photos, to draw. Empty without a calibration."""

    calibration = serializers.UUIDField(allow_null=True)
    width = serializers.FloatField(help_text="Of a bin.")
    scores = serializers.ListField(
        child=serializers.FloatField(), help_text="Where each bin begins."
    )
    strangers = serializers.ListField(
        child=serializers.FloatField(),
        help_text="The share of comparisons of two people in each bin.",
    )
    genuine = serializers.ListField(
        child=serializers.FloatField(),
        help_text="The share of comparisons of people with themselves in each bin.",
    )
    fmr = serializers.ListField(
        child=serializers.FloatField(), help_text="FMR of a threshold where each bin begins."
    )
    fnmr = serializers.ListField(
        child=serializers.FloatField(), help_text="FNMR of a threshold where each bin begins."
    )
    trades = TradesSerializer(many=True, help_text="At today's size, and at ten times.")


PROBLEMS = {422: problem("`bad_policy`")}


class ThresholdsView(ActorMixin):
    """What a gallery asks of a match."""

    @extend_schema(
        operation_id="galleries_thresholds_retrieve", tags=["galleries"],
        summary="Show a gallery's policy and thresholds", responses=ThresholdsSerializer,
    )  # fmt: skip
    def get(self, request: Request, id: UUID) -> Response:  # noqa: A002 - the address's name
        """With the expected error rates."""
        return self._answer(gallery_for(self.actor, id, Role.VIEWER))

    @extend_schema(
        operation_id="galleries_thresholds_partial_update", tags=["galleries"],
        summary="Change a gallery's policy", request=PolicyChangeSerializer,
        responses={200: ThresholdsSerializer, **PROBLEMS},
    )  # fmt: skip
    def patch(self, request: Request, id: UUID) -> Response:  # noqa: A002 - the address's name
        """Thresholds follow with the next lookup."""
        gallery = gallery_for(self.actor, id, Role.ADMIN)
        changes = _changes(gallery, request)
        services.update_policy(self.actor, gallery, **changes)
        return self._answer(gallery)

    def _answer(self, gallery: Gallery) -> Response:
        policy = policy_of(gallery)
        found = {
            "policy": policy,
            "calibration": calibration_of(gallery, policy),
            "outlook": _rendered(outlooks(gallery, policy)),
            "tiers": _rendered(tier_outlooks(gallery, policy)),
        }
        return Response(ThresholdsSerializer(found).data)


class PreviewView(ActorMixin):
    """What a change of policy would mean."""

    @extend_schema(
        operation_id="galleries_thresholds_preview", tags=["galleries"],
        summary="Preview a change of a gallery's policy", request=PolicyChangeSerializer,
        responses={200: PreviewSerializer, **PROBLEMS},
    )  # fmt: skip
    def post(self, request: Request, id: UUID) -> Response:  # noqa: A002 - the address's name
        """Nothing is changed."""
        gallery = gallery_for(self.actor, id, Role.ADMIN)
        changed = services.changed_policy(gallery, **_changes(gallery, request))
        return Response(
            {
                "before": _rendered(outlooks(gallery, policy_of(gallery))),
                "after": _rendered(outlooks(gallery, changed)),
                "tiers": _rendered(tier_outlooks(gallery, changed)),
            }
        )


class CurvesView(ActorMixin):
    """What a gallery's thresholds follow from."""

    @extend_schema(
        operation_id="galleries_thresholds_curves", tags=["galleries"],
        summary="Show the error rates that a gallery's thresholds follow from, as curves",
        responses=PlotSerializer,
    )  # fmt: skip
    def get(self, request: Request, id: UUID) -> Response:  # noqa: A002 - the address's name
        """By score, for the gallery's mix of photos."""
        found = plot_of(gallery_for(self.actor, id, Role.VIEWER))
        if found is None:
            empty = ("scores", "strangers", "genuine", "fmr", "fnmr", "trades")
            return Response({"calibration": None, "width": 0.0, **{name: [] for name in empty}})
        calibration, drawn = found
        return Response({"calibration": calibration.public_id, **asdict(drawn)})


def _changes(gallery: Gallery, request: Request) -> dict[str, Any]:
    serializer = PolicyChangeSerializer(policy_of(gallery), data=request.data, partial=True)
    serializer.is_valid(raise_exception=True)
    changes = dict(serializer.validated_data)
    if changes.get("calibration") is not None:
        changes["calibration"] = _calibration(gallery, changes["calibration"])
    return changes


def _calibration(gallery: Gallery, public_id: UUID) -> Calibration:
    usable = Calibration.objects.filter(Q(gallery=gallery) | Q(gallery=None))
    found = usable.filter(public_id=public_id).first()
    if found is None:
        raise NotFound("calibration")
    return found


def _rendered(found: list[Outlook]) -> list[dict[str, Any]]:
    return [asdict(each) for each in found]


@extend_schema_view(
    list=extend_schema(summary="List the calibrations of models"),
    retrieve=extend_schema(summary="Show a calibration"),
)
class CalibrationViewSet(ReadViewSet[Calibration]):
    """Calibrations: error rates of models, measured by `manage.py calibrate`."""

    queryset = Calibration.objects.none()
    serializer_class = CalibrationSerializer

    def get_queryset(self) -> QuerySet[Calibration]:
        """Those of models, and those of the caller's galleries."""
        own = Q(gallery__in=visible_galleries(self.actor))
        return Calibration.objects.filter(own | Q(gallery=None)).defer("curves")
