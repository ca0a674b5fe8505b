"""What the admin pages of all apps share."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, TypeVar, cast
from uuid import UUID

from django.contrib import messages
from django.contrib.admin import ShowFacets, helpers
from django.contrib.admin.options import IncorrectLookupParameters
from django.db import DataError, models, transaction
from django.http import HttpRequest, HttpResponse, HttpResponseBase, HttpResponseRedirect
from django.template.loader import render_to_string
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.admin import ModelAdmin as UnfoldModelAdmin
from unfold.decorators import action, display
from unfold.paginator import InfinitePaginator
from unfold.views import ChangeList as UnfoldChangeList

from .errors import Problem

# Each word of a search is a condition of the query, and SQLite takes a thousand of those at most.
MAX_SEARCH = 200
PER_PAGE = 50
MAX_REASON = 500
# Of the largest number that is surely a key: any of 18 digits is below 2**63.
KEY_DIGITS = 18

F = TypeVar("F", bound=Callable[..., Any])


class ChangeList(UnfoldChangeList):
    """A list whose address may have been written by hand."""

    def get_results(self, request: HttpRequest) -> None:
        """Ask for the rows here, where an address that makes no sense is still answered as such.

        Django looks at the values of filters before it asks, but lets numbers pass that no column
        holds, and years that no calendar has.
        """
        try:
            with transaction.atomic():
                super().get_results(request)
                len(self.result_list)
        except (DataError, OverflowError, ValueError) as error:
            raise IncorrectLookupParameters(error) from error


class ModelAdmin(UnfoldModelAdmin):
    """Rows that are changed by services only.

    The pages keep no log of their own: Django's would hold names for good, also of those who were
    erased. The audit log has the acts.
    """

    list_per_page = PER_PAGE
    list_disable_select_all = True
    actions_selection_counter = True

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        """The list's class."""
        return ChangeList

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> Any:
        """The form; what a service refuses is said on it, and nothing is changed."""
        try:
            return super().changeform_view(request, object_id, form_url, extra_context)
        except Problem as problem:
            messages.error(request, problem.detail)
            return HttpResponseRedirect(request.path)

    def history_view(
        self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """What the audit log says of this row."""
        row = self.get_object(request, object_id)
        wanted = getattr(row, "public_id", None) or getattr(row, "prefix", "")
        return HttpResponseRedirect(f"{reverse('admin:audit_auditentry_changelist')}?q={wanted}")

    def get_search_results(
        self, request: HttpRequest, queryset: models.QuerySet[Any], search_term: str
    ) -> tuple[models.QuerySet[Any], bool]:
        """Rows in which every word occurs; an id finds its row, however it is written."""
        if (public_id := as_uuid(search_term)) and hasattr(self.model, "public_id"):
            return queryset.filter(public_id=public_id), False
        found: tuple[models.QuerySet[Any], bool] = super().get_search_results(
            request, queryset, search_term[:MAX_SEARCH]
        )
        return found

    def formfield_for_dbfield(
        self, db_field: "models.Field[Any, Any]", request: HttpRequest, **kwargs: Any
    ) -> Any:
        """Long texts begin small; their corner makes them larger."""
        field = super().formfield_for_dbfield(db_field, request, **kwargs)
        if isinstance(db_field, models.TextField | models.JSONField) and field:
            field.widget.attrs["rows"] = 3
        return field

    def log_addition(self, *args: Any) -> None:
        """Nothing: see the class."""

    def log_change(self, *args: Any) -> None:
        """Nothing: see the class."""

    def log_deletion(self, *args: Any) -> None:
        """Nothing: see the class."""

    def log_deletions(self, *args: Any) -> None:
        """Nothing: see the class."""


class LongTableMixin:
    """Tables that may hold millions: pages follow each other without anybody counting them."""

    paginator = InfinitePaginator
    show_full_result_count = False
    show_facets = ShowFacets.NEVER


class NoDeleteMixin:
    """Rows that Django's own deletion must not touch: services remove what hangs on them."""

    def has_delete_permission(self, request: HttpRequest, obj: object = None) -> bool:
        """No."""
        return False


class ReadOnlyAdmin(NoDeleteMixin, ModelAdmin):
    """Rows that the platform writes and nobody changes by hand."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        """No."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: object = None) -> bool:
        """No."""
        return False


# --- Doing things -----------------------------------------------------------------------------


@contextmanager
def problems_told(request: HttpRequest, about: str = "") -> Iterator[None]:
    """What a service refuses becomes a message on the next page. `about` names the thing."""
    try:
        yield
    except Problem as problem:
        messages.error(request, f"{about}: {problem.detail}" if about else problem.detail)


def for_each(
    request: HttpRequest, rows: Iterable[Any], act: Callable[[Any], object], done: str
) -> None:
    """Do something to each row; says how often it worked (`done` takes a number) and what not."""
    count = 0
    for row in rows:
        with problems_told(request, str(row)):
            act(row)
            count += 1
    if count:
        messages.success(request, done.format(count))


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked before something that can't be undone, or has effects elsewhere."""

    title: str
    sentence: str
    button: str
    items: Sequence[str] = ()
    dangerous: bool = True
    asks_reason: bool = False

    def about(self, name: str) -> "Question":
        """The same about somebody: `{}` in the title and the items is their name."""
        return replace(
            self,
            title=self.title.format(name),
            items=[item.format(name) for item in self.items],
        )


def is_confirmed(request: HttpRequest) -> bool:
    """Whether the request comes from the page that asks."""
    return request.method == "POST" and "confirmed" in request.POST


def reason_given(request: HttpRequest) -> str:
    """Why, as the page that asks was told; a browser lets nobody write more than fits."""
    return request.POST.get("reason", "").replace("\0", "").strip()[:MAX_REASON]


def ask(
    request: HttpRequest, model_admin: UnfoldModelAdmin, question: Question, back: str
) -> TemplateResponse:
    """The page that asks. Its answer comes to the same address, with the same rows chosen."""
    carried = ("action", helpers.ACTION_CHECKBOX_NAME)
    fields = [(name, value) for name in carried for value in request.POST.getlist(name)]
    context = {
        **model_admin.admin_site.each_context(request),
        "opts": model_admin.opts,
        "title": question.title,
        "question": question,
        "fields": fields,
        "back": back,
        "most_reason": MAX_REASON,
    }
    return TemplateResponse(request, "likeness/confirm.html", context)


def asked_first(
    request: HttpRequest,
    model_admin: UnfoldModelAdmin,
    question: Question,
    act: Callable[[], object],
    *,
    back: str,
    done: str = "",
    then: str | None = None,
) -> HttpResponseBase:
    """Ask; once confirmed act, and go to `then`, or `back` when the act was refused."""
    if not is_confirmed(request):
        return ask(request, model_admin, question, back)
    try:
        act()
    except Problem as problem:
        messages.error(request, problem.detail)
        return HttpResponseRedirect(back)
    if done:
        messages.success(request, done)
    return HttpResponseRedirect(then or back)


def button(*, description: str, icon: str, url_path: str) -> Callable[[F], F]:
    """Unfold's `action` with types: a button on a row's page, which leads to `url_path` there."""
    return cast("Callable[[F], F]", action(description=description, icon=icon, url_path=url_path))


# --- Showing things ---------------------------------------------------------------------------


def column(
    *,
    description: str,
    ordering: str | None = None,
    label: dict[str, str] | None = None,
    empty_value: str | None = None,
) -> Callable[[F], F]:
    """Unfold's `display` with types. `label` gives each value its colour."""
    made = display(description=description, ordering=ordering, label=label, empty_value=empty_value)
    return cast("Callable[[F], F]", made)


def as_uuid(text: str) -> UUID | None:
    """The id that a text is, if it is one."""
    try:
        return UUID(text.strip())
    except ValueError:
        return None


def as_key(text: str) -> int | None:
    """The key that a text of an address is, if any row could have it."""
    return int(text) if text.isdecimal() and len(text) <= KEY_DIGITS else None


def label(text: str, variant: str = "", title: str = "") -> SafeString:
    """A coloured label; `variant` is info, success, warning, danger or nothing."""
    context = {"text": text, "variant": variant, "label_title": title}
    return render_to_string("unfold/helpers/label.html", context)


def link(url: str, text: object) -> SafeString:
    """A link that looks like one."""
    return format_html('<a class="lk-link" href="{}">{}</a>', url, text)


def change_url(row: models.Model) -> str:
    """The address of a row's own page."""
    meta = row._meta
    return reverse(f"admin:{meta.app_label}_{meta.model_name}_change", args=[row.pk])


def list_url(model: type[models.Model], **filters: object) -> str:
    """The address of a list, filtered."""
    url = reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")
    query = "&".join(f"{name}={value}" for name, value in filters.items())
    return f"{url}?{query}" if query else url


def adopt(instance: models.Model, saved: models.Model) -> None:
    """Let the form's instance, with which Django goes on, be the row that a service made."""
    instance.__dict__.update(saved.__dict__)
