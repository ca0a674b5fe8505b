"""All that a training has come to, in one file that is whole or isn't there.

A checkpoint holds tensors and plain values alone, and is read so: unpickling anything else could
run code.
"""

from __future__ import annotations

import io
import os
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from embedder.errors import TrainingError
from embedder.networks.architectures import ARCHITECTURES

FORMAT = 2
SUFFIX = ".pt"
LAST = f"last{SUFFIX}"


def of_epoch(epoch: int) -> str:
    """What the checkpoint of an epoch is called where it is kept."""
    return f"epoch-{epoch}{SUFFIX}"


_KEYS = frozenset(
    {
        "architecture", "detector", "dimension", "dropout", "configuration", "model", "ema", "loss",
        "optimiser", "schedule", "sampler", "random", "epoch", "step", "people", "seen",
        "curves",
    }
)  # fmt: skip


@dataclass(frozen=True, slots=True, eq=False)
class Checkpoint:
    """A training at the end of step `step` of epoch `epoch`, both counted from 0 on.

    detector: whose landmarks the crops were cut by. model, ema, loss, optimiser: state dicts; ema
    None without an average. schedule: the learning rate. sampler: what the data was. random: the
    seed of all that is drawn. people: names by label. seen: names of all whom these weights have
    been trained on, in earlier trainings, too. curves: see `embedder.training.curves`.
    configuration: plain tables.
    """

    architecture: str
    detector: str
    dimension: int
    dropout: float
    configuration: dict[str, Any]
    model: dict[str, Any]
    ema: dict[str, Any] | None
    loss: dict[str, Any]
    optimiser: dict[str, Any]
    schedule: dict[str, Any]
    sampler: dict[str, Any]
    random: dict[str, Any]
    epoch: int
    step: int
    people: list[str]
    seen: list[str]
    curves: dict[str, Any]

    def network(self) -> nn.Module:
        """The network in eval mode, with the average of its weights where there is one.

        Raises TrainingError for an unknown architecture, or weights of another.
        """
        known = ARCHITECTURES.get(self.architecture)
        if known is None:
            raise TrainingError(f"The checkpoint is of {self.architecture!r}, which is unknown.")
        network = known.build(dimension=self.dimension, dropout=self.dropout)
        try:
            network.load_state_dict(self.model if self.ema is None else self.ema)
        except RuntimeError as error:
            raise TrainingError(f"The weights are not those of {self.architecture}.") from error
        return network.eval()


def save(path: Path, checkpoint: Checkpoint) -> None:
    """Write a checkpoint; until it is whole and on the disk, the old one stays.

    Raises TrainingError when there is no room, or it can't be written for another reason.
    """
    content = {name: getattr(checkpoint, name) for name in Checkpoint.__slots__}
    # Through memory: torch's own writer doesn't say what a full disk is.
    buffer = io.BytesIO()
    torch.save({"format": FORMAT, **content}, buffer)
    fresh = path.with_name(f"{path.name}.part")
    try:
        with fresh.open("wb") as stream:
            stream.write(buffer.getbuffer())
            stream.flush()
            os.fsync(stream.fileno())
        fresh.replace(path)
        _sync(path.parent)
    except OSError as error:
        fresh.unlink(missing_ok=True)
        kept = f" The one before is still in {path.name}." if path.exists() else ""
        raise TrainingError(
            f"The checkpoint {path} can't be written: {error.strerror}.{kept} Make room, then go "
            "on with --resume."
        ) from error


def _sync(folder: Path) -> None:
    """Make a rename in a folder survive a power cut."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _check_sums(path: Path) -> None:
    """Raise BadZipFile where a part isn't what was written: torch reads it without a look."""
    with zipfile.ZipFile(path) as parts:
        damaged = parts.testzip()
    if damaged is not None:
        raise zipfile.BadZipFile(damaged)


def load(path: Path) -> Checkpoint:
    """Read a checkpoint onto the processor, running none of what it holds.

    Raises TrainingError when it isn't there, is damaged, or has another format.
    """
    try:
        _check_sums(path)
        content = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError as error:
        raise TrainingError(f"There is no checkpoint {path}.") from error
    # Whatever torch's reader makes of a file that is something else.
    except Exception as error:
        raise TrainingError(f"{path} is no checkpoint, or damaged.") from error
    if not isinstance(content, dict) or content.pop("format", None) != FORMAT:
        raise TrainingError(f"{path} is no checkpoint of format {FORMAT}.")
    if content.keys() != _KEYS:
        raise TrainingError(f"{path} is no checkpoint: it lacks or has other entries.")
    return Checkpoint(**content)
