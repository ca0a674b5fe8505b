"""Measuring recall, and choosing how far a search looks, on a real Milvus."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest

from people.models import Gallery
from tests.factories import GalleryFactory, bulk_templates
from tests.fixtures import HANDED_ON, settle
from tests.sets import ON_SERVERS
from vectors import milvus, recall
from vectors.errors import CollectionMissing
from vectors.generations import make_generation
from vectors.milvus import Hit
from vectors.models import (
    ActiveIndex,
    GenerationState,
    IndexGeneration,
    IndexSpan,
    IndexType,
    PersonTemplate,
    Placement,
    VectorOutbox,
)
from vectors.outbox import mark_all, mark_dirty
from vectors.recall import measure_again, placements_to_measure, tune

from .test_exact import units

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("indexed")]
COUNT = 200

Search = Callable[..., list[list[Hit]]]


@pytest.fixture
def placement(gallery: Gallery) -> Placement:
    """A gallery of 200 in an index that is ready."""
    return placed(gallery)


def placed(gallery: Gallery, generation: IndexGeneration | None = None) -> Placement:
    bulk_templates(gallery, units(gallery.pk, COUNT))
    generation = generation or IndexGeneration.objects.get(public_id=HANDED_ON)
    made = Placement.objects.create(generation=generation, gallery=gallery)
    ActiveIndex.objects.create(gallery=gallery, generation=generation)
    mark_all(generation, PersonTemplate.objects.filter(person__gallery=gallery))
    settle(gallery)
    return Placement.objects.select_related("generation", "gallery").get(pk=made.pk)


def losing(monkeypatch: pytest.MonkeyPatch, share: float, *, below: int = 10_000) -> None:
    """A search that misses the best of this share of probes while it looks less far than so."""
    real: Search = milvus.search
    asked = iter(range(10**6))

    def search(
        collection: Any, probes: Any, galleries: Any, limit: int, params: Mapping[str, int]
    ) -> list[list[Hit]]:
        found = real(collection, probes, galleries, limit, {})
        if params.get("ef", 0) >= below:
            return found
        every = round(1 / share)
        return [hits[1:] if next(asked) % every == 0 else hits for hits in found]

    monkeypatch.setattr(milvus, "search", search)


def approximate(placement: Placement) -> Placement:
    """An exact collection that passes for an approximate one."""
    placement.generation.index_type = IndexType.HNSW
    placement.generation.save()
    return placement


def test_an_exact_index_finds_all(placement: Placement) -> None:
    (measured,) = tune(placement, probes=150)

    placement.refresh_from_db()
    assert (measured.width, measured.recall) == (None, 1.0)
    assert measured.seconds_per_probe > 0
    assert (placement.recall, placement.width) == (1.0, None)
    # An exact index is believed after 100.
    assert (placement.probes, placement.probes_of) == (100, "templates")
    assert placement.measured_at is not None


def test_the_narrowest_that_suffices_is_kept(
    placement: Placement, monkeypatch: pytest.MonkeyPatch
) -> None:
    losing(monkeypatch, 0.05, below=128)

    tried = tune(approximate(placement))

    placement.refresh_from_db()
    assert [each.width for each in tried] == [16, 32, 64, 128]
    assert [round(each.recall, 6) for each in tried] == [0.95, 0.95, 0.95, 1.0]
    assert (placement.width, placement.recall, placement.probes) == (128, 1.0, COUNT)


def test_where_none_suffices_the_widest_is_kept_with_what_it_gives(
    placement: Placement, monkeypatch: pytest.MonkeyPatch
) -> None:
    losing(monkeypatch, 0.1)

    tried = tune(approximate(placement))

    placement.refresh_from_db()
    assert [each.width for each in tried] == [16, 32, 64, 128, 256, 512, 1024]
    assert (placement.width, placement.recall) == (1024, pytest.approx(0.9))
    assert not tried[-1].suffices


def test_of_a_width_that_misses_too_many_not_all_probes_are_tried(
    placement: Placement, monkeypatch: pytest.MonkeyPatch
) -> None:
    losing(monkeypatch, 0.1, below=64)
    monkeypatch.setattr(recall, "ENOUGH", 50)

    *hopeless, last = tune(approximate(placement))

    assert all(50 <= each.probes < COUNT for each in hopeless)
    assert (last.width, last.probes, last.recall) == (64, COUNT, 1.0)


@pytest.mark.parametrize(
    ("batch", "took", "following"),
    [(10, 0.01, 20), (150, 0.1, 200), (10, 0.5, 10), (10, 0.9, 5), (1, 3.0, 1)],
)
def test_calls_take_neither_long_nor_are_they_many(batch: int, took: float, following: int) -> None:
    assert recall._next_batch(batch, took) == following


def test_no_more_clusters_are_tried_than_there_are(
    placement: Placement, monkeypatch: pytest.MonkeyPatch
) -> None:
    losing(monkeypatch, 0.5)
    placement.generation.index_type = IndexType.IVF_SQ8
    placement.generation.index_params = {"nlist": 100}
    placement.generation.save()

    assert [each.width for each in tune(placement)] == [8, 16, 32, 64]


def test_measuring_again_keeps_a_width_that_still_suffices(
    placement: Placement, monkeypatch: pytest.MonkeyPatch
) -> None:
    losing(monkeypatch, 0.05, below=64)
    approximate(placement)
    placement.width = 256
    placement.save()

    measured = measure_again(placement, probes=50)

    placement.refresh_from_db()
    assert measured is not None
    assert (measured.width, placement.width, placement.recall, placement.probes) == (
        256, 256, 1.0, 50,
    )  # fmt: skip


@pytest.mark.parametrize("width", [None, 16])
def test_measuring_again_tunes_what_never_was_or_finds_too_few(
    width: int | None, placement: Placement, monkeypatch: pytest.MonkeyPatch
) -> None:
    losing(monkeypatch, 0.05, below=64)
    approximate(placement)
    placement.width = width
    placement.save()

    measured = measure_again(placement)

    placement.refresh_from_db()
    assert measured is not None
    assert (measured.width, measured.recall, placement.width) == (64, 1.0, 64)


def test_of_an_empty_gallery_nothing_is_stored(gallery: Gallery) -> None:
    generation = make_generation(gallery.model, [gallery])
    settle(gallery)
    placement = Placement.objects.get(generation=generation)

    assert tune(placement) == []
    assert measure_again(placement) is None

    placement.refresh_from_db()
    assert placement.measured_at is None


def miss_all(monkeypatch: pytest.MonkeyPatch) -> None:
    """A search that finds everything but the best."""
    losing(monkeypatch, 1.0)


def test_templates_with_the_same_score_count_as_one(
    placement: Placement, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Everybody twice: the second of a pair is as good as the first."""
    twins = np.frombuffer(
        b"".join(bytes(row) for row in PersonTemplate.objects.values_list("vector", flat=True)),
        "<f4",
    ).reshape(-1, 128)
    bulk_templates(placement.gallery, twins)
    mark_dirty(
        placement.gallery_id,
        placement.generation.model,
        list(PersonTemplate.objects.values_list("pk", flat=True)),
    )
    settle()
    miss_all(monkeypatch)

    (measured,) = tune(placement, probes=50)

    assert measured.recall == 1.0


