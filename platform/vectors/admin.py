"""The index: its generations, which one answers for which gallery, and what is still to write."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any, ClassVar

from django.contrib import admin
from django.db.models import Count, Exists, Min, OuterRef, QuerySet, Subquery
from django.db.models.functions import Coalesce, Least
from django.http import HttpRequest, HttpResponseBase, HttpResponseRedirect
from django.utils import timezone
from django.utils.safestring import SafeString
from django.utils.timesince import timesince
from unfold.admin import TabularInline

from accounts.actors import Actor, actor_of
from common.admin import (
    LongTableMixin,
    NoDeleteMixin,
    Question,
    ReadOnlyAdmin,
    asked_first,
    button,
    change_url,
    column,
    label,
    link,
    list_url,
)
from common.errors import Conflict
from people.models import Gallery

from .generations import drop, short_name, start_rebuild, switch
from .models import (
    ActiveIndex,
    GenerationState,
    IndexGeneration,
    IndexSpan,
    Placement,
    VectorOutbox,
)
from .progress import progress_of
from .recall import TARGET

VARIANTS = {"ready": "success", "building": "warning", "retired": ""}
STANDINGS = {
    "searched": "success",
    "kept": "info",
    "waits": "warning",
    "being built": "warning",
    "stuck": "danger",
    "to be dropped": "",
}
QUESTIONS = {
    "rebuild": Question(
        title="Rebuild this index?",
        sentence="A new one is filled from the database, and takes over once it is complete. "
        "Lookups go on in this one until then, and it is kept, to go back to.",
        button="Yes, rebuild",
        dangerous=False,
    ),
    "search": Question(
        title="Search in this index from now on?",
        sentence="All its galleries are then searched in it. The one they are searched in now is "
        "kept, to go back to.",
        button="Yes, search in it",
    ),
    "drop": Question(
        title="Drop this index?",
        sentence="What is not searched in it goes, and cannot be gone back to. The database keeps "
        "every template.",
        button="Yes, drop it",
    ),
}


def rebuild(actor: Actor, generation: IndexGeneration) -> None:
    """A new index for the galleries that are searched in this one.

    Raises:
        Conflict: none is (`generation_not_in_use`), or as `start_rebuild`.
    """
    galleries = list(Gallery.objects.filter(active_index__generation=generation))
    if not galleries:
        raise Conflict(
            "No gallery is searched in this index. Rebuild the one that is.",
            code="generation_not_in_use",
        )
    start_rebuild(actor, galleries)


def _question(what: str, generation: IndexGeneration) -> Question:
    """With what a switch would change, and why the index has not taken over by itself."""
    asked = QUESTIONS[what]
    if what != "search":
        return asked
    moved = generation.galleries.exclude(active_index__generation=generation).order_by("name")
    items = [
        each.name if each.model == generation.model else f"{each.name}: its model was {each.model}"
        for each in moved
    ]
    sentence = f"{asked.sentence} They are searched with {generation.model}. {generation.problem}"
    return replace(asked, sentence=sentence.strip(), items=items)


def standing(generation: IndexGeneration) -> str:
    """What a generation is there for, in a word: one of STANDINGS."""
    if generation.state == GenerationState.RETIRED:
        return "to be dropped"
    if generation.problem:
        return "stuck"
    if generation.state == GenerationState.BUILDING:
        return "being built"
    if getattr(generation, "is_searched", False):
        return "searched"
    return "waits" if generation.takes_over else "kept"


def _of_each(notes: type[VectorOutbox | IndexSpan], figure: Count | Min) -> Subquery:
    """A figure over the outbox, or the spans, of each generation of a query."""
    rows = notes.objects.filter(generation=OuterRef("pk")).order_by().values("generation")
    return Subquery(rows.annotate(figure=figure).values("figure"))


class PlacementInline(NoDeleteMixin, TabularInline):
    """The galleries in an index, and how well their people are found."""

    model = Placement
    verbose_name_plural = "galleries"
    fields = ("gallery_link", "searched", "found", "width", "probes", "probes_of", "measured_at")
    readonly_fields = fields
    extra = 0
    show_change_link = False
    hide_title = True
    per_page = 50

    def get_queryset(self, request: HttpRequest) -> QuerySet[Placement]:
        """With where each gallery is searched."""
        placements: QuerySet[Placement] = super().get_queryset(request)
        return placements.select_related("gallery__active_index").order_by("gallery__name")

    def has_add_permission(self, request: HttpRequest, obj: object = None) -> bool:
        """No."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: object = None) -> bool:
        """No."""
        return False

    @column(description="gallery")
    def gallery_link(self, placement: Placement) -> SafeString:
        """The way to it."""
        return link(change_url(placement.gallery), placement.gallery.name)

    @column(description="lookups")
    def searched(self, placement: Placement) -> SafeString:
        """Whether they come here."""
        active = getattr(placement.gallery, "active_index", None)
        here = active is not None and active.generation_id == placement.generation_id
        return label("searched here", "success") if here else label("kept", "info")

    @column(description="recall@1")
    def found(self, placement: Placement) -> SafeString | None:
        """The share of best matches that it finds, as measured."""
        if placement.recall is None:
            return None
        enough = placement.recall >= TARGET
        return label(f"{placement.recall:.2%}", "success" if enough else "danger")


