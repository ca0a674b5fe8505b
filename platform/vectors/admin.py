from django.contrib import admin

from common.admin import ReadOnlyAdmin

from .models import IndexGeneration, VectorOutbox


@admin.register(IndexGeneration)
class IndexGenerationAdmin(ReadOnlyAdmin):
    """The collections in Milvus."""

    list_display = ("collection", "model", "server", "index_type", "state", "created_at")


@admin.register(VectorOutbox)
class VectorOutboxAdmin(ReadOnlyAdmin):
    """What is still to be written to Milvus."""

    list_display = ("template_id", "generation", "dirty_since", "claimed_until")
