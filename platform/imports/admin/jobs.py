"""Import jobs: the list, a page with progress and buttons, and a new one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

from django.contrib import admin, messages
from django.core.exceptions import SuspiciousOperation
from django.db.models import QuerySet
from django.http import (
    HttpRequest,
    HttpResponse,
    HttpResponseBase,
    HttpResponseNotFound,
    HttpResponseRedirect,
)
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils.decorators import method_decorator
from django.utils.safestring import SafeString
from django.views.decorators.csrf import csrf_exempt, csrf_protect

from accounts.actors import Actor, actor_of
from audit.admin import usernames
from common.admin import (
    Question,
    ReadOnlyAdmin,
    asked_first,
    change_url,
    column,
    list_url,
    problems_told,
)
from common.errors import NotFound, Problem
from common.problems import as_problem
from imports.jobs import STEPS, change, make_job, progress_of, retry_failed, visible_jobs
from imports.models import ImportJob, JobState
from imports.uploads import receive
from people.models import Gallery

from .forms import ArchiveUploadHandler, ImportForm
from .job_page import job_page, plan_page
from .words import job_label, layout_words, rate_words, source_words

_UNDO = Question(
    title="Undo this import?",
    sentence="The photos that it added go, and the people whom it made and who have nothing else. "
    "What was there before, or came since, stays. This can't be taken back.",
    button="Yes, undo it",
)


@admin.register(ImportJob)
class ImportJobAdmin(ReadOnlyAdmin):
    """Imports, and how far each is."""

    list_display = (
        "source_words", "gallery", "shown_state", "done", "enrolled", "not_taken", "rate",
        "made_by", "created_at",
    )  # fmt: skip
    list_display_links = ("source_words",)
    list_filter = ("state", "gallery")
    list_select_related = ("gallery",)
    # Each row's files are counted.
    list_per_page = 20
    search_fields = ("gallery__name", "gallery__slug")
    search_help_text = "A gallery's name; the id of an import"
    ordering = ("-id",)
    change_form_template = "admin/imports/importjob/change_form.html"
    fields: ClassVar[tuple[str, ...]] = (
        "gallery", "source_words", "layout_words", "several_faces", "priority", "made_by",
        "created_at", "started_at", "finished_at", "public_id",
    )  # fmt: skip
    readonly_fields = ("source_words", "layout_words", "made_by")

    def get_queryset(self, request: HttpRequest) -> QuerySet[ImportJob]:
        """Those that the caller may see."""
        return visible_jobs(actor_of(request.user))

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Here jobs are made, too."""
        return True

    def get_changelist_instance(self, request: HttpRequest) -> Any:
        """The page, with the figures and the users' names of its rows."""
        page = super().get_changelist_instance(request)
        found = progress_of(page.result_list)
        names = usernames(job.actor for job in page.result_list)
        for job in page.result_list:
            job.progress, job.maker = found[job.pk], names.get(job.actor, job.actor)
        return page

    # --- Columns ---

    @column(description="source")
    def source_words(self, job: ImportJob) -> str:
        """Where its photos come from."""
        return source_words(job)

    @column(description="people")
    def layout_words(self, job: ImportJob) -> str:
        """How files become people."""
        return layout_words(job)

    @column(description="state", ordering="state")
    def shown_state(self, job: ImportJob) -> SafeString:
        """In its colour."""
        return job_label(job)

    @column(description="done")
    def done(self, job: ImportJob) -> str:
        """How many of how many files."""
        found = getattr(job, "progress", None)
        if found is None or not found.files:
            planned = (job.plan or {}).get("files")
            return f"{planned:,} planned" if planned else "-"
        return f"{found.files - found.waiting - found.working:,} of {found.files:,}"

    @column(description="enrolled")
    def enrolled(self, job: ImportJob) -> str:
        """Files that are part of a template now."""
        found = getattr(job, "progress", None)
        return f"{found.enrolled:,}" if found else "-"

    @column(description="not taken")
    def not_taken(self, job: ImportJob) -> str:
        """Rejected and failed."""
        found = getattr(job, "progress", None)
        return f"{found.rejected + found.failed:,}" if found else "-"

    @column(description="rate", empty_value="-")
    def rate(self, job: ImportJob) -> str | None:
        """Files a second, while it runs and once it is done."""
        found = getattr(job, "progress", None)
        is_told = job.state in (JobState.RUNNING, JobState.DONE)
        return (rate_words(found.rate) or None) if found and is_told else None

    @column(description="made by", ordering="actor")
    def made_by(self, job: ImportJob) -> str:
        """By name."""
        known: str | None = getattr(job, "maker", None)
        return known or usernames([job.actor]).get(job.actor, job.actor)

    # --- Pages ---

    def get_urls(self) -> list[URLPattern]:
        """The part that refreshes itself, and what can be done."""
        wrap = self.admin_site.admin_view
        own = [
            path("<int:pk>/state/", wrap(self.state_view), name="imports_importjob_state"),
            path("<int:pk>/plan/", wrap(self.plan_view), name="imports_importjob_plan"),
            path("<int:pk>/step/", wrap(self.step_view), name="imports_importjob_step"),
            path("<int:pk>/undo/", wrap(self.undo_view), name="imports_importjob_undo"),
        ]
        return [*own, *super().get_urls()]

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> Any:
        """How far it is, what its plan says, and the buttons."""
        job = self.get_object(request, object_id) if object_id else None
        shown = {**job_page(job), **plan_page(job)} if job else {}
        return super().changeform_view(
            request, object_id, form_url, {**(extra_context or {}), **shown}
        )

    def state_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """How far it is: refreshes itself while it is on its way."""
        return self._part(request, pk, "likeness/import.html", job_page)

    def plan_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Its plan: refreshes itself until there is one."""
        return self._part(request, pk, "likeness/import_plan.html", plan_page)

    def _part(
        self,
        request: HttpRequest,
        pk: int,
        template: str,
        shown: Callable[[ImportJob], dict[str, Any]],
    ) -> HttpResponse:
        job = self.get_queryset(request).filter(pk=pk).first()
        if job is None:
            return HttpResponseNotFound(NotFound("import").detail)
        return TemplateResponse(request, template, shown(job))

    # --- Acts ---

    def step_view(self, request: HttpRequest, pk: int) -> HttpResponseBase:
        """Start, pause, go on, cancel, or try the failed ones again."""
        job = self.get_queryset(request).filter(pk=pk).first()
        if job is None:
            messages.error(request, NotFound("import").detail)
            return HttpResponseRedirect(list_url(ImportJob))
        step = request.POST.get("step", "")
        actor = actor_of(request.user)
        with problems_told(request):
            if step == "retry":
                count = retry_failed(actor, job)
                messages.success(request, f"{count:,} files are tried once more.")
            elif step in STEPS and step != "undo":
                change(actor, job, step)
        return HttpResponseRedirect(change_url(job))

    def undo_view(self, request: HttpRequest, pk: int) -> HttpResponseBase:
        """Ask, then remove what it added."""
        job = self.get_queryset(request).filter(pk=pk).first()
        if job is None:
            messages.error(request, NotFound("import").detail)
            return HttpResponseRedirect(list_url(ImportJob))
        return asked_first(
            request,
            self,
            _UNDO,
            lambda: change(actor_of(request.user), job, "undo"),
            back=change_url(job),
            done="What the import added is being removed.",
        )

    # --- A new one ---

    # Exempt, since the upload handler must be in place before anything reads the form, and the
    # check of the token reads it; `csrf_protect` makes that check afterwards.
    @method_decorator(csrf_exempt)
    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: object = None
    ) -> HttpResponseBase:
        """The form; what it makes is planned, and starts when somebody says so."""
        request.upload_handlers = [ArchiveUploadHandler(request)]
        try:
            return csrf_protect(self._form_view)(request)
        except SuspiciousOperation as error:
            if (problem := as_problem(error)) is None:
                raise
            messages.error(request, problem.detail)
            return HttpResponseRedirect(request.path)

    def _form_view(self, request: HttpRequest) -> HttpResponseBase:
        form = ImportForm(request.POST, request.FILES) if request.method == "POST" else None
        if form is not None and form.is_valid():
            try:
                return HttpResponseRedirect(change_url(_made(actor_of(request.user), form)))
            except Problem as problem:
                form.add_error(None, problem.detail)
        return self._form_page(request, form or ImportForm(initial=_initial()))

    def _form_page(self, request: HttpRequest, form: ImportForm) -> TemplateResponse:
        context = {
            **self.admin_site.each_context(request), "opts": self.opts, "title": "New import",
            "form": form,
        }  # fmt: skip
        return TemplateResponse(request, "likeness/import_form.html", context)


def _initial() -> dict[str, Any]:
    """Where there is only one gallery nobody needs to choose it."""
    only = list(Gallery.objects.values_list("pk", flat=True)[:2])
    return {"gallery": only[0]} if len(only) == 1 else {}


def _made(actor: Actor, form: ImportForm) -> ImportJob:
    data = form.cleaned_data
    job = make_job(
        actor, data["gallery"], form.source, form.layout_asked, several_faces=data["several_faces"]
    )
    if job.state != JobState.UPLOADING:
        return job
    return receive(actor, job, data.get("archive"), data.get("manifest"))
