from __future__ import annotations

from pathlib import Path

import pytest

from embedder.detectors.mtcnn import Mtcnn
from embedder.errors import EvaluationInterruptedError
from embedder.evaluation import detection
from tests.conftest import Lfw
from tests.embedder.pictures import saved, scene


@pytest.fixture(scope="module")
def mtcnn() -> Mtcnn:
    return Mtcnn()


def test_rates_count_pictures(mtcnn: Mtcnn, lfw: Lfw, tmp_path: Path) -> None:
    portraits = [lfw.path(person) for person in lfw.people(6)]
    view, broken = tmp_path / "view.png", tmp_path / "broken.jpg"
    view.write_bytes(saved(scene(), "PNG"))
    broken.write_bytes(b"\xff\xd8\xff no photo")
    result = detection.evaluate("mtcnn", mtcnn, [*portraits, view, broken], [view, portraits[0]])
    record = result.record()
    assert record["detection_rate"] == 6 / 8
    assert record["miss_rate"] == 2 / 8
    assert record["missed"] == [str(view), str(broken)]
    assert record["false_detection_rate"] == 1 / 2
    assert record["false"] == [str(portraits[0])]
    assert record["ms_an_image"] > 0
    nothing = detection.evaluate("mtcnn", mtcnn, [broken], [broken])
    assert nothing.faces.rate == 0


def test_no_faces_in_the_pictures_without_people(mtcnn: Mtcnn, lfw: Lfw) -> None:
    pictures = detection.without_people()
    assert [picture.stem for picture in pictures] == [
        "coffee",
        "chelsea",
        "rocket",
        "brick",
        "grass",
        "page",
        "text",
    ]
    result = detection.evaluate("mtcnn", mtcnn, [lfw.path(lfw.people(1)[0])], pictures)
    assert result.none.named(found=True) == []
    assert result.faces.rate == 1


def test_stopping_says_how_far(mtcnn: Mtcnn, lfw: Lfw) -> None:
    def stop(_: int) -> None:
        raise KeyboardInterrupt

    portraits = [lfw.path(person) for person in lfw.people(40)]
    with pytest.raises(EvaluationInterruptedError, match="after 32 of 40 pictures with mtcnn"):
        detection.evaluate("mtcnn", mtcnn, portraits, portraits, advance=stop)