@admin.register(IndexGeneration)
class IndexGenerationAdmin(ReadOnlyAdmin):
    """The collections in Milvus."""

    list_display = (
        "short", "shown_standing", "progress", "pending", "held", "recall", "kind", "model",
    )  # fmt: skip
    ordering = ("-id",)
    fieldsets = (
        ("Now", {"fields": ("shown_standing", "progress", "problem", "pending")}),
        (
            "What it is",
            {"fields": ("name", "model", "kind", "index_params", "server", "created_at",
                        "filled_at", "ready_at")},
        ),
    )  # fmt: skip
    inlines: ClassVar[list[Any]] = [PlacementInline]
    actions_detail = ("rebuild", "search_here", "drop")

    def get_queryset(self, request: HttpRequest) -> QuerySet[IndexGeneration]:
        """With how far each is behind, and what is searched in it."""
        generations: QuerySet[IndexGeneration] = super().get_queryset(request)
        rows, spans = (_of_each(notes, Min("dirty_since")) for notes in (VectorOutbox, IndexSpan))
        now = timezone.now()
        return generations.annotate(
            pending_rows=Coalesce(_of_each(VectorOutbox, Count("pk")), 0),
            pending_spans=Coalesce(_of_each(IndexSpan, Count("pk")), 0),
            oldest_note=Least(Coalesce(rows, now), Coalesce(spans, now)),
            is_searched=Exists(ActiveIndex.objects.filter(generation=OuterRef("pk"))),
            gallery_count=Count("placement"),
            least_recall=Min("placement__recall"),
        )

    @column(description="index", ordering="id")
    def short(self, generation: IndexGeneration) -> str:
        """As commands name it."""
        return short_name(generation)

    @column(description="state", ordering="state")
    def shown_standing(self, generation: IndexGeneration) -> SafeString:
        """What it is there for, as a label."""
        name = standing(generation)
        return label(name, STANDINGS[name])

    @column(description="progress")
    def progress(self, generation: IndexGeneration) -> str:
        """How far it is on its way."""
        return str(progress_of(generation))

    @column(description="pending", ordering="pending_rows", empty_value="-")
    def pending(self, generation: IndexGeneration) -> str | None:
        """Entries still to be written, and since when the oldest waits."""
        rows, spans = (getattr(generation, f"pending_{each}", 0) for each in ("rows", "spans"))
        if not (rows or spans):
            return None
        counts = {"change": rows, "range": spans}
        what = [f"{count:,} {name}{'s' * (count != 1)}" for name, count in counts.items() if count]
        return f"{' and '.join(what)}, for {timesince(generation.oldest_note)}"  # type: ignore[attr-defined]

    @column(description="galleries", ordering="gallery_count")
    def held(self, generation: IndexGeneration) -> int:
        """How many are in it."""
        return int(getattr(generation, "gallery_count", 0))

    @column(description="least recall@1", ordering="least_recall", empty_value="-")
    def recall(self, generation: IndexGeneration) -> str | None:
        """Of the gallery with the least, as measured."""
        least = getattr(generation, "least_recall", None)
        return None if least is None else f"{least:.2%}"

    @column(description="type", ordering="index_type")
    def kind(self, generation: IndexGeneration) -> str:
        """As Milvus calls it."""
        return generation.index_type

    @button(description="Rebuild", icon="restart_alt", url_path="rebuild")
    def rebuild(self, request: HttpRequest, object_id: str) -> HttpResponseBase:
        """Ask, then begin a new one."""
        done = "A new index is being filled; the list shows how far it is."
        return self._do(request, object_id, "rebuild", rebuild, done)

    @button(description="Search in this one", icon="swap_horiz", url_path="search-here")
    def search_here(self, request: HttpRequest, object_id: str) -> HttpResponseBase:
        """Ask, then switch to it, forward or back."""
        done = "Its galleries are searched in this index now."
        return self._do(request, object_id, "search", switch, done)

    @button(description="Drop", icon="delete", url_path="drop")
    def drop(self, request: HttpRequest, object_id: str) -> HttpResponseBase:
        """Ask, then drop what is not searched in it."""
        done = "What was not searched in it is dropped."
        return self._do(request, object_id, "drop", drop, done)

    def _do(
        self,
        request: HttpRequest,
        object_id: str,
        what: str,
        act: Callable[[Actor, IndexGeneration], None],
        done: str,
    ) -> HttpResponseBase:
        generation = self.get_object(request, object_id)
        if generation is None or generation.state == GenerationState.RETIRED:
            return HttpResponseRedirect(list_url(IndexGeneration))
        return asked_first(
            request,
            self,
            _question(what, generation),
            lambda: act(actor_of(request.user), generation),
            back=change_url(generation),
            then=list_url(IndexGeneration),
            done=done,
        )


@admin.register(ActiveIndex)
class ActiveIndexAdmin(ReadOnlyAdmin):
    """Which generation answers for which gallery."""

    list_display = ("gallery", "generation", "shown_state")
    list_select_related = ("gallery", "generation")
    search_fields: ClassVar[tuple[str, ...]] = ("gallery__name", "gallery__slug")
    ordering = ("gallery__name",)

    @column(description="state", label=VARIANTS)
    def shown_state(self, active: ActiveIndex) -> str:
        """Whether searches are answered."""
        return active.generation.state


@admin.register(VectorOutbox)
class VectorOutboxAdmin(LongTableMixin, ReadOnlyAdmin):
    """What is still to be written to Milvus."""

    list_display = ("template_id", "generation", "dirty_since")
    list_select_related = ("generation",)
    list_filter = ("generation",)
    ordering = ("id",)


@admin.register(IndexSpan)
class IndexSpanAdmin(ReadOnlyAdmin):
    """Ranges of templates still to be written: of a new index, of a load."""

    list_display = ("next_id", "last_id", "generation", "dirty_since", "loading_until")
    list_select_related = ("generation",)
    ordering = ("id",)
