"""The figures of a face, and the laws they keep, on real photos and worse copies of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from embedder.align import aligned_crops
from embedder.gates import Gates
from embedder.images import decode
from embedder.networks import dlib_resnet
from embedder.opencv import cv2
from embedder.pipeline import Pipeline
from embedder.quality import WEIGHTS, assess, parts
from embedder.types import Box, Detection, Landmarks, Quality, RgbImage
from tests.conftest import Lfw

# Where landmarks belong in a crop of 150 pixels, 50 between the eyes.
TEMPLATE = np.array([(50, 50), (100, 50), (75, 79), (53, 105), (97, 105)], np.float32)
ROUNDING = 0.005
PEOPLE = ("Donald_Rumsfeld", "Vladimir_Putin", "Hans_Blix", "Igor_Ivanov", "George_Robertson")


def found(points: NDArray[np.float32] = TEMPLATE, score: float = 1.0) -> Detection:
    a, b, c, d, e = ((float(x), float(y)) for x, y in points)
    return Detection(Box(0, 0, 100, 120), Landmarks((a, b, c, d, e)), score)


def flat(grey: int) -> RgbImage:
    return np.full((150, 150, 3), grey, np.uint8)


# --- Exact figures of made crops ---------------------------------------------------------


def test_a_flat_grey_crop() -> None:
    quality = assess(flat(51), found(), TEMPLATE)
    assert quality.as_dict() == pytest.approx(
        {
            "score": 0, "sharpness": 0, "focus": 0, "brightness": 0.2, "contrast": 0, "clipped": 0,
            "yaw": 0, "pitch": 0, "roll": 0, "eye_distance": 50, "face_width": 100, "misfit": 0,
            "detector_score": 1,
        },
        abs=0.5,
    )  # fmt: skip
    assert (quality.focus, quality.contrast, quality.score) == pytest.approx((0, 0, 0), abs=1e-8)
    assert quality.brightness == pytest.approx(0.2)
    assert quality.misfit == pytest.approx(0, abs=1e-6)


def test_black_and_white_halves() -> None:
    crop = flat(0)
    crop[:75] = 255
    quality = assess(crop, found(), TEMPLATE)
    assert quality.clipped == 1
    assert quality.brightness == pytest.approx(0.5, abs=0.05)
    assert quality.contrast == pytest.approx(0.5, abs=0.01)
    assert parts(quality.as_dict())["exposure"] == 0


def test_misfit_is_in_eye_distances_of_any_size_and_place() -> None:
    wrong = TEMPLATE.copy()
    wrong[2] += (10, 0)
    small = assess(flat(51), found(wrong), TEMPLATE).misfit
    assert 0.05 < small < 10 / 50
    assert assess(flat(51), found(wrong * 7 + 300), TEMPLATE).misfit == pytest.approx(small)


def test_the_score_is_the_weighted_product_of_its_parts() -> None:
    noise = np.random.default_rng(0).integers(60, 180, (150, 150, 3), dtype=np.uint8)
    quality = assess(noise, found(TEMPLATE * 0.4, score=0.9), TEMPLATE)
    measured = parts(quality.as_dict())
    assert set(measured) == set(WEIGHTS)
    assert (measured["size"], measured["detector"]) == pytest.approx((0.5, 0.9))
    product = np.prod([part ** WEIGHTS[name] for name, part in measured.items()])
    assert quality.score == pytest.approx(float(product))


def test_old_rows_have_a_subset_of_the_figures() -> None:
    old = {"sharpness", "brightness", "yaw", "pitch", "roll", "eye_distance"}
    assert old < set(assess(flat(51), found(), TEMPLATE).as_dict())


# --- Laws ----------------------------------------------------------------------------------


@given(
    st.fixed_dictionaries(
        {
            "eye_distance": st.floats(0, 500),
            "focus": st.floats(0, 1),
            "yaw": st.floats(-90, 90),
            "pitch": st.floats(-90, 90),
            "brightness": st.floats(0, 1),
            "clipped": st.floats(0, 1),
            "contrast": st.floats(0, 0.5),
            "detector_score": st.floats(0, 1),
            "misfit": st.floats(0, 2),
        }
    )
)
def test_parts_are_fractions_whatever_the_figures(figures: dict[str, float]) -> None:
    assert all(0 <= part <= 1 for part in parts(figures).values())


pair = st.tuples(st.floats(0.02, 0.4), st.floats(0.02, 0.4))


@dataclass(frozen=True)
class Faces:
    """Aligned crops of some people, with where they were found."""

    crops: list[RgbImage]
    detections: list[Detection]
    template: NDArray[np.floating]

    def judged(self, change: Callable[[RgbImage], Any] = np.copy) -> list[Quality]:
        """The figures of copies made by `change`."""
        return [
            assess(change(crop), face, self.template)
            for crop, face in zip(self.crops, self.detections, strict=True)
        ]


@pytest.fixture(scope="module")
def faces(pipeline: Pipeline, lfw: Lfw) -> Faces:
    images = [lfw.image(name) for name in PEOPLE]
    largest = [each[0] for each in pipeline.detect(images)]
    crops = [pipeline.crops(image, [face])[0] for image, face in zip(images, largest, strict=True)]
    return Faces(crops, largest, dlib_resnet.load().landmark_template("mtcnn"))


def blurred(sigma: float) -> Callable[[RgbImage], Any]:
    return lambda crop: cv2.GaussianBlur(crop, (0, 0), sigma)


def lit(gain: float, offset: float = 0) -> Callable[[RgbImage], Any]:
    return lambda crop: np.clip(np.rint(crop * gain + offset), 0, 255).astype(np.uint8)


@settings(max_examples=25, deadline=None)
@given(sigma=st.floats(0.4, 3), more=st.floats(0.3, 2))  # then only a smear is left
def test_the_more_blurred_never_scores_higher(faces: Faces, sigma: float, more: float) -> None:
    less, worse = faces.judged(blurred(sigma)), faces.judged(blurred(sigma + more))
    for original, one, other in zip(faces.judged(), less, worse, strict=True):
        # Rounding to whole grey levels is a little noise.
        assert other.focus - ROUNDING <= one.focus < original.focus
        assert other.score - ROUNDING <= one.score < original.score


@settings(max_examples=25, deadline=None)
@given(pair)
def test_the_darker_never_scores_higher(faces: Faces, gains: tuple[float, float]) -> None:
    darker, dark = (faces.judged(lit(gain)) for gain in sorted(gains))
    for original, one, other in zip(faces.judged(), dark, darker, strict=True):
        assert other.brightness <= one.brightness < original.brightness
        assert other.score - ROUNDING <= one.score
        assert one.score < original.score


@settings(max_examples=20, deadline=None)
@given(gain=st.floats(0.3, 0.7), offset=st.floats(0, 60))
def test_a_dim_or_hazy_photo_is_not_blurred(faces: Faces, gain: float, offset: float) -> None:
    for original, other in zip(faces.judged(), faces.judged(lit(gain, offset)), strict=True):
        assert other.focus == pytest.approx(original.focus, abs=0.03)


@settings(max_examples=20, deadline=None)
@given(pair)
def test_the_more_overexposed_the_worse_exposed(faces: Faces, gains: tuple[float, float]) -> None:
    bright, brighter = (faces.judged(lit(1 + 20 * gain)) for gain in sorted(gains))
    for one, other in zip(bright, brighter, strict=True):
        assert other.clipped >= one.clipped
        assert parts(other.as_dict())["exposure"] <= parts(one.as_dict())["exposure"]


@given(st.floats(-20, 20), st.floats(1, 20))
def test_the_further_turned_the_more_yaw(start: float, more: float) -> None:
    def yaw(shift: float) -> float:
        turned = TEMPLATE.copy()
        turned[2, 0] += shift
        return assess(flat(51), found(turned), TEMPLATE).yaw

    assert yaw(start + more) > yaw(start)


# --- Real photos -----------------------------------------------------------------------------


def test_the_same_face_has_the_same_figures_whatever_the_size_of_the_photo(
    pipeline: Pipeline, lfw: Lfw
) -> None:
    image = lfw.image("Vladimir_Putin")
    twice = np.asarray(cv2.resize(image.pixels, None, fx=2, fy=2, interpolation=cv2.INTER_CUBIC))
    (face,), (large,) = pipeline.process([image, decode(png(twice))])
    assert large.quality.eye_distance == pytest.approx(2 * face.quality.eye_distance, rel=0.05)
    assert large.quality.focus == pytest.approx(face.quality.focus, abs=0.06)
    assert large.quality.score == pytest.approx(face.quality.score, abs=0.06)


def test_networks_with_other_crops_get_much_the_same_figures(
    pipeline: Pipeline, lfw: Lfw, faces: Faces
) -> None:
    """As for a network of 112 pixels that wants the face a little smaller in its crop."""
    wanted = faces.template * np.float32(112 / 150 * 0.9) + 6
    for name, face, own in zip(PEOPLE, faces.detections, faces.judged(), strict=True):
        marks = face.landmarks.as_array()[None]
        (crop,) = aligned_crops(lfw.image(name).pixels, marks, wanted, 112)
        other = assess(crop, face, wanted)
        assert other.focus == pytest.approx(own.focus, abs=0.06)
        assert other.misfit == pytest.approx(own.misfit, abs=0.001)
        assert other.score == pytest.approx(own.score, abs=0.06)


def test_figures_without_templates_are_those_with(pipeline: Pipeline, lfw: Lfw) -> None:
    image = lfw.image("Hans_Blix")
    found = pipeline.detect([image])[0][:1]
    ((face,),) = pipeline.embed([image], [found])
    assert pipeline.assess(image, found) == [face.quality]
    assert face.quality.face_width == found[0].box.width
    assert face.quality.detector_score == found[0].score


def test_no_everyday_portrait_is_refused(pipeline: Pipeline, test_data: Path) -> None:
    folder = test_data / "photos"
    everyday = Gates(min_face=None)
    for path in sorted(folder.iterdir()):
        image = decode(path.read_bytes())
        (detections,) = pipeline.detect([image])
        qualities = pipeline.assess(image, detections)
        assert detections
        for detection, quality in zip(detections, qualities, strict=True):
            assert (path.name, everyday.faults(detection.box, quality)) == (path.name, [])
            assert quality.score > 0.6


def png(pixels: RgbImage) -> bytes:
    return bytes(cv2.imencode(".png", pixels[..., ::-1])[1])