def test_who_was_changed_meanwhile_is_no_miss(
    placement: Placement, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Gone, on the way into the index, or within a load: none says anything of the search."""
    truth = recall.find_truth(placement, 40, recall._unwatched)
    assert truth is not None
    miss_all(monkeypatch)
    gone, dirty, loaded = (int(truth.best.ids[number]) for number in (0, 1, 2))
    assert len({gone, dirty, loaded}) == 3
    expected = sum(int(best) not in (gone, dirty, loaded) for best in truth.best.ids)
    PersonTemplate.objects.filter(pk=gone).delete()
    VectorOutbox.objects.create(generation=placement.generation, template_id=dirty)
    IndexSpan.objects.create(generation=placement.generation, next_id=loaded, last_id=loaded)

    measured = recall.measure(placement, truth, None, recall._ignored)

    assert measured.recall == pytest.approx(1 - expected / 40)


def test_only_the_gallery_s_own_templates_count(placement: Placement) -> None:
    """Another gallery of the same collection has the very same faces."""
    other = GalleryFactory()
    Placement.objects.create(generation=placement.generation, gallery=other)
    bulk_templates(other, units(placement.gallery_id, COUNT))
    ids = list(PersonTemplate.objects.filter(person__gallery=other).values_list("pk", flat=True))
    mark_dirty(other.pk, other.model, ids)
    settle()

    (measured,) = tune(placement)

    assert measured.recall == 1.0


def test_what_is_measured(placement: Placement, gallery: Gallery) -> None:
    second = GalleryFactory()
    other = placed(second, make_generation(second.model, []))
    assert placements_to_measure() == [placement, other]
    assert placements_to_measure(other.generation.public_id) == [other]

    IndexGeneration.objects.filter(pk=placement.generation_id).update(
        state=GenerationState.BUILDING
    )
    IndexGeneration.objects.filter(pk=other.generation_id).update(server="elsewhere:1")
    assert placements_to_measure() == []
    IndexGeneration.objects.update(server=placement.generation.server)


def test_a_collection_that_is_gone_is_said(placement: Placement) -> None:
    milvus.drop_collection(placement.generation.collection)
    with pytest.raises(CollectionMissing):
        tune(placement)


@pytest.mark.skipif(not ON_SERVERS, reason="Milvus Lite has no graph")
def test_a_graph_is_tuned(gallery: Gallery) -> None:
    placement = placed(gallery, make_generation(gallery.model, [], index_type=IndexType.HNSW))

    tried = tune(placement)

    placement.refresh_from_db()
    assert tried[-1].recall == placement.recall >= recall.TARGET
    assert placement.width == tried[-1].width
