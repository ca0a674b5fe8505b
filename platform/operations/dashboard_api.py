"""The portal's first page over HTTP."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.api import ActorMixin
from identification.telemetry import DECISIONS
from identification.telemetry_api import CountsSerializer
from people.models import Role

from . import dashboard
from .dashboard import LookupDay
from .parts import State


class IndexFiguresSerializer(serializers.Serializer[Any]):
    """The index that the gallery is searched in, which others may share."""

    state = serializers.CharField(help_text="`ready`, `building`, or `none` before the first face.")
    pending = serializers.IntegerField(help_text="Changes that it doesn't have yet.")
    lag_seconds = serializers.FloatField(help_text="Age of the oldest of them.")
    recall = serializers.FloatField(allow_null=True, help_text="Recall@1, as last measured.")
    measured_at = serializers.DateTimeField(allow_null=True)
    reconciled_at = serializers.DateTimeField(
        allow_null=True, help_text="When it was last compared with the database."
    )
    wrong = serializers.IntegerField(allow_null=True, help_text="Entries that were wrong then.")


class LookupDaySerializer(serializers.Serializer[Any]):
    """A day's lookups (UTC), as counted so far."""

    day = serializers.DateField()
    searches = serializers.IntegerField()
    faces = serializers.IntegerField()
    decisions = serializers.SerializerMethodField()

    @extend_schema_field(CountsSerializer)
    def get_decisions(self, day: LookupDay) -> dict[str, int]:
        """For each."""
        return {name: day.decisions[name] for name in DECISIONS}


class GalleryFiguresSerializer(serializers.Serializer[Any]):
    """A gallery; null is what one's role there doesn't show."""

    id = serializers.UUIDField(source="gallery.public_id")
    name = serializers.CharField(source="gallery.name")
    role = serializers.ChoiceField(choices=Role.choices)
    model = serializers.CharField(source="gallery.model")
    people = serializers.IntegerField()
    templates = serializers.IntegerField(help_text="How many active people a search compares with.")
    index = IndexFiguresSerializer()
    open_reviews = serializers.IntegerField(allow_null=True, help_text="For reviewers.")
    running_imports = serializers.IntegerField(allow_null=True, help_text="For operators.")
    lookups = LookupDaySerializer(
        many=True,
        allow_null=True,
        help_text="Of 14 days, the oldest first; for reviewers.",
    )


class PartSerializer(serializers.Serializer[Any]):
    """A part of the installation."""

    name = serializers.CharField()
    state = serializers.ChoiceField(choices=[(each.value, each.value) for each in State])
    detail = serializers.CharField()
    remedy = serializers.CharField(allow_blank=True)


class PhotosUnderWaySerializer(serializers.Serializer[Any]):
    """Photos that are not done."""

    received = serializers.IntegerField()
    processing = serializers.IntegerField()


class WorkerSerializer(serializers.Serializer[Any]):
    """A worker's last sign of life."""

    name = serializers.CharField()
    queues = serializers.ListField(child=serializers.CharField(), source="queue_names")
    fresh = serializers.BooleanField(source="is_fresh", help_text="Whether it lives, as it seems.")
    seen_at = serializers.DateTimeField()
    task = serializers.CharField(allow_blank=True, help_text="What it does; empty: it waits.")
    task_since = serializers.DateTimeField(allow_null=True)
    memory_bytes = serializers.IntegerField(source="rss_bytes")


class DiskSerializer(serializers.Serializer[Any]):
    """A disk."""

    holds = serializers.ChoiceField(choices=["data", "photos"])
    free_bytes = serializers.IntegerField()
    total_bytes = serializers.IntegerField()


class InstallationSerializer(serializers.Serializer[Any]):
    """The installation; null is what could not be read in time, of which `parts` say why."""

    parts = PartSerializer(many=True)
    queues = serializers.DictField(
        child=serializers.IntegerField(), allow_null=True, help_text="Messages that wait, by queue."
    )
    photos = PhotosUnderWaySerializer(allow_null=True)
    workers = WorkerSerializer(many=True, allow_null=True)
    disks = DiskSerializer(many=True, allow_null=True)


class DashboardSerializer(serializers.Serializer[Any]):
    """What the caller may see."""

    galleries = GalleryFiguresSerializer(many=True, help_text="By name.")
    installation = InstallationSerializer(allow_null=True, help_text="For site administrators.")


class DashboardView(ActorMixin):
    """Figures for a first page."""

    @extend_schema(
        operation_id="dashboard", tags=["dashboard"], summary="Show how everything is",
        responses=DashboardSerializer,
    )  # fmt: skip
    def get(self, request: Request) -> Response:
        """Galleries, and for site administrators the installation."""
        found = {
            "galleries": dashboard.gallery_figures(self.actor),
            "installation": (dashboard.board.installation() if self.actor.is_site_admin else None),
        }
        return Response(DashboardSerializer(found).data, headers={"Cache-Control": "no-store"})
