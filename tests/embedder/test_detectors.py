"""What every detector must do, and what each does alone."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import skimage.data

from embedder import weights
from embedder.align import similarity
from embedder.detectors import mtcnn
from embedder.detectors.base import Detector
from embedder.detectors.haar import Haar
from embedder.detectors.hog import Hog
from embedder.detectors.mtcnn import Mtcnn
from embedder.detectors.yunet import YuNet
from embedder.errors import MissingExtraError, PixelsError, WeightsError
from embedder.images import decode
from embedder.networks.architectures import ARCHITECTURES
from embedder.types import Detection, RgbImage
from tests.conftest import Lfw
from tests.embedder.shelf import shared_network

MIN_FACE = 40.0
NAMES = ["mtcnn", "yunet", "haar", "hog"]
# All of them come with scikit-image's wheel.
FACELESS = ["coffee", "chelsea", "rocket", "brick", "grass", "page", "text"]


@pytest.fixture(scope="module")
def yunet_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("yunet") / "yunet_n_640_640.onnx"
    path.write_bytes(shared_network(path.name))
    return path


@pytest.fixture(scope="module")
def detectors(yunet_file: Path) -> dict[str, Detector]:
    return {"mtcnn": Mtcnn(), "yunet": YuNet(yunet_file), "haar": Haar(), "hog": Hog()}


@pytest.fixture(params=NAMES)
def detector(request: pytest.FixtureRequest, detectors: dict[str, Detector]) -> Detector:
    return detectors[request.param]


@pytest.fixture(scope="module")
def portraits(lfw: Lfw) -> list[RgbImage]:
    return [lfw.image(person).pixels for person in lfw.people(400)[::16]]


@pytest.fixture(scope="module")
def crowd(test_data: Path) -> RgbImage:
    return decode((test_data / "photos" / "multiface.jpg").read_bytes()).pixels


def faceless() -> Iterator[RgbImage]:
    for name in FACELESS:
        picture = getattr(skimage.data, name)()
        yield np.repeat(picture[..., None], 3, axis=2) if picture.ndim == 2 else picture


def central(faces: list[Detection]) -> Detection:
    return min(faces, key=lambda face: np.hypot(*np.subtract(face.box.centre, (125, 125))))


def alike(one: list[Detection], other: list[Detection], tolerance: float = 1e-3) -> bool:
    return len(one) == len(other) and all(
        np.abs(a.landmarks.as_array() - b.landmarks.as_array()).max() < tolerance
        and a.box.iou(b.box) > 1 - tolerance
        for a, b in zip(one, other, strict=True)
    )


# What all detectors share


def test_it_says_which_it_is(detectors: dict[str, Detector]) -> None:
    assert [detector.name for detector in detectors.values()] == NAMES


def test_each_portraits_face_is_found_with_its_landmarks_in_order(
    detector: Detector, portraits: list[RgbImage]
) -> None:
    found = detector.detect(portraits, MIN_FACE)
    assert sum(bool(faces) for faces in found) >= len(portraits) - (detector.name == "hog")
    for faces in filter(None, found):
        face = central(faces)
        left, right, nose, mouth_left, mouth_right = face.landmarks.points
        assert left[0] < right[0]
        assert mouth_left[0] < mouth_right[0]
        assert max(left[1], right[1]) < nose[1] < max(mouth_left[1], mouth_right[1])
        assert 0 < face.score <= 1
        for x, y in face.landmarks.points:
            assert face.box.x < x < face.box.right
            assert face.box.y < y < face.box.bottom


def test_no_face_is_found_where_there_is_none(detector: Detector) -> None:
    assert detector.detect(list(faceless()), MIN_FACE) == [[]] * len(FACELESS)


def test_detectors_agree_about_eyes_nose_and_mouth(
    detectors: dict[str, Detector], portraits: list[RgbImage]
) -> None:
    """Medians are within a tenth of the distance between the eyes of MTCNN's."""
    expected = detectors["mtcnn"].detect(portraits, MIN_FACE)
    for name in NAMES[1:]:
        offsets = []
        for ours, theirs in zip(detectors[name].detect(portraits, MIN_FACE), expected, strict=True):
            if ours:
                marks, wanted = (central(f).landmarks.as_array() for f in (ours, theirs))
                offsets.append((marks - wanted) / np.hypot(*(wanted[1] - wanted[0])))
        assert np.abs(np.median(offsets, axis=0)).max() < 0.1, name


