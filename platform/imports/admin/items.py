"""The files of imports, and what became of each."""

from __future__ import annotations

from typing import Any, ClassVar

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from accounts.actors import actor_of
from common.admin import LongTableMixin, ReadOnlyAdmin, as_key, change_url, column, link
from imports.jobs import visible_jobs
from imports.models import ImportItem, ImportJob

from .words import item_label, source_words


class CodeFilter(admin.SimpleListFilter):
    """Why files were not taken: the codes of one job. Those of all would be read from all."""

    title = "code"
    parameter_name = "code"

    def lookups(self, request: HttpRequest, model_admin: object) -> list[tuple[str, str]]:
        """The codes there are."""
        job = _job(request)
        items = ImportItem.objects.filter(job=job).exclude(code="").order_by("code")
        codes = items.values_list("code", flat=True).distinct() if job else []
        return [(code, code) for code in codes]

    def queryset(
        self, request: HttpRequest, queryset: QuerySet[ImportItem]
    ) -> QuerySet[ImportItem]:
        """Files with this one."""
        return queryset.filter(code=self.value()) if self.value() else queryset


@admin.register(ImportItem)
class ImportItemAdmin(LongTableMixin, ReadOnlyAdmin):
    """Files of imports; a job's page leads to its own."""

    list_display = ("picture", "file", "external_id", "result", "why", "shown_person")
    list_display_links = ("picture", "file")
    list_filter = ("state", CodeFilter)
    list_select_related = ("person", "photo")
    list_before_template = "likeness/import_of_files.html"
    search_fields = ("name", "external_id")
    search_help_text = "Name of a file, external id"
    ordering = ("pk",)
    fields: ClassVar[tuple[str, ...]] = (
        "job", "file", "number", "line", "size", "result", "why", "external_id", "person_name",
        "metadata", "several_faces", "shown_person", "shown_photo", "hash", "attempts",
        "updated_at",
    )  # fmt: skip
    readonly_fields = ("file", "result", "why", "shown_person", "shown_photo", "hash")

    def get_queryset(self, request: HttpRequest) -> QuerySet[ImportItem]:
        """Those of jobs that the caller may see."""
        items: QuerySet[ImportItem] = super().get_queryset(request)
        return items.filter(job__in=visible_jobs(actor_of(request.user)))

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """The list, which says of which job it is."""
        job = _job(request)
        shown = {"job": job, "job_url": change_url(job), "source": source_words(job)} if job else {}
        page: HttpResponse = super().changelist_view(request, {**(extra_context or {}), **shown})
        return page

    @column(description="photo")
    def picture(self, item: ImportItem) -> SafeString | str:
        """In small, where it was stored."""
        if item.photo is None:
            return "-"
        url = reverse("admin:photos_photo_thumbnail", args=[item.photo.pk])
        return format_html('<img class="lk-thumb" loading="lazy" src="{}" alt="Photo">', url)

    @column(description="file", ordering="name")
    def file(self, item: ImportItem) -> SafeString:
        """Its name in the source: as strangers wrote it, and perhaps long."""
        return format_html('<bdi class="lk-break">{}</bdi>', item.name)

    @column(description="why", ordering="code")
    def why(self, item: ImportItem) -> SafeString:
        """The sentence, and the code for programs."""
        return format_html(
            '<span class="lk-why">{} <span class="lk-subtle lk-mono">{}</span></span>',
            item.text, item.code,
        )  # fmt: skip

    @column(description="SHA-256", empty_value="-")
    def hash(self, item: ImportItem) -> SafeString | None:
        """Of its bytes."""
        if not item.sha256:
            return None
        return format_html('<span class="lk-break lk-mono">{}</span>', item.sha256)

    @column(description="result", ordering="state")
    def result(self, item: ImportItem) -> SafeString:
        """In its colour."""
        return item_label(item.state)

    @column(description="person", empty_value="-")
    def shown_person(self, item: ImportItem) -> SafeString | None:
        """Whose it is."""
        return link(change_url(item.person), item.person) if item.person else None

    @column(description="photo", empty_value="-")
    def shown_photo(self, item: ImportItem) -> SafeString | None:
        """The way to it."""
        return link(change_url(item.photo), item.photo.public_id) if item.photo else None


def _job(request: HttpRequest) -> ImportJob | None:
    """The job whose files are listed, if it is one's."""
    asked = as_key(request.GET.get("job", ""))
    if asked is None:
        return None
    return visible_jobs(actor_of(request.user)).filter(pk=asked).first()
