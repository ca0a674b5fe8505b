"""Comparing the index with the database, and mending what differs.

Both sides are read range by range of template ids, so memory doesn't grow with the gallery. A lost
collection is one that is empty.
"""

import random
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from . import milvus
from .connection import server_labels
from .generations import refill
from .models import GenerationState, IndexGeneration, IndexSpan, VectorOutbox
from .outbox import live, mark_entries
from .wanted import wanted, wanted_entries

COMPARED_AT_ONCE = 10_000
# Milvus returns the float32 it was given; anything beyond rounding is another vector.
VECTOR_TOLERANCE = 1e-6
# So many template ids of each kind are named; the rest is counted.
NAMED = 20


@dataclass(slots=True)
class Difference:
    """What is wrong in one range of template ids, which ends with `last`."""

    last: int
    expected: int
    indexed: int
    pending: int
    sampled: int
    missing: list[int]
    surplus: list[int]
    misplaced: list[int]
    different: list[int]

    @property
    def wrong(self) -> list[int]:
        """Every template whose entry is not what it should be."""
        return sorted({*self.missing, *self.surplus, *self.misplaced, *self.different})


KINDS = ("missing", "surplus", "misplaced", "different")


@dataclass(slots=True)
class Report:
    """What a comparison of one generation found: figures, and a few template ids as examples."""

    collection: str
    lost: bool = False
    expected: int = 0
    indexed: int = 0
    pending: int = 0
    sampled: int = 0
    counts: dict[str, int] = field(default_factory=lambda: dict.fromkeys(KINDS, 0))
    examples: dict[str, list[int]] = field(default_factory=lambda: {kind: [] for kind in KINDS})

    @property
    def short_name(self) -> str:
        """The end of the collection's name, by which commands call it."""
        return self.collection[-8:]

    @property
    def wrong(self) -> int:
        """How many entries are not what they should be."""
        return sum(self.counts.values())

    @property
    def agrees(self) -> bool:
        """Same ids, same galleries, sampled vectors equal, nothing pending."""
        return not (self.lost or self.wrong or self.pending)

    def add(self, part: Difference) -> None:
        """Take in what was found in a range."""
        self.expected += part.expected
        self.indexed += part.indexed
        self.pending += part.pending
        self.sampled += part.sampled
        for kind in KINDS:
            found: list[int] = getattr(part, kind)
            self.counts[kind] += len(found)
            self.examples[kind].extend(found[: NAMED - len(self.examples[kind])])


def reconcile(
    generation: IndexGeneration, *, sample: int = 1000, repair: bool = False
) -> Iterator[Report]:
    """Compare a generation with the database: all ids and galleries, about `sample` vectors.

    Gives the report so far after each range. Entries with a row in the outbox, or within a span,
    are pending, not wrong. With `repair`, what is wrong is marked dirty, so that the index worker
    writes or deletes it, and a lost collection is filled again.

    Raises:
        IndexUnavailable: Milvus is away.
    """
    report = Report(generation.name)
    if not milvus.has_collection(generation.collection):
        report.lost = True
        report.expected = report.counts["missing"] = wanted(generation).count()
        if repair:
            refill(generation.pk)
        _note(generation, report)
        yield report
        return
    milvus.await_visible(generation.collection)
    share = sample / max(1, wanted(generation).count())
    first = milvus.FIRST_ID
    while first <= milvus.LAST_ID:
        part = compare(generation, first, COMPARED_AT_ONCE, share=share)
        report.add(part)
        if repair and part.wrong:
            with transaction.atomic():
                mark_entries(generation, part.wrong)
        first = part.last + 1
        yield report
    _note(generation, report)


def _note(generation: IndexGeneration, report: Report) -> None:
    """Keep when it was compared to its end, and what came of it."""
    IndexGeneration.objects.filter(pk=generation.pk).update(
        reconciled_at=timezone.now(), reconciled_wrong=report.wrong
    )


def searched_generations() -> list[IndexGeneration]:
    """Those that are compared: live ones that we can reach and that are not being filled."""
    return list(
        live().filter(state=GenerationState.READY, server__in=server_labels()).order_by("pk")
    )


def reconcile_all(*, sample: int = 1000, repair: bool = False) -> list[Report]:
    """The same for every generation, from beginning to end."""
    reports = []
    for generation in searched_generations():
        *_, report = reconcile(generation, sample=sample, repair=repair)
        reports.append(report)
    return reports


def compare(generation: IndexGeneration, first: int, limit: int, *, share: float) -> Difference:
    """Compare the range that begins with template `first` and has `limit` that are wanted.

    `share` of them are compared by their vectors, too.
    """
    last = _end_of_range(generation, first, limit)
    entries = milvus.entries_between(generation.collection, first, last)
    # The outbox after the listing and before the templates: a change in between is pending then.
    pending = _pending(generation, first, last)
    expected = dict(
        wanted(generation)
        .filter(pk__gte=first, pk__lte=last)
        .values_list("pk", "person__gallery_id")
    )
    pending.update(_pending(generation, first, last))
    settled = _settled(generation, first, last, expected.keys() | entries.keys(), pending)
    both = sorted(expected.keys() & entries.keys() & settled)
    chosen = _chosen(both, share)
    return Difference(
        last=last,
        expected=len(expected),
        indexed=len(entries),
        pending=len(pending | ((expected.keys() | entries.keys()) - settled)),
        sampled=len(chosen),
        missing=sorted((expected.keys() - entries.keys()) & settled),
        surplus=sorted((entries.keys() - expected.keys()) & settled),
        misplaced=[pk for pk in both if expected[pk] != entries[pk]],
        different=_different(generation, chosen),
    )


def _end_of_range(generation: IndexGeneration, first: int, limit: int) -> int:
    ids = wanted(generation).filter(pk__gte=first).order_by("pk").values_list("pk", flat=True)
    last = ids[limit - 1 : limit].first()
    return milvus.LAST_ID if last is None else last


def _pending(generation: IndexGeneration, first: int, last: int) -> set[int]:
    rows = VectorOutbox.objects.filter(
        generation=generation, template_id__gte=first, template_id__lte=last
    )
    return set(rows.values_list("template_id", flat=True))


def _settled(
    generation: IndexGeneration, first: int, last: int, ids: set[int], pending: set[int]
) -> set[int]:
    """Those of these ids that neither the outbox nor a span names."""
    spans = IndexSpan.objects.filter(generation=generation).filter(
        Q(next_id__lte=last) & Q(last_id__gte=first)
    )
    settled = ids - pending
    for low, high in spans.values_list("next_id", "last_id"):
        settled = {pk for pk in settled if not low <= pk <= high}
    return settled


def _chosen(ids: list[int], share: float) -> list[int]:
    count = min(len(ids), int(np.ceil(share * len(ids))))
    return random.sample(ids, count)


def _different(generation: IndexGeneration, ids: list[int]) -> list[int]:
    """Those of these templates whose vector in Milvus is another than in the database."""
    if not ids:
        return []
    held = milvus.get(generation.collection, ids)
    by_id = dict(zip(held.template_ids.tolist(), held.vectors, strict=True))
    should = wanted_entries(generation, ids)
    return [
        pk
        for pk, vector in zip(should.template_ids.tolist(), should.vectors, strict=True)
        if pk not in by_id or np.abs(by_id[pk] - vector).max() > VECTOR_TOLERANCE
    ]
