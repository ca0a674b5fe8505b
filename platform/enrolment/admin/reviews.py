"""Reviews: the queue, a page to compare and decide on, and undoing what was decided."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, ClassVar

from django.contrib import admin, messages
from django.contrib.admin.views.main import ChangeList
from django.db.models import Exists, OuterRef, QuerySet
from django.http import (
    HttpRequest,
    HttpResponse,
    HttpResponseBase,
    HttpResponseNotFound,
    HttpResponseRedirect,
    QueryDict,
)
from django.urls import URLPattern, path
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.timesince import timesince

from accounts.actors import Actor, actor_of
from audit.admin import usernames
from common.admin import (
    LongTableMixin,
    ReadOnlyAdmin,
    change_url,
    column,
    label,
    list_url,
    problems_told,
    reason_given,
)
from common.errors import NotFound
from enrolment.adjudication import decide, undo
from identification.probes import probe_of
from people.models import Role
from people.selectors import person_for
from photos.api import jpeg_response
from reviews.models import Kind, Opinion, Review, State, Verdict
from reviews.selectors import visible_reviews
from reviews.services import assign

from .cards import no_face
from .forms import DecisionForm
from .review_page import (
    VERDICT_VARIANTS,
    WORDS,
    review_page,
    small_pictures,
    threshold_words,
    verdict_words,
)

# Where the admin keeps, on a row's page, which list one came from.
LIST_FILTERS = "_changelist_filters"


class StateFilter(admin.SimpleListFilter):
    """What waits, unless something else is asked for. A search looks at all."""

    title = "state"
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: object) -> list[tuple[str, str]]:
        """What else there is."""
        return [("decided", "decided"), ("withdrawn", "withdrawn"), ("all", "all")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Review]) -> QuerySet[Review]:
        """Those reviews."""
        wanted = self.value() or ("all" if request.GET.get("q") else State.OPEN)
        return queryset if wanted == "all" else queryset.filter(state=wanted)

    def choices(self, changelist: ChangeList) -> Iterator[Any]:
        """Without a choice it is those that are open."""
        shown = list(super().choices(changelist))
        yield {**shown[0], "display": "open"}
        yield from shown[1:]


class KindFilter(admin.SimpleListFilter):
    """What is asked, in a word."""

    title = "kind"
    parameter_name = "kind"

    def lookups(self, request: HttpRequest, model_admin: object) -> list[tuple[str, str]]:
        """The kinds."""
        return [(kind.value, WORDS[kind].name) for kind in Kind]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Review]) -> QuerySet[Review]:
        """Those of one kind."""
        return queryset.filter(kind=self.value()) if self.value() else queryset


class AssignedFilter(admin.SimpleListFilter):
    """Whose they are."""

    title = "assigned to"
    parameter_name = "assigned"

    def lookups(self, request: HttpRequest, model_admin: object) -> list[tuple[str, str]]:
        """The caller, or nobody."""
        return [("me", "me"), ("nobody", "nobody")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Review]) -> QuerySet[Review]:
        """Theirs."""
        whose = {"me": str(actor_of(request.user)), "nobody": ""}.get(self.value() or "")
        return queryset if whose is None else queryset.filter(assigned_to=whose)


@admin.register(Review)
class ReviewAdmin(LongTableMixin, ReadOnlyAdmin):
    """What waits for a person's decision, and what was decided."""

    list_display = (
        "picture", "kind_word", "subject", "gallery", "best_score", "shown_state", "agreement",
        "assigned", "age",
    )  # fmt: skip
    list_display_links = ("picture", "kind_word")
    list_filter = (StateFilter, KindFilter, "gallery", AssignedFilter)
    search_fields = ("person__name", "person__external_id")
    search_help_text = "A person's name or external id; the id of a review"
    change_form_template = "admin/reviews/review/change_form.html"
    fields: ClassVar[tuple[str, ...]] = (
        "gallery", "created_at", "searched_among", "shown_thresholds", "model", "public_id",
    )  # fmt: skip
    readonly_fields = ("searched_among", "shown_thresholds")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Review]:
        """Those that the caller may decide."""
        return visible_reviews(actor_of(request.user))

    def get_ordering(self, request: HttpRequest) -> tuple[str, ...]:
        """What waits longest comes first, and what was decided last."""
        is_open = request.GET.get("state", State.OPEN) == State.OPEN
        return ("pk",) if is_open else ("-pk",)

    def get_changelist_instance(self, request: HttpRequest) -> Any:
        """The page, with pictures, and the users' names on its rows."""
        page = super().get_changelist_instance(request)
        pictures = small_pictures(page.result_list)
        names = usernames(review.assigned_to for review in page.result_list)
        for review in page.result_list:
            review.picture = pictures.get(review.pk)
            review.assignee = names.get(review.assigned_to, review.assigned_to)
        return page

    # --- Columns ---

    @column(description="face")
    def picture(self, review: Review) -> SafeString:
        """Of what it is about, in small."""
        url = getattr(review, "picture", None)
        if url is None:
            return no_face()
        return format_html('<img class="lk-face" loading="lazy" src="{}" alt="Its face">', url)

    @column(description="kind", ordering="kind")
    def kind_word(self, review: Review) -> str:
        """In a word."""
        return WORDS[Kind(review.kind)].name

    @column(description="about", empty_value="-")
    def subject(self, review: Review) -> str | None:
        """Whom, by name; of what is withdrawn nobody."""
        if review.kind == Kind.SEARCH:
            return "a face looked up"
        return str(review.person) if review.person and review.state != State.WITHDRAWN else None

    @column(description="best score", empty_value="-")
    def best_score(self, review: Review) -> str | None:
        """Of the candidate most like it."""
        candidates = review.candidates.all()
        return f"{candidates[0].score:.4f}" if candidates else None

    @column(description="state", ordering="state")
    def shown_state(self, review: Review) -> SafeString:
        """What was decided, or that nothing is yet."""
        if review.state == State.DECIDED:
            verdict = Verdict(review.verdict)
            return label(verdict_words(verdict), VERDICT_VARIANTS[verdict], "Decided")
        return label(review.state, "warning" if review.state == State.OPEN else "")

    @column(description="opinions")
    def agreement(self, review: Review) -> str:
        """How many were given, and how many have to agree."""
        return f"{getattr(review, 'given', 0)} of {review.reviewers}"

    @column(description="assigned to", ordering="assigned_to", empty_value="-")
    def assigned(self, review: Review) -> str | None:
        """Whose it is, by name."""
        return getattr(review, "assignee", "") or None

    @column(description="age", ordering="created_at")
    def age(self, review: Review) -> str:
        """Since it was raised."""
        return timesince(review.created_at, depth=1)

    @column(description="searched")
    def searched_among(self, review: Review) -> str:
        """N, when it was raised."""
        if review.kind == Kind.MISFIT:
            return "one comparison, with the person's own template"
        return f"{review.searched:,} templates" if review.searched != 1 else "1 template"

    @column(description="thresholds")
    def shown_thresholds(self, review: Review) -> str:
        """Those that it was raised with."""
        return threshold_words(review)

    # --- Pages ---

    def get_urls(self) -> list[URLPattern]:
        """The face that was looked up, and what reviewers do."""
        wrap = self.admin_site.admin_view
        own = [
            path("<int:pk>/probe.jpg", wrap(self.probe_view, cacheable=True),
                 name="reviews_review_probe"),
            path("<int:pk>/decide/", wrap(self.decide_view), name="reviews_review_decide"),
            path("<int:pk>/assign/", wrap(self.assign_view), name="reviews_review_assign"),
            path("<int:pk>/undo/", wrap(self.undo_view), name="reviews_review_undo"),
        ]  # fmt: skip
        return [*own, *super().get_urls()]

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> Any:
        """The subject beside the candidates, and the buttons."""
        review = self.get_object(request, object_id) if object_id else None
        shown = review_page(actor_of(request.user), review) if review else {}
        context = {**(extra_context or {}), **shown, "query": request.GET.urlencode()}
        return super().changeform_view(request, object_id, form_url, context)

    def probe_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """The face that was looked up, as long as it is kept and there is something to decide."""
        review = self.get_queryset(request).exclude(state=State.WITHDRAWN).filter(pk=pk).first()
        jpeg = probe_of(review) if review else None
        return HttpResponseNotFound("It is gone.") if jpeg is None else jpeg_response(jpeg)

    # --- Acts ---

    def decide_view(self, request: HttpRequest, pk: int) -> HttpResponseBase:
        """Take an opinion, and go on to the next review."""
        return self._act(request, pk, _decide)

    def assign_view(self, request: HttpRequest, pk: int) -> HttpResponseBase:
        """Take it, or give it back."""
        return self._act(request, pk, _assign)

    def undo_view(self, request: HttpRequest, pk: int) -> HttpResponseBase:
        """Take a decision back."""
        return self._act(request, pk, _undo)

    def _act(
        self, request: HttpRequest, pk: int, act: Callable[[HttpRequest, Actor, Review], str]
    ) -> HttpResponseBase:
        """Do it, and go where it says; what is refused is told on the review's page."""
        review = self.get_queryset(request).filter(pk=pk).first()
        if review is None:
            messages.error(request, NotFound("review").detail)
            return HttpResponseRedirect(list_url(Review))
        then = _here(request, review)
        if request.method == "POST":
            with problems_told(request):
                then = act(request, actor_of(request.user), review)
        return HttpResponseRedirect(then)


