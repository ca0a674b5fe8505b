"""Calibrations of people whose scores are known."""

from __future__ import annotations

import numpy as np
import pytest

from embedder.calibration.measuring import Labelled, measure
from embedder.errors import TooFewPeopleError
from thresholds.searching import threshold


def population(people: int, photos: int, seed: int = 3) -> Labelled:
    """People far apart, and photos near them: directions in 128 dimensions."""
    random = np.random.default_rng(seed)
    owners = np.repeat(np.arange(people), photos)
    middles = random.standard_normal((people, 128))
    found = middles[owners] + 0.8 * random.standard_normal((len(owners), 128))
    found /= np.linalg.norm(found, axis=1, keepdims=True)
    return Labelled(found.astype(np.float32), owners, np.zeros(people, np.intp))


@pytest.mark.parametrize("photos", [1, 3])
def test_strangers_come_as_often_as_foretold(photos: int) -> None:
    curves = {k: each.curve for k, each in measure(population(400, 5)).items()}
    others = population(1_000, photos, seed=4)
    fused = others.templates.reshape(1_000, photos, 128).sum(axis=1)
    fused /= np.linalg.norm(fused, axis=1, keepdims=True)
    strangers = population(4_000, 1, seed=5).templates
    best = (strangers @ fused.T).max(axis=1)
    measured = {
        target: (best >= threshold(curves, {photos: 1_000}, target)).mean()
        for target in (0.1, 0.03, 0.01)
    }
    assert 0.05 < measured[0.1] < 0.2
    # Where less was counted the figures err on the safe side.
    assert measured[0.03] < 0.06
    assert measured[0.01] < 0.02


def test_photos_without_a_face_are_misses() -> None:
    labelled = population(60, 2)
    half = Labelled(labelled.templates, labelled.people, np.ones(60, np.intp))
    (all_found, some_missed) = (measure(each)[1].curve for each in (labelled, half))
    assert all_found.fnmr(-0.9) == 0
    assert some_missed.fnmr(-0.9) == pytest.approx(0.5, abs=0.01)


def test_too_few_people_are_refused() -> None:
    with pytest.raises(TooFewPeopleError, match="50 people with two photos or more; here are 20"):
        measure(population(20, 2))
    with pytest.raises(TooFewPeopleError, match="here are 0"):
        measure(population(200, 1))


def test_where_nobody_has_as_many_photos_the_curve_before_stands_in() -> None:
    found = measure(population(100, 3))
    assert found[2].people == 100
    assert found[3] is found[4] is found[2]


def test_the_same_photos_give_the_same_figures() -> None:
    one, other = (measure(population(60, 2), seed=9)[1].curve for _ in range(2))
    assert (one.strangers == other.strangers).all()
