from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from embedder.errors import TrainingError
from embedder.training.sampler import PersonSampler, PhotoSampler, make_sampler


@pytest.mark.parametrize(("photos", "batch", "size"), [(10, 5, 2), (11, 5, 3), (5, 5, 1)])
def test_an_epoch_grows_with_the_data(photos: int, batch: int, size: int) -> None:
    sampler = PhotoSampler(photos, batch, 0)
    assert sampler.epoch_size == size
    assert sampler.batches(0).shape == (size, batch)


@given(st.integers(1, 60), st.integers(1, 60), st.integers(0, 5))
def test_an_epoch_shows_every_photo(photos: int, batch: int, epoch: int) -> None:
    batch = min(batch, photos)
    counts = np.bincount(PhotoSampler(photos, batch, 3).batches(epoch).ravel(), minlength=photos)
    assert counts.min() >= 1
    assert counts.max() <= 2
    assert counts.sum() - photos < batch, "no more than fills the last batch"


def test_batches_are_a_function_of_seed_and_epoch() -> None:
    one, same, other = PhotoSampler(40, 8, 1), PhotoSampler(40, 8, 1), PhotoSampler(40, 8, 2)
    assert (one.batches(3) == same.batches(3)).all()
    assert (one.batches(3) != one.batches(4)).any()
    assert (one.batches(3) != other.batches(3)).any()


@given(st.lists(st.integers(1, 30), min_size=3, max_size=12), st.integers(1, 4), st.integers(0, 3))
def test_people_and_photos_of_each(counts: list[int], each: int, epoch: int) -> None:
    labels = np.repeat(np.arange(len(counts)), counts)
    sampler = PersonSampler(labels, 3 * each, each, 0)
    batches = sampler.batches(epoch).reshape(sampler.epoch_size, 3, each)
    whose = labels[batches]
    assert (whose == whose[:, :, :1]).all(), "photos of one person stand side by side"
    people = np.sort(whose[:, :, 0], axis=1)
    assert (np.diff(people, axis=1) > 0).all(), "nobody is twice in a batch"
    assert set(batches.ravel()) == set(range(len(labels))), "each photo at least once"


def test_a_batch_larger_than_the_data() -> None:
    with pytest.raises(TrainingError, match="A batch has 6 photos, but there are only 5 to train"):
        make_sampler(np.zeros(5, np.intp), 6, 0, 0)


@pytest.mark.parametrize("batch", [5, 4, 2])
def test_a_batch_that_is_no_number_of_people(batch: int) -> None:
    labels = np.array([0, 0, 0, 0, 0, 0])
    with pytest.raises(TrainingError, match="no whole number of people from 2 to 1"):
        make_sampler(labels, batch, 2, 0)
