"""Figures to draw: they add up, and say what decisions are made by."""

from __future__ import annotations

import numpy as np
import pytest

from embedder.calibration.curves import RATES, SHARES, Curve, curve
from embedder.catalogue import Catalogue
from thresholds import searching
from thresholds.plotting import plot
from thresholds.searching import Curves

MIX = {1: 300, 2: 100}


@pytest.fixture(scope="module")
def curves() -> Curves:
    """Of the calibration that comes with the package."""
    found = Catalogue().model("mtcnn-dlib-resnet").calibration
    assert found is not None
    return {int(k): Curve.from_json(figures) for k, figures in found.curves().items()}


def test_the_bins_hold_nearly_all_comparisons(curves: Curves) -> None:
    drawn = plot(curves, MIX, (400,))
    assert sum(drawn.strangers) == pytest.approx(1, abs=0.02)
    assert sum(drawn.genuine) == pytest.approx(1, abs=0.02)
    assert 40 <= len(drawn.scores) <= 82
    assert np.diff(drawn.scores) == pytest.approx(drawn.width)


def test_comparisons_are_the_mean_of_the_mix(curves: Curves) -> None:
    drawn = plot(curves, MIX, (400,))
    for place in (10, 40):
        score = drawn.scores[place]
        fmr = 0.75 * curves[1].fmr(score) + 0.25 * curves[2].fmr(score)
        fnmr = 0.75 * curves[1].fnmr(score) + 0.25 * curves[2].fnmr(score)
        assert drawn.fmr[place] == pytest.approx(fmr, rel=1e-3)
        assert drawn.fnmr[place] == pytest.approx(fnmr, abs=1e-4)


def test_searches_are_as_decisions_take_them(curves: Curves) -> None:
    small, large = plot(curves, MIX, (400, 4_000)).trades
    assert (small.searched, large.searched) == (400, 4_000)
    for trades, count in ((small, MIX), (large, {k: 10 * each for k, each in MIX.items()})):
        for point in trades.points[4::8]:
            asked = searching.threshold(curves, count, point.fpir)
            assert point.score == pytest.approx(asked, abs=1e-3)
            assert point.fnir == pytest.approx(searching.miss_rate(curves, count, asked), abs=0.01)
    assert all(two.fnir >= one.fnir for one, two in zip(small.points, large.points, strict=True))


def test_an_empty_gallery_is_drawn_with_single_photos(curves: Curves) -> None:
    assert plot(curves, {}, (1,)).fmr == plot(curves, {1: 7}, (1,)).fmr


def test_strangers_are_drawn_without_steps() -> None:
    """From a normal distribution's own rates comes that distribution."""
    random = np.random.default_rng(0)
    scores = np.sort(random.normal(0.0, 0.1, 200_000))
    strangers = np.interp(1 - RATES, np.linspace(0, 1, len(scores)), scores)
    drawn = plot({1: curve(strangers, np.quantile(scores + 0.5, SHARES))}, {}, (1,))
    counted, _ = np.histogram(scores, [*drawn.scores, drawn.scores[-1] + drawn.width])
    assert drawn.strangers == pytest.approx(counted / len(scores), abs=0.01)
