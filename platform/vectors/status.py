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
from .selectors import lag, searchable_count

NOT_MADE = "none"


@dataclass(frozen=True, slots=True)
class Progress:
    """An index that holds the gallery, too: one being built, or an older one kept."""

    id: UUID
    state: str
    model: str
    index_type: str
    takes_over: bool
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
    others: list[Progress] = field(default_factory=list)


def index_status(gallery: Gallery) -> IndexStatus:
    """What the database knows of it; Milvus is not asked."""
    placements = list(
        Placement.objects.filter(gallery=gallery)
        .exclude(generation__state=GenerationState.RETIRED)
        .select_related("generation")
        .order_by("-generation_id")
    )
    active = ActiveIndex.objects.filter(gallery=gallery).values_list("generation", flat=True)
    searched = active.first()
    others = [_progress(each.generation) for each in placements if each.generation_id != searched]
    for placement in placements:
        if placement.generation_id == searched:
            return _status(gallery, placement, others)
    return IndexStatus(searchable_count([gallery]), model=gallery.model, others=others)


def _status(gallery: Gallery, placement: Placement, others: list[Progress]) -> IndexStatus:
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


def _progress(generation: IndexGeneration) -> Progress:
    return Progress(
        id=generation.public_id,
        state=generation.state,
        model=generation.model,
        index_type=generation.index_type,
        takes_over=generation.takes_over,
        progress=filled_share(generation),
        verified=generation.state == GenerationState.READY,
        problem=generation.problem,
        created_at=generation.created_at,
    )


def filled_share(generation: IndexGeneration) -> float:
    """How much of what was to be written at first is written, 0 to 1."""
    if generation.filled_at or not generation.expected:
        return 1.0
    return round(min(1.0, generation.written / generation.expected), 4)
