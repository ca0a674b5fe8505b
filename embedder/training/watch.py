"""Watching a training: a progress bar, TensorBoard's scalars, and lines of JSON."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from embedder.training.curves import Curves, CurvesFile, Row
from embedder.training.loop import Watcher

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter

CURVES, TENSORBOARD = "curves.jsonl", "tensorboard"
# What is measured after an epoch, as tables call it.
_NAMES = {
    "accuracy": "accuracy", "tmr_1e-2": "TMR at FMR 1e-2", "tmr_1e-3": "TMR at FMR 1e-3",
    "eer": "EER", "ratio": "within / between",
}  # fmt: skip
# How much of the figure shown stays at each step: single batches jump about.
_SMOOTH = 0.9


@contextmanager
def watching(folder: Path, curves: Curves, *, steps: int, done: int) -> Iterator[Sequence[Watcher]]:
    """All watchers of a training of so many steps, of which some are done.

    TensorBoard's is left out where it isn't installed: it is of the extra `training`.
    """
    with ExitStack() as stack:
        lines = CurvesFile(folder / CURVES, curves)
        stack.callback(lines.close)
        watchers: list[Watcher] = [Lines(lines), stack.enter_context(bar(steps, done))]
        if find_spec("tensorboard") is not None:
            from torch.utils.tensorboard import SummaryWriter  # noqa: PLC0415 - an optional extra

            # Events behind the checkpoint that is gone on with are dropped.
            writer = SummaryWriter(str(folder / TENSORBOARD), purge_step=done + 1 if done else None)
            stack.callback(writer.close)
            watchers.append(Scalars(writer, done))
        yield watchers


class Lines:
    """Every row as a line of JSON."""

    def __init__(self, lines: CurvesFile) -> None:
        self._lines = lines

    def step(self, row: Row, images: int, seconds: float, waited: float) -> None:
        """Append the step."""
        self._lines.add([row])

    def epoch(self, row: Row) -> None:
        """Append the epoch."""
        self._lines.add([row])


class Scalars:
    """TensorBoard's curves: `train/...` by step, `held_out/...` by step too, so that they align."""

    def __init__(self, writer: SummaryWriter, done: int) -> None:
        self._writer, self._step = writer, done

    def step(self, row: Row, images: int, seconds: float, waited: float) -> None:
        """Write the step's figures."""
        self._step = int(row["step"])
        figures = {name: value for name, value in row.items() if name not in {"step", "epoch"}}
        figures |= {"images a second": images / seconds, "waiting for data": waited / seconds}
        for name, value in figures.items():
            self._writer.add_scalar(f"train/{name}", value, self._step)

    def epoch(self, row: Row) -> None:
        """Write what was measured."""
        for name, value in row.items():
            if name != "epoch":
                self._writer.add_scalar(f"held_out/{name}", value, self._step)
        self._writer.flush()


class Bar:
    """A progress bar with loss, accuracy, learning rate and images a second."""

    def __init__(self, progress: Progress, steps: int, done: int) -> None:
        self._progress = progress
        self._task = progress.add_task("", total=steps, completed=done, figures="")
        self._shown: Row = {}

    def step(self, row: Row, images: int, seconds: float, waited: float) -> None:
        """Move on by one."""
        new = {**row, "images": images / seconds}
        self._shown = {
            name: _SMOOTH * self._shown.get(name, value) + (1 - _SMOOTH) * value
            for name, value in new.items()
        }
        self._progress.update(self._task, advance=1, figures=self._figures(row))

    def _figures(self, row: Row) -> str:
        shown = self._shown
        accuracy = f"accuracy {shown['accuracy']:.3f}  " if "accuracy" in shown else ""
        return (
            f"epoch {row['epoch']:.0f}  loss {shown['total']:.3f}  {accuracy}"
            f"rate {row['rate']:.2g}  {shown['images']:.0f} images/s"
        )

    def epoch(self, row: Row) -> None:
        """Print a line about the epoch: its loss, and the people held out, where there are any."""
        named = [f"{_NAMES[name]} {row[name]:.4f}" for name in _NAMES if name in row]
        if not named:
            return
        loss = f"loss {self._shown['total']:.3f}; " if self._shown else ""
        text = f"epoch {row['epoch']:.0f}: {loss}held out: {', '.join(named)}"
        self._progress.console.print(text, highlight=False, soft_wrap=True)


@contextmanager
def bar(steps: int, done: int, name: str = "") -> Iterator[Bar]:
    """A bar on standard error, with a name if there are several; in a log lines about epochs."""
    console = Console(stderr=True)
    columns = (
        *([TextColumn(name)] if name else []),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[figures]}"),
    )
    with Progress(
        *columns, TimeRemainingColumn(), console=console, disable=not console.is_terminal
    ) as progress:
        yield Bar(progress, steps, done)
