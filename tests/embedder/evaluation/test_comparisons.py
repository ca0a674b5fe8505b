from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from embedder.errors import EvaluationError
from embedder.evaluation import comparisons, metrics
from embedder.evaluation.comparisons import STEPS, Comparisons, compare
from embedder.evaluation.metrics import Curve

PEOPLE = np.array([0, 0, 0, 1, 1, 2, 2, 3, 4, 5] * 8)
GRID = 1 / STEPS


def collection(
    seed: int = 0, people: NDArray[np.intp] = PEOPLE
) -> tuple[NDArray[np.float32], NDArray[np.bool_], NDArray[np.intp]]:
    """Unit templates, each near its person's own; a few photos failed."""
    rng = np.random.default_rng(seed)
    centres = rng.normal(size=(people.max() + 1, 16))
    templates = (centres[people] + rng.normal(size=(len(people), 16))).astype(np.float32)
    templates /= np.linalg.norm(templates, axis=1, keepdims=True)
    acquired = rng.random(len(people)) > 0.05
    templates[~acquired] = 0
    return templates, acquired, people


def one_by_one(
    templates: NDArray[np.float32], acquired: NDArray[np.bool_], people: NDArray[np.intp]
) -> tuple[list[float], list[float]]:
    """Genuine and impostor scores by the definition."""
    genuine, impostor = [], []
    for a, b in combinations(range(len(people)), 2):
        score = float(templates[a] @ templates[b]) if acquired[a] and acquired[b] else -1.0
        (genuine if people[a] == people[b] else impostor).append(score)
    return genuine, impostor


def assert_same(one: Curve, other: Curve, fmrs: tuple[float, ...] = (0.01, 0.05, 0.2)) -> None:
    for fmr in fmrs:
        assert metrics.tmr_at_fmr(one, fmr) == pytest.approx(metrics.tmr_at_fmr(other, fmr))


@given(seed=st.integers(0, 2**20), block=st.sampled_from([7, 2_000, 2_000_000]))
@settings(max_examples=15, deadline=None)
def test_all_pairs_are_those_compared_one_by_one(seed: int, block: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(comparisons, "_BLOCK", block)
        made = compare(*collection(seed))
    genuine, impostor = one_by_one(*collection(seed))
    assert np.sort(comparisons.scores(made.genuine[:, 0])) == pytest.approx(
        np.sort(genuine), abs=2 * GRID
    )
    assert made.impostors.sum() == len(impostor)
    spread = np.repeat(comparisons.scores(np.arange(2 * STEPS + 1)), made.impostors)
    assert spread == pytest.approx(np.sort(impostor), abs=2 * GRID)
    assert_same(made.curve(), metrics.curve(np.array(genuine), np.array(impostor)))


def test_a_photo_that_failed_matches_nobody_and_counts() -> None:
    templates, acquired, people = collection()
    made = compare(templates, acquired, people)
    failed = int((~acquired).sum())
    assert failed > 0
    pairs_with_failures = sum(
        not (acquired[a] and acquired[b]) for a, b in combinations(range(len(people)), 2)
    )
    at_the_bottom = int((made.genuine[:, 0] == 0).sum() + made.impostors[0])
    assert at_the_bottom == pairs_with_failures


def test_only_the_highest_impostors_are_kept() -> None:
    everything, some = (compare(*collection(), kept=kept) for kept in (10**6, 100))
    assert everything.cut == 0
    assert len(everything.top) == everything.impostors.sum()
    assert 90 < len(some.top) <= 100
    assert set(map(tuple, some.top)) <= set(map(tuple, everything.top))
    assert some.top[:, 0].min() >= some.cut
    np.testing.assert_array_equal(some.impostors, everything.impostors)
    keep = np.ones(len(PEOPLE), bool)
    assert_same(some.kept(keep), everything.curve(), (0.01, 0.02))
    assert metrics.tmr_at_fmr(some.kept(keep), 0.2) is None
    assert metrics.tmr_at_fmr(compare(*collection(), kept=0).kept(keep), 0.2) is None


@given(seed=st.integers(0, 2**20))
@settings(max_examples=10, deadline=None)
def test_leaving_photos_out_is_comparing_the_others(seed: int) -> None:
    templates, acquired, people = collection()
    keep = np.random.default_rng(seed).random(len(people)) > 0.2
    rest = compare(templates[keep], acquired[keep], people[keep])
    assert_same(compare(templates, acquired, people).kept(keep), rest.curve())


def test_a_person_drawn_twice_is_two_people() -> None:
    templates, acquired, people = collection()
    made = compare(templates, acquired, people)
    weights = np.array([2.0, 0, 1, 3, 1, 1])
    # The same by hand: copies of one person are never compared with each other.
    genuine, impostor = [], []
    for a, b in combinations(range(len(people)), 2):
        score = float(templates[a] @ templates[b]) if acquired[a] and acquired[b] else -1.0
        p, q = people[a], people[b]
        if p == q:
            genuine += [score] * int(weights[p])
        else:
            impostor += [score] * int(weights[p] * weights[q])
    expected = metrics.curve(np.array(genuine), np.array(impostor))
    assert_same(made.resampled(weights), expected)
    assert made.resampled(weights).impostors == len(impostor)


def test_everybody_once_is_the_whole() -> None:
    made: Comparisons = compare(*collection())
    assert_same(made.resampled(np.ones(6)), made.curve())


@pytest.mark.parametrize("people", [[0, 0, 0], [0, 1, 2]])
def test_pairs_of_both_kinds_are_needed(people: list[int]) -> None:
    with pytest.raises(EvaluationError, match="two photos and more than one person"):
        compare(*collection(people=np.array(people)))
