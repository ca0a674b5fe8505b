"""Carrying what was noted to Milvus: the index worker's part.

A generation is written to in short steps by the holder of its lease. Each step reads the templates
as they are now, makes Milvus so, and only then takes away the note. So order doesn't matter, a
repeated step is harmless, and a death anywhere leaves the note.
"""

import logging
from collections.abc import Iterator
from math import inf
from time import monotonic
from typing import NamedTuple
from uuid import UUID

from django.db import transaction
from django.db.models import F

from . import milvus
from .connection import server_labels
from .generations import drop_retired, refill
from .lease import Lease, LeaseLostError, held
from .models import GenerationState, IndexGeneration, IndexSpan, VectorOutbox
from .outbox import not_loading
from .takeover import advance
from .wanted import wanted_between, wanted_entries

logger = logging.getLogger(__name__)

ROWS_A_STEP = 1000
# Entries of a span that are written together: a quarter of a second's work for two cores.
SPAN_STEP = 5000


class Applied(NamedTuple):
    """How many entries were written, and whether more could be done at once."""

    entries: int
    more: bool


def apply_outbox(generation_id: UUID) -> int:
    """Write everything dirty of a generation, and bring it further if it is being built.

    Returns how many entries were written. See `work`.
    """
    return work(generation_id).entries


def work(generation_id: UUID, *, seconds: float = inf, holder: str = "") -> Applied:
    """Write what is dirty of a generation, for about so long.

    A generation of a server that is not configured is left alone, and so is one that another
    process writes to: that looks again before it leaves.

    Raises:
        IndexUnavailable: Milvus is away; what is noted stays and is tried again.
    """
    end = monotonic() + seconds
    count = 0
    while True:
        generation = IndexGeneration.objects.filter(
            public_id=generation_id, server__in=server_labels()
        ).first()
        if generation is None:
            return Applied(count, more=False)
        with held(generation, holder) as lease:
            if lease is None:
                return Applied(count, more=False)
            written, finished = _work(generation, lease, end)
        count += written
        if not finished:
            return Applied(count, more=True)
        if not _has_notes(generation):
            return Applied(count, more=False)


def _has_notes(generation: IndexGeneration) -> bool:
    """Whether something was noted while its lease was given back."""
    rows = VectorOutbox.objects.filter(generation=generation)
    return rows.exists() or not_loading().filter(generation=generation).exists()


def _work(generation: IndexGeneration, lease: Lease, end: float) -> tuple[int, bool]:
    """How many entries were written, and whether nothing is left to be done now."""
    count = 0
    try:
        for written in _steps(generation, lease):
            count += written
            if monotonic() >= end:
                return count, False
    except LeaseLostError:
        logger.warning("%s is written to by another process now", generation.name)
    return count, True


def _steps(generation: IndexGeneration, lease: Lease) -> Iterator[int]:
    """Everything that can be done now, step by step; a step says how many entries it wrote.

    Single changes come between the steps of a span, so that whoever is enrolled while a million
    are loaded is found at once.
    """
    if generation.state == GenerationState.RETIRED:
        drop_retired(generation)
        return
    ensure_collection(generation)
    while True:
        lease.renew()
        changed = _apply_rows(generation)
        if changed:
            yield changed
            lease.renew()
        written = _apply_span(generation)
        if written is not None:
            yield written
        elif changed < ROWS_A_STEP:
            generation.refresh_from_db()
            if not advance(generation):
                return
            yield 0


def ensure_collection(generation: IndexGeneration) -> None:
    """Make the collection if it is missing (a new one, or a lost volume), to be filled whole.

    Raises:
        IndexUnavailable: Milvus is away, or its collection of this name is somebody else's.
    """
    if milvus.has_collection(generation.collection):
        return
    if generation.written or generation.state == GenerationState.READY:
        logger.warning("%s is gone from Milvus; filling it again", generation.name)
    refill(generation.pk)
    generation.refresh_from_db()
    milvus.create_collection(generation.collection, generation.index_type, generation.index_params)


def _apply_rows(generation: IndexGeneration) -> int:
    """A step of single changes; returns how many."""
    rows = list(
        VectorOutbox.objects.filter(generation=generation)
        .order_by("template_id")
        .values_list("pk", "template_id", "stamp")[:ROWS_A_STEP]
    )
    if not rows:
        return 0
    ids = [template_id for _, template_id, _ in rows]
    entries = wanted_entries(generation, ids)
    kept = set(entries.template_ids.tolist())
    milvus.upsert(generation.collection, entries)
    milvus.delete(generation.collection, [pk for pk in ids if pk not in kept])
    milvus.await_visible(generation.collection)
    _settle([pk for pk, _, _ in rows], [stamp for _, _, stamp in rows])
    return len(rows)


@transaction.atomic
def _settle(row_ids: list[int], stamps: list[UUID]) -> None:
    """Remove the rows that nothing has touched since."""
    # Whoever holds one of them is changing it: it stays anyway.
    untouched = VectorOutbox.objects.select_for_update(skip_locked=True).filter(
        pk__in=row_ids, stamp__in=stamps
    )
    settled = list(untouched.values_list("pk", flat=True))
    VectorOutbox.objects.filter(pk__in=settled).delete()


def _apply_span(generation: IndexGeneration) -> int | None:
    """A step of a span: Milvus made equal to the database in a part of it.

    Returns how many entries were written; None if there is no span.
    """
    span = not_loading().filter(generation=generation).order_by("pk").first()
    if span is None:
        return None
    mine = IndexSpan.objects.filter(pk=span.pk, loading_until=span.loading_until)
    if not mine.update(loading_until=None):
        return 0  # its loader has just taken it again
    if span.loading_until is not None:
        # What a loader sent before it died may not be seen yet, and would stay.
        milvus.await_visible(generation.collection)
    entries = wanted_between(generation, span.next_id, span.last_id, SPAN_STEP)
    last = span.last_id if len(entries) < SPAN_STEP else int(entries.template_ids[-1])
    held_now = milvus.entries_between(generation.collection, span.next_id, last)
    milvus.upsert(generation.collection, entries)
    milvus.delete(
        generation.collection, sorted(held_now.keys() - set(entries.template_ids.tolist()))
    )
    _advance_span(generation, span, last)
    IndexGeneration.objects.filter(pk=generation.pk).update(written=F("written") + len(entries))
    return len(entries)


def _advance_span(generation: IndexGeneration, span: IndexSpan, last: int) -> None:
    mine = IndexSpan.objects.filter(pk=span.pk)
    if last < span.last_id:
        mine.update(next_id=last + 1)
        return
    milvus.await_visible(generation.collection)
    mine.delete()
