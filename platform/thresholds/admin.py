"""Calibrations, to look at; policies, to change, with what a change would mean."""

from __future__ import annotations

from typing import Any, ClassVar

from django import forms
from django.contrib import admin
from django.db import models
from django.db.models import Q
from django.http import HttpRequest, HttpResponse, HttpResponseNotFound
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from unfold.widgets import UnfoldAdminTextInputWidget

from accounts.actors import actor_of
from common.admin import ModelAdmin, NoDeleteMixin, ReadOnlyAdmin, adopt
from people.models import Gallery

from .models import REASON_LENGTH, Calibration, Policy
from .selectors import Outlook, outlooks, policy_of
from .services import BadPolicy, changed_policy, update_policy

DECISIONS = (
    "match_fpir", "review_fpir", "verify_fmr", "margin", "min_probe_quality", "person_confirms",
)  # fmt: skip
LOOKUPS = ("doubtful", "keep_probe_days", "requires_reason")
ENROLMENT = ("duplicates", "misfits", "requires_document")
SIZES = ("today", "at ten times the size")
# What is rarer is told as that.
LEAST_RATE = 1e-5
SCORES = ("calibration", "match_score", "review_score", "override_reason")


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


class PolicyForm(forms.ModelForm):  # type: ignore[type-arg]
    """What a gallery asks, and why it is changed."""

    reason = forms.CharField(
        label="Why",
        required=False,
        max_length=REASON_LENGTH,
        widget=UnfoldAdminTextInputWidget,
        help_text="For the audit log. Scores set by hand need a reason.",
    )

    class Meta:
        model = Policy
        fields = (*DECISIONS, *LOOKUPS, *ENROLMENT, "reviewers", *SCORES[:-1])
        labels: ClassVar[dict[str, str]] = {
            "match_fpir": "Strangers that match (FPIR)",
            "review_fpir": "Strangers that come to a review (FPIR)",
            "verify_fmr": "False matches of 1:1 (FMR)",
            "min_probe_quality": "Least quality of a probe",
            "requires_reason": "Lookups must say why",
            "doubtful": "Doubtful lookups",
            "person_confirms": "A person confirms every match",
            "keep_probe_days": "Days that probes are kept",
            "duplicates": "Likely duplicates",
            "misfits": "Photos that don't fit",
            "requires_document": "Enrolments need a document",
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        gallery = self.instance.gallery
        usable = Calibration.objects.filter(Q(gallery=gallery) | Q(gallery=None))
        choice: Any = self.fields["calibration"]
        choice.queryset = usable.filter(model=gallery.model).defer("curves")

    @property
    def changes(self) -> dict[str, Any]:
        """What is to be another than it was."""
        return {name: self.cleaned_data[name] for name in self.changed_data}

    def clean(self) -> dict[str, Any] | None:
        """The figures agree with each other."""
        given = super().clean()
        if not self.errors:
            try:
                changed_policy(self.instance.gallery, **self.changes)
            except BadPolicy as problem:
                raise forms.ValidationError(problem.detail) from problem
        return given

    def _get_validation_exclusions(self) -> set[str]:
        """Of what was refused nothing more is checked: constraints would say it less clearly."""
        if self.errors:
            return {each.name for each in Policy._meta.fields}
        excluded: set[str] = super()._get_validation_exclusions()  # type: ignore[misc]
        return excluded


@admin.register(Policy)
class PolicyAdmin(NoDeleteMixin, ModelAdmin):
    """What galleries ask of a match. Each has a page; those that were changed are in the list."""

    form = PolicyForm
    list_display = ("gallery", "match_fpir", "review_fpir", "verify_fmr", "margin", "updated_at")
    list_select_related = ("gallery",)
    list_before_template = "likeness/policies_intro.html"
    ordering = ("gallery__name",)
    readonly_fields: ClassVar[tuple[str, ...]] = ("gallery", "override_reason")
    change_form_template = "admin/thresholds/policy/change_form.html"
    fieldsets = (
        ("Decisions", {"fields": ("gallery", *DECISIONS)}),
        ("Lookups", {"fields": LOOKUPS}),
        ("Enrolment", {"fields": ENROLMENT}),
        ("Reviews", {"fields": ("reviewers",)}),
        ("Calibration, and scores set by hand", {"fields": SCORES}),
        ("The change", {"fields": ("reason",)}),
    )

    def has_add_permission(self, request: HttpRequest) -> bool:
        """No: every gallery has one, as soon as somebody changes it."""
        return False

    def get_object(
        self, request: HttpRequest, object_id: str, from_field: str | None = None
    ) -> Policy | None:
        """A gallery's policy, also one that nobody has changed yet."""
        if not object_id.isdecimal():
            return None
        gallery = Gallery.objects.filter(pk=int(object_id)).first()
        return policy_of(gallery) if gallery else None

    def get_urls(self) -> list[URLPattern]:
        """The part of the page that follows the form."""
        preview = self.admin_site.admin_view(self.preview_view)
        own = path("<int:pk>/preview/", preview, name="thresholds_policy_preview")
        return [own, *super().get_urls()]

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> Any:
        """The form; over it what the policy means today and at ten times the size."""
        policy = self.get_object(request, object_id) if object_id else None
        shown = {"policy": policy, **_preview(policy, None)} if policy else {}
        return super().changeform_view(
            request, object_id, form_url, {**(extra_context or {}), **shown}
        )

    def preview_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """What the form would mean if it were saved. Nothing is changed."""
        policy = self.get_object(request, str(pk))
        if policy is None:
            return HttpResponseNotFound("The gallery is gone.")
        before = _preview(policy, None)
        form = self.get_form(request, policy, change=True)(request.POST, instance=policy)
        if not form.is_valid():
            errors = [text for texts in form.errors.values() for text in texts]
            return TemplateResponse(request, "likeness/outlooks.html", {**before, "errors": errors})
        shown = _preview(policy_of(policy.gallery), form.instance)
        return TemplateResponse(request, "likeness/outlooks.html", shown)

    def save_model(self, request: HttpRequest, obj: Policy, form: Any, change: object) -> None:
        """Change what the form changed; thresholds follow with the next search."""
        if set(form.changes) - {"reason"}:
            adopt(obj, update_policy(actor_of(request.user), obj.gallery, **form.changes))

    def formfield_for_dbfield(
        self, db_field: models.Field[Any, Any], request: HttpRequest, **kwargs: Any
    ) -> Any:
        """A calibration is chosen among those there are; here nobody makes one."""
        field = super().formfield_for_dbfield(db_field, request, **kwargs)
        if db_field.name == "calibration" and field:
            field.widget.can_add_related = field.widget.can_change_related = False
            field.empty_label = "The newest of its own people, or of its model"
        return field


def _preview(policy: Policy, changed: Policy | None) -> dict[str, Any]:
    """A row for each size now, and as it would be."""
    before = outlooks(policy.gallery, policy)
    after = outlooks(policy.gallery, changed) if changed else []
    rows = [_row(size, each) for size, each in zip(SIZES, before, strict=False)]
    if changed and _figures(before) != _figures(after):
        rows += [_row(size, each, is_new=True) for size, each in zip(SIZES, after, strict=False)]
    return {"outlooks": rows, "is_changed": len(rows) > len(before)}


def _figures(found: list[Outlook]) -> list[tuple[float, float]]:
    return [(each.match, each.review) for each in found]


def _row(size: str, outlook: Outlook, *, is_new: bool = False) -> dict[str, Any]:
    rates = (outlook.match_fpir, outlook.review_fpir, outlook.match_fnir, outlook.review_fnir)
    return {
        "size": size,
        "is_new": is_new,
        "searched": f"{outlook.searched:,}",
        "scores": [_score(outlook.match), _score(outlook.review)],
        "rates": [_rate(rate) for rate in rates],
    }


def _rate(rate: float) -> str:
    """In per cent: as whole ones where it is many, else to two figures."""
    if rate < LEAST_RATE:
        return f"under {100 * LEAST_RATE:g} %"
    return f"{100 * rate:.0f} %" if rate >= 0.1 else f"{100 * rate:.2g} %"  # noqa: PLR2004


def _score(score: float) -> str:
    return f"{score:.4f}" if score <= 1 else "above 1: nobody"
