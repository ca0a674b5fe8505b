"""dlib's predictor of landmarks, against dlib, and the mean face that completes them."""

from __future__ import annotations

import dlib
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from embedder import weights
from embedder.detectors.five_points import completed
from embedder.detectors.shape_file import read_shape_model
from embedder.detectors.shape_predictor import ShapePredictor
from embedder.errors import WeightsError
from tests.conftest import Lfw

DATA = weights.locate(weights.DLIB_FIVE_POINTS).read_bytes()
FILE = str(weights.locate(weights.DLIB_FIVE_POINTS))


@pytest.fixture(scope="module")
def predictor() -> ShapePredictor:
    return ShapePredictor(read_shape_model(DATA))


def test_it_places_what_dlib_places(predictor: ShapePredictor, lfw: Lfw) -> None:
    """To the whole pixels that dlib rounds to, in boxes of faces and in any others."""
    pictures = [lfw.image(person).pixels for person in lfw.people(30)]
    detector, reference = dlib.get_frontal_face_detector(), dlib.shape_predictor(FILE)
    boxes = [(index, box) for index, picture in enumerate(pictures) for box in detector(picture)]
    random = np.random.default_rng(0)
    for x, y, width in random.integers((-60, -60, 30), (250, 250, 150), (60, 3)).tolist():
        boxes.append((x % 30, dlib.rectangle(x, y, x + width, y + width)))
    shapes = [reference(pictures[index], box) for index, box in boxes]
    expected = [[(p.x, p.y) for p in shape.parts()] for shape in shapes]
    corners = [[box.left(), box.top(), box.right(), box.bottom()] for _, box in boxes]
    image = np.array([index for index, _ in boxes])
    placed = predictor.place(pictures, image, np.array(corners, np.float32))
    assert len(boxes) > 85
    np.testing.assert_array_equal(np.floor(placed + 0.5), expected)


def test_no_boxes_have_no_landmarks(predictor: ShapePredictor) -> None:
    none = predictor.place([], np.empty(0, np.intp), np.empty((0, 4), np.float32))
    assert none.shape == (0, 5, 2)
    assert completed(none).shape == (0, 5, 2)


@pytest.mark.parametrize("keep", [0, 1, 50, 9_000_000, len(DATA) - 1])
def test_half_a_file_is_refused(keep: int) -> None:
    with pytest.raises(WeightsError, match="shape predictor"):
        read_shape_model(DATA[:keep])


def test_another_version_is_refused() -> None:
    with pytest.raises(WeightsError, match="another version"):
        read_shape_model(b"\x01\x02" + DATA[2:])


def test_another_file_of_dlibs_is_refused() -> None:
    network = weights.locate(weights.DLIB_RESNET).read_bytes()
    with pytest.raises(WeightsError):
        read_shape_model(network[:100_000])


MEAN = np.array([[1.196, 0], [0.804, 0], [-0.196, 0], [0.196, 0], [0.5, 0.777]], np.float32)


def test_the_mean_face_is_completed_by_itself() -> None:
    (marks,) = completed(MEAN[None])
    expected = [[0, 0], [1, 0], [0.5, 0.58], [0.039, 1.104], [0.961, 1.104]]
    np.testing.assert_allclose(marks, expected, atol=1e-6)


def test_a_turned_head_moves_nose_and_mouth() -> None:
    turned = MEAN.copy()
    turned[4, 0] += 0.2
    nose, left, right = completed(turned[None])[0, 2:] - completed(MEAN[None])[0, 2:]
    np.testing.assert_allclose(nose, (0.273, 0), atol=1e-5)
    np.testing.assert_allclose([left, right], [(0.034, 0)] * 2, atol=1e-5)


@given(
    angle=st.floats(-np.pi, np.pi),
    size=st.floats(5, 500),
    move=st.tuples(st.floats(-1000, 1000), st.floats(-1000, 1000)),
    nose=st.tuples(st.floats(-0.5, 1.5), st.floats(0, 1.5)),
)
def test_completing_does_not_mind_where_a_face_lies(
    angle: float, size: float, move: tuple[float, float], nose: tuple[float, float]
) -> None:
    points = MEAN.copy()
    points[4] = nose
    turn = size * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    there = completed((points @ turn.T + move).astype(np.float32)[None])[0]
    np.testing.assert_allclose(there, completed(points[None])[0] @ turn.T + move, atol=2e-3 * size)


def test_eyes_in_one_place_are_no_error() -> None:
    assert (completed(np.full((1, 5, 2), 7, np.float32)) == 7).all()
