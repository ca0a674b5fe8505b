"""The training itself, to be read from top to bottom.

A step is a function of the configuration, the data and the state that a checkpoint holds, so that
a training that was stopped, or killed, goes on as if it hadn't been.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from time import perf_counter
from typing import Protocol, cast

import numpy as np
import torch
from torch import Tensor, nn

from embedder.errors import DivergedError, TrainingError, TrainingStoppedError
from embedder.training import checkpoints
from embedder.training.average import Average
from embedder.training.checkpoints import LAST, Checkpoint
from embedder.training.configuration import BF16, Configuration, difference
from embedder.training.curves import Curves, Row
from embedder.training.data import Crops
from embedder.training.distributed import Processes
from embedder.training.feeding import Feeder
from embedder.training.losses import Losses, make_loss
from embedder.training.optimiser import make_optimiser, set_rate
from embedder.training.sampler import make_sampler
from embedder.training.schedule import make_schedule
from embedder.training.start import make_network, seen_before

Measure = Callable[[nn.Module], Row]
"""Figures of a network on people held out."""


class Watcher(Protocol):
    """Is told of every step and epoch."""

    def step(self, row: Row, images: int, seconds: float, waited: float) -> None:
        """One step of so many images, of whose seconds some were spent waiting for data."""
        ...

    def epoch(self, row: Row) -> None:
        """What was measured after an epoch; epoch 0 is the network as it began."""
        ...


class Objective(nn.Module):
    """Pixels and labels to the loss."""

    def __init__(self, network: nn.Module, loss: nn.Module) -> None:
        super().__init__()
        self.network, self.loss = network, loss

    def forward(self, pixels: Tensor, labels: Tensor) -> Losses:
        """The losses of (N, 3, S, S) RGB pixels, 0 to 255, with (N,) labels."""
        return cast("Losses", self.loss(self.network(pixels), labels))


@dataclass(slots=True, eq=False)
class Training:
    """A training's parts, and how far it has come: steps and epochs that are done.

    seen: names of all whom its weights have been trained on, before it, too.
    """

    configuration: Configuration
    crops: Crops
    folder: Path
    processes: Processes
    objective: Objective
    average: Average | None
    optimiser: torch.optim.Optimizer
    seen: frozenset[str]
    step: int = 0
    epoch: int = 0
    curves: Curves = field(default_factory=Curves)

    @property
    def network(self) -> nn.Module:
        """The network that is used: the average where there is one."""
        return self.objective.network if self.average is None else self.average.network


def seed(configuration: Configuration) -> None:
    """Begin torch's random numbers, which the first weights and dropout are drawn from."""
    torch.manual_seed(configuration.training.seed)


def prepare(
    configuration: Configuration, crops: Crops, folder: Path, processes: Processes
) -> Training:
    """A training at its beginning. Raises TrainingError for what can't be trained."""
    options = configuration.training
    if options.threads:
        torch.set_num_threads(options.threads)
    seed(configuration)
    network = make_network(configuration.network)
    loss = make_loss(configuration.loss, len(crops.people), configuration.network.dimension)
    objective = Objective(network, loss).to(processes.place)
    # Convolutions are fastest where the channels of a pixel lie side by side.
    objective = objective.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return Training(
        configuration,
        crops,
        folder,
        processes,
        objective,
        Average(network, options.ema) if options.ema else None,
        make_optimiser(configuration.optimiser, objective.network, objective.loss),
        seen_before(configuration.network) | frozenset(crops.people),
    )


