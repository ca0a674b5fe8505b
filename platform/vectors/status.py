"""How a gallery's index is: for the API, and whoever else shows it."""

from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from people.models import Gallery

from .models import (
    ActiveIndex,
    GenerationState,
    IndexGeneration,
    IndexSpan,
    Placement,
    VectorOutbox,
)
from .progress import progress_of
from .selectors import lag, searchable_count

NOT_MADE = "none"


@dataclass(frozen=True, slots=True)
class OtherIndex:
    """An index that holds the gallery, too: one being built, or an older one kept.

    `progress` is the share of its present `stage` that is done, 0 to 1.
    """

    id: UUID
    state: str
    model: str
    index_type: str
    takes_over: bool
    stage: str
    progress: float
    verified: bool
    problem: str
    created_at: datetime


@dataclass(frozen=True, slots=True)
class IndexStatus:
    """The index that a gallery is searched in.

    `pending` changes and `spans` of templates are those of the whole index, which other galleries
    may share; `templates` are the gallery's own.
    """

    templates: int
    state: str = NOT_MADE
    model: str = ""
    index_type: str = ""
    pending: int = 0
    spans: int = 0
    lag_seconds: float = 0.0
    width: int | None = None
    recall: float | None = None
    probes: int | None = None
    probes_of: str = ""
    measured_at: datetime | None = None
    others: list[OtherIndex] = field(default_factory=list)


def index_status(gallery: Gallery) -> IndexStatus:
    """What the database knows of it, and Milvus of one that it still indexes."""
    placements = list(
        Placement.objects.filter(gallery=gallery)
        .exclude(generation__state=GenerationState.RETIRED)
        .select_related("generation")
        .order_by("-generation_id")
    )
    active = ActiveIndex.objects.filter(gallery=gallery).values_list("generation", flat=True)
    searched = active.first()
    others = [_other(each.generation) for each in placements if each.generation_id != searched]
    for placement in placements:
        if placement.generation_id == searched:
            return _status(gallery, placement, others)
    return IndexStatus(searchable_count([gallery]), model=gallery.model, others=others)


def _status(gallery: Gallery, placement: Placement, others: list[OtherIndex]) -> IndexStatus:
    generation = placement.generation
    return IndexStatus(
        templates=searchable_count([gallery]),
        state=generation.state,
        model=generation.model,
        index_type=generation.index_type,
        pending=VectorOutbox.objects.filter(generation=generation).count(),
        spans=IndexSpan.objects.filter(generation=generation).count(),
        lag_seconds=round(lag(generation).seconds, 3),
        width=placement.width,
        recall=placement.recall,
        probes=placement.probes,
        probes_of=placement.probes_of,
        measured_at=placement.measured_at,
        others=others,
    )


def _other(generation: IndexGeneration) -> OtherIndex:
    progress = progress_of(generation)
    return OtherIndex(
        id=generation.public_id,
        state=generation.state,
        model=generation.model,
        index_type=generation.index_type,
        takes_over=generation.takes_over,
        stage=progress.stage,
        progress=round(progress.done / progress.total, 4) if progress.total else 1.0,
        verified=generation.state == GenerationState.READY,
        problem=generation.problem,
        created_at=generation.created_at,
    )
