from __future__ import annotations

import numpy as np
import pytest

from embedder import images
from embedder.evaluation import resolution
from embedder.evaluation.collection import first_of_each_fold, read_pairs
from embedder.evaluation.faces import FaceReader
from embedder.opencv import cv2
from embedder.pipeline import Pipeline
from tests.conftest import Lfw


def test_faces_are_reduced_to_the_width_and_enlarged_again(pipeline: Pipeline, lfw: Lfw) -> None:
    photos = [lfw.path(person) for person in lfw.people(6)]
    reader = FaceReader(pipeline)
    faces = reader.read(photos)
    content = resolution.narrowed(photos, faces, 30)
    for photo, width in zip(photos, faces.widths, strict=True):
        before, after = images.decode(photo.read_bytes()), images.decode(content(photo))
        assert after.pixels.shape == before.pixels.shape
        # What 30 of `width` pixels can't hold is gone: reducing again changes little.
        side = round(250 * 30 / width)
        again = cv2.resize(
            cv2.resize(after.pixels, (side, side), interpolation=cv2.INTER_AREA),
            (250, 250),
            interpolation=cv2.INTER_CUBIC,
        )
        lost = [np.abs(p.pixels.astype(int) - again).mean() for p in (before, after)]
        assert lost[1] < lost[0] / 2
    narrow = reader.read(photos, content)
    assert narrow.widths == pytest.approx(faces.widths, rel=0.15)
    wide = resolution.narrowed(photos, faces, 1000)
    assert wide(photos[0]) == photos[0].read_bytes()


def test_narrow_faces_are_recognised_less(pipeline: Pipeline, lfw: Lfw) -> None:
    everything = read_pairs(lfw.folder / "pairs.txt", lfw.folder / "images")
    pairs = [pair for pair in first_of_each_fold(everything, 5) if pair.fold < 4]
    result = resolution.evaluate(FaceReader(pipeline), pairs, widths=[8])
    original, narrow = result.widths
    assert (original.width, original.reduced) == (None, 0)
    assert (narrow.width, narrow.reduced) == (8, 1)
    assert original.accuracy > narrow.accuracy + 0.1
    assert 85 < result.median_width < 115
    assert result.record()["photos"] == result.photos == 57
