from django.contrib import admin

from common.admin import LongTableMixin, ReadOnlyAdmin
from enrolment.models import Erasure


@admin.register(Erasure)
class ErasureAdmin(LongTableMixin, ReadOnlyAdmin):
    """The ledger of erasures."""

    list_display = ("at", "person", "gallery", "actor", "photos", "templates")
    ordering = ("-id",)
