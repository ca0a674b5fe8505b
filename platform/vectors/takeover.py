"""How a generation that is being built becomes the one that answers.

Filled; then, if it is to take over from another, compared with the database part by part,
searched for some of its own entries, and indexed by the server to the end. Each call goes one
bounded step, so that the index worker has its hands free in between.
"""

import logging
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from django.db import transaction
from django.utils import timezone

from accounts.actors import system

from . import indexes, milvus
from .generations import retire, switch
from .locks import reshaping
from .models import ActiveIndex, GenerationState, IndexGeneration
from .outbox import live, mark_entries
from .reconcile import COMPARED_AT_ONCE, compare
from .wanted import wanted, wanted_between

logger = logging.getLogger(__name__)

ACTOR = system("index-worker")
# Entries that still differ when all was compared and mended so often will differ again.
MOST_VERIFICATIONS = 3
# Of the entries compared, so many by their vectors, too.
COMPARED_VECTORS = 0.002
SELF_MATCHES = 200
# An approximate index may miss some of its own before its search is tuned; not more than this.
LEAST_FOUND = 0.98


class Prepared(NamedTuple):
    """How many photos have what a generation's templates are made of, and how many there are."""

    done: int
    total: int


# What rooms above this one ask of a generation, registered when their apps are ready. Before it is
# proved, all must be prepared; before it takes over, each condition met, which says in a sentence
# what is missing, or "". An operator may switch without these.
preparations: list[Callable[[IndexGeneration], Prepared]] = []
conditions: list[Callable[[IndexGeneration], str]] = []


def unprepared(generation: IndexGeneration) -> Prepared | None:
    """How far that is of which a generation's templates are yet to be made; None if all is."""
    asked = (prepare(generation) for prepare in preparations)
    return next((each for each in asked if each.done < each.total), None)


def advance(generation: IndexGeneration) -> bool:
    """Bring a generation with nothing left to write a step further; whether it got further."""
    if generation.state == GenerationState.RETIRED:
        return False  # given up meanwhile
    if generation.state == GenerationState.READY and not generation.takes_over:
        return False
    if generation.filled_at is None:
        if indexes.kind(generation.index_type).width:  # an exact one has nothing to build
            milvus.finish_writing(generation.collection)
        _update(generation, filled_at=timezone.now())
        return True
    if not generation.takes_over:
        _update(generation, state=GenerationState.READY, ready_at=timezone.now())
        logger.info("%s is ready", generation.name)
        return False
    if generation.state == GenerationState.BUILDING:
        return _prove(generation)
    return _take_over(generation)


def _prove(generation: IndexGeneration) -> bool:
    """Verify the next part; at the end it is ready."""
    if generation.verifications >= MOST_VERIFICATIONS:
        return _stop(
            generation,
            "Its entries differ again and again: does another program write to this Milvus? Look "
            "there, drop this index and rebuild.",
        )
    if generation.verified_to is None and unprepared(generation):
        return False
    if generation.verified_to != milvus.LAST_ID:
        return _compare_part(generation)
    if milvus.unindexed(generation.collection):
        return False
    found = _share_of_self_matches(generation)
    if found < LEAST_FOUND:
        return _stop(
            generation,
            f"Of {SELF_MATCHES} of its own entries it finds {found:.1%}. Rebuild with another "
            "index type.",
        )
    _update(generation, state=GenerationState.READY, ready_at=timezone.now(), problem="")
    logger.info("%s is verified", generation.name)
    return True


def _compare_part(generation: IndexGeneration) -> bool:
    if generation.verified_to is not None:
        first = generation.verified_to + 1
    else:
        first = milvus.FIRST_ID
        milvus.await_visible(generation.collection)
    difference = compare(generation, first, COMPARED_AT_ONCE, share=COMPARED_VECTORS)
    if not difference.wrong:
        _update(generation, verified_to=difference.last)
        return True
    logger.warning("%s: %d entries differ; written again", generation.name, len(difference.wrong))
    with transaction.atomic():
        mark_entries(generation, difference.wrong)
        _update(generation, verified_to=None, verifications=generation.verifications + 1)
    return True


def _share_of_self_matches(generation: IndexGeneration) -> float:
    """How many of some entries a search for their own vector finds, or another as like."""
    newest = wanted(generation).order_by("-pk").values_list("pk", flat=True).first()
    if newest is None:
        return 1.0
    start = int(np.random.default_rng().integers(0, max(1, newest - SELF_MATCHES)))
    some = wanted_between(generation, start, milvus.LAST_ID, SELF_MATCHES)
    params = indexes.search_params(generation.index_type, None, 1)
    found = milvus.search(generation.collection, some.vectors, None, 1, params)
    # The score of a unit vector with itself is 1 but for rounding, in a quantised index a little
    # less: so by the id, or by a score that only a twin can have.
    matched: list[bool] = [
        bool(hits) and (hits[0].template_id == pk or hits[0].score > 1 - 1e-5)
        for pk, hits in zip(some.template_ids.tolist(), found, strict=True)
    ]
    return sum(matched) / max(1, len(matched))


def _take_over(generation: IndexGeneration) -> bool:
    if unprepared(generation):
        return False
    if missing := _missing(generation):
        return _stop(generation, missing)
    galleries = list(generation.galleries.values_list("pk", flat=True))
    old = IndexGeneration.objects.filter(activeindex__gallery__in=galleries).exclude(
        pk=generation.pk
    )
    with transaction.atomic():
        # Nobody is enrolled between the last look and the switch; the look before was to spare
        # everybody the wait while something is missing.
        reshaping()
        generation.refresh_from_db()
        if generation.state != GenerationState.READY or not generation.takes_over:
            return False  # given up, lost, or switched to by hand meanwhile
        if unprepared(generation) or _missing(generation):
            return False
        left = list(old.distinct())
        switch(ACTOR, generation)
        if not generation.keeps_old:
            _retire_unused(left)
    logger.info("%s has taken over", generation.name)
    return False


def _missing(generation: IndexGeneration) -> str:
    """The first condition that is not met."""
    return next(filter(None, (condition(generation) for condition in conditions)), "")


def _retire_unused(generations: list[IndexGeneration]) -> None:
    for each in generations:
        if not ActiveIndex.objects.filter(generation=each).exists():
            retire(each)


def _stop(generation: IndexGeneration, problem: str) -> bool:
    """Say why it can't go on now; it is looked at again with the next sweep."""
    if generation.problem != problem:
        _update(generation, problem=problem)
    return False


def _update(generation: IndexGeneration, **fields: object) -> None:
    """Write these, unless it was retired meanwhile: nothing brings such a one back."""
    live().filter(pk=generation.pk).update(**fields)
    generation.refresh_from_db()
