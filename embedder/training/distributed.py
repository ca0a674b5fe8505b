"""Several processes that train one network, each on its share of every batch.

`torchrun --nproc-per-node=N -m embedder train ...` starts them; alone, a process is all there is.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta

import torch
from torch import Tensor, distributed, nn
from torch.nn.parallel import DistributedDataParallel

from embedder.errors import TrainingError


@dataclass(frozen=True, slots=True)
class Processes:
    """This process among all: `rank` of `count`, computing on `place`."""

    rank: int
    count: int
    place: torch.device

    @property
    def is_first(self) -> bool:
        """Whether this is the one that writes and measures."""
        return self.rank == 0

    def share(self, batch: int, photos_each: int = 0) -> slice:
        """The part of a batch that is this process's.

        Raises TrainingError for parts that are unequal, or too small to be trained on: one photo,
        or with `photos_each` of each person fewer than two people.
        """
        each, spare = divmod(batch, self.count)
        if spare:
            # Gradients are averaged over processes: unequal parts would not count alike.
            raise TrainingError(
                f"A batch of {batch} can't be shared evenly by {self.count} processes. Make "
                "training.batch a multiple."
            )
        group = max(photos_each, 1)
        if each % group or each < 2 * group:
            raise TrainingError(
                f"A batch of {batch} leaves {each} photos to each of {self.count} processes, which "
                f"need {2 * group} or more, a multiple of {group}. Correct training.batch."
            )
        return slice(self.rank * each, (self.rank + 1) * each)

    def wrap(self, module: nn.Module) -> nn.Module:
        """The module, whose gradients become the mean of all processes'."""
        if self.count == 1:
            return module
        if self.place.type == "cuda":
            # Statistics of the whole batch, as one process would have them; on processors torch
            # has no such norm, and each share has its own.
            synchronised = nn.SyncBatchNorm.convert_sync_batchnorm(module)  # type: ignore[no-untyped-call]
            return DistributedDataParallel(synchronised, device_ids=[self.place])
        return DistributedDataParallel(module)

    def mean(self, values: Tensor) -> Tensor:
        """The mean of all processes' (K,) values."""
        if self.count == 1:
            return values
        total = values.clone()
        distributed.all_reduce(total)
        return total / self.count

    def wait(self) -> None:
        """Go on when all processes are here."""
        if self.count > 1:
            distributed.barrier()


def alone() -> Processes:
    """This process by itself, whoever is beside it."""
    return Processes(0, 1, _place())


def _place() -> torch.device:
    """The GPU of this process's number if there are some, else the processor."""
    if not torch.cuda.is_available():
        return torch.device("cpu")
    place = torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0")))
    torch.cuda.set_device(place)
    return place


@contextmanager
def joined() -> Iterator[Processes]:
    """Join the others, as torchrun's environment says; alone without it.

    On GPUs, one for each process, if there are some; else on processors.
    """
    count = int(os.environ.get("WORLD_SIZE", "1"))
    rank = int(os.environ.get("RANK", "0"))
    if count == 1:
        yield alone()
        return
    place = _place()
    backend = "gloo" if place.type == "cpu" else "nccl"
    # The others wait while the first measures.
    distributed.init_process_group(backend, timeout=timedelta(hours=2))
    try:
        yield Processes(rank, count, place)
    finally:
        distributed.destroy_process_group()
