"""Calibrations and policies, to look at. They are changed by command and API."""

from typing import ClassVar

from django.contrib import admin

from common.admin import ReadOnlyAdmin, column

from .models import Calibration, Policy
from .selectors import Outlook, outlooks


@admin.register(Calibration)
class CalibrationAdmin(ReadOnlyAdmin):
    """What thresholds follow from."""

    list_display = ("model", "version", "gallery", "source", "people", "photos", "created_at")
    list_select_related = ("gallery",)
    search_fields = ("model", "source")
    ordering = ("model", "-version")
    fields: ClassVar[tuple[str, ...]] = (
        "public_id", "model", "version", "gallery", "source", "made_by", "people", "photos",
        "comparisons", "created_at",
    )  # fmt: skip


@admin.register(Policy)
class PolicyAdmin(ReadOnlyAdmin):
    """What galleries ask of a match."""

    list_display = ("gallery", "match_fpir", "review_fpir", "verify_fmr", "margin", "updated_at")
    list_select_related = ("gallery",)
    ordering = ("gallery__name",)
    fields: ClassVar[tuple[str, ...]] = (
        "gallery", "match_fpir", "review_fpir", "verify_fmr", "margin", "min_probe_quality",
        "requires_reason", "doubtful", "person_confirms", "keep_probe_days", "duplicates",
        "misfits", "requires_document", "reviewers", "calibration", "match_score", "review_score",
        "override_reason", "now", "ten_times",
    )  # fmt: skip
    readonly_fields: ClassVar[tuple[str, ...]] = ("now", "ten_times")

    @column(description="today")
    def now(self, policy: Policy) -> str:
        """What it means at the gallery's size."""
        return _said(outlooks(policy.gallery, policy)[:1])

    @column(description="at ten times the size")
    def ten_times(self, policy: Policy) -> str:
        """The same later."""
        return _said(outlooks(policy.gallery, policy)[1:])


def _said(found: list[Outlook]) -> str:
    if not found:
        return "No calibration of its model: no decisions."
    each = found[0]
    return (
        f"{each.searched:,} templates: a match from {each.match:.4f} (misses "
        f"{each.match_fnir:.1%}), a person decides from {each.review:.4f} (misses "
        f"{each.review_fnir:.1%})"
    )
