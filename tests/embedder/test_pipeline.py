from __future__ import annotations

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from embedder import images
from embedder.__main__ import main
from embedder.images import DecodedImage
from embedder.pipeline import Pipeline
from embedder.types import Detection, Face
from tests.conftest import ROOT, Lfw
from tests.embedder.pictures import exif_block, saved, scene

CENTRE = (125.0, 125.0)


def distance(detection: Detection) -> float:
    return float(np.hypot(*np.subtract(detection.box.centre, CENTRE)))


def central(faces: list[Face]) -> Face:
    return min(faces, key=lambda face: distance(face.detection))


def portrait(test_data: Path) -> Image.Image:
    with Image.open(test_data / "photos" / "obama.jpg") as image:
        return image.convert("RGB").crop((200, 0, 800, 600))


def test_the_models_name_and_dimension(pipeline: Pipeline) -> None:
    assert pipeline.model == "mtcnn-dlib-resnet"
    assert pipeline.dimension == 128


def test_each_portrait_has_one_face_in_the_middle(pipeline: Pipeline, lfw: Lfw) -> None:
    pictures = [lfw.image(person) for person in lfw.people(40)]
    for faces in pipeline.detect(pictures):
        assert sum(distance(face) < 40 for face in faces) == 1


def test_landmarks_are_in_order(pipeline: Pipeline, lfw: Lfw) -> None:
    pictures = [lfw.image(person) for person in lfw.people(40)]
    for faces in pipeline.detect(pictures):
        face = min(faces, key=distance)
        left, right, nose, mouth_left, mouth_right = face.landmarks.points
        assert left[0] < right[0]
        assert mouth_left[0] < mouth_right[0]
        assert max(left[1], right[1]) < nose[1] < max(mouth_left[1], mouth_right[1])
        for x, y in face.landmarks.points:
            assert face.box.x < x < face.box.right
            assert face.box.y < y < face.box.bottom


def test_largest_faces_come_first_and_small_ones_not_at_all(
    pipeline: Pipeline, test_data: Path
) -> None:
    crowd = images.decode((test_data / "photos" / "multiface.jpg").read_bytes())
    (faces,) = pipeline.detect([crowd])
    areas = [face.box.area for face in faces]
    assert len(faces) > 3
    assert areas == sorted(areas, reverse=True)
    assert all(face.box.width >= 40 and 0.8 < face.score <= 1 for face in faces)
    widest = max(face.box.width for face in faces)
    assert pipeline.detect([crowd], min_face=1.5 * widest) == [[]]


def test_pictures_without_a_face(pipeline: Pipeline) -> None:
    plain = images.decode(saved(scene(), "PNG"))
    noise = np.random.default_rng(0).integers(0, 256, (90, 200, 3), dtype=np.uint8)
    noisy = images.decode(saved(Image.fromarray(noise), "PNG"))
    assert pipeline.process([plain, noisy, plain]) == [[], [], []]
    assert pipeline.process([]) == []


def test_a_batch_gives_what_each_picture_gives_alone(pipeline: Pipeline, lfw: Lfw) -> None:
    pictures = [lfw.image(person) for person in lfw.people(12)]
    pictures[3] = images.decode(lfw.bytes(lfw.people(4)[3]), max_side=200)
    pictures[5] = images.decode(saved(scene(), "PNG"))
    together = pipeline.process(pictures)
    for picture, faces in zip(pictures, together, strict=True):
        (alone,) = pipeline.process([picture])
        assert len(alone) == len(faces)
        for one, other in zip(alone, faces, strict=True):
            assert one.detection.box.iou(other.detection.box) > 0.999
            assert float(one.template @ other.template) > 0.9999
            assert one.quality.as_dict() == pytest.approx(other.quality.as_dict(), rel=0.05, abs=1)


def test_threads_share_a_pipeline(pipeline: Pipeline, lfw: Lfw) -> None:
    pictures = [[lfw.image(person)] for person in lfw.people(6)]
    alone = [pipeline.process(picture)[0][0] for picture in pictures]
    with ThreadPoolExecutor(3) as pool:
        together = [faces[0][0] for faces in pool.map(pipeline.process, pictures)]
    for one, other in zip(alone, together, strict=True):
        np.testing.assert_allclose(one.template, other.template, atol=1e-5)


