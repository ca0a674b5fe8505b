"""Whatever the type of index: the same candidates have the same scores, and get the same decision.

Thresholds are put on the scores themselves, so that a decision hangs on the last bit.
"""

from __future__ import annotations

from uuid import UUID

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from people.models import Gallery
from tests.factories import SYSTEM, bulk_templates, unit
from tests.fixtures import settle
from tests.sets import ON_SERVERS
from thresholds.deciding import Decision, Limits, Standard
from vectors import milvus
from vectors.codec import FloatArray
from vectors.generations import make_generation, switch
from vectors.models import IndexGeneration, IndexType, PersonTemplate
from vectors.selectors import Match, search, search_among

from .test_exact import units

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("indexed")]

# Milvus Lite has none but the exact one, of which there are two here.
TYPES = list(IndexType) if ON_SERVERS else [IndexType.FLAT, IndexType.FLAT]
COUNT, MOST = 150, 5


def near(vector: FloatArray, seed: int, share: float) -> FloatArray:
    """A template as like another as two photos of a person, or less."""
    mixed = vector + share * unit(seed)
    close: FloatArray = (mixed / np.linalg.norm(mixed)).astype(np.float32)
    return close


@pytest.fixture
def generations(gallery: Gallery) -> list[IndexGeneration]:
    """Of each type one that holds everybody: strangers, people alike, and twins to the last bit."""
    crowd = units(1, COUNT)
    alike = np.stack([near(crowd[number], number + 900, 0.4) for number in range(30)])
    bulk_templates(gallery, np.concatenate([crowd, alike, crowd[:10]]))
    made = [make_generation(gallery.model, [gallery], index_type=each) for each in TYPES]
    settle(gallery)
    return made


def decisions(matches: list[Match], thresholds: list[float]) -> list[Decision]:
    """What each pair of thresholds says of these candidates."""
    scores = [each.score for each in matches]
    return [
        Limits({}, (Standard(UUID(int=1), {}, 0.01, 0.05, 1.0, match, review),)).decide(scores)
        for match in thresholds
        for review in thresholds
        if review <= match
    ]


probes = st.lists(
    st.tuples(st.integers(0, COUNT - 1), st.integers(0, 10**6), st.floats(0.01, 1.2)),
    min_size=1,
    max_size=4,
)


@settings(
    max_examples=20,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(chosen=probes)
def test_no_index_moves_a_score_or_a_decision(
    gallery: Gallery,
    generations: list[IndexGeneration],
    chosen: list[tuple[int, int, float]],
) -> None:
    crowd = units(1, COUNT)
    asked = np.stack([near(crowd[who], seed, share) for who, seed, share in chosen])
    found = []
    for generation in generations:
        switch(SYSTEM, generation)
        found.append(search([gallery], asked, MOST))
        # One alone scores as among others.
        assert search([gallery], asked[:1], MOST) == found[-1][:1]
    everybody = list(PersonTemplate.objects.values_list("person_id", flat=True))
    found.append(search_among([gallery], everybody, asked, MOST)[0])
    for first, *others in zip(*found, strict=True):
        thresholds = [each.score for each in first]
        for other in others:
            assert other == first
            assert decisions(other, thresholds) == decisions(first, thresholds)


def test_whoever_an_index_misses_moves_nobody_else(
    gallery: Gallery, generations: list[IndexGeneration], monkeypatch: pytest.MonkeyPatch
) -> None:
    """An approximate index may miss somebody; the others score as if it had not."""
    switch(SYSTEM, generations[-1])
    asked = np.stack([near(unit(seed), seed + 1, 0.5) for seed in range(20)])
    whole = search([gallery], asked, MOST)
    real = milvus.search

    def losing(*args: object) -> list[list[milvus.Hit]]:
        return [hits[1::2] for hits in real(*args)]  # type: ignore[arg-type]

    monkeypatch.setattr(milvus, "search", losing)
    for all_of_them, some in zip(whole, search([gallery], asked, MOST), strict=True):
        known = {each.template_id: each for each in all_of_them}
        assert len(some) == MOST
        assert [each for each in some if each.template_id in known] == [
            each for each in all_of_them if each in some
        ]
        assert len(set(some) & set(all_of_them)) == MOST // 2
