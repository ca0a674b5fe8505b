from django.contrib import admin

from common.admin import ReadOnlyAdmin

from .models import Erasure


@admin.register(Erasure)
class ErasureAdmin(ReadOnlyAdmin):
    """The ledger of erasures."""

    list_display = ("at", "person", "gallery", "actor", "photos", "templates")