def test_coordinates_are_the_originals_whatever_the_scale(
    pipeline: Pipeline, test_data: Path
) -> None:
    data = (test_data / "photos" / "obama.jpg").read_bytes()
    full, small = images.decode(data), images.decode(data, max_side=500)
    assert small.scale < 0.5
    (large_face,), (small_face,) = pipeline.process([full, small])
    assert large_face.detection.box.iou(small_face.detection.box) > 0.85
    assert float(large_face.template @ small_face.template) > 0.97
    assert small_face.quality.eye_distance == pytest.approx(
        large_face.quality.eye_distance, rel=0.05
    )


def test_every_exif_orientation_gives_the_same_template(
    pipeline: Pipeline, test_data: Path
) -> None:
    # Undoing what an orientation tells a viewer to do gives the picture as a camera stores it.
    stored_by = {
        1: None,
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }
    upright = portrait(test_data)
    pictures = []
    for orientation, turn in stored_by.items():
        stored = upright if turn is None else upright.transpose(turn)
        data = saved(stored, "JPEG", quality=95, subsampling=0, exif=exif_block(orientation))
        pictures.append(images.decode(data))
    first, *others = (faces[0] for faces in pipeline.process(pictures))
    for other in others:
        assert float(first.template @ other.template) > 0.999
        assert first.detection.box.iou(other.detection.box) > 0.95


def test_the_same_person_scores_above_different_people(pipeline: Pipeline, lfw: Lfw) -> None:
    pairs = lfw.pairs()
    genuine = [line for line in pairs if len(line) == 3][:120:5]
    impostor = [line for line in pairs if len(line) == 4][:120:5]

    def score(first: DecodedImage, second: DecodedImage) -> float:
        a, b = (central(faces).template for faces in pipeline.process([first, second]))
        assert a.dtype == np.float32
        assert float(np.linalg.norm(a)) == pytest.approx(1, abs=1e-5)
        return float(a @ b)

    same = [score(lfw.image(p, int(a)), lfw.image(p, int(b))) for p, a, b in genuine]
    other = [score(lfw.image(p, int(a)), lfw.image(q, int(b))) for p, a, q, b in impostor]
    threshold = (np.median(same) + np.median(other)) / 2
    right = np.mean([*(np.array(same) > threshold), *(np.array(other) < threshold)])
    assert right > 0.93


def test_quality_notices_blur_and_darkness(pipeline: Pipeline, test_data: Path) -> None:
    sharp = portrait(test_data)
    blurred = sharp.resize((75, 75)).resize((600, 600))
    dark = sharp.point(lambda value: value // 3)
    pictures = [images.decode(saved(picture, "PNG")) for picture in (sharp, blurred, dark)]
    first, soft, dim = (faces[0].quality for faces in pipeline.process(pictures))
    assert soft.sharpness < first.sharpness / 4
    assert dim.brightness == pytest.approx(first.brightness / 3, abs=0.05)
    assert max(abs(first.yaw), abs(first.roll)) < 15


# The command line


def test_detect_lists_faces(test_data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["detect", str(test_data / "photos" / "obama.jpg")]) == 0
    output = capsys.readouterr().out
    assert "obama.jpg: 1 face\n" in output
    assert "yaw" in output


def test_compare_prints_a_score(test_data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    photos = [str(test_data / "photos" / name) for name in ("obama.jpg", "obama2.jpg")]
    assert main(["compare", *photos]) == 0
    assert float(capsys.readouterr().out.split()[1]) > 0.93


def test_errors_are_one_line(
    tmp_path: Path, test_data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    empty, faceless = tmp_path / "empty.jpg", tmp_path / "faceless.png"
    empty.write_bytes(b"")
    faceless.write_bytes(saved(scene(), "PNG"))
    for arguments, text in [
        (["detect", str(empty)], "(empty_file)"),
        (["detect", str(tmp_path / "missing.jpg")], "missing.jpg"),
        (["compare", str(faceless), str(faceless)], "no face at least 40 pixels wide"),
    ]:
        assert main(arguments) == 2
        error = capsys.readouterr().err
        assert error.startswith("error: ")
        assert text in error
        assert error.count("\n") == 1


def test_the_module_runs() -> None:
    command = [sys.executable, "-m", "embedder", "detect", os.devnull]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert result.returncode == 2
    assert result.stderr.startswith(f"error: {os.devnull}")
