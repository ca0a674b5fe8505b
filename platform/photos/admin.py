from django.contrib import admin

from common.admin import ReadOnlyAdmin

from .models import Photo


@admin.register(Photo)
class PhotoAdmin(ReadOnlyAdmin):
    """Photos and what became of them."""

    list_display = ("public_id", "person", "gallery", "state", "code", "attempts", "created_at")
    list_filter = ("state", "code", "gallery")
    search_fields = ("public_id", "person__name", "person__external_id")
