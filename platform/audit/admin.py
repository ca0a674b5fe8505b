from django.contrib import admin
from django.http import HttpRequest
from unfold.admin import ModelAdmin

from .models import AuditEntry


@admin.register(AuditEntry)
class AuditEntryAdmin(ModelAdmin):  # type: ignore[misc]
    """The log, to read."""

    list_display = ("at", "actor", "action", "target", "gallery")
    list_filter = ("action",)
    search_fields = ("actor", "target")

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Nobody writes history by hand."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: object = None) -> bool:
        """Nobody changes it."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: object = None) -> bool:
        """Nobody removes it."""
        return False
