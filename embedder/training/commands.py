"""What `python -m embedder align|train|picture` do: work, write files, give lines to print."""

from __future__ import annotations

import argparse
import copy
import os
import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from types import FrameType

from torch import nn

from embedder.errors import TrainingError
from embedder.evaluation.collection import read_people
from embedder.evaluation.report import (
    check_writable,
    number,
    progress,
    python,
    say,
    table,
    write_json,
)
from embedder.networks.architectures import ARCHITECTURES
from embedder.training import alignment, cache, configuration, loop, plots, report
from embedder.training import data as photos_of
from embedder.training import picture as pictures
from embedder.training.cache import Cache
from embedder.training.checkpoints import LAST, of_epoch
from embedder.training.configuration import BF16, Configuration
from embedder.training.curves import Row
from embedder.training.data import Crops, Division, HeldOut
from embedder.training.distributed import Processes, alone, joined
from embedder.training.exclusive import exclusive
from embedder.training.loop import Training, Watcher
from embedder.training.measure import CropReader, Final, final, quick
from embedder.training.picture import Picture
from embedder.training.sampler import make_sampler
from embedder.training.start import seen_before
from embedder.training.watch import bar, watching

REPORT, FIGURES = "report.html", "figures.json"
STARTED, TRAINED = "as it began", "trained"
# Of the rows that are measured after each epoch.
TMR = "tmr_1e-3"


def run_align(options: argparse.Namespace) -> list[str]:
    """The table of `align`."""
    recipe = alignment.recipe_for(options.architecture, options.detector, min_face=options.min_face)
    count = len(read_people(options.source).photos)
    with progress("align", count) as advance:
        filled = alignment.align(options.source, options.folder, recipe, advance=advance)
    lines = alignment.summary(filled)
    if filled.skipped():
        lines += ["", f"Why each was skipped: {options.folder / cache.SKIPPED}"]
    return lines


def run_train(options: argparse.Namespace) -> list[str]:
    """Train, and the table of people held out."""
    told = _told(options)
    plots.check()
    kept = cache.read(options.data)
    division = _divided(told, kept)
    drawn = pictures.most_photographed(kept, options.picture) if options.picture else None
    output: Path = options.output
    _check_output(output, resume=options.resume)
    output.mkdir(parents=True, exist_ok=True)
    with joined() as processes, _held(output, processes):
        training = loop.prepare(told, division.train, output, processes)
        began = copy.deepcopy(training.objective.network)
        if options.resume:
            loop.resume(training)
        if processes.is_first:
            say(_about(training, division.held_out))
        with stop_signals() as stop:
            _train(training, division.held_out, stop)
        if not processes.is_first:
            return []
        finals = _finals(training, began, division.held_out)
        picture = _picture(told, drawn) if drawn else None
        return [*_leave(training, finals, picture), "", *report.lines(finals)]


def _held(output: Path, processes: Processes) -> AbstractContextManager[None]:
    """The folder, for the process that writes into it."""
    return exclusive(output) if processes.is_first else nullcontext()


def _told(options: argparse.Namespace) -> Configuration:
    """The configuration, with what the command line says instead."""
    told = configuration.read(options.configuration)
    changes = {name: getattr(options, name, None) for name in ("seed", "epochs")}
    given = {name: value for name, value in changes.items() if value is not None}
    return replace(told, training=replace(told.training, **given))


def _about(training: Training, held_out: HeldOut) -> str:
    """What is about to be done."""
    crops, options = training.crops, training.configuration.training
    begun = f" after step {training.step}" if training.step else ""
    processes = training.processes
    return (
        f"Training{begun} on {len(crops.paths):,} photos of {len(crops.people):,} people, for "
        f"{options.epochs} epochs in batches of {options.batch}, {options.precision} on "
        f"{processes.count} x {processes.place}; held out are {len(held_out.photos):,} photos of "
        f"{len(held_out.crops.people):,} people."
    )


def _divided(told: Configuration, kept: Cache) -> Division:
    size = ARCHITECTURES[told.network.architecture].crop_size
    return photos_of.divide(kept, told.data, size=size, seen=seen_before(told.network))


def _check_output(folder: Path, *, resume: bool) -> None:
    """Raise TrainingError where a training would be written over, or isn't there to resume."""
    there = (folder / LAST).exists()
    if there and not resume:
        raise TrainingError(
            f"{folder} holds a training already. Go on with it: --resume. Or name another folder."
        )
    if resume and not there:
        raise TrainingError(f"{folder} has no checkpoint to go on with. Leave --resume away.")


