from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence

import numpy as np
import pytest

from embedder import images, stream
from embedder.detectors.base import Detector
from embedder.errors import ImageError, TemplateError
from embedder.images import ImageInfo
from embedder.pipeline import Pipeline
from embedder.types import Detection, Face
from tests.conftest import Lfw
from tests.embedder.pictures import saved, scene


def photos(lfw: Lfw, count: int) -> list[bytes]:
    return [lfw.bytes(person) for person in lfw.people(count)]


def assert_same(one: Sequence[Face], other: Sequence[Face]) -> None:
    assert len(one) == len(other)
    for a, b in zip(one, other, strict=True):
        assert a.detection.box.iou(b.detection.box) > 0.999
        assert float(a.template @ b.template) > 0.9999


def test_outcomes_come_in_order_and_are_those_of_one_by_one(pipeline: Pipeline, lfw: Lfw) -> None:
    files = photos(lfw, 14)
    outcomes = list(stream.stream(pipeline, files, runs=2, batch=4))
    assert len(outcomes) == 14
    for file, outcome in zip(files, outcomes, strict=True):
        (alone,) = pipeline.process([images.decode(file)])
        assert outcome.error is None
        assert outcome.info == images.inspect(file)
        assert_same(outcome.faces, alone)


def test_a_photo_that_cannot_be_decoded_fails_alone(pipeline: Pipeline, lfw: Lfw) -> None:
    good, other = photos(lfw, 2)
    faceless = saved(scene(), "PNG")
    files = [good, b"", good[:5000], b"GIF89a", faceless, saved(scene(50, 50), "PNG"), other]
    outcomes = list(pipeline.stream(files))
    codes = [o.error.code if isinstance(o.error, ImageError) else None for o in outcomes]
    assert codes == [
        None, "empty_file", "undecodable", "undecodable", None, "bad_dimensions", None,
    ]  # fmt: skip
    assert [len(outcome.faces) > 0 for outcome in outcomes] == [True, *[False] * 5, True]
    assert [outcome.info is None for outcome in outcomes] == [
        False, True, True, True, False, True, False,
    ]  # fmt: skip


def test_no_photos_and_only_bad_ones(pipeline: Pipeline) -> None:
    assert list(pipeline.stream([])) == []
    (large,) = stream.stream(pipeline, [saved(scene(300, 200), "PNG")], max_pixels=59_999)
    assert isinstance(large.error, ImageError)
    assert large.error.code == "too_many_pixels"
    assert [o.error is None for o in pipeline.stream([b"", b"no photo"])] == [False, False]


def test_photos_are_read_as_they_are_needed(pipeline: Pipeline, lfw: Lfw) -> None:
    (photo,) = photos(lfw, 1)
    read = 0

    def endless() -> Iterator[bytes]:
        nonlocal read
        for read in itertools.count(1):  # noqa: B007 - counts for the test
            yield photo

    outcomes = stream.stream(pipeline, endless(), runs=2, batch=2)
    assert read == 0
    next(outcomes)
    # Two batches are computed and one waits; a batch ends where the photo after it is seen.
    assert read == 2 * 3 + 1
    for _ in range(10):
        next(outcomes)
    assert read == 2 * 8 + 1
    outcomes.close()


def test_large_photos_are_worked_on_alone_and_small_ones_together(lfw: Lfw) -> None:
    small, large = lfw.bytes(lfw.people(1)[0]), saved(scene(4000, 3000), "JPEG")
    batches = stream._batches([small] * 40 + [large, large] + [small] * 3, min_face=40, most=32)
    assert [len(batch) for batch in batches] == [32, 8, 1, 1, 3]


def test_large_files_wait_in_small_numbers(lfw: Lfw, monkeypatch: pytest.MonkeyPatch) -> None:
    photo = lfw.bytes(lfw.people(1)[0])
    monkeypatch.setattr(stream, "BATCH_BYTES", 3 * len(photo))
    batches = stream._batches([photo] * 7, min_face=40, most=32)
    assert [len(batch) for batch in batches] == [3, 3, 1]


def test_runs_go_on_while_the_caller_is_busy(pipeline: Pipeline, lfw: Lfw) -> None:
    files = iter(photos(lfw, 14))
    outcomes = stream.stream(pipeline, files, runs=1, batch=2, ahead=3)
    next(outcomes)
    # One batch came out, three wait or are computed, and the photo after them is seen.
    assert len(list(files)) == 14 - 2 * 4 - 1
    outcomes.close()


def test_only_chosen_faces_are_embedded(pipeline: Pipeline, lfw: Lfw) -> None:
    seen = []

    def last(info: ImageInfo, faces: Sequence[Detection]) -> Sequence[Detection]:
        seen.append((info.width, info.height))
        return faces[-1:]

    files = photos(lfw, 5)
    for outcome, file in zip(pipeline.stream(files, choose=last), files, strict=True):
        (alone,) = pipeline.process([images.decode(file)])
        assert_same(outcome.faces, alone[-1:])
    assert seen == [(250, 250)] * 5


class Fussy:
    """A real detector that finds one picture to be beyond it."""

    name = "mtcnn"

    def __init__(self, detector: Detector, shape: tuple[int, ...]) -> None:
        self._detector, self._shape = detector, shape

    def detect(self, pictures: Sequence[np.ndarray], min_face: float) -> list[list[Detection]]:
        if any(picture.shape == self._shape for picture in pictures):
            raise TemplateError("not finite")
        return self._detector.detect(pictures, min_face)


def test_an_error_of_a_batch_is_that_of_one_photo(pipeline: Pipeline, lfw: Lfw) -> None:
    fussy = Pipeline(Fussy(pipeline._aligner.detector, (90, 130, 3)), pipeline._network)
    good, other = photos(lfw, 2)
    outcomes = list(fussy.stream([good, saved(scene(130, 90), "PNG"), other]))
    assert [type(outcome.error) for outcome in outcomes] == [type(None), TemplateError, type(None)]
    assert outcomes[1].info == images.inspect(saved(scene(130, 90), "PNG"))
    assert_same(outcomes[0].faces, pipeline.process([images.decode(good)])[0])
    assert_same(outcomes[2].faces, pipeline.process([images.decode(other)])[0])


def test_an_error_that_is_none_of_ours_is_not_hidden(pipeline: Pipeline, lfw: Lfw) -> None:
    def failing() -> Iterator[bytes]:
        yield from photos(lfw, 1)
        raise OSError("the disk is gone")

    with pytest.raises(OSError, match="disk is gone"):
        list(pipeline.stream(failing()))
