"""How often the index finds the one who is most like the probe, and how far it has to look.

Recall@1 is the share of probes whose best template by exact search is among what a lookup of one
candidate asks the index for; the lookup's exact scores then put it first. Templates with equal
scores count as one, and so does a probe whose best template changed while it was measured.
"""

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from time import perf_counter
from uuid import UUID

import numpy as np
from django.db.models import F, Q
from django.utils import timezone

from . import indexes, milvus
from .codec import FloatArray, decode
from .connection import server_labels
from .exact import Best, findable, nearest
from .milvus import Hit
from .models import GenerationState, IndexSpan, Placement, VectorOutbox
from .probes import Probes, probes_for
from .selectors import SPARE_HITS

logger = logging.getLogger(__name__)

TARGET = 0.999
PROBES, NIGHTLY_PROBES = 10_000, 1_000
# An exact index needs no more to be believed, and each costs a look at every template.
EXACT_PROBES = 100
# Of a width that misses too many, so many probes say how many.
ENOUGH = 1_000
# Sent together at first, and at most; on Milvus Lite ten look at a million templates in a second.
FIRST_BATCH, MOST_AT_ONCE = 10, 200
CALL_SECONDS = 0.4
# What a lookup asks the index for when it wants one candidate.
LIMIT = 1 + SPARE_HITS
ROUNDING = 1e-6

# `with watch("what", how_much) as advance: advance(done)`.
Watch = Callable[[str, int], AbstractContextManager[Callable[[int], None]]]


@dataclass(frozen=True, slots=True)
class Measured:
    """What a width gave. `width` is None for an index that has none, the exact one."""

    width: int | None
    recall: float
    probes: int
    seconds_per_probe: float

    @property
    def suffices(self) -> bool:
        """Whether it finds as many as it should."""
        return self.recall >= TARGET


@dataclass(frozen=True, slots=True)
class Truth:
    """Probes of a placement's gallery, and what exact search found for each."""

    probes: Probes
    best: Best


def tune(
    placement: Placement, *, probes: int = PROBES, watch: Watch | None = None
) -> list[Measured]:
    """Store the smallest width that reaches the target, else the largest; returns all tried.

    Nothing is measured, and nothing returned, while the gallery is empty.

    Raises:
        IndexUnavailable: Milvus is away, or the collection is not there.
    """
    truth = find_truth(placement, probes, watch or _unwatched)
    return _tune(placement, truth, watch or _unwatched) if truth else []


def measure_again(placement: Placement, *, probes: int = NIGHTLY_PROBES) -> Measured | None:
    """Store what the present width gives now; if that is too little, or was never chosen, tune.

    Returns what holds afterwards; None for an empty gallery. Raises as `tune`.
    """
    truth = find_truth(placement, probes, _unwatched)
    if truth is None:
        return None
    has_widths = bool(indexes.kind(placement.generation.index_type).widths)
    if has_widths and placement.width is None:
        return _tune(placement, truth, _unwatched)[-1]
    found = measure(placement, truth, placement.width, _ignored)
    if has_widths and not found.suffices:
        return _tune(placement, truth, _unwatched)[-1]
    _store(placement, truth, found)
    return found


def placements_to_measure(generation_id: UUID | None = None) -> list[Placement]:
    """Every gallery in every index that can be searched, or in one, on servers within reach."""
    ready = Placement.objects.filter(
        generation__state=GenerationState.READY, generation__server__in=server_labels()
    )
    if generation_id:
        ready = ready.filter(generation__public_id=generation_id)
    return list(ready.select_related("generation", "gallery").order_by("pk"))


def measured() -> list[Placement]:
    """What galleries are searched in now, as far as its recall was measured."""
    active = Placement.objects.filter(
        recall__isnull=False, gallery__active_index__generation=F("generation")
    )
    return list(active.select_related("gallery").order_by("pk"))


def find_truth(placement: Placement, probes: int, watch: Watch) -> Truth | None:
    """Probes of the gallery with their exact best; None if nobody is in it."""
    generation, gallery = placement.generation, placement.gallery
    if not indexes.kind(generation.index_type).widths:
        probes = min(probes, EXACT_PROBES)
    drawn = probes_for(gallery, generation.model, probes)
    if not len(drawn.vectors):
        return None
    with watch("Exact search", findable(gallery, generation.model).count()) as advance:
        return Truth(drawn, nearest(gallery, generation.model, drawn.vectors, advance))


