"""The tail of impostor scores, against distributions whose tails are known."""

from __future__ import annotations

import numpy as np
import pytest

from embedder.calibration.tail import fit


@pytest.mark.parametrize("shape", [-0.4, -0.1, 0.0])
def test_a_pareto_is_recognised(shape: float) -> None:
    rarity = -np.log(np.random.default_rng(4).uniform(size=200_000))
    excesses = 0.05 * (rarity if shape == 0 else np.expm1(shape * rarity) / shape)
    found = fit(excesses, np.ones_like(excesses), begin=0.3, share=1e-3)
    assert found.shape == pytest.approx(shape, abs=0.01)
    assert found.scale == pytest.approx(0.05, rel=0.02)


def test_no_tail_is_heavier_than_the_exponential_one() -> None:
    rarity = -np.log(np.random.default_rng(4).uniform(size=200_000))
    found = fit(0.05 * np.expm1(0.2 * rarity) / 0.2, np.ones_like(rarity), begin=0.3, share=1e-3)
    assert found.shape == 0
    assert found.scale == pytest.approx(0.05 / (1 - 0.2), rel=0.02)  # the mean
    same = fit(np.full(300, 0.02), np.ones(300), begin=0.3, share=1e-3)
    assert (same.shape, same.scale) == (0, pytest.approx(0.02))


def test_the_normal_s_far_tail_is_foretold_from_its_near_one() -> None:
    scores = 0.1 * np.random.default_rng(4).standard_normal(2_000_000)
    begin, share = np.quantile(scores, 1 - 1e-3), 1e-3
    beyond = scores[scores > begin] - begin
    found = fit(beyond, np.ones_like(beyond), float(begin), share)
    # 4.753 and 5.612 standard deviations; no more than 1 in 100 of these numbers is that rare.
    assert found.score_at(np.array([1e-6, 1e-8])) == pytest.approx([0.4753, 0.5612], rel=0.05)


def test_weights_are_repetitions() -> None:
    random = np.random.default_rng(4)
    excesses, counts = random.exponential(size=50), random.integers(0, 4, 50)
    by_weight = fit(excesses, counts.astype(float), 0.5, 0.01)
    repeated = fit(np.repeat(excesses, counts), np.ones(counts.sum()), 0.5, 0.01)
    assert by_weight.shape == pytest.approx(repeated.shape, abs=0.03)
    assert by_weight.scale == pytest.approx(repeated.scale, rel=0.03)


def test_it_joins_what_was_counted_and_never_falls() -> None:
    excesses = np.random.default_rng(4).exponential(0.02, size=500)
    found = fit(excesses, np.ones(500), begin=0.4, share=1e-4)
    rates = np.geomspace(1e-4, 1e-15, 50)
    scores = found.score_at(rates)
    assert scores[0] == pytest.approx(0.4)
    assert (np.diff(scores) > 0).all()
