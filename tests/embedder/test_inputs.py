"""What a pipeline makes of what it should not be given, and of the odd but right."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from embedder.errors import FacesError, PixelsError
from embedder.images import DecodedImage, decode, from_pixels
from embedder.pipeline import Pipeline
from embedder.types import Detection, Landmarks
from tests.conftest import Lfw
from tests.embedder.pictures import saved, scene

POINT = (10.0, 10.0)


@pytest.mark.parametrize(
    ("pixels", "message"),
    [
        (np.zeros((90, 90, 3)), "holds float64: scale it to 0..255 and make it uint8"),
        (np.full((90, 90, 3), np.nan, np.float32), "holds float32"),
        (np.zeros((90, 90, 3), np.int64), "holds int64"),
        (np.zeros((90, 90), np.uint8), r"shape \(90, 90\): give \(height, width, 3\), RGB"),
        (np.zeros((90, 90, 4), np.uint8), r"shape \(90, 90, 4\)"),
        (np.zeros((3, 90, 90), np.uint8), r"shape \(3, 90, 90\)"),
        (np.zeros((2, 90, 90, 3), np.uint8), r"shape \(2, 90, 90, 3\)"),
        (np.zeros((0, 90, 3), np.uint8), r"shape \(0, 90, 3\)"),
        ([[0, 0, 0]], "is a list: give a NumPy array"),
        (None, "is a NoneType"),
    ],
    ids=str,
)
def test_arrays_that_are_no_picture_are_refused(pixels: Any, message: str) -> None:
    with pytest.raises(PixelsError, match=message):
        from_pixels(pixels)
    with pytest.raises(PixelsError, match=message):
        DecodedImage(from_pixels(np.zeros((90, 90, 3), np.uint8)).info, pixels, scale=1)


def test_what_is_no_decoded_picture_is_refused(pipeline: Pipeline, lfw: Lfw) -> None:
    good = lfw.image(lfw.people(1)[0])
    for wrong in (good.pixels, lfw.bytes(lfw.people(1)[0]), None):
        with pytest.raises(PixelsError, match=r"picture 2 is a (ndarray|bytes|NoneType): give"):
            pipeline.detect([good, wrong])  # type: ignore[list-item]
        with pytest.raises(PixelsError, match="picture 1 is a"):
            pipeline.embed([wrong], [[]])  # type: ignore[list-item]


@pytest.mark.parametrize("width", [0, -40, float("nan"), float("inf")])
def test_a_width_that_is_none_is_refused(pipeline: Pipeline, lfw: Lfw, width: float) -> None:
    with pytest.raises(PixelsError, match=f"min_face is {width}: give the smallest face's width"):
        pipeline.process([lfw.image(lfw.people(1)[0])], min_face=width)


def test_faces_that_do_not_go_with_their_pictures_are_refused(pipeline: Pipeline, lfw: Lfw) -> None:
    image = lfw.image(lfw.people(1)[0])
    (faces,) = pipeline.detect([image])
    with pytest.raises(FacesError, match="2 pictures, but faces of 1: give a list for each"):
        pipeline.embed([image, image], [faces])
    broken = replace(faces[0], landmarks=Landmarks((POINT, POINT, (np.nan, 1.0), POINT, POINT)))
    with pytest.raises(FacesError, match="picture 2: landmarks that are not finite"):
        pipeline.embed([image, image], [faces, [faces[0], broken]])
    flat = replace(faces[0], landmarks=Landmarks((POINT,) * 5))
    with pytest.raises(FacesError, match="picture 1: landmarks that all coincide"):
        pipeline.embed([image], [[flat]])


def test_no_pictures_and_no_faces(pipeline: Pipeline, lfw: Lfw) -> None:
    assert pipeline.detect([]) == []
    assert pipeline.embed([], []) == []
    image = lfw.image(lfw.people(1)[0])
    assert pipeline.embed([image, image], [[], []]) == [[], []]
    assert pipeline.crops(image, []).shape == (0, 150, 150, 3)


def test_a_picture_smaller_than_a_face_has_none(pipeline: Pipeline, lfw: Lfw) -> None:
    portrait = lfw.image(lfw.people(1)[0]).pixels
    for side in (1, 11, 39):
        tiny = np.ascontiguousarray(portrait[100 : 100 + side, 100 : 100 + side])
        assert pipeline.process([from_pixels(tiny)]) == [[]]
    assert pipeline.process([from_pixels(portrait)], min_face=300) == [[]]


def test_a_face_half_outside_the_frame_has_a_template(pipeline: Pipeline, test_data: Path) -> None:
    whole = decode((test_data / "photos" / "obama.jpg").read_bytes())
    ((face,),) = pipeline.process([whole])
    # Cut off just beside the eye that is farther left.
    left = round(face.detection.landmarks.points[0][0] - 0.1 * face.detection.box.width)
    half = from_pixels(np.ascontiguousarray(whole.pixels[:, left:]))
    (found,) = pipeline.process([half])
    assert len(found) == 1
    assert float(found[0].template @ face.template) > 0.95
    outside = Detection(
        face.detection.box, face.detection.landmarks.moved(-left - 200, 0), face.detection.score
    )
    ((dark,),) = pipeline.embed([half], [[outside]])
    assert float(np.linalg.norm(dark.template)) == pytest.approx(1, abs=1e-5)


def test_twenty_faces_in_one_photo(pipeline: Pipeline, lfw: Lfw) -> None:
    people = lfw.people(20)
    alone = []
    canvas = Image.new("RGB", (1250, 1000))
    for number, person in enumerate(people):
        picture = lfw.image(person)
        canvas.paste(Image.fromarray(picture.pixels), (250 * (number % 5), 250 * (number // 5)))
        alone.append(picture)
    (found,) = pipeline.process([from_pixels(np.array(canvas))])
    own = [faces[0] for faces in pipeline.process(alone)]
    for number, face in enumerate(own):
        expected = face.detection.box.moved(250 * (number % 5), 250 * (number // 5))
        best = max(found, key=lambda each: each.detection.box.iou(expected))
        assert float(best.template @ face.template) > 0.98


def test_pictures_that_are_read_only_or_views_are_fine(pipeline: Pipeline, lfw: Lfw) -> None:
    pixels = lfw.image(lfw.people(1)[0]).pixels.copy()
    pixels.setflags(write=False)
    wide = np.zeros((250, 500, 3), np.uint8)
    wide[:, ::2] = pixels
    one, other = pipeline.process([from_pixels(pixels), from_pixels(wide[:, ::2])])
    assert len(one) == len(other) > 0
    np.testing.assert_allclose(one[0].template, other[0].template, atol=1e-5)


def test_a_picture_without_a_face_has_none(pipeline: Pipeline) -> None:
    assert pipeline.process([decode(saved(scene(), "PNG"))]) == [[]]
