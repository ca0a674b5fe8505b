"""Comparing the index with the database, and mending what differs."""

import random
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import islice

import numpy as np

from . import milvus, services
from .connection import server_label
from .models import GenerationState, IndexGeneration, PersonTemplate, VectorOutbox

READ_BATCH = 1000
# Milvus returns the float32 it was given; anything beyond rounding is another vector.
VECTOR_TOLERANCE = 1e-6


@dataclass(slots=True)
class Report:
    """What a comparison of one generation found. Template ids only."""

    collection: str
    expected: int = 0
    indexed: int = 0
    pending: int = 0
    sampled: int = 0
    missing: list[int] = field(default_factory=list)
    surplus: list[int] = field(default_factory=list)
    misplaced: list[int] = field(default_factory=list)
    different: list[int] = field(default_factory=list)

    @property
    def wrong(self) -> list[int]:
        """Every template whose entry is not what it should be."""
        return sorted({*self.missing, *self.surplus, *self.misplaced, *self.different})

    @property
    def agrees(self) -> bool:
        """Same ids, same galleries, sampled vectors equal, nothing pending."""
        return not self.wrong and not self.pending


def reconcile(generation: IndexGeneration, *, sample: int = 1000, repair: bool = False) -> Report:
    """Compare a generation with the database: all ids and galleries, `sample` vectors.

    Entries with a row in the outbox are pending, not wrong. With `repair`, what is wrong is
    marked dirty, so that the index worker writes or deletes it.

    Raises:
        IndexUnavailable: Milvus is away.
    """
    report = Report(generation.collection)
    entries = dict(milvus.list_entries(generation.collection))
    # The outbox after the listing and before the templates: a change in between is pending then.
    pending = set(
        VectorOutbox.objects.filter(generation=generation).values_list("template_id", flat=True)
    )
    expected = _expected(generation.model)
    pending |= set(
        VectorOutbox.objects.filter(generation=generation).values_list("template_id", flat=True)
    )
    report.expected, report.indexed, report.pending = len(expected), len(entries), len(pending)
    report.missing = sorted(expected.keys() - entries.keys() - pending)
    report.surplus = sorted(entries.keys() - expected.keys() - pending)
    both = expected.keys() & entries.keys() - pending
    report.misplaced = sorted(pk for pk in both if expected[pk] != entries[pk])
    _compare_vectors(generation, both, sample, report)
    if repair and report.wrong:
        services.mark_dirty(generation.model, report.wrong)
    return report


def reconcile_all(*, sample: int = 1000, repair: bool = False) -> list[Report]:
    """The same for every ready generation on the present server."""
    generations = IndexGeneration.objects.filter(state=GenerationState.READY, server=server_label())
    return [reconcile(each, sample=sample, repair=repair) for each in generations]


def _expected(model: str) -> dict[int, int]:
    templates = PersonTemplate.objects.filter(model=model, person__active=True)
    return dict(templates.values_list("pk", "person__gallery_id").iterator(chunk_size=10_000))


def _compare_vectors(
    generation: IndexGeneration, ids: Iterable[int], sample: int, report: Report
) -> None:
    candidates = sorted(ids)
    chosen = random.sample(candidates, min(sample, len(candidates)))
    report.sampled = len(chosen)
    for batch in _batches(chosen):
        held = {entry.template_id: entry for entry in milvus.get(generation.collection, batch)}
        for wanted in services.wanted_entries(generation.model, batch):
            entry = held.get(wanted.template_id)
            if entry is None or np.abs(entry.vector - wanted.vector).max() > VECTOR_TOLERANCE:
                report.different.append(wanted.template_id)


def _batches(ids: list[int]) -> Iterator[list[int]]:
    rest = iter(ids)
    while batch := list(islice(rest, READ_BATCH)):
        yield batch
