from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from embedder.align import aligned_crops, similarity
from embedder.detectors.mipmaps import Mipmaps
from embedder.detectors.nms import suppress
from embedder.quality import pose
from embedder.types import Box, Detection, Landmarks

sizes = st.floats(0.5, 1000)
places = st.floats(-1000, 1000)
boxes = st.builds(Box, places, places, sizes, sizes)
FRONTAL = Landmarks(((100, 100), (150, 100), (125, 129), (103, 155), (147, 155)))


@given(boxes, st.floats(0.01, 100))
def test_scaling_a_box_and_back_changes_nothing(box: Box, factor: float) -> None:
    back = box.scaled(factor).scaled(1 / factor)
    assert (back.x, back.y, back.width, back.height) == pytest.approx(
        (box.x, box.y, box.width, box.height)
    )
    assert box.scaled(factor).area == pytest.approx(box.area * factor**2)


@given(boxes, boxes)
def test_iou_is_symmetric_and_bounded(a: Box, b: Box) -> None:
    assert 0 <= a.iou(b) <= 1 + 1e-9
    assert a.iou(b) == pytest.approx(b.iou(a))
    assert a.iou(a) == pytest.approx(1)


def test_a_box_knows_its_edges() -> None:
    box = Box(10, 20, 30, 40)
    assert (box.right, box.bottom, box.area, box.centre) == (40, 60, 1200, (25, 40))
    assert box.iou(Box(25, 20, 30, 40)) == pytest.approx(1 / 3)
    assert box.iou(Box(100, 100, 1, 1)) == 0


def test_a_detection_scales_with_its_parts() -> None:
    detection = Detection(Box(1, 2, 3, 4), FRONTAL, 0.9).scaled(2)
    assert detection.box == Box(2, 4, 6, 8)
    assert detection.landmarks.as_array()[0].tolist() == [200, 200]
    assert detection.landmarks.as_array().dtype == np.float32


@given(
    angle=st.floats(-np.pi, np.pi),
    factor=st.floats(0.05, 20),
    move=st.tuples(places, places),
    seed=st.integers(0, 2**32 - 1),
)
def test_alignment_recovers_a_known_similarity(
    angle: float, factor: float, move: tuple[float, float], seed: int
) -> None:
    target = np.random.default_rng(seed).uniform(0, 150, (5, 2))
    turn = factor * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    source = (target - move) @ np.linalg.inv(turn).T
    (matrix,) = similarity(source[None], target)
    np.testing.assert_allclose(matrix[:, :2], turn, rtol=1e-6, atol=1e-6 * factor)
    np.testing.assert_allclose(matrix[:, 2], move, atol=1e-5)


def test_alignment_never_mirrors_and_refuses_a_single_point() -> None:
    target = FRONTAL.as_array()
    (matrix,) = similarity(target[None] * [-1, 1], target)
    assert np.linalg.det(matrix[:, :2]) > 0
    with pytest.raises(ValueError, match="coincide"):
        similarity(np.ones((1, 5, 2)), target)


@pytest.mark.parametrize("factor", [0.5, 1.0, 3.0, 8.0])
def test_crops_put_the_landmarks_on_the_template(factor: float) -> None:
    """A white spot at each landmark ends at its place in the crop, at any size of the face."""
    template = np.array([[20, 20], [60, 20], [40, 40], [25, 60], [55, 60]], dtype=np.float32)
    landmarks = template * factor + [37, 51]
    height = width = int(100 * factor + 60)
    y, x = np.mgrid[:height, :width]
    picture = np.zeros((height, width, 3), np.uint8)
    for mark in landmarks:
        picture[np.hypot(x - mark[0], y - mark[1]) < 3 * factor] = 255
    (crop,) = aligned_crops(picture, landmarks[None], template, 80)
    for mark in template.astype(int):
        around = crop[mark[1] - 6 : mark[1] + 7, mark[0] - 6 : mark[0] + 7, 0].astype(float)
        offsets = np.mgrid[-6:7, -6:7]
        assert (offsets * around).sum(axis=(1, 2)) / around.sum() == pytest.approx([0, 0], abs=0.35)


