"""What `python -m embedder align|train|picture` do: work, write files, give lines to print."""

from __future__ import annotations

import argparse
import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from types import FrameType

from torch import nn

from embedder.errors import TrainingError
from embedder.evaluation.collection import read_people
from embedder.evaluation.report import number, progress, table, write_json
from embedder.networks.architectures import ARCHITECTURES
from embedder.training import alignment, cache, configuration, loop, plots, report
from embedder.training import data as photos_of
from embedder.training import picture as pictures
from embedder.training.checkpoints import LAST, of_epoch
from embedder.training.configuration import BF16, Configuration
from embedder.training.curves import Row
from embedder.training.data import Division, HeldOut
from embedder.training.distributed import Processes, joined
from embedder.training.loop import Training, Watcher
from embedder.training.measure import CropReader, Final, final, quick
from embedder.training.picture import Picture
from embedder.training.sampler import make_sampler
from embedder.training.start import make_network
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
    told = configuration.read(options.configuration)
    if options.seed is not None:
        told = told.with_seed(options.seed)
    plots.check()
    division = _divided(told, options.data)
    output: Path = options.output
    _check_output(output, resume=options.resume)
    output.mkdir(parents=True, exist_ok=True)
    with joined() as processes, stop_signals() as stop:
        training = loop.prepare(told, division.train, output, processes)
        if options.resume:
            loop.resume(training)
        _train(training, division.held_out, stop)
        if not processes.is_first:
            return []
        finals = _finals(training, division.held_out)
    picture = None
    if options.picture:
        drawn = _drawn(told, options.data, options.picture)
        picture = plots.picture(drawn.embeddings, drawn.labels, drawn.people)
    return [*_leave(training, finals, picture), "", *report.lines(finals)]


def _divided(told: Configuration, folder: Path) -> Division:
    size = ARCHITECTURES[told.network.architecture].crop_size
    return photos_of.divide(cache.read(folder), told.data, size=size, seed=told.training.seed)


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


def _finals(training: Training, held_out: HeldOut) -> dict[str, Final]:
    """All figures of the network as it began and as it is now."""
    told, processes = training.configuration, training.processes
    networks = {STARTED: _as_it_began(told).to(processes.place), TRAINED: training.network}
    return {
        name: final(_reader(name, network, told, held_out, processes), held_out)
        for name, network in networks.items()
    }


def _as_it_began(told: Configuration) -> nn.Module:
    loop.seed(told)
    return make_network(told.network)


def _leave(training: Training, finals: dict[str, Final], picture: bytes | None) -> list[str]:
    """Write report and figures; lines that say where."""
    folder = training.folder
    title = f"Training of {training.configuration.network.architecture}"
    page = report.html(title, training.configuration, training.curves, finals, picture)
    cache.write_text(folder / REPORT, page)
    write_json(folder / FIGURES, [{name: each.record() for name, each in finals.items()}])
    return [
        f"{training.step} steps, {training.epoch} epochs; report: {folder / REPORT}",
        *better_before(training.curves.epochs, folder),
        f"To use it: python -m embedder export {folder / LAST} --name NAME",
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
    told = configuration.read(options.configuration)
    if options.epochs is not None:
        told = replace(told, training=replace(told.training, epochs=options.epochs))
    drawn = _drawn(told, options.data, options.people)
    options.plot.write_bytes(plots.picture(drawn.embeddings, drawn.labels, drawn.people))
    cells = [[name, number(ratio, 3)] for name, ratio in drawn.ratios().items()]
    return table(["loss", "within / between"], cells)


def _drawn(told: Configuration, data: Path, people: int) -> Picture:
    """The picture of so many people."""
    crops = pictures.most_photographed(cache.read(data), people)
    # A few people have few photos.
    batch = min(told.training.batch, len(crops.paths))
    told = replace(told, training=replace(told.training, batch=batch, photos_each=0))
    steps = told.training.epochs * -(-len(crops.paths) // batch)
    with joined() as processes, TemporaryDirectory() as folder:
        return pictures.draw(told, crops, Path(folder), processes, lambda _: bar(steps, 0))


@contextmanager
def stop_signals() -> Iterator[Callable[[], bool]]:
    """Yields what says whether SIGINT or SIGTERM came; a second SIGINT interrupts at once."""
    came: list[int] = []

    def note(number: int, _frame: FrameType | None) -> None:
        if came and number == signal.SIGINT:
            raise KeyboardInterrupt
        came.append(number)

    before = {each: signal.signal(each, note) for each in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield lambda: bool(came)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
