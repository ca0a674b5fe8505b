"""Laws of thresholds and decisions."""

from __future__ import annotations

from uuid import UUID, uuid4

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from embedder.calibration.curves import RATES, SHARES, Curve, curve
from thresholds import searching
from thresholds.deciding import Decision, Limits, Standard

# Strangers' scores are a normal's, people's own ones another; the more photos, the higher both.
CURVES = {
    k: curve(
        np.array([0.1 + 0.02 * k + 0.09 * np.sqrt(-2 * np.log(rate)) for rate in RATES]),
        np.linspace(0.3 + 0.02 * k, 0.9, len(SHARES)),
    )
    for k in range(1, 5)
}

sizes = st.integers(1, 10**8)
targets = st.floats(1e-6, 0.5)
mixes = st.dictionaries(st.integers(1, 4), st.integers(1, 10**7), min_size=1)
scores = st.lists(st.floats(-1, 1), min_size=0, max_size=5).map(lambda each: sorted(each)[::-1])


def stepped(seed: int) -> dict[int, Curve]:
    """Curves that rise in steps, unevenly, as those of a real calibration do."""
    random = np.random.default_rng(seed)
    found = {}
    for k in range(1, 5):
        steps = random.exponential(random.uniform(0.001, 0.1), len(RATES))
        steps[random.random(len(RATES)) < 0.3] = 0
        genuine = np.sort(random.uniform(-0.2, 1, len(SHARES)))
        found[k] = curve(steps.cumsum() - random.uniform(0, 1), genuine)
    return found


measured = st.integers(0, 2**32 - 1).map(stepped)


def limits(make_up: dict[int, int], **changed: float) -> Limits:
    asked = {"match_fpir": 0.003, "review_fpir": 0.05, "margin": 10.0, **changed}
    return Limits(make_up, (Standard(UUID(int=1), CURVES, **asked),))  # type: ignore[arg-type]


@given(sizes, sizes, targets)
def test_the_threshold_rises_with_the_gallery(one: int, other: int, target: float) -> None:
    smaller, larger = sorted((one, other))
    low, high = (searching.threshold(CURVES, {1: each}, target) for each in (smaller, larger))
    assert low <= high + 1e-12


@given(mixes, targets, targets)
def test_the_threshold_falls_with_the_target(mix: dict[int, int], one: float, other: float) -> None:
    strict, lax = sorted((one, other))
    assert searching.threshold(CURVES, mix, strict) >= searching.threshold(CURVES, mix, lax) - 1e-12


@given(mixes, st.integers(1, 4), st.integers(1, 10**7), targets)
def test_the_threshold_rises_with_whoever_is_added(
    mix: dict[int, int], photos: int, more: int, target: float
) -> None:
    larger = {**mix, photos: mix.get(photos, 0) + more}
    low, high = (searching.threshold(CURVES, each, target) for each in (mix, larger))
    assert low <= high + 1e-12


@given(st.integers(1, 10**7), st.floats(1e-5, 0.4), st.floats(1.2, 10))
def test_it_rises_and_falls_by_more_than_nothing(size: int, target: float, factor: float) -> None:
    at = searching.threshold(CURVES, {1: size}, target)
    assert searching.threshold(CURVES, {1: size * factor}, target) > at + 1e-3
    assert searching.threshold(CURVES, {1: size}, target / factor) > at + 1e-3


@given(measured, mixes, st.floats(1, 100), targets, targets)
def test_whatever_was_measured_thresholds_rise_with_size_and_fall_with_the_target(
    curves: dict[int, Curve], mix: dict[int, int], factor: float, one: float, other: float
) -> None:
    """Curves have steps, flat parts and jumps; and decisions go by tiers."""
    strict, lax = sorted((one, other))
    larger = searching.at_size(mix, searching.size(mix) * factor)
    at = searching.threshold(curves, mix, lax)
    assert searching.threshold(curves, larger, lax) >= at - 1e-12
    assert searching.threshold(curves, mix, strict) >= at - 1e-12
    small, large = (
        Limits(each, (Standard(uuid4(), curves, strict, lax, 10.0),)) for each in (mix, larger)
    )
    assert small.review <= large.review + 1e-12
    assert small.match <= large.match + 1e-12
    assert small.review <= small.match


@given(st.integers(1, 4), sizes, targets)
def test_fusing_counts_on_either_side_of_a_comparison_alike(
    photos: int, size: int, target: float
) -> None:
    """A probe of k photos among single ones is a single one among those of k."""
    fused = searching.threshold(searching.for_probes_of(CURVES, photos), {1: size}, target)
    assert fused == pytest.approx(searching.threshold(CURVES, {photos: size}, target), abs=1e-9)


@given(measured, mixes, st.integers(1, 10))
def test_a_fused_probe_has_no_lower_thresholds(
    curves: dict[int, Curve], mix: dict[int, int], photos: int
) -> None:
    single = Limits(mix, (Standard(uuid4(), curves, 0.003, 0.05, 10.0),))
    fused = single.for_probe_of(photos)
    assert fused.match >= single.match - 1e-9
    assert fused.review >= single.review - 1e-9
    assert single.for_probe_of(1) == single


