from django.contrib import admin

from common.admin import ReadOnlyAdmin

from .models import AuditEntry


@admin.register(AuditEntry)
class AuditEntryAdmin(ReadOnlyAdmin):
    """The log, to read."""

    list_display = ("at", "actor", "action", "target", "gallery")
    list_filter = ("action",)
    search_fields = ("actor", "target")