def _here(request: HttpRequest, review: Review) -> str:
    """Its page, which remembers the list that it was opened from."""
    query = request.GET.urlencode()
    return f"{change_url(review)}?{query}" if query else change_url(review)


def _decide(request: HttpRequest, actor: Actor, review: Review) -> str:
    form = DecisionForm(request.POST)
    if not form.is_valid():
        for problems in form.errors.values():
            messages.error(request, " ".join(map(str, problems)))
        return _here(request, review)
    same, note = form.cleaned_data["same"], form.cleaned_data["note"]
    verdict = Verdict.SAME if same else Verdict(form.cleaned_data["verdict"])
    chosen = person_for(actor, same, Role.REVIEWER) if same else None
    decided = decide(actor, review, verdict, chosen=chosen, words=note)
    messages.success(request, _outcome(decided))
    return _onwards(request, actor, review)


def _outcome(review: Review) -> str:
    if review.state == State.DECIDED:
        return f"Decided: {verdict_words(review.verdict)}."
    return "Noted. Another reviewer is to say what they think."


def _assign(request: HttpRequest, actor: Actor, review: Review) -> str:
    assign(actor, review, actor if "to_me" in request.POST else None)
    return _here(request, review)


def _undo(request: HttpRequest, actor: Actor, review: Review) -> str:
    undo(actor, review, reason=reason_given(request))
    messages.success(request, "Undone. The review is open again.")
    return _here(request, review)