def measure(
    placement: Placement,
    truth: Truth,
    width: int | None,
    advance: Callable[[int], None],
    *,
    whole: bool = True,
) -> Measured:
    """The recall of one width. `advance` is told of probes done. Raises as `tune`.

    Unless `whole`, it stops when so many were missed that the width can't suffice any more.
    """
    generation, probes = placement.generation, truth.probes.vectors
    params = indexes.search_params(generation.index_type, width, LIMIT)
    # As lookups do it: without a filter where the gallery has the collection for itself.
    alone = Placement.objects.filter(generation=generation).count() == 1
    gallery_ids = None if alone else [placement.gallery_id]
    done, lost, seconds, batch = 0, 0, 0.0, FIRST_BATCH
    while done < len(probes):
        some = probes[done : done + batch]
        began = perf_counter()
        found = milvus.search(generation.collection, some, gallery_ids, LIMIT, params)
        took = perf_counter() - began
        lost += _missed(placement, truth, done, found)
        done, seconds = done + len(some), seconds + took
        advance(len(some))
        if not whole and done >= ENOUGH and lost > (1 - TARGET) * len(probes):
            break
        batch = _next_batch(batch, took)
    return Measured(width, 1 - lost / done, done, seconds / done)


def _next_batch(batch: int, took: float) -> int:
    """Few calls, each of them far from the time-out of a lookup and in nobody's way."""
    if took < CALL_SECONDS / 2:
        return min(2 * batch, MOST_AT_ONCE)
    return batch if took < 2 * CALL_SECONDS else max(1, batch // 2)


def _missed(placement: Placement, truth: Truth, start: int, found: list[list[Hit]]) -> int:
    """How many of the probes from `start` on the index failed."""
    lost = 0
    for number, hits in enumerate(found, start):
        ids = [hit.template_id for hit in hits]
        if int(truth.best.ids[number]) not in ids:
            lost += _is_really_missed(placement, truth, number, ids)
    return lost


def _tune(placement: Placement, truth: Truth, watch: Watch) -> list[Measured]:
    tried = list(_until_it_suffices(placement, truth, watch))
    _store(placement, truth, tried[-1])
    return tried


def _until_it_suffices(placement: Placement, truth: Truth, watch: Watch) -> Iterator[Measured]:
    widths = _widths(placement)
    for width in widths:
        title = f"Width {width}" if width else "The index"
        with watch(title, len(truth.probes.vectors)) as advance:
            measured = measure(placement, truth, width, advance, whole=width == widths[-1])
        yield measured
        if measured.suffices:
            return


def _widths(placement: Placement) -> Sequence[int | None]:
    generation = placement.generation
    most = generation.index_params.get("nlist")  # no more clusters than there are
    widths = indexes.kind(generation.index_type).widths
    return [each for each in widths if not most or each <= most] or [None]


def _store(placement: Placement, truth: Truth, measured: Measured) -> None:
    placement.width, placement.recall = measured.width, measured.recall
    placement.probes, placement.probes_of = measured.probes, truth.probes.of
    placement.measured_at = timezone.now()
    # Only these, and only if it is still there: the generation may be dropped meanwhile.
    Placement.objects.filter(pk=placement.pk).update(
        width=placement.width,
        recall=placement.recall,
        probes=placement.probes,
        probes_of=placement.probes_of,
        measured_at=placement.measured_at,
    )


def _is_really_missed(
    placement: Placement, truth: Truth, number: int, returned: Sequence[int]
) -> bool:
    """Whether the index failed this probe, by the templates as they are now.

    It did not if something that scores the same was returned, or if the best is gone or on its
    way into the index.
    """
    best_id = int(truth.best.ids[number])
    scores = _scores(placement, truth.probes.vectors[number], [best_id, *returned])
    best = scores.pop(best_id, None)
    if best is None or max(scores.values(), default=-1.0) >= best - ROUNDING:
        return False
    return not _is_on_its_way(placement, best_id)


def _scores(placement: Placement, probe: FloatArray, ids: Sequence[int]) -> dict[int, float]:
    now = findable(placement.gallery, placement.generation.model).filter(pk__in=ids)
    return {
        pk: float(np.dot(probe, decode(bytes(vector))))
        for pk, vector in now.values_list("pk", "vector")
    }


def _is_on_its_way(placement: Placement, template_id: int) -> bool:
    noted = Q(generation=placement.generation_id)
    return (
        VectorOutbox.objects.filter(noted, template_id=template_id).exists()
        or IndexSpan.objects.filter(
            noted, next_id__lte=template_id, last_id__gte=template_id
        ).exists()
    )


def _ignored(_done: int) -> None:
    """Nobody watches."""


def _unwatched(_title: str, _total: int) -> AbstractContextManager[Callable[[int], None]]:
    return nullcontext(_ignored)
