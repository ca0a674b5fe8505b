"""Embeddings in two dimensions: the picture that shows why center loss is there.

Wen et al., "A Discriminative Feature Learning Approach for Deep Face Recognition" (ECCV 2016),
figure 2: a bottleneck of two numbers, a few people, softmax alone and with center loss.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from torch import nn

from embedder.errors import TrainingError
from embedder.training import loop, measure
from embedder.training.cache import Cache
from embedder.training.configuration import Configuration
from embedder.training.curves import Row
from embedder.training.data import Crops, crops_of
from embedder.training.distributed import Processes
from embedder.training.loop import Watcher

ALONE, WITH_CENTER = "softmax alone", "softmax + center loss"
# lambda: in two dimensions distances are short, and a configuration's would hardly show.
_CENTER_WEIGHT = 2.0


@dataclass(frozen=True, slots=True, eq=False)
class Picture:
    """(N, 2) embeddings of the photos of (N,) people, by the name of the loss."""

    embeddings: Mapping[str, NDArray[np.float32]]
    labels: NDArray[np.intp]
    people: tuple[str, ...]

    def ratios(self) -> dict[str, float]:
        """Within-class over between-class distance, in the plane, by the name of the loss."""
        return {
            name: measure.spread(points, self.labels).ratio
            for name, points in self.embeddings.items()
        }


def most_photographed(cache: Cache, count: int) -> Crops:
    """The crops of the people with most photos. Raises TrainingError for fewer than two."""
    usable = cache.usable()
    counts = Counter(entry.person for entry in usable)
    chosen = [person for person, photos in counts.most_common(count) if photos > 1]
    if len(chosen) < 2:  # noqa: PLR2004 - to be told apart
        raise TrainingError("A picture needs two people or more with several photos each.")
    entries = [entry for entry in usable if entry.person in chosen]
    return crops_of(cache, entries)


def draw(
    configuration: Configuration,
    crops: Crops,
    folder: Path,
    processes: Processes,
    watching: Callable[[str], AbstractContextManager[Watcher]],
) -> Picture:
    """Train twice from the same seed in two dimensions; `folder` gets the checkpoints.

    `watching` gives the watcher of the training of a name.
    The photos are those trained on: the picture shows what a loss does, not how well it does.
    """
    found = {}
    for name, center_weight in ((ALONE, 0.0), (WITH_CENTER, _CENTER_WEIGHT)):
        told = replace(
            configuration,
            # Whatever it begins with otherwise has not two numbers.
            network=replace(configuration.network, dimension=2, start=""),
            loss=replace(configuration.loss, kind="softmax", center_weight=center_weight),
        )
        where = folder / name.replace(" ", "-")
        where.mkdir(parents=True, exist_ok=True)
        training = loop.prepare(told, crops, where, processes)
        with watching(name) as watcher:
            loop.train(training, _nothing, [watcher])
        found[name] = measure.embed(training.network, crops, processes.place, bf16=False)
    return Picture(found, crops.labels, crops.people)


def _nothing(_network: nn.Module) -> Row:
    return {}
