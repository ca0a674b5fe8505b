"""What is noted before a chunk is loaded, so that a death in the middle of it is mended."""

from dataclasses import dataclass
from datetime import datetime

from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from people.models import Gallery, Person
from vectors.lease import lease_time
from vectors.locks import changing
from vectors.models import IndexGeneration, IndexSpan, PersonTemplate
from vectors.outbox import live, wake

from .matching import Plan
from .storing import reserve_ids


class ChangedMeanwhile(Exception):  # noqa: N818 - no error: the chunk is begun anew
    """What a chunk was planned with is not so any more."""


@dataclass(frozen=True, slots=True)
class Reserved:
    """Ids that are a chunk's own, and the spans that say that something may be there.

    `spans` has the key of each generation's span by the generation's; they are ours `until` then.
    """

    people: list[int]
    templates: list[int]
    spans: dict[int, int]
    until: datetime


def holders(gallery: Gallery, model: str) -> QuerySet[IndexGeneration]:
    """The generations that new templates of a gallery belong in."""
    return live().filter(model=model, galleries=gallery)


@transaction.atomic
def reserve(gallery: Gallery, model: str, plan: Plan) -> Reserved:
    """Take ids for a chunk's people and templates, and note spans over these."""
    until = timezone.now() + lease_time()
    if not plan.to_write:
        return Reserved([], [], {}, until)
    changing()
    people = reserve_ids(Person, len(plan.new)).tolist()
    templates = reserve_ids(PersonTemplate, plan.to_write).tolist()
    spans = {
        generation.pk: IndexSpan.objects.create(
            generation=generation, next_id=templates[0], last_id=templates[-1], loading_until=until
        ).pk
        for generation in holders(gallery, model)
    }
    return Reserved(people, templates, spans, until)


def settle(reserved: Reserved, target: IndexGeneration | None, *, arrived: bool) -> None:
    """Take away the span of the generation that has the entries; leave others to the worker.

    Raises:
        ChangedMeanwhile: this took so long that a worker took one over; it may have removed the
            entries again.
    """
    for generation, span in reserved.spans.items():
        mine = IndexSpan.objects.filter(pk=span, loading_until=reserved.until)
        is_target = target is not None and target.pk == generation
        if is_target and arrived:
            kept, _ = mine.delete()
        else:
            # What Milvus did not acknowledge may still arrive: the worker waits for that.
            kept = mine.update(loading_until=timezone.now() + lease_time() if is_target else None)
            wake(IndexGeneration.objects.get(pk=generation))
        if not kept:
            raise ChangedMeanwhile
