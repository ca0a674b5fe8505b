"""Learning rates by epoch: large first, smaller later.

A schedule is a function of the place in the training alone, so that it has nothing to remember.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Callable
from pathlib import Path

from embedder.errors import TrainingError
from embedder.training.configuration import COSINE, FILE, ScheduleOptions

HIGHEST_RATE = 1e6

Schedule = Callable[[float], float]
"""The learning rate at a place in epochs: 2.5 is the middle of the third."""


def make_schedule(options: ScheduleOptions, epochs: int) -> Schedule:
    """The schedule of a training of so many epochs. Raises TrainingError for a bad file."""
    if options.kind == FILE:
        return _by_table(*read_file(Path(options.file)))
    if options.kind == COSINE:
        main = _cosine(options, epochs)
    else:
        rates = [options.rate * options.factor**count for count in range(len(options.drops) + 1)]
        main = _by_table([0, *options.drops], rates)
    return _with_warmup(main, options.warmup)


def read_file(path: Path) -> tuple[list[int], list[float]]:
    """Epochs and the learning rates from them on, of lines `EPOCH: RATE`; `#` begins a comment.

    The first epoch is 0, and each is later than the one before. Raises TrainingError naming the
    line, OSError when the file can't be read.
    """
    epochs: list[int] = []
    rates: list[float] = []
    try:
        lines = path.read_text("utf-8").splitlines()
    except UnicodeDecodeError as error:
        raise TrainingError(f"{path.name} is no text in UTF-8. Save it so.") from error
    for number, line in enumerate(lines, start=1):
        text = line.partition("#")[0].strip()
        if not text:
            continue
        epoch, rate = _parsed(path, number, text)
        if epoch != 0 if not epochs else epoch <= epochs[-1]:
            raise TrainingError(
                f"{path.name}, line {number}: the epochs begin at 0 and rise from line to line."
            )
        epochs.append(epoch)
        rates.append(rate)
    if not epochs:
        raise TrainingError(f"{path.name} has no line `EPOCH: RATE`.")
    return epochs, rates


def _parsed(path: Path, number: int, text: str) -> tuple[int, float]:
    epoch, _, rate = text.partition(":")
    try:
        found = int(epoch), float(rate)
    except ValueError:
        found = -1, math.nan
    if found[0] < 0 or not 0 < found[1] <= HIGHEST_RATE:
        raise TrainingError(
            f"{path.name}, line {number}: {text!r} is not `EPOCH: RATE`, as in `20: 0.01`."
        )
    return found


def _by_table(epochs: list[int], rates: list[float]) -> Schedule:
    return lambda at: rates[bisect_right(epochs, at) - 1]


def _cosine(options: ScheduleOptions, epochs: int) -> Schedule:
    """Half a cosine from the rate to the last one, behind the warmup.

    Loshchilov and Hutter, "SGDR: Stochastic Gradient Descent with Warm Restarts"
    (arXiv 1608.03983), equation 5, without restarts.
    """
    begin = min(options.warmup, epochs)

    def rate(at: float) -> float:
        done = min(max(at - begin, 0.0) / max(epochs - begin, 1e-9), 1.0)
        return options.last + (options.rate - options.last) * (1 + math.cos(math.pi * done)) / 2

    return rate


def _with_warmup(main: Schedule, warmup: float) -> Schedule:
    """Rising in a line from a hundredth, while the weights are still far from anything."""
    if not warmup:
        return main
    return lambda at: main(at) * min(1.0, 0.01 + 0.99 * at / warmup)