def train(
    training: Training,
    measure: Measure,
    watchers: Sequence[Watcher] = (),
    *,
    stop: Callable[[], bool] = lambda: False,
) -> None:
    """Train to the last epoch, measuring and writing a checkpoint after each.

    Raises TrainingStoppedError, behind a checkpoint, when `stop` says so; DivergedError when the
    loss is no number, and TrainingError when a checkpoint can't be written: the last one stays.
    """
    options, processes = training.configuration.training, training.processes
    sampler = make_sampler(training.crops.labels, options.batch, options.photos_each, options.seed)
    share = processes.share(options.batch, options.photos_each)
    schedule = make_schedule(training.configuration.schedule, options.epochs)
    feeder = Feeder(
        training.crops,
        training.configuration.augment,
        seed=options.seed,
        workers=options.workers,
        memory_mb=training.configuration.data.memory_mb,
        pinned=processes.place.type == "cuda",
    )
    # Behind it the module hooks into its gradients: only once they are where they stay.
    objective = processes.wrap(training.objective)
    if not training.step and not training.curves.epochs:
        _finish_epoch(training, measure, watchers)

    while training.epoch < options.epochs:
        done = training.step - training.epoch * sampler.epoch_size
        photos = sampler.batches(training.epoch)
        places = np.arange(photos.size).reshape(photos.shape)
        batches = feeder.batches(photos[done:, share], training.epoch, places[done:, share])
        began = perf_counter()
        for pixels, labels in batches:
            waited = perf_counter() - began
            rate = schedule(training.step / sampler.epoch_size)
            row, stopped = _step(training, objective, (pixels, labels), rate, stop=stop())
            seconds = perf_counter() - began
            for watcher in watchers:
                watcher.step(row, options.batch, seconds, waited)
            if stopped:
                _stop(training)
            if options.checkpoint_steps and training.step % options.checkpoint_steps == 0:
                save(training)
            began = perf_counter()
        training.epoch += 1
        _finish_epoch(training, measure, watchers)


def _step(
    training: Training,
    objective: nn.Module,
    batch: tuple[Tensor, Tensor],
    rate: float,
    *,
    stop: bool,
) -> tuple[Row, bool]:
    """One step of the optimiser; its figures, and whether any process is to stop."""
    options, place = training.configuration, training.processes.place
    pixels, labels = (each.to(place, non_blocking=True) for each in batch)
    objective.train()
    # Dropout draws by seed, step and process: there is no state to remember.
    torch.manual_seed(_seed(options.training.seed, training.step, training.processes.rank))
    set_rate(training.optimiser, rate)
    with torch.autocast(place.type, torch.bfloat16, enabled=options.training.precision == BF16):
        losses: Losses = objective(pixels, labels)
    training.optimiser.zero_grad(set_to_none=True)
    losses.total.backward()  # type: ignore[no-untyped-call]
    parameters = list(training.objective.parameters())
    length = nn.utils.clip_grad_norm_(parameters, options.optimiser.clip or math.inf)

    figures = _figures(losses, labels)
    *values, slope, stopping = training.processes.mean(
        torch.stack([*figures.values(), length, torch.tensor(float(stop), device=place)])
    ).tolist()
    row = dict(zip(figures, values, strict=True))
    # Before the step: weights that were good stay good.
    if not math.isfinite(row["total"]) or not math.isfinite(slope):
        raise _diverged(training, training.step + 1)
    training.optimiser.step()
    if training.average is not None:
        training.average.update(training.objective.network, training.step)
    training.step += 1
    row = {"step": training.step, "epoch": training.epoch + 1, "rate": rate, **row}
    training.curves.steps.append(row)
    return row, stopping > 0


def _seed(seed: int, step: int, rank: int) -> int:
    """A seed of its own for each step of each process."""
    return int(np.random.SeedSequence((seed, step, rank)).generate_state(1, np.uint64)[0] >> 1)


def _figures(losses: Losses, labels: Tensor) -> dict[str, Tensor]:
    figures = {"total": losses.total.detach(), **losses.parts}
    if losses.logits is not None:
        figures["accuracy"] = (losses.logits.argmax(dim=1) == labels).float().mean()
    return figures


def _diverged(training: Training, step: int) -> DivergedError:
    kept = training.folder / LAST
    return DivergedError(
        f"The loss, its gradient or a weight is not a finite number at step {step} (epoch "
        f"{training.epoch + 1}): the training diverged. The last good checkpoint stays in {kept}. "
        "Lower schedule.rate or optimiser.clip, and begin anew or with network.start."
    )


