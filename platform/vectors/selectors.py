"""Searching the index, and how far it is behind."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db.models import Min, Q
from django.utils import timezone

from people.models import Gallery

from . import milvus, services
from .codec import FloatArray
from .connection import server_label
from .errors import CollectionMissing
from .milvus import Hit
from .models import GenerationState, IndexGeneration, PersonTemplate, VectorOutbox
from .sizes import Sizes


def search(galleries: Sequence[Gallery], probes: FloatArray, limit: int) -> list[list[Hit]]:
    """The nearest templates of these galleries to each probe (shape (n, 128)), best first.

    All galleries must have one model. The hits are the index's word only: whoever uses them reads
    the templates again from the database.

    Raises:
        IndexUnavailable: Milvus is away, or the index is not ready.
    """
    generations = {services.ensure_active_index(gallery) for gallery in galleries}
    found: list[list[Hit]] = [[] for _ in probes]
    for generation in generations:
        _check_ready(generation)
        hits_per_probe = _search_one(generation, galleries, probes, limit)
        for collected, hits in zip(found, hits_per_probe, strict=True):
            collected.extend(hits)
    return found


def _search_one(
    generation: IndexGeneration, galleries: Sequence[Gallery], probes: FloatArray, limit: int
) -> list[list[Hit]]:
    ids = [gallery.pk for gallery in galleries if gallery.model == generation.model]
    try:
        return milvus.search(generation.collection, probes, ids, limit)
    except CollectionMissing:
        services.rebuild(generation)
        raise


def _check_ready(generation: IndexGeneration) -> None:
    if generation.state != GenerationState.READY:
        raise CollectionMissing(
            "The index of this gallery is being built. Try again in a few seconds.", retry_after=2
        )


def searchable_count(galleries: Sequence[Gallery]) -> int:
    """N: how many active templates a search of these galleries compares with.

    Exact in small galleries; in large ones a second old for each 10,000 people, half a minute at
    most, since a database counts by reading every row.
    """
    return sum(_sizes.of(gallery.pk, gallery.model) for gallery in galleries)


def _count(gallery_id: int, model: str) -> int:
    templates = PersonTemplate.objects.filter(model=model)
    return templates.filter(person__gallery_id=gallery_id, person__active=True).count()


_sizes = Sizes(_count)


@dataclass(frozen=True, slots=True)
class Lag:
    """How far the index is behind the database."""

    pending: int
    oldest: datetime | None

    @property
    def seconds(self) -> float:
        """The age of the oldest change that is not yet in the index."""
        return (timezone.now() - self.oldest).total_seconds() if self.oldest else 0.0


def lag() -> Lag:
    """The outbox in two figures, over all live generations on the present server."""
    live = VectorOutbox.objects.filter(generation__server=server_label()).exclude(
        generation__state=GenerationState.RETIRED
    )
    return Lag(live.count(), live.aggregate(oldest=Min("dirty_since"))["oldest"])


def live_generations() -> list[UUID]:
    """Every generation that is not retired."""
    live = IndexGeneration.objects.exclude(state=GenerationState.RETIRED)
    return list(live.values_list("public_id", flat=True))


def generations_with_work() -> list[UUID]:
    """The live generations on the present server that are not ready or have dirty rows."""
    return list(
        IndexGeneration.objects.filter(server=server_label())
        .exclude(state=GenerationState.RETIRED)
        .filter(Q(state=GenerationState.BUILDING) | Q(vectoroutbox__isnull=False))
        .distinct()
        .values_list("public_id", flat=True)
    )
