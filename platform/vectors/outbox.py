"""Noting what is to be written to Milvus, inside the transaction of whatever changed it."""

from collections.abc import Sequence

from django.db.models import Max, Min, Q, QuerySet
from django.utils import timezone

from common.ids import new_id
from common.queue import APPLY_OUTBOX, enqueue_on_commit

from .locks import changing
from .models import GenerationState, IndexGeneration, IndexSpan, PersonTemplate, VectorOutbox

NOTE_BATCH = 1000


def live() -> QuerySet[IndexGeneration]:
    """The generations that get every change of what they hold."""
    return IndexGeneration.objects.exclude(state=GenerationState.RETIRED)


def not_loading() -> QuerySet[IndexSpan]:
    """The spans that no loader has in hand."""
    return IndexSpan.objects.filter(Q(loading_until=None) | Q(loading_until__lt=timezone.now()))


def mark_dirty(gallery_id: int, model: str, template_ids: Sequence[int]) -> None:
    """Note in every live generation with this gallery that these entries may be out of date."""
    changing()
    generations = live().filter(model=model, galleries=gallery_id) if template_ids else []
    for generation in generations:
        mark_entries(generation, template_ids)


def mark_entries(generation: IndexGeneration, template_ids: Sequence[int]) -> None:
    """The same in one generation, whosever the templates are."""
    ids = sorted(template_ids)  # in one order for all, so that two never wait for each other
    for start in range(0, len(ids), NOTE_BATCH):
        VectorOutbox.objects.bulk_create(
            [
                VectorOutbox(generation=generation, template_id=pk, stamp=new_id())
                for pk in ids[start : start + NOTE_BATCH]
            ],
            update_conflicts=True,
            unique_fields=["generation", "template_id"],
            update_fields=["stamp"],
        )
    wake(generation)


def mark_all(generation: IndexGeneration, templates: QuerySet[PersonTemplate]) -> None:
    """Note that everything from the first to the last of these templates is to be written."""
    ends = templates.aggregate(first=Min("pk"), last=Max("pk"))
    if ends["first"] is not None:
        IndexSpan.objects.create(generation=generation, next_id=ends["first"], last_id=ends["last"])
    wake(generation)


def wake(generation: IndexGeneration) -> None:
    """Tell the index worker, once this transaction is committed."""
    enqueue_on_commit(APPLY_OUTBOX, str(generation.public_id))
