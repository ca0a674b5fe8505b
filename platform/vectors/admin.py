from django.contrib import admin
from unfold.admin import ModelAdmin

from .models import IndexGeneration, VectorOutbox


@admin.register(IndexGeneration)
class IndexGenerationAdmin(ModelAdmin):  # type: ignore[misc]
    """The collections in Milvus, to read."""

    list_display = ("collection", "model", "server", "index_type", "state", "created_at")

    def has_add_permission(self, request: object) -> bool:
        """They are made by the platform."""
        return False

    def has_change_permission(self, request: object, obj: object = None) -> bool:
        """And changed by it."""
        return False


@admin.register(VectorOutbox)
class VectorOutboxAdmin(ModelAdmin):  # type: ignore[misc]
    """What is still to be written to Milvus, to read."""

    list_display = ("template_id", "generation", "dirty_since", "claimed_until")

    def has_add_permission(self, request: object) -> bool:
        """Rows come with changes."""
        return False

    def has_change_permission(self, request: object, obj: object = None) -> bool:
        """And go when they are written."""
        return False

    def has_delete_permission(self, request: object, obj: object = None) -> bool:
        """A row removed by hand is a change that Milvus never hears of."""
        return False