def _finish_epoch(training: Training, measure: Measure, watchers: Sequence[Watcher]) -> None:
    """Measure, tell, write a checkpoint."""
    row: Row = {"epoch": training.epoch}
    if training.processes.is_first:
        row |= measure(training.network)
    training.curves.epochs.append(row)
    for watcher in watchers:
        watcher.epoch(row)
    save(training)
    keep = training.configuration.training.keep
    if keep and training.epoch and training.epoch % keep == 0:
        save(training, checkpoints.of_epoch(training.epoch))


def _stop(training: Training) -> None:
    save(training)
    raise TrainingStoppedError(
        f"Stopped after step {training.step} (epoch {training.epoch + 1}). The checkpoint is in "
        f"{training.folder / LAST}; --resume goes on."
    )


def save(training: Training, name: str = LAST) -> None:
    """Write a checkpoint, all processes waiting.

    Raises TrainingError when it can't be written, DivergedError when there is nothing good to keep.
    """
    state: dict[str, Tensor] = training.objective.state_dict()
    if not all(torch.isfinite(each).all() for each in state.values()):
        raise _diverged(training, training.step)
    if training.processes.is_first:
        checkpoints.save(training.folder / name, _checkpoint(training))
    training.processes.wait()


def _checkpoint(training: Training) -> Checkpoint:
    network = training.configuration.network
    return Checkpoint(
        architecture=network.architecture,
        detector=training.crops.detector,
        dimension=network.dimension,
        dropout=network.dropout,
        configuration=training.configuration.as_dict(),
        model=training.objective.network.state_dict(),
        ema=None if training.average is None else training.average.network.state_dict(),
        loss=training.objective.loss.state_dict(),
        optimiser=training.optimiser.state_dict(),
        schedule={"rate": training.optimiser.param_groups[0]["lr"]},
        sampler={
            "photos": len(training.crops.paths),
            "sha256": training.crops.fingerprint,
            "processes": training.processes.count,
        },
        random={"seed": training.configuration.training.seed},
        epoch=training.epoch,
        step=training.step,
        people=list(training.crops.people),
        seen=sorted(training.seen),
        curves=training.curves.state(),
    )


def resume(training: Training) -> None:
    """Bring a training at its beginning to its last checkpoint.

    Raises TrainingError when there is none, or when it was told something else or other data.
    """
    saved = checkpoints.load(training.folder / LAST)
    other = difference(saved.configuration, _plain(training.configuration))
    if other:
        kept = training.folder / LAST
        raise TrainingError(
            f"{kept} was trained with another {other}. Resume with the same configuration, or "
            f'begin anew: another --output, and network.start = "{kept.absolute()}".'
        )
    if saved.sampler["sha256"] != training.crops.fingerprint:
        raise TrainingError(
            f"{training.folder / LAST} was trained on {saved.sampler['photos']} photos; these are "
            f"{len(training.crops.paths)} or others. Resume with the same data."
        )
    if saved.sampler["processes"] != training.processes.count:
        # Each has statistics and dropout of its own share.
        raise TrainingError(
            f"{training.folder / LAST} was trained by {saved.sampler['processes']} processes, not "
            f"{training.processes.count}. Resume with as many."
        )
    training.objective.network.load_state_dict(saved.model)
    training.objective.loss.load_state_dict(saved.loss)
    training.optimiser.load_state_dict(saved.optimiser)
    if training.average is not None and saved.ema is not None:
        training.average.network.load_state_dict(saved.ema)
    training.step, training.epoch = saved.step, saved.epoch
    training.curves = Curves.restored(saved.curves)


def _plain(configuration: Configuration) -> dict[str, dict[str, object]]:
    """As a checkpoint gives it back: torch's reader knows tuples, too."""
    return copy.deepcopy(configuration.as_dict())
