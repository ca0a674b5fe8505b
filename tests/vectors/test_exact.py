"""Exact search from the database, against NumPy over everything at once."""

from __future__ import annotations

import numpy as np
import pytest

from people.models import Gallery, Person
from tests.factories import PersonFactory, bulk_templates, template, unit
from vectors import exact
from vectors.exact import findable, nearest

pytestmark = pytest.mark.django_db


def units(seed: int, count: int) -> np.ndarray:
    """Random unit vectors, shape (count, 128)."""
    vectors = np.random.default_rng(seed).standard_normal((count, 128)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


@pytest.mark.parametrize(("block", "tile"), [(10_000, 500), (7, 3), (50, 50), (1, 1)])
def test_the_best_of_everything(
    gallery: Gallery, block: int, tile: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exact, "BLOCK", block)
    monkeypatch.setattr(exact, "TILE", tile)
    vectors, probes = units(1, 50), units(2, 20)
    ids = np.array([each.pk for each in bulk_templates(gallery, vectors)])
    done: list[int] = []

    best = nearest(gallery, gallery.model, probes, done.append)

    scores = probes @ vectors.T
    assert best.ids.tolist() == ids[scores.argmax(axis=1)].tolist()
    assert np.allclose(best.scores, scores.max(axis=1), atol=1e-6)
    assert (sum(done), max(done)) == (50, min(block, 50))


def test_only_who_can_be_found_counts(gallery: Gallery, person: Person) -> None:
    """Not the inactive, nor other galleries, nor other models."""
    kept = template(person, 1)
    for hidden in (PersonFactory(gallery=gallery, active=False), PersonFactory()):
        template(hidden, 2)

    best = nearest(gallery, gallery.model, unit(2)[None], lambda _done: None)

    assert list(findable(gallery, gallery.model)) == [kept]
    assert best.ids.tolist() == [kept.pk]
    assert findable(gallery, "another").count() == 0


def test_of_an_empty_gallery_nothing_is_found(gallery: Gallery) -> None:
    best = nearest(gallery, gallery.model, units(1, 2), lambda _done: None)

    assert (best.ids.tolist(), best.scores.tolist()) == ([0, 0], [-np.inf, -np.inf])
