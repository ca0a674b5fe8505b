"""The audit log over HTTP: who did what, for administrators."""

import json
from collections.abc import Iterator
from typing import Any, ClassVar

import django_filters
from django.db.models import QuerySet
from django.http import StreamingHttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.request import Request

from accounts.api import ReadViewSet
from audit.models import AuditEntry
from common.cells import csv_response

from .audit_log import names_of, visible_entries

EXPORTED = ("id", "at", "actor", "action", "target", "gallery", "details")


class AuditListSerializer(serializers.ListSerializer[Any]):
    """Entries of a page: who the actors are is looked up for all of them at once."""

    def to_representation(self, data: Any) -> list[Any]:
        """Their members."""
        entries = list(data)
        self.context["names"] = names_of(each.actor for each in entries)
        return super().to_representation(entries)


class AuditSerializer(serializers.ModelSerializer[AuditEntry]):
    """An act."""

    actor_name = serializers.SerializerMethodField(
        help_text="What the user or the key is called now; null of others."
    )
    details = serializers.DictField(help_text="Ids and figures.")

    class Meta:
        model = AuditEntry
        list_serializer_class = AuditListSerializer
        fields: ClassVar[list[str]] = [
            "id", "at", "actor", "actor_name", "action", "target", "gallery", "details",
        ]  # fmt: skip

    def get_actor_name(self, entry: AuditEntry) -> str | None:
        """If it is known."""
        known: dict[str, str] | None = self.context.get("names")
        names = names_of([entry.actor]) if known is None else known
        return names.get(entry.actor)


class AuditFilter(django_filters.FilterSet):
    """`?actor=&action=&target=&gallery=&since=&until=`."""

    action = django_filters.CharFilter(
        method="filter_action", help_text="`person.erase`, or `person.` for all of this kind."
    )
    gallery = django_filters.UUIDFilter()
    since = django_filters.IsoDateTimeFilter(field_name="at", lookup_expr="gte")
    until = django_filters.IsoDateTimeFilter(field_name="at", lookup_expr="lt")

    class Meta:
        model = AuditEntry
        fields: ClassVar[list[str]] = ["actor", "target"]

    def filter_action(
        self, queryset: QuerySet[AuditEntry], name: str, value: str
    ) -> QuerySet[AuditEntry]:
        """Acts of this name, or kind."""
        if value.endswith("."):
            return queryset.filter(action__startswith=value)
        return queryset.filter(action=value)


@extend_schema_view(
    list=extend_schema(summary="List what was done, the newest first"),
    retrieve=extend_schema(summary="Show an entry of the audit log"),
)
class AuditViewSet(ReadViewSet[AuditEntry]):
    """The audit log, which is only read."""

    queryset = AuditEntry.objects.none()
    serializer_class = AuditSerializer
    filterset_class = AuditFilter
    lookup_field = "pk"
    lookup_value_converter = "int"

    def get_queryset(self) -> QuerySet[AuditEntry]:
        """What the caller may see. Raises Forbidden if they administer nothing."""
        return visible_entries(self.actor)

    @extend_schema(
        summary="Export the audit log as CSV",
        responses={(200, "text/csv"): OpenApiTypes.STR},
        filters=True,
    )
    @action(detail=False, url_path="export", pagination_class=None)
    def export(self, request: Request) -> StreamingHttpResponse:
        """With the filters of the list."""
        found = self.filter_queryset(self.get_queryset().order_by("-id"))
        return csv_response("audit.csv", EXPORTED, _rows(found))


def _rows(entries: QuerySet[AuditEntry]) -> Iterator[list[Any]]:
    for each in entries.iterator(chunk_size=1_000):
        details = json.dumps(each.details, ensure_ascii=False) if each.details else None
        yield [
            each.pk, each.at.isoformat(), each.actor, each.action, each.target, each.gallery,
            details,
        ]  # fmt: skip
