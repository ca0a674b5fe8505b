"""Galleries: their settings, their members, what is in them."""

from typing import Any, ClassVar

from django import forms
from django.contrib import admin
from django.db.models import Count, Field, OuterRef, QuerySet, Subquery
from django.db.models.functions import Coalesce
from django.http import HttpRequest, HttpResponseBase
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.widgets import UnfoldAdminSelectWidget

from accounts.actors import actor_of
from common.admin import (
    ModelAdmin,
    NoDeleteMixin,
    Question,
    adopt,
    asked_first,
    button,
    change_url,
    column,
    link,
    list_url,
)
from people.catalogue import catalogue, default_model
from people.models import Gallery, Membership, Person
from people.services import create_gallery, delete_gallery, update_gallery

from .members import MembershipInline, grant, revoke

QUALITY_LIMITS = (
    "min_quality", "min_focus", "max_yaw", "min_brightness", "max_brightness", "min_contrast",
)  # fmt: skip
INDEX_VARIANTS = {"ready": "success", "building": "warning", "not made yet": ""}


def counted_people() -> Coalesce:
    """How many people are in a gallery, for a query of galleries."""
    counts = (
        Person.objects.filter(gallery=OuterRef("pk"))
        .order_by()
        .values("gallery")
        .annotate(number=Count("pk"))
    )
    return Coalesce(Subquery(counts.values("number")), 0)


@admin.register(Gallery)
class GalleryAdmin(NoDeleteMixin, ModelAdmin):
    """Galleries and their settings."""

    list_display = ("name", "slug", "people_link", "photos_link", "index", "min_face", "several")
    search_fields = ("name", "slug")
    ordering = ("name",)
    inlines: ClassVar[list[Any]] = [MembershipInline]
    actions_detail = ("delete_empty",)
    prepopulated_fields: ClassVar[dict[str, tuple[str, ...]]] = {"slug": ("name",)}

    def get_queryset(self, request: HttpRequest) -> QuerySet[Gallery]:
        """With the number of people and the state of the index."""
        galleries: QuerySet[Gallery] = super().get_queryset(request)
        return galleries.select_related("active_index__generation").annotate(
            people_count=counted_people()
        )

    def get_fieldsets(self, request: HttpRequest, obj: Gallery | None = None) -> Any:
        """What is in it comes before its settings."""
        settings = ("name", "slug", "description", "model", "min_face", "several_faces")
        quality = ("Quality of faces to enrol", {"fields": QUALITY_LIMITS})
        if obj is None:
            return [(None, {"fields": settings}), quality]
        return [
            ("In this gallery", {"fields": ("people_link", "photos_link", "index", "thresholds")}),
            ("Settings", {"fields": settings}),
            quality,
        ]

    def get_readonly_fields(self, request: HttpRequest, obj: object = None) -> tuple[str, ...]:
        """The slug may stand in addresses, and the templates are the model's."""
        shown = ("slug", "model", "people_link", "photos_link", "index", "thresholds")
        return shown if obj else ()

    def get_prepopulated_fields(self, request: HttpRequest, obj: object = None) -> Any:
        """The slug follows the name while a gallery is made."""
        return {} if obj else self.prepopulated_fields

    def formfield_for_dbfield(
        self, db_field: "Field[Any, Any]", request: HttpRequest, **kwargs: Any
    ) -> Any:
        """A choice among the models that are installed."""
        if db_field.name != "model":
            return super().formfield_for_dbfield(db_field, request, **kwargs)
        names = catalogue().models()
        return forms.ChoiceField(
            choices=[(name, name) for name in names],
            initial=default_model(),
            widget=UnfoldAdminSelectWidget,
            help_text=db_field.help_text,
        )

    @column(description="people", ordering="people_count")
    def people_link(self, gallery: Gallery) -> SafeString:
        """How many, as a way to them."""
        number = getattr(gallery, "people_count", 0)
        text = "1 person" if number == 1 else f"{number:,} people"
        return link(list_url(Person, gallery__id__exact=gallery.pk), text)

    @column(description="photos")
    def photos_link(self, gallery: Gallery) -> SafeString:
        """The way to them; counting all of them takes long in a large gallery."""
        photos = gallery.photos.model
        return format_html(
            "{} · {}",
            link(list_url(photos, gallery__id__exact=gallery.pk), "photos"),
            link(
                list_url(photos, gallery__id__exact=gallery.pk, state__exact="rejected"), "rejected"
            ),
        )

    @column(description="index", label=INDEX_VARIANTS)
    def index(self, gallery: Gallery) -> str:
        """Whether searches are answered."""
        active = getattr(gallery, "active_index", None)
        return str(active.generation.state) if active else "not made yet"

    @column(description="decisions")
    def thresholds(self, gallery: Gallery) -> SafeString:
        """The way to what it asks of a match; that page belongs to a room above this one."""
        url = reverse("admin:thresholds_policy_change", args=[gallery.pk])
        return link(url, "Thresholds and policy")

    @column(description="several faces", ordering="several_faces")
    def several(self, gallery: Gallery) -> str:
        """The policy, in a word."""
        return gallery.several_faces

    def save_model(self, request: HttpRequest, obj: Gallery, form: Any, change: object) -> None:
        """Make it, or change the settings that the form changed."""
        actor = actor_of(request.user)
        if not change:
            adopt(obj, create_gallery(actor, **form.cleaned_data))
            return
        changes = {name: form.cleaned_data[name] for name in form.changed_data}
        if changes:
            update_gallery(actor, obj, **changes)

    def save_formset(self, request: HttpRequest, form: Any, formset: Any, change: object) -> None:
        """Give and take the roles."""
        members: list[Membership] = formset.save(commit=False)
        for member in formset.deleted_objects:
            revoke(request, member)
        for member in members:
            grant(request, member, form.instance)

    @button(description="Delete", icon="delete", url_path="delete-empty")
    def delete_empty(self, request: HttpRequest, object_id: str) -> HttpResponseBase:
        """Delete a gallery that nobody is in."""
        gallery = self.get_object(request, object_id)
        if gallery is None:
            missing: HttpResponseBase = self._get_obj_does_not_exist_redirect(
                request, self.opts, object_id
            )
            return missing
        question = Question(
            title=f"Delete the gallery {gallery.name}?",
            sentence="This works only while nobody is in it. Its members lose their roles, and its "
            "API keys stop working.",
            button="Yes, delete it",
        )
        return asked_first(
            request,
            self,
            question,
            lambda: delete_gallery(actor_of(request.user), gallery),
            back=change_url(gallery),
            done=f"The gallery {gallery.name} is deleted.",
            then=list_url(Gallery),
        )