def test_aligned_landmarks_fall_on_the_networks_template(
    detector: Detector, portraits: list[RgbImage]
) -> None:
    template = ARCHITECTURES["dlib-resnet"].landmark_template(detector.name)
    found = [central(faces) for faces in detector.detect(portraits, MIN_FACE) if faces]
    marks = np.array([face.landmarks.as_array() for face in found])
    matrices = similarity(marks, template)
    moved = np.einsum("nij,npj->npi", matrices[:, :, :2], marks) + matrices[:, None, :, 2]
    assert np.abs(np.median(moved, axis=0) - template).max() < 2


def test_a_batch_gives_what_each_picture_gives_alone(
    detector: Detector, portraits: list[RgbImage], crowd: RgbImage
) -> None:
    pictures = [portraits[0], crowd, portraits[1][:200], np.zeros_like(crowd), portraits[2]]
    together = detector.detect(pictures, MIN_FACE)
    assert [bool(faces) for faces in together] == [True, True, True, False, True]
    for picture, faces in zip(pictures, together, strict=True):
        assert alike(detector.detect([picture], MIN_FACE)[0], faces, 0.05)


def test_the_smallest_face_asked_for_is_honoured(detector: Detector, crowd: RgbImage) -> None:
    (faces,) = detector.detect([crowd], MIN_FACE)
    widths = [face.box.width for face in faces]
    assert len(faces) > 3
    assert min(widths) >= MIN_FACE
    (fewer,) = detector.detect([crowd], max(widths) * 0.75)
    assert fewer
    assert all(face.box.width >= max(widths) * 0.75 for face in fewer)
    assert detector.detect([crowd], 1.5 * max(widths)) == [[]]


