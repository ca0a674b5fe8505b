from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from embedder.training.augment import augment, generator
from embedder.training.configuration import AugmentOptions
from tests.embedder.pictures import scene

NEVER = AugmentOptions(flip=0.0)
CROP = np.asarray(scene(96, 96), np.uint8)
CHANGES = ("flip", "crop", "colour", "blur", "jpeg", "erase")


def test_nothing_is_changed_unasked() -> None:
    assert (augment(CROP, NEVER, generator(0, 0, 0)) == CROP).all()


@pytest.mark.parametrize("name", CHANGES)
def test_each_change_alone(name: str) -> None:
    before = CROP.copy()
    options = replace(NEVER, **{name: 1.0})
    changed = augment(CROP, options, generator(0, 0, 0))
    assert (before == CROP).all(), "the cached crop stays as it is"
    assert (changed.shape, changed.dtype) == (CROP.shape, np.uint8)
    assert changed.flags.c_contiguous
    assert (changed != CROP).any()
    # The same person still: what is left resembles the photo, but for the mirror.
    alike = changed[:, ::-1] if name == "flip" else changed
    assert np.corrcoef(alike.ravel(), CROP.ravel())[0, 1] > 0.5


def test_mirroring_is_exact() -> None:
    assert (augment(CROP, replace(NEVER, flip=1.0), generator(0, 0, 0)) == CROP[:, ::-1]).all()


def test_a_zoom_keeps_the_middle() -> None:
    grey = np.zeros((97, 97, 3), np.uint8)
    grey[48, 48] = 255
    zoomed = augment(grey, replace(NEVER, crop=1.0, zoom=0.5, shift=0.0), generator(1, 0, 0))
    rows, columns = np.nonzero(zoomed[..., 0] == zoomed.max())
    assert abs(rows.mean() - 48) < 0.6
    assert abs(columns.mean() - 48) < 0.6


def test_an_erased_rectangle_is_no_larger_than_told() -> None:
    options = replace(NEVER, erase=1.0, erased=0.1)
    for place in range(50):
        changed = augment(CROP, options, generator(0, 0, place))
        share = (changed != CROP).any(axis=2).mean()
        assert 0.01 < share < 0.12


def test_probabilities_are_kept() -> None:
    options = replace(NEVER, flip=0.3)
    flipped = [
        (augment(CROP, options, generator(0, 0, place)) != CROP).any() for place in range(1000)
    ]
    # Three standard errors.
    assert np.mean(flipped) == pytest.approx(0.3, abs=3 * np.sqrt(0.3 * 0.7 / 1000))


def test_what_is_drawn_depends_on_seed_epoch_and_place_alone() -> None:
    options = AugmentOptions(1, 1, colour=1, blur=1, jpeg=1, erase=1)
    first = augment(CROP, options, generator(1, 2, 3))
    assert (augment(CROP, options, generator(1, 2, 3)) == first).all()
    for other in ((2, 2, 3), (1, 3, 3), (1, 2, 4)):
        assert (augment(CROP, options, generator(*other)) != first).any()
