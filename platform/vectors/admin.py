"""The index: its generations, which one answers for which gallery, and what is still to write."""

from typing import ClassVar

from django.contrib import admin
from django.db import transaction
from django.db.models import Count, Min, OuterRef, QuerySet, Subquery
from django.db.models.functions import Coalesce
from django.http import HttpRequest, HttpResponseBase, HttpResponseRedirect
from django.utils import timezone
from django.utils.timesince import timesince

from accounts.actors import Actor, actor_of
from audit.services import record
from common.admin import (
    LongTableMixin,
    Question,
    ReadOnlyAdmin,
    asked_first,
    button,
    change_url,
    column,
    list_url,
)
from people.access import require_site_admin

from .generations import refill
from .models import ActiveIndex, GenerationState, IndexGeneration, VectorOutbox

VARIANTS = {"ready": "success", "building": "warning", "retired": ""}


@transaction.atomic
def rebuild_index(actor: Actor, generation: IndexGeneration) -> None:
    """Fill a generation again from the database, for a site administrator."""
    require_site_admin(actor)
    refill(generation)
    record(actor, "index.rebuild", f"generation:{generation.public_id}", None)


def _outbox(figure: Count | Min) -> Subquery:
    """A figure over the outbox of each generation of a query."""
    rows = VectorOutbox.objects.filter(generation=OuterRef("pk")).order_by().values("generation")
    return Subquery(rows.annotate(figure=figure).values("figure"))


@admin.register(IndexGeneration)
class IndexGenerationAdmin(ReadOnlyAdmin):
    """The collections in Milvus."""

    list_display = (
        "collection",
        "shown_state",
        "pending",
        "oldest",
        "model",
        "server",
        "index_type",
    )
    ordering = ("-id",)
    fields = ("collection", "shown_state", "pending", "oldest", "model", "server", "index_type",
              "created_at")  # fmt: skip
    actions_detail = ("rebuild",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[IndexGeneration]:
        """With how far each is behind."""
        generations: QuerySet[IndexGeneration] = super().get_queryset(request)
        return generations.annotate(
            pending_rows=Coalesce(_outbox(Count("pk")), 0), oldest_row=_outbox(Min("dirty_since"))
        )

    @column(description="state", ordering="state", label=VARIANTS)
    def shown_state(self, generation: IndexGeneration) -> str:
        """As a label."""
        return generation.state

    @column(description="pending", ordering="pending_rows")
    def pending(self, generation: IndexGeneration) -> str:
        """Entries still to be written."""
        return f"{getattr(generation, 'pending_rows', 0):,}"

    @column(description="oldest pending", ordering="oldest_row", empty_value="-")
    def oldest(self, generation: IndexGeneration) -> str | None:
        """Since when the longest waiting entry waits."""
        since = getattr(generation, "oldest_row", None)
        return timesince(since, timezone.now()) if since else None

    @button(description="Rebuild", icon="restart_alt", url_path="rebuild")
    def rebuild(self, request: HttpRequest, object_id: str) -> HttpResponseBase:
        """Ask, then fill it again."""
        generation = self.get_object(request, object_id)
        if generation is None or generation.state == GenerationState.RETIRED:
            return HttpResponseRedirect(list_url(IndexGeneration))
        question = Question(
            title="Rebuild this index?",
            sentence="Every template is written again from the database. Until that is done, "
            "lookups in its galleries are refused (503).",
            button="Yes, rebuild",
        )
        return asked_first(
            request,
            self,
            question,
            lambda: rebuild_index(actor_of(request.user), generation),
            back=change_url(generation),
            done="The index is being filled again; its state says when it is ready.",
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