def test_twenty_faces_are_twenty_faces(detector: Detector, portraits: list[RgbImage]) -> None:
    found = detector.detect(portraits, MIN_FACE)
    single = [p[25:225, 25:225] for p, faces in zip(portraits, found, strict=True) if faces][:20]
    rows = [np.concatenate(single[start : start + 5], axis=1) for start in range(0, 20, 5)]
    (faces,) = detector.detect([np.concatenate(rows)], MIN_FACE)
    cells = {(int(face.box.centre[0] // 200), int(face.box.centre[1] // 200)) for face in faces}
    assert len(cells) >= 20 - (detector.name in {"haar", "hog"})


def test_a_face_half_outside_the_frame_is_no_error(
    detector: Detector, portraits: list[RgbImage]
) -> None:
    for part in (portraits[0][:, :125], portraits[0][125:], portraits[0][:, 125:]):
        for face in detector.detect([part], MIN_FACE)[0]:
            assert np.isfinite(face.landmarks.as_array()).all()


@pytest.mark.parametrize("shape", [(1, 1), (5, 3), (12, 12), (39, 39), (1, 300)])
def test_a_picture_smaller_than_a_face_has_none(detector: Detector, shape: tuple[int, int]) -> None:
    assert detector.detect([np.full((*shape, 3), 90, np.uint8)], MIN_FACE) == [[]]


def test_an_empty_batch_has_no_answers(detector: Detector) -> None:
    assert detector.detect([], MIN_FACE) == []


@pytest.mark.parametrize(
    ("picture", "told"),
    [
        (np.full((90, 90, 3), np.nan), "picture 1 of 2 holds float64: .*uint8"),
        (np.zeros((90, 90, 3), np.float32), "picture 1 of 2 holds float32: .*uint8"),
        (np.zeros((90, 90), np.uint8), r"picture 1 of 2 has the shape \(90, 90\): .*RGB"),
        (np.zeros((90, 90, 4), np.uint8), r"\(90, 90, 4\): give \(height, width, 3\)"),
        (np.zeros((3, 90, 90), np.uint8), r"\(3, 90, 90\): give \(height, width, 3\)"),
        (np.zeros((0, 90, 3), np.uint8), r"\(0, 90, 3\): it has no pixels"),
        ([[1, 2, 3]], "picture 1 of 2 is a list: give a numpy array"),
        (None, "picture 1 of 2 is a NoneType"),
    ],
)
def test_what_is_no_picture_is_named(detector: Detector, picture: RgbImage, told: str) -> None:
    with pytest.raises(PixelsError, match=told):
        detector.detect([np.zeros((90, 90, 3), np.uint8), picture], MIN_FACE)


@pytest.mark.parametrize("min_face", [0.0, -1.0, np.nan, np.inf])
def test_a_smallest_face_of_no_size_is_refused(detector: Detector, min_face: float) -> None:
    with pytest.raises(PixelsError, match=r"min_face is .*width in pixels"):
        detector.detect([], min_face)


def test_pixels_need_not_lie_in_order(detector: Detector, portraits: list[RgbImage]) -> None:
    """A mirrored or cut picture may be a view."""
    mirrored, strided = portraits[0][:, ::-1], portraits[0].repeat(2, axis=1)[:, ::2]
    assert not mirrored.flags.c_contiguous
    for view in (mirrored, strided):
        (faces,) = detector.detect([view], MIN_FACE)
        assert faces
        assert alike(faces, detector.detect([view.copy()], MIN_FACE)[0])


def test_threads_share_a_detector(detector: Detector, portraits: list[RgbImage]) -> None:
    pictures = [[picture] for picture in portraits[:12]]
    alone = [detector.detect(picture, MIN_FACE)[0] for picture in pictures]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(lambda picture: detector.detect(picture, MIN_FACE)[0], pictures))
    assert all(alike(a, b) for a, b in zip(alone, together, strict=True))


# Settings


def test_mtcnn_finds_the_same_in_strips(
    detectors: dict[str, Detector], crowd: RgbImage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mtcnn, "_PIXELS_AT_ONCE", 10**9)
    whole = detectors["mtcnn"].detect([crowd, crowd[:-1]], 40)
    for pixels in (1, 4_000, 20_000):
        monkeypatch.setattr(mtcnn, "_PIXELS_AT_ONCE", pixels)
        strips = detectors["mtcnn"].detect([crowd, crowd[:-1]], 40)
        assert [len(faces) for faces in strips] == [len(faces) for faces in whole]
        for one, other in zip(strips[0] + strips[1], whole[0] + whole[1], strict=True):
            assert one.box.iou(other.box) > 0.999
            assert one.score == pytest.approx(other.score, abs=1e-4)


def test_mtcnns_thresholds_are_settings(portraits: list[RgbImage]) -> None:
    found = Mtcnn().detect(portraits, MIN_FACE)
    sure = Mtcnn(thresholds=(0.6, 0.7, 0.999)).detect(portraits, MIN_FACE)
    expected = [[face for face in faces if face.score > 0.999] for faces in found]
    assert 0 < sum(map(len, sure)) < sum(map(len, found))
    assert all(alike(a, b) for a, b in zip(sure, expected, strict=True))


@pytest.mark.parametrize("factor", [0.0, 1.0, 1.5])
def test_a_pyramid_must_shrink(factor: float) -> None:
    with pytest.raises(ValueError, match="pyramid_factor"):
        Mtcnn(pyramid_factor=factor)


def test_yunets_threshold_is_a_setting(yunet_file: Path, portraits: list[RgbImage]) -> None:
    found = YuNet(yunet_file).detect(portraits, MIN_FACE)
    sure = YuNet(yunet_file, threshold=0.93).detect(portraits, MIN_FACE)
    assert 0 < sum(map(len, sure)) < sum(map(len, found))
    assert all(face.score > 0.93 for faces in sure for face in faces)


def test_hogs_threshold_is_a_setting(detectors: dict[str, Detector], crowd: RgbImage) -> None:
    (found,) = detectors["hog"].detect([crowd], MIN_FACE)
    (sure,) = Hog(threshold=1.5).detect([crowd], MIN_FACE)
    border = 1 / (1 + np.exp(-1.5))
    assert len(sure) == sum(face.score > border for face in found)
    assert 0 < len(sure) < len(found)


def test_more_neighbours_find_fewer_faces(portraits: list[RgbImage]) -> None:
    found = Haar(min_neighbours=3).detect(portraits, MIN_FACE)
    sure = Haar(min_neighbours=40).detect(portraits, MIN_FACE)
    assert 0 < sum(map(len, sure)) < sum(map(len, found))
    assert all(face.score >= 0.5 for faces in found for face in faces)


# MTCNN alone


def test_mtcnn_finds_what_it_always_found(detectors: dict[str, Detector]) -> None:
    """Faster is welcome, other detections are not: within a twentieth of a pixel."""
    ((face,),) = detectors["mtcnn"].detect([skimage.data.astronaut()], MIN_FACE)
    box = (face.box.x, face.box.y, face.box.width, face.box.height)
    assert box == pytest.approx((181.05, 60.66, 85.98, 113.67), abs=0.05)
    expected = [(203.49, 99.85), (246.85, 102.81), (224.20, 128.99), (200.73, 138.84)]
    expected.append((244.78, 141.89))
    np.testing.assert_allclose(face.landmarks.as_array(), expected, atol=0.05)
    assert face.score == pytest.approx(0.9995, abs=1e-4)


# YuNet alone


@pytest.mark.parametrize("factor", [3, 8])
def test_yunet_finds_faces_larger_than_its_reach(
    detectors: dict[str, Detector], portraits: list[RgbImage], factor: int
) -> None:
    """Its one pass misses faces beyond 550 pixels; these have 280 and 750."""
    for picture in portraits[:2]:
        face = central(detectors["yunet"].detect([picture], MIN_FACE)[0])
        large = picture.repeat(factor, axis=0).repeat(factor, axis=1)
        (faces,) = detectors["yunet"].detect([large], MIN_FACE)
        best = max(faces, key=lambda each: each.box.iou(face.box.scaled(factor)))
        assert best.box.iou(face.box.scaled(factor)) > 0.75
        apart = best.landmarks.as_array() / factor - face.landmarks.as_array()
        eyes = np.hypot(*np.subtract(*face.landmarks.points[:2]))
        assert np.hypot(*apart.T).max() < 0.2 * eyes


def test_a_file_that_is_not_yunet_is_refused(test_data: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.onnx"
    other.write_bytes(b"no network")
    network = test_data.parent / "models" / "mobilefacenet_128.onnx"
    for path in (other, tmp_path / "missing.onnx", network):
        with pytest.raises(WeightsError, match=f"can't use .*{path.name} as YuNet"):
            YuNet(path)


# HOG alone


def test_hog_finds_what_dlib_finds(detectors: dict[str, Detector], crowd: RgbImage) -> None:
    import dlib

    expected = sorted((box.left(), box.width()) for box in dlib.get_frontal_face_detector()(crowd))
    (faces,) = detectors["hog"].detect([crowd], 73)
    found = sorted((round(face.box.x), round(face.box.width)) for face in faces)
    assert len(expected) > 3
    assert found == expected


def test_without_dlib_hog_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "dlib", None)
    with pytest.raises(MissingExtraError, match="make extra-dlib"):
        Hog()
    assert Haar().name == "haar"


def test_the_cascade_is_the_one_we_know() -> None:
    assert weights.locate(weights.HAAR_CASCADE).name == "haarcascade_frontalface_alt2.xml"