# --- The next one ---------------------------------------------------------------------------------


def _onwards(request: HttpRequest, actor: Actor, review: Review) -> str:
    """The next review that waits in the list one came from; at its end, the list."""
    came_from = request.GET.get(LIST_FILTERS, "")
    waiting = _waiting(actor, QueryDict(came_from)).exclude(pk=review.pk).order_by("pk")
    following = waiting.filter(pk__gt=review.pk).first() or waiting.first()
    if following is not None:
        return _here(request, following)
    messages.info(request, "No other review waits for you here.")
    return f"{list_url(Review)}?{came_from}" if came_from else list_url(Review)


def _waiting(actor: Actor, filters: QueryDict) -> QuerySet[Review]:
    """What the actor can decide, by the filters of the list."""
    said = Opinion.objects.filter(review=OuterRef("pk"), round=OuterRef("round"), actor=str(actor))
    mine = {"me": [str(actor)], "nobody": [""]}.get(filters.get("assigned", ""))
    waiting = visible_reviews(actor).filter(
        ~Exists(said), state=State.OPEN, assigned_to__in=mine or ["", str(actor)]
    )
    if (kind := filters.get("kind")) in Kind.values:
        waiting = waiting.filter(kind=kind)
    if (gallery := filters.get("gallery__id__exact", "")).isdecimal():
        waiting = waiting.filter(gallery=int(gallery))
    return waiting
