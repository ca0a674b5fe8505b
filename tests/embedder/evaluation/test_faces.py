from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from embedder import images
from embedder.errors import EvaluationError, EvaluationInterruptedError
from embedder.evaluation.cache import FaceCache
from embedder.evaluation.faces import FaceReader, nearest_centre
from embedder.pipeline import Pipeline
from tests.conftest import Lfw
from tests.embedder.pictures import saved, scene


@pytest.fixture
def photos(tmp_path: Path, lfw: Lfw) -> list[Path]:
    """Three portraits, one of them twice, a landscape and a file that is no photo."""
    people = lfw.people(3)
    faceless, broken, twin = (tmp_path / name for name in ("view.png", "broken.jpg", "twin.jpg"))
    faceless.write_bytes(saved(scene(), "PNG"))
    broken.write_bytes(lfw.bytes(people[0])[:2000])
    shutil.copy(lfw.path(people[1]), twin)
    return [*map(lfw.path, people), faceless, broken, twin]


def test_the_face_nearest_the_centre_of_each_photo(
    pipeline: Pipeline, test_data: Path, tmp_path: Path
) -> None:
    crowd = test_data / "photos" / "multiface.jpg"
    photo = images.decode(crowd.read_bytes())
    (found,) = pipeline.process([photo])
    assert len(found) > 3
    middle = (photo.info.width / 2, photo.info.height / 2)
    central = min(found, key=lambda face: np.hypot(*np.subtract(face.detection.box.centre, middle)))
    assert central is not found[0], "the largest would pass as well"
    faces = FaceReader(pipeline).read([crowd])
    # The stream decodes large photos smaller, so the template is nearly the same.
    assert float(faces.templates[0] @ central.template) > 0.99
    assert all(
        float(faces.templates[0] @ face.template) < 0.97 for face in found if face is not central
    )
    assert faces.widths[0] == pytest.approx(central.detection.box.width, rel=0.05)
    assert nearest_centre(photo.info, []) == []


def test_a_photo_without_a_template_says_why(pipeline: Pipeline, photos: list[Path]) -> None:
    faces = FaceReader(pipeline).read(photos)
    assert faces.acquired.tolist() == [True, True, True, False, False, True]
    assert faces.failures == {photos[3]: "no_face", photos[4]: "undecodable"}
    assert np.linalg.norm(faces.templates, axis=1) == pytest.approx([1, 1, 1, 0, 0, 1], abs=1e-5)
    np.testing.assert_array_equal(faces.templates[1], faces.templates[5])
    for figure in faces.quality.values():
        assert np.isnan(figure).tolist() == [False, False, False, True, True, False]
    assert np.isfinite(faces.widths[:3]).all()
    assert np.isnan(faces.widths[3:5]).all()


def test_what_was_embedded_is_remembered(
    pipeline: Pipeline, photos: list[Path], tmp_path: Path
) -> None:
    folder = tmp_path / "cache"
    first = FaceReader(pipeline, cache=folder).read(photos)
    cache = FaceCache(folder, "mtcnn-dlib-resnet-40")
    assert len(cache.records) == 5, "one photo is there twice"
    # Whoever reads the marked width has read the file, not the photo.
    for record in cache.records.values():
        record.quality["sharpness"] = 7.0
    (folder / "mtcnn-dlib-resnet-40.npz").unlink()
    FaceCache(folder, cache.name, cache.records).save()
    advanced: list[int] = []
    again = FaceReader(pipeline, cache=folder, advance=advanced.append).read(photos)
    assert again.quality["sharpness"].tolist() == [7.0] * 6
    np.testing.assert_array_equal(again.templates, first.templates)
    np.testing.assert_array_equal(again.widths, first.widths)
    assert again.failures == first.failures
    assert sum(advanced) == len(photos)


def test_another_smallest_face_is_another_cache(
    pipeline: Pipeline, photos: list[Path], tmp_path: Path
) -> None:
    for min_face in (40, 70):
        FaceReader(pipeline, cache=tmp_path, min_face=min_face).read(photos[:1])
    names = sorted(path.name for path in tmp_path.glob("*.npz"))
    assert names == ["mtcnn-dlib-resnet-40.npz", "mtcnn-dlib-resnet-70.npz"]


def test_stopping_keeps_what_is_done(pipeline: Pipeline, lfw: Lfw, tmp_path: Path) -> None:
    photos = [lfw.path(person) for person in lfw.people(40)]

    def stop_after(count: int) -> None:
        nonlocal seen
        seen += count
        if seen == 35:
            raise KeyboardInterrupt

    seen = 0
    with pytest.raises(
        EvaluationInterruptedError, match=r"35 new photos .* and 0 were known, of 40"
    ):
        FaceReader(pipeline, cache=tmp_path, advance=stop_after).read(photos)
    assert len(FaceCache(tmp_path, "mtcnn-dlib-resnet-40").records) == 35
    assert not FaceReader(pipeline, cache=tmp_path).read(photos).failures


def test_a_file_that_is_no_cache(pipeline: Pipeline, tmp_path: Path) -> None:
    path = tmp_path / "mtcnn-dlib-resnet-40.npz"
    for content in (b"", b"PK\x03\x04 cut off", b"something else"):
        path.write_bytes(content)
        with pytest.raises(EvaluationError, match=r"resnet-40.npz is not a cache .* Remove it"):
            FaceReader(pipeline, cache=tmp_path)
    np.savez(path, keys=np.zeros(3))
    with pytest.raises(EvaluationError, match="is not a cache"):
        FaceReader(pipeline, cache=tmp_path)
