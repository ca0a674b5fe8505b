from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from embedder.errors import EvaluationError
from embedder.evaluation import metrics
from embedder.evaluation.metrics import Curve, curve

# Few different values, so that scores tie.
SCORES = st.lists(st.integers(-8, 8).map(lambda value: value / 8), min_size=1, max_size=60)
FMRS = st.sampled_from([0.001, 0.01, 0.1, 0.25, 0.5, 1.0])


def known(genuine: list[float], impostor: list[float]) -> Curve:
    """A curve with every impostor counted 10,000 times, so that each FMR can be measured."""
    values, place = np.unique([*genuine, *impostor], return_inverse=True)
    counts = np.bincount(place[: len(genuine)], minlength=len(values))
    others = np.bincount(place[len(genuine) :], minlength=len(values))
    return metrics.weighted_curve(values, counts, 10_000 * others)


def naive_tmr(genuine: list[float], impostor: list[float], fmr: float) -> float:
    """Try every threshold."""
    thresholds = [*genuine, *impostor, np.inf]
    return max(
        sum(score >= t for score in genuine) / len(genuine)
        for t in thresholds
        if sum(score >= t for score in impostor) <= fmr * len(impostor) + 1e-9
    )


def test_rates_of_a_few_pairs() -> None:
    rates = curve(np.array([0.9, 0.8, 0.8, 0.4]), np.array([0.8, 0.5, 0.3, 0.2, 0.1]))
    assert rates.thresholds.tolist() == [0.1, 0.2, 0.3, 0.4, 0.5, 0.8, 0.9, np.inf]
    np.testing.assert_allclose(rates.fmr, [1, 0.8, 0.6, 0.4, 0.4, 0.2, 0, 0])
    np.testing.assert_allclose(rates.tmr, [1, 1, 1, 1, 0.75, 0.75, 0.25, 0])
    np.testing.assert_allclose(rates.fnmr, [0, 0, 0, 0, 0.25, 0.25, 0.75, 1])
    assert metrics.eer(rates) == pytest.approx(0.225)


def test_a_figure_needs_ten_false_matches_behind_it() -> None:
    genuine, impostor = np.linspace(0.5, 1, 11), np.linspace(0, 0.99, 100)
    rates = curve(genuine, impostor)
    assert metrics.tmr_at_fmr(rates, 0.1) == pytest.approx(3 / 11)
    assert metrics.tmr_at_fmr(rates, 0.09) is None
    assert metrics.tmr_at_fmr(rates, 1) == 1


def test_no_rates_without_pairs_of_both_kinds() -> None:
    some, none = np.array([0.5]), np.array([])
    for genuine, impostor in ((some, none), (none, some)):
        with pytest.raises(EvaluationError, match="genuine and impostor"):
            curve(genuine, impostor)


def test_a_curve_that_begins_above_a_threshold_does_not_guess() -> None:
    top = metrics.weighted_curve(
        np.array([0.8, 0.9]), np.array([1, 9]), np.array([30, 10]), impostor_total=1000
    )
    assert metrics.tmr_at_fmr(top, 0.01) == 0.9
    assert metrics.tmr_at_fmr(top, 0.04) is None
    assert metrics.eer(top) is None


@given(SCORES, SCORES)
def test_rates_fall_as_the_threshold_rises(genuine: list[float], impostor: list[float]) -> None:
    rates = curve(np.array(genuine), np.array(impostor))
    assert (np.diff(rates.thresholds) > 0).all()
    assert (np.diff(rates.fmr) <= 0).all()
    assert (np.diff(rates.tmr) <= 0).all()
    assert rates.fmr[0] == rates.tmr[0] == 1
    assert rates.fmr[-1] == rates.tmr[-1] == 0


@given(SCORES, SCORES, FMRS)
def test_tmr_is_that_of_the_best_threshold(
    genuine: list[float], impostor: list[float], fmr: float
) -> None:
    found = metrics.tmr_at_fmr(known(genuine, impostor), fmr)
    assert found == pytest.approx(naive_tmr(genuine, impostor, fmr))


@given(SCORES, SCORES)
def test_tmr_rises_with_the_fmr_allowed(genuine: list[float], impostor: list[float]) -> None:
    rates = known(genuine, impostor)
    allowed = [metrics.tmr_at_fmr(rates, fmr) for fmr in (0.01, 0.1, 0.3, 1)]
    assert allowed == sorted(allowed)


@given(SCORES, SCORES)
def test_only_the_order_of_scores_counts(genuine: list[float], impostor: list[float]) -> None:
    bent = [np.exp(3 * np.array(scores)) - 7 for scores in (genuine, impostor)]
    plain, other = known(genuine, impostor), known(*(list(scores) for scores in bent))
    assert metrics.eer(plain) == metrics.eer(other)
    for fmr in (0.01, 0.1, 0.5):
        assert metrics.tmr_at_fmr(plain, fmr) == metrics.tmr_at_fmr(other, fmr)


@given(SCORES, SCORES)
def test_the_equal_error_rate_lies_where_the_rates_cross(
    genuine: list[float], impostor: list[float]
) -> None:
    rates = curve(np.array(genuine), np.array(impostor))
    nearest = min(
        (abs(fmr - fnmr), (fmr + fnmr) / 2) for fmr, fnmr in zip(rates.fmr, rates.fnmr, strict=True)
    )
    value = metrics.eer(rates)
    assert value is not None
    assert 0 <= value <= 1
    place = np.flatnonzero(np.isclose((rates.fmr + rates.fnmr) / 2, value))
    assert np.abs(rates.fmr - rates.fnmr)[place].min() == pytest.approx(nearest[0])


@given(st.lists(st.tuples(st.integers(-8, 8), st.booleans()), min_size=1, max_size=40))
def test_no_threshold_decides_more_pairs_rightly(pairs: list[tuple[int, bool]]) -> None:
    scores = np.array([score / 8 for score, _ in pairs])
    genuine = np.array([same for _, same in pairs])
    chosen = metrics.best_threshold(scores, genuine)

    def right(threshold: float) -> int:
        return int(((scores >= threshold) == genuine).sum())

    assert right(chosen) == max(right(threshold) for threshold in [*scores, np.inf])


def test_each_folds_threshold_comes_from_the_others() -> None:
    # In the last fold everything scores higher: the others' threshold is wrong there.
    scores = np.array([0.9, 0.1, 0.8, 0.2, 0.99, 0.95])
    genuine = np.array([True, False] * 3)
    folds = np.array([0, 0, 1, 1, 2, 2])
    accuracies, thresholds = metrics.fold_accuracies(scores, genuine, folds)
    assert thresholds.tolist() == [0.99, 0.99, 0.8]
    assert accuracies.tolist() == [0.5, 0.5, 0.5]


def test_mean_and_standard_error() -> None:
    mean, error = metrics.mean_and_error(np.array([0.9, 1.0, 0.95, 0.95]))
    assert mean == pytest.approx(0.95)
    assert error == pytest.approx(np.sqrt(0.005 / 3) / 2)


def test_an_interval_holds_the_middle_of_the_draws() -> None:
    low, high = metrics.interval([value / 1000 for value in range(1001)]) or (0, 0)
    assert (low, high) == pytest.approx((0.025, 0.975))
    assert metrics.interval([0.5, None]) is None
    assert metrics.interval([]) is None
