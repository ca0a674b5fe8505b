"""Batches of augmented crops, made ready by other processes while the network computes."""

from __future__ import annotations

import signal
from collections.abc import Iterator, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from embedder.errors import TrainingError
from embedder.training.augment import augment, generator
from embedder.training.configuration import AugmentOptions
from embedder.training.data import Crops
from embedder.training.sampler import Indexes
from embedder.types import RgbImage

Key = tuple[int, int, int]
"""Epoch, place in the epoch, and place of the photo in the data."""

Sample = tuple[RgbImage, int]
Batch = tuple[Tensor, Tensor]


class Feeder:
    """Gives the batches of an epoch, the same ones whatever number of processes makes them."""

    def __init__(
        self,
        crops: Crops,
        options: AugmentOptions,
        *,
        seed: int,
        workers: int,
        memory_mb: float,
        pinned: bool = False,
    ) -> None:
        """Crops are decoded once if they fit into `memory_mb`; `pinned` memory is for GPUs.

        `workers` processes make them ready; 0 does it when they are asked for. Raises TrainingError
        for a crop that is damaged.
        """
        self._samples = _Samples(crops, options, seed, in_memory=crops.megabytes <= memory_mb)
        self._workers, self._pinned = workers, pinned

    def batches(self, photos: Indexes, epoch: int, places: Indexes) -> Iterator[Batch]:
        """(N, 3, S, S) pixels of 8 bits and (N,) labels for each row of (B, N) photos.

        `places` (B, N): where each photo stands in the epoch.
        """
        keys = [
            [(epoch, place, photo) for place, photo in zip(*row, strict=True)]
            for row in zip(places.tolist(), photos.tolist(), strict=True)
        ]
        loader = DataLoader(
            self._samples,
            batch_sampler=keys,
            collate_fn=_together,
            num_workers=self._workers,
            pin_memory=self._pinned,
            worker_init_fn=_heed_no_signals,
            # Its own: it draws seeds that nobody uses here, and is to leave the common one alone.
            generator=torch.Generator(),
        )
        try:
            yield from loader
        except RuntimeError as error:
            if "DataLoader worker" not in str(error):
                raise
            raise TrainingError(
                f"A process that prepares photos ended: {error}. Go on with --resume; with "
                "training.workers = 0 there are none."
            ) from error


class _Samples(Dataset[Sample]):
    """One augmented crop and its label for each key."""

    def __init__(
        self, crops: Crops, options: AugmentOptions, seed: int, *, in_memory: bool
    ) -> None:
        self._crops, self._options, self._seed = crops, options, seed
        self._pixels: NDArray[np.uint8] | None = crops.read_all() if in_memory else None

    def __getitem__(self, key: Key) -> Sample:
        epoch, place, photo = key
        crop = self._crops.read(photo) if self._pixels is None else self._pixels[photo]
        random = generator(self._seed, epoch, place)
        return augment(crop, self._options, random), int(self._crops.labels[photo])


def _heed_no_signals(_worker: int) -> None:
    """Signals go to a whole group of processes: whether to stop is for the one that trains.

    When that ends, however it does, its workers end by themselves.
    """
    for each in (signal.SIGINT, signal.SIGTERM):
        signal.signal(each, signal.SIG_IGN)


def _together(samples: Sequence[Sample]) -> Batch:
    pixels = torch.from_numpy(np.stack([crop for crop, _ in samples]))
    # A view: channels stay side by side in memory, as convolutions like them.
    return pixels.permute(0, 3, 1, 2), torch.tensor([label for _, label in samples])
