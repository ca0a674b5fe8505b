"""Large photos: reduced to find faces, and read again where the faces are small."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from embedder import images
from embedder.closer import crop_scales, look_closer
from embedder.images import DecodedImage, ImageInfo, decode, enlarged, from_pixels, side_to_find
from embedder.pipeline import Pipeline
from embedder.types import Detection, Face
from tests.embedder.pictures import saved, scene

TWELVE_MEGAPIXELS = (4000, 3000)


def portrait(test_data: Path, pipeline: Pipeline, name: str, width: float) -> Image.Image:
    """A photo reduced so that its face is so many pixels wide."""
    with Image.open(test_data / "photos" / name) as file:
        whole = file.convert("RGB")
    ((face, *_),) = pipeline.detect([from_pixels(np.array(whole))])
    return whole.resize([round(side * width / face.box.width) for side in whole.size])


def pasted(picture: Image.Image, at: tuple[int, int]) -> bytes:
    """A JPEG of 12 megapixels with the picture in it."""
    canvas = scene(*TWELVE_MEGAPIXELS)
    canvas.paste(picture, at)
    return saved(canvas, "JPEG", quality=92)


def only(faces: list[list[Face]]) -> Face:
    ((face,),) = faces
    return face


def unenlarged(image: DecodedImage) -> DecodedImage:
    return replace(image, data=None)


@pytest.mark.parametrize("name", ["obama.jpg", "kate_siegel.jpg", "angelina_jolie.jpg"])
def test_a_small_face_of_a_large_photo_loses_nothing(
    pipeline: Pipeline, test_data: Path, name: str
) -> None:
    small = portrait(test_data, pipeline, name, width=60)
    own = only(pipeline.process([from_pixels(np.array(small))]))
    image = decode(pasted(small, (1300, 700)), min_face=40)
    assert image.scale == 0.5
    refined, reduced = only(pipeline.process([image])), only(pipeline.process([unenlarged(image)]))
    assert float(own.template @ refined.template) > 0.997
    assert float(own.template @ reduced.template) < 0.993
    assert refined.detection.box == reduced.detection.box
    expected = own.detection.landmarks.moved(1300, 700).as_array()
    assert np.abs(refined.detection.landmarks.as_array() - expected).max() < 2
    assert refined.quality.eye_distance == pytest.approx(own.quality.eye_distance, rel=0.05)


def test_a_large_face_is_not_read_again(pipeline: Pipeline, test_data: Path) -> None:
    image = decode(pasted(portrait(test_data, pipeline, "obama.jpg", 400), (100, 100)), min_face=40)
    (faces,) = pipeline.detect([image])
    picture, same = look_closer(
        pipeline._aligner.detector, image, faces, pipeline._aligner.template
    )
    assert picture is image
    assert same == faces


def test_of_several_faces_the_small_ones_are_placed_anew(
    pipeline: Pipeline, test_data: Path
) -> None:
    small = portrait(test_data, pipeline, "obama.jpg", 60)
    with Image.open(test_data / "photos" / "biden.jpg") as file:
        large = file.convert("RGB")
    canvas = scene(*TWELVE_MEGAPIXELS)
    canvas.paste(small, (2500, 1500))
    canvas.paste(large, (100, 100))
    image = decode(saved(canvas, "JPEG", quality=92), min_face=40)
    (faces,) = pipeline.detect([image])
    assert len(faces) == 2
    picture, (first, second) = look_closer(
        pipeline._aligner.detector, image, faces, pipeline._aligner.template
    )
    assert picture.scale == 1
    assert first == faces[0]
    assert second.box == faces[1].box
    assert second.landmarks != faces[1].landmarks
    assert (
        np.abs(second.landmarks.as_array() - faces[1].landmarks.as_array()).max()
        < 0.1 * second.box.width
    )


def test_a_face_that_is_not_found_again_keeps_its_landmarks(
    pipeline: Pipeline, test_data: Path
) -> None:
    small = portrait(test_data, pipeline, "obama.jpg", 60)
    image = decode(pasted(small, (1300, 700)), min_face=40)
    ((face,),) = pipeline.detect([image])
    # Where there is only scenery.
    elsewhere = Detection(face.box.moved(1200, 0), face.landmarks.moved(1200, 0), face.score)
    picture, same = look_closer(
        pipeline._aligner.detector, image, [elsewhere], pipeline._aligner.template
    )
    assert picture.scale == 1
    assert same == [elsewhere]


def test_a_face_half_outside_the_frame_is_read_again(pipeline: Pipeline, test_data: Path) -> None:
    small = portrait(test_data, pipeline, "kate_siegel.jpg", 70)
    ((whole,),) = pipeline.detect([from_pixels(np.array(small))])
    at = (-round(whole.box.x + 0.2 * whole.box.width), 900)
    image = decode(pasted(small, at), min_face=40)
    (faces,) = pipeline.process([image])
    expected = whole.box.moved(*at)
    (face,) = (face for face in faces if face.detection.box.iou(expected) > 0.5)
    assert face.detection.box.x < 5
    assert float(np.linalg.norm(face.template)) == pytest.approx(1, abs=1e-5)


# How far a photo is reduced


def info(width: int, height: int) -> ImageInfo:
    return ImageInfo("JPEG", "image/jpeg", ".jpg", width, height, orientation=1, frames=1)


@given(st.integers(80, 9000), st.integers(80, 9000), st.floats(10, 400, allow_nan=False))
def test_the_smallest_face_stays_findable(width: int, height: int, min_face: float) -> None:
    longer = max(width, height)
    side = side_to_find(info(width, height), min_face)
    assert min(longer, images.WORKING_SIDE) <= side <= longer
    assert side == longer or min_face * side / longer >= images.FINDABLE_WIDTH


@pytest.mark.parametrize(
    ("size", "min_face", "side"),
    [((250, 250), 40, 250), ((4000, 3000), 40, 2000), ((3000, 4000), 80, 1600),
     ((4000, 3000), 20, 4000), ((2000, 1500), 40, 1600)],
)  # fmt: skip
def test_photos_are_reduced_as_far_as_the_smallest_face_allows(
    size: tuple[int, int], min_face: float, side: int
) -> None:
    assert side_to_find(info(*size), min_face) == side


@pytest.mark.parametrize("name", ["JPEG", "PNG"])
def test_a_reduced_photo_can_be_read_again_larger(name: str) -> None:
    data = saved(scene(3200, 1200), name)
    image = decode(data, min_face=100)
    assert image.pixels.shape == (600, 1600, 3)
    assert enlarged(image, 0.3) is image
    assert enlarged(image, 0.75).pixels.shape == (900, 2400, 3)
    whole = enlarged(image, 2)
    assert (whole.scale, whole.data, whole.info) == (1, None, image.info)
    np.testing.assert_array_equal(whole.pixels, decode(data).pixels)
    assert enlarged(whole, 1) is whole


def test_a_crop_needs_so_many_pixels(pipeline: Pipeline, test_data: Path) -> None:
    small = portrait(test_data, pipeline, "obama.jpg", 100)
    (faces,) = pipeline.detect([from_pixels(np.array(small))])
    (scale,) = crop_scales(faces, pipeline._aligner.template)
    assert scale == pytest.approx(1.09, abs=0.02)
    doubled = [face.scaled(2) for face in faces]
    assert crop_scales(doubled, pipeline._aligner.template) == pytest.approx([scale / 2])
