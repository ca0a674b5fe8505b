from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from embedder.errors import EvaluationError
from embedder.evaluation import identification
from embedder.evaluation.collection import Collection, read_people
from embedder.evaluation.faces import FaceReader, Faces
from embedder.evaluation.identification import BEST, FUSED, ONE, Draw, draw, fitting, search
from embedder.pipeline import Pipeline
from tests.conftest import Lfw

SIZES_OF_PEOPLE = st.lists(st.integers(1, 9), min_size=6, max_size=25)


def faces_of(templates: list[list[float]], failed: tuple[int, ...] = ()) -> Faces:
    array = np.array(templates, np.float32)
    acquired = np.ones(len(array), bool)
    acquired[list(failed)] = False
    array[~acquired] = 0
    return Faces(array, acquired, np.full(len(array), 100.0), {}, {})


def degrees(*angles: float) -> list[list[float]]:
    return [[float(np.cos(np.radians(a))), float(np.sin(np.radians(a)))] for a in angles]


# Two people enrolled around 0 and 90 degrees with two photos each; then their probes; a stranger.
ANGLES = degrees(0, 20, 90, 110, 15, 60, 200)
PLAN = Draw(
    [np.array([0, 1]), np.array([2, 3])],
    np.array([[4, 0], [5, 0]]),
    np.array([6]),
)


def cosines(*angles: float) -> NDArray[np.float64]:
    return np.cos(np.radians(angles))


@pytest.mark.parametrize(
    ("way", "mates", "stranger"),
    [
        (ONE, [15, 60], 110),
        (BEST, [5, 40], 90),
        (FUSED, [5, 50], 100),
    ],
)
def test_one_search_in_three_ways(way: str, mates: list[float], stranger: float) -> None:
    found = search(faces_of(ANGLES), PLAN, way)
    np.testing.assert_allclose(found.scores, cosines(*mates), atol=1e-6)
    np.testing.assert_allclose(found.strangers, cosines(stranger), atol=1e-6)
    # The second probe, at 60 degrees, is nearer to the other person at 90, or 100 fused.
    assert found.ranks.tolist() == [1, 2]


def test_failures_to_acquire_are_misses() -> None:
    for failed in ((4,), (0, 1)):
        found = search(faces_of(ANGLES, failed), PLAN, FUSED)
        assert found.scores[0] == -1
        assert found.ranks[0] == 2
    found = search(faces_of(ANGLES, (6,)), PLAN, BEST)
    assert found.strangers.tolist() == [-1]
    # The photo that is left carries the person.
    found = search(faces_of(ANGLES, (0,)), PLAN, FUSED)
    np.testing.assert_allclose(found.scores, cosines(5, 40), atol=1e-6)


def test_equal_scores_are_nobodys_merit() -> None:
    plan = Draw([np.array([0]), np.array([1])], np.array([[2, 0]]), np.array([3]))
    found = search(faces_of(degrees(30, 30, 40, 90)), plan, ONE)
    assert found.ranks.tolist() == [2]


@given(sizes=SIZES_OF_PEOPLE, seed=st.integers(0, 2**16))
def test_strangers_are_never_enrolled(sizes: list[int], seed: int) -> None:
    people = np.repeat(np.arange(len(sizes)), sizes)
    size, enrolled = len(sizes) * 2 // 3, 2
    try:
        plan = draw(people, size, enrolled, [seed])
    except EvaluationError:
        return
    inside = {int(people[photo]) for own in plan.enrolled for photo in own}
    assert len(plan.enrolled) == len(inside) == size
    assert not inside & set(people[plan.strangers].tolist())
    assert {int(p) for p in people[plan.strangers]} | inside == set(range(len(sizes)))
    for own in plan.enrolled:
        assert len(set(people[own].tolist())) == 1
        assert len(own) <= enrolled
    for photo, place in plan.probes:
        assert people[photo] == people[plan.enrolled[place][0]]
        assert photo not in plan.enrolled[place]


def test_draws_repeat_and_small_galleries_are_inside_large_ones() -> None:
    people = np.repeat(np.arange(20), 5)
    plan, again, other = (draw(people, 12, 3, [seed]) for seed in (1, 1, 2))
    np.testing.assert_array_equal(plan.strangers, again.strangers)
    np.testing.assert_array_equal(plan.probes, again.probes)
    assert plan.strangers.tolist() != other.strangers.tolist()
    small = plan.gallery(4)
    assert len(small.enrolled) == 4
    assert len(small.probes) == 4 * 2
    np.testing.assert_array_equal(small.strangers, plan.strangers)


def test_sizes_leave_strangers() -> None:
    assert fitting(None, 1453) == [100, 250, 500, 1000]
    assert fitting(None, 400) == [100, 250]
    assert fitting([30, 20, 30], 40) == [20, 30]
    for sizes, people in ((None, 50), ([40], 40), ([0], 40)):
        with pytest.raises(EvaluationError, match="must be strangers"):
            fitting(sizes, people)


def test_somebody_has_to_be_searched() -> None:
    with pytest.raises(EvaluationError, match="more than the 3 photos that are enrolled"):
        draw(np.repeat(np.arange(10), 3), 5, 3, [0])


def test_fusing_finds_more_people_of_lfw(pipeline: Pipeline, lfw: Lfw) -> None:
    everything = read_people(lfw.folder / "images")
    people = [name for name in lfw.people(400) if lfw.path(name, 4).is_file()][:22]
    photos = [lfw.path(name, number) for name in people for number in range(1, 5)]
    assert set(photos) <= set(everything.photos)
    collection = Collection(photos, [photo.parent.name for photo in photos])
    result = identification.evaluate(FaceReader(pipeline), collection, sizes=[9, 18], draws=3)
    assert list(result.searches) == [(size, way) for size in (9, 18) for way in (ONE, BEST, FUSED)]
    one, fused = (result.searches[18, way] for way in (ONE, FUSED))
    assert len(one.scores) == len(fused.scores) == 3 * 18
    assert len(one.strangers) == 3 * 4 * 4
    assert fused.rank(1) >= one.rank(1)
    assert fused.rank(1) > 0.95
    assert fused.scores.mean() > one.scores.mean()
    record = result.record()
    assert (record["model"], record["photos"], record["fta"]) == ("mtcnn-dlib-resnet", 88, 0)
