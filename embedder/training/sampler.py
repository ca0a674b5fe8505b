"""In which order photos are trained on.

Batches are a function of seed and epoch: whoever knows how far a training was knows what is next.
An epoch shows each photo at least once; what the last batches lack is drawn again, so that all
batches are full and a batch norm never meets a single photo.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from embedder.errors import TrainingError

Indexes = NDArray[np.intp]


class Sampler(Protocol):
    """Gives the batches of each epoch."""

    @property
    def epoch_size(self) -> int:
        """Batches in an epoch."""
        ...

    def batches(self, epoch: int) -> Indexes:
        """(epoch_size, batch): the photos of each batch, by their places in the data."""
        ...


def make_sampler(labels: Indexes, batch: int, photos_each: int, seed: int) -> Sampler:
    """A sampler of photos with (N,) labels, 0 to P - 1; of people if `photos_each` is not 0.

    Raises TrainingError for a batch that the data can't fill.
    """
    if batch > len(labels):
        raise TrainingError(
            f"A batch has {batch} photos, but there are only {len(labels)} to train on. Lower "
            "training.batch, or give more photos."
        )
    if photos_each:
        return PersonSampler(labels, batch, photos_each, seed)
    return PhotoSampler(len(labels), batch, seed)


class PhotoSampler:
    """All photos in random order."""

    def __init__(self, photos: int, batch: int, seed: int) -> None:
        self._photos, self._batch, self._seed = photos, batch, seed

    @property
    def epoch_size(self) -> int:
        """Batches in an epoch."""
        return -(-self._photos // self._batch)

    def batches(self, epoch: int) -> Indexes:
        """(epoch_size, batch): each photo once, and the first ones again to fill the last batch."""
        order = _random(self._seed, epoch).permutation(self._photos)
        return np.resize(order, (self.epoch_size, self._batch))


class PersonSampler:
    """Batches of P people with K photos of each, as triplets need them.

    The photos of a person are dealt out in groups of K. People with many photos come more often:
    an epoch ends when everybody's are dealt out, and people who are done fill up the batches.
    """

    def __init__(self, labels: Indexes, batch: int, photos_each: int, seed: int) -> None:
        """Raise TrainingError when the batch can't be made of people with K photos."""
        self._people, spare = divmod(batch, photos_each)
        self._each, self._seed = photos_each, seed
        self._photos = [np.flatnonzero(labels == label) for label in range(int(labels.max()) + 1)]
        if spare or not 2 <= self._people <= len(self._photos):  # noqa: PLR2004 - and a stranger
            raise TrainingError(
                f"A batch of {batch} with {photos_each} photos of each person is no whole number "
                f"of people from 2 to {len(self._photos)}. Correct training.batch or photos_each."
            )
        groups = [-(-len(photos) // photos_each) for photos in self._photos]
        self._groups = np.array(groups)

    @property
    def epoch_size(self) -> int:
        """Batches in an epoch."""
        # As many as deal out all groups, no person being twice in a batch.
        return max(int(self._groups.max()), -(-int(self._groups.sum()) // self._people))

    def batches(self, epoch: int) -> Indexes:
        """(epoch_size, P * K): the K photos of a person stand side by side."""
        random = _random(self._seed, epoch)
        dealt = [self._dealt(random, photos) for photos in self._photos]
        left = self._groups.copy()
        batches = np.empty((self.epoch_size, self._people, self._each), np.intp)
        for batch in batches:
            # Those with most groups left, else they would be left over; lots decide among equals.
            order = np.lexsort((random.random(len(left)), -left))
            for place, person in enumerate(order[: self._people]):
                left[person] -= 1
                batch[place] = dealt[person][left[person] % len(dealt[person])]
        return batches.reshape(self.epoch_size, -1)

    def _dealt(self, random: np.random.Generator, photos: Indexes) -> Indexes:
        """(groups, K): the photos of a person in random order, some twice to fill the last."""
        rows = -(-len(photos) // self._each)
        return np.resize(random.permutation(photos), (rows, self._each))


def _random(seed: int, epoch: int) -> np.random.Generator:
    return np.random.default_rng((seed, epoch))