def _train(training: Training, held_out: HeldOut, stop: Callable[[], bool]) -> None:
    told, processes = training.configuration, training.processes

    def measured(network: nn.Module) -> Row:
        return quick(_reader("", network, told, held_out, processes), held_out)

    options = told.training
    sampler = make_sampler(training.crops.labels, options.batch, options.photos_each, options.seed)
    with ExitStack() as stack:
        watchers: Sequence[Watcher] = ()
        if processes.is_first:
            steps = options.epochs * sampler.epoch_size
            watchers = stack.enter_context(
                watching(training.folder, training.curves, steps=steps, done=training.step)
            )
        loop.train(training, measured, watchers, stop=stop)


def _reader(
    name: str, network: nn.Module, told: Configuration, held_out: HeldOut, processes: Processes
) -> CropReader:
    bf16 = told.training.precision == BF16
    return CropReader(name, network, held_out, processes.place, bf16=bf16)


def _finals(training: Training, began: nn.Module, held_out: HeldOut) -> dict[str, Final]:
    """All figures of the network as it began and as it is now."""
    told, processes = training.configuration, training.processes
    found = {}
    with progress("measuring", 2) as advance:
        for name, network in ((STARTED, began), (TRAINED, training.network)):
            found[name] = final(_reader(name, network, told, held_out, processes), held_out)
            advance(1)
    return found


def _leave(training: Training, finals: dict[str, Final], picture: bytes | None) -> list[str]:
    """Write report and figures; lines that say where."""
    folder = training.folder
    title = f"Training of {training.configuration.network.architecture}"
    about = (
        f"{len(training.crops.paths):,} photos of {len(training.crops.people):,} people, "
        f"{training.step:,} steps in {training.epoch} epochs; written at "
        f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC."
    )
    page = report.html(
        title, training.configuration, training.curves, finals, picture=picture, about=about
    )
    cache.write_text(folder / REPORT, page)
    write_json(folder / FIGURES, [{name: each.record() for name, each in finals.items()}])
    return [
        f"{training.step} steps, {training.epoch} epochs; report: {folder / REPORT}",
        *better_before(training.curves.epochs, folder),
        f"To use it: {python()} -m embedder export {folder / LAST} --name NAME",
    ]


def better_before(epochs: Sequence[Row], folder: Path) -> list[str]:
    """Where an earlier epoch was better than the last, a line: which, and whether it is kept."""
    measured = [row for row in epochs if row["epoch"] and TMR in row]
    if not measured:
        return []
    best = max(measured, key=lambda row: (row[TMR], row["epoch"]))
    if best is measured[-1]:
        return []
    epoch = round(best["epoch"])
    kept = folder / of_epoch(epoch)
    where = f"it is in {kept}" if kept.exists() else "training.keep = 1 would have kept it"
    said = f"TMR at FMR 1e-3 was highest after epoch {epoch}, {best[TMR]:.3f}: {where}."
    return [f"{said} Chosen so, it looks a little better on these people than it is."]


def run_picture(options: argparse.Namespace) -> list[str]:
    """Draw embeddings in two dimensions; the table of distances."""
    plots.check()
    check_writable(options.plot)
    if options.plot.suffix.lower() != ".png":
        raise TrainingError(f"{options.plot} is to be a picture. Give it a name that ends in .png.")
    crops = pictures.most_photographed(cache.read(options.data), options.people)
    drawn = _drawn(_told(options), crops)
    options.plot.write_bytes(plots.picture(drawn.embeddings, drawn.labels, drawn.people))
    cells = [[name, number(ratio, 3)] for name, ratio in drawn.ratios().items()]
    return table(["loss", "within / between"], cells)


def _picture(told: Configuration, crops: Crops) -> bytes:
    drawn = _drawn(told, crops)
    return plots.picture(drawn.embeddings, drawn.labels, drawn.people)


def _drawn(told: Configuration, crops: Crops) -> Picture:
    # A few people have few photos.
    batch = min(told.training.batch, len(crops.paths))
    told = replace(told, training=replace(told.training, batch=batch, photos_each=0))
    steps = told.training.epochs * -(-len(crops.paths) // batch)
    with TemporaryDirectory() as folder:
        return pictures.draw(told, crops, Path(folder), alone(), lambda name: bar(steps, 0, name))


@contextmanager
def stop_signals() -> Iterator[Callable[[], bool]]:
    """Yields what says whether SIGINT or SIGTERM came; a second SIGINT interrupts at once."""
    came: list[int] = []

    def note(number: int, _frame: FrameType | None) -> None:
        if came and number == signal.SIGINT:
            raise KeyboardInterrupt
        came.append(number)
        # Not through a stream: whatever is being written is interrupted by this.
        os.write(2, b"\nStopping after this step; Ctrl-C once more stops at once.\n")

    before = {each: signal.signal(each, note) for each in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield lambda: bool(came)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
