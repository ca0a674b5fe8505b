"""The search log and what is counted of it, to look at."""

from typing import ClassVar

from django.contrib import admin

from common.admin import LongTableMixin, ReadOnlyAdmin, column

from .models import Search
from .telemetry_admin import GalleryTelemetryAdmin

__all__ = ["GalleryTelemetryAdmin", "SearchAdmin"]


@admin.register(Search)
class SearchAdmin(LongTableMixin, ReadOnlyAdmin):
    """Who looked for whom."""

    list_display = ("created_at", "actor", "reason", "searched", "decisions")
    search_fields = ("reason", "actor", "probe")
    list_filter = ("galleries",)
    ordering = ("-id",)
    fields: ClassVar[tuple[str, ...]] = (
        "public_id", "created_at", "actor", "reason", "probe", "galleries", "among", "model",
        "searched", "thresholds", "faces",
    )  # fmt: skip

    @column(description="decisions")
    def decisions(self, search: Search) -> str:
        """Of each face."""
        return ", ".join(str(face["decision"]) for face in search.faces) or "no face"