def test_crops_of_no_face_and_of_a_face_outside_the_picture() -> None:
    picture = np.full((100, 100, 3), 255, np.uint8)
    template = FRONTAL.as_array()
    assert aligned_crops(picture, np.empty((0, 5, 2)), template, 150).shape == (0, 150, 150, 3)
    far = aligned_crops(picture, template[None] * 10 + 5000, template, 150)
    assert not far.any()


@st.composite
def candidates(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    count = draw(st.integers(0, 60))
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    corners = random.uniform(0, 60, (count, 2))
    found = np.concatenate((corners, corners + random.uniform(5, 50, (count, 2))), axis=1)
    scores = random.choice(10, count) / 10
    return found.astype(np.float32), scores.astype(np.float32), random.integers(0, 4, count)


def greedy(found: np.ndarray, scores: np.ndarray, threshold: float) -> set[int]:
    """The textbook loop over one group, to compare with."""
    kept: list[int] = []
    for row in np.argsort(-scores, kind="stable"):
        if all(as_box(found[row]).iou(as_box(found[other])) <= threshold for other in kept):
            kept.append(int(row))
    return set(kept)


def as_box(row: np.ndarray) -> Box:
    x1, y1, x2, y2 = row.astype(float)
    return Box(x1, y1, x2 - x1, y2 - y1)


@given(candidates(), st.sampled_from([0.3, 0.5, 0.7]))
def test_suppression_is_the_textbooks_in_every_group(
    found: tuple[np.ndarray, np.ndarray, np.ndarray], threshold: float
) -> None:
    rows, scores, groups = found
    kept = suppress(rows, scores, groups, threshold)
    for group in range(4):
        members = np.flatnonzero(groups == group)
        wanted = {int(members[row]) for row in greedy(rows[members], scores[members], threshold)}
        assert {int(row) for row in kept if groups[row] == group} == wanted


@given(candidates())
def test_suppression_keeps_no_two_that_overlap(
    found: tuple[np.ndarray, np.ndarray, np.ndarray],
) -> None:
    rows, scores, groups = found
    kept = suppress(rows, scores, groups, 0.5, overlap="min")
    assert len(set(kept.tolist())) == len(kept)
    for place, one in enumerate(kept):
        for other in kept[place + 1 :]:
            a, b = as_box(rows[one]), as_box(rows[other])
            shared = a.iou(b) * (a.area + b.area) / (1 + a.iou(b))
            assert groups[one] != groups[other] or shared <= 0.501 * min(a.area, b.area)


def test_mipmaps_halve_exactly_and_patches_find_their_place() -> None:
    ramp = np.tile(np.arange(0, 255, dtype=np.uint8)[None, :, None], (203, 1, 3))
    pictures = Mipmaps([ramp])
    assert pictures.level(0, 2).shape == (50, 63, 3)
    assert pictures.level(0, 2)[0, 60, 0] == pytest.approx(240 + 1.5, abs=1)
    square = np.array([[100, 50, 200, 150]], np.float32)
    (patch,) = pictures.patches(np.array([0]), square, 24)
    expected = 100 + (np.arange(24) + 0.5) * 100 / 24 - 0.5
    assert patch[12, :, 0] == pytest.approx(expected, abs=1.2)
    outside = np.array([[-500, -500, -400, -400]], np.float32)
    assert (pictures.patches(np.array([0]), outside, 24) == 127).all()


def test_pose_of_five_points() -> None:
    yaw, pitch, roll, distance = pose(FRONTAL)
    assert (yaw, pitch, roll, distance) == pytest.approx((0, 0, 0, 50), abs=1)
    assert pose(moved_nose(10, 0))[0] > 10
    assert pose(moved_nose(-10, 0))[0] < -10
    assert pose(moved_nose(0, 10))[1] > 10
    turned = FRONTAL.as_array() @ np.array([[0.866, 0.5], [-0.5, 0.866]])
    a, b, c, d, e = ((float(x), float(y)) for x, y in turned)
    assert pose(Landmarks((a, b, c, d, e)))[:3] == pytest.approx((0, 0, 30), abs=1)
    nowhere = (5.0, 5.0)
    assert pose(Landmarks((nowhere,) * 5)) == (0, 0, 0, 0)


def moved_nose(x: float, y: float) -> Landmarks:
    left, right, nose, *mouth = FRONTAL.points
    return Landmarks((left, right, (nose[0] + x, nose[1] + y), mouth[0], mouth[1]))