@given(mixes, targets)
def test_at_the_threshold_strangers_come_as_often_as_the_target_says(
    mix: dict[int, int], target: float
) -> None:
    at = searching.threshold(CURVES, mix, target)
    assert searching.stranger_rate(CURVES, mix, at) <= target * (1 + 1e-6)
    assert searching.stranger_rate(CURVES, mix, at - 1e-6) >= target * (1 - 1e-6)


@given(mixes, scores)
def test_a_stricter_policy_never_makes_a_match_of_less(
    mix: dict[int, int], found: list[float]
) -> None:
    order = [Decision.NO_MATCH, Decision.REVIEW, Decision.MATCH]
    strict = limits(mix, match_fpir=0.001, review_fpir=0.01).decide(found)
    assert order.index(strict) <= order.index(limits(mix).decide(found))


@given(mixes, scores, st.lists(st.floats(-1, 1), max_size=20), st.permutations(range(3)))
def test_a_decision_depends_on_the_scores_of_the_two_best_alone(
    mix: dict[int, int], found: list[float], others: list[float], order: list[int]
) -> None:
    """Not on who came along, how the make-up was counted, or which gallery was named first."""
    standards = [
        *limits(mix).standards, *limits(mix, match_fpir=0.001, margin=2).standards,
        *limits(mix, review_fpir=0.01).standards,
    ]  # fmt: skip
    counted_otherwise = dict(reversed(mix.items()))
    asked = Limits(mix, tuple(standards))
    again = Limits(counted_otherwise, tuple(standards[each] for each in order))
    decision = asked.decide(found)
    assert asked.decide(tuple(found)) is again.decide(found) is decision
    assert [asked.stranger_rate(each) for each in found] == [
        again.stranger_rate(each) for each in found
    ]
    if len(found) >= 2:
        below = sorted((each for each in others if each <= found[1]), reverse=True)
        assert asked.decide([*found[:2], *below]) is decision


@given(mixes)
def test_several_galleries_are_judged_by_the_strictest(mix: dict[int, int]) -> None:
    (one,), (other,) = limits(mix).standards, limits(mix, match_fpir=0.001, margin=2).standards
    both = Limits(mix, (one, other))
    assert both.match == pytest.approx(limits(mix, match_fpir=0.001).match)
    assert (both.margin, both.review) == (10, limits(mix).review)


def test_thresholds_change_at_the_borders_of_tiers_alone() -> None:
    found = [limits({1: each}).match for each in (900, 1_000, 1_001, 10_000)]
    assert found[0] == found[1] < found[2] == found[3]
    assert [limits({1: each}).tier for each in (1, 1_000, 1_001)] == [1_000, 1_000, 10_000]
    assert limits({1: 200_000_000}).tier == 200_000_000


def test_the_bands() -> None:
    asked = limits({1: 1_000})
    assert asked.decide([]) is Decision.NO_MATCH
    assert asked.decide([asked.review - 1e-6]) is Decision.NO_MATCH
    assert asked.decide([asked.review]) is Decision.REVIEW
    assert asked.decide([asked.match]) is Decision.MATCH
    # The second might as well be the one; a second who is no candidate changes nothing.
    assert asked.decide([asked.match, asked.match - 1e-3]) is Decision.REVIEW
    assert asked.decide([asked.match, asked.review - 1e-6]) is Decision.MATCH


def test_a_score_set_by_hand_counts_at_every_size() -> None:
    standard = Standard(UUID(int=1), CURVES, 0.003, 0.05, 10.0, match_score=0.7, review_score=0.6)
    asked = Limits({1: 50_000_000}, (standard,))
    assert (asked.match, asked.review, asked.is_overridden) == (0.7, 0.6, True)
    assert (asked.for_probe_of(4).match, asked.for_probe_of(4).review) == (0.7, 0.6)


def test_an_empty_gallery_finds_nobody() -> None:
    asked = limits({})
    assert (asked.searched, asked.tier, asked.decide([])) == (0, 1_000, Decision.NO_MATCH)
    assert asked.stranger_rate(0.99) == 0


def test_a_curve_comes_back_as_it_was_written() -> None:
    again = Curve.from_json(CURVES[1].as_json())
    for score in np.linspace(0, 1, 11):
        assert again.fmr(score) == pytest.approx(CURVES[1].fmr(score), rel=1e-3)
        assert again.fnmr(score) == pytest.approx(CURVES[1].fnmr(score), abs=1e-4)
    with pytest.raises(ValueError, match="another number"):
        Curve.from_json({"strangers": [1.0], "genuine": [0.0]})
    with pytest.raises(ValueError, match="are none"):
        Curve.from_json({**CURVES[1].as_json(), "genuine": [float("nan")] * len(SHARES)})
