"""How many images a second a training step takes, and how long it waits for its data.

    python benchmarks/training.py [--architectures NAME ...] [--batch N] [--steps N] [--json FILE]

The loop's own step, with augmentation, on crops of noise in memory: what a photo shows costs
nothing. Where a GPU can be seen it computes there, else on the processor; the first line says
which. Waiting is the share of the time in which no batch was ready; the target is under 10 %.
Steps before the first are left out: they prepare what later ones reuse.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from embedder.networks.architectures import ARCHITECTURES  # noqa: E402
from embedder.opencv import cv2  # noqa: E402
from embedder.training import loop  # noqa: E402
from embedder.training.configuration import BF16, FP32, Configuration, parse  # noqa: E402
from embedder.training.curves import Row  # noqa: E402
from embedder.training.data import Crops  # noqa: E402
from embedder.training.distributed import Processes, joined  # noqa: E402

MOST_WAITING = 0.10
PEOPLE = 200
WARM_UP = 3
DEFAULT = ("mobilefacenet-half", "mobilefacenet", "dlib-resnet", "inception-resnet-v1")


class Enough(Exception):  # noqa: N818 - no error
    """So many steps were measured."""


class Clock:
    """Remembers the times of steps, and ends the training after enough of them."""

    def __init__(self, steps: int) -> None:
        self.times: list[tuple[float, float]] = []
        self._steps = steps

    def step(self, row: Row, images: int, seconds: float, waited: float) -> None:
        self.times.append((seconds, waited))
        if len(self.times) == self._steps + WARM_UP:
            raise Enough

    def epoch(self, row: Row) -> None:
        pass


def crops(folder: Path, size: int, count: int) -> Crops:
    """Crops of noise, in files, as a cache has them."""
    random = np.random.default_rng(0)
    paths = []
    for number in range(count):
        noise = random.integers(0, 256, (size // 8, size // 8, 3), np.uint8)
        path = folder / f"{number}.png"
        cv2.imwrite(str(path), cv2.resize(noise, (size, size)))
        paths.append(path)
    people = tuple(f"P{number}" for number in range(PEOPLE))
    return Crops(size, tuple(paths), np.arange(count) % PEOPLE, people, "noise", "mtcnn")


def configuration(architecture: str, precision: str, options: argparse.Namespace) -> Configuration:
    return parse(
        {
            "network": {"architecture": architecture, "dropout": 0.2},
            "augment": dict.fromkeys(("crop", "colour", "blur", "jpeg", "erase"), 0.3),
            "loss": {"center_weight": 0.01},
            "training": {
                "epochs": 1000,
                "batch": options.batch,
                "precision": precision,
                "workers": options.workers,
                "ema": 0.99,
            },
        },
        "benchmark",
        ROOT,
    )


def measured(architecture: str, precision: str, options: argparse.Namespace) -> dict[str, Any]:
    """Medians of one network's steps."""
    size = ARCHITECTURES[architecture].crop_size
    with tempfile.TemporaryDirectory() as name, joined() as processes:
        folder = Path(name)
        data = crops(folder, size, max(4 * options.batch, PEOPLE))
        training = loop.prepare(
            configuration(architecture, precision, options), data, folder, processes
        )
        clock = Clock(options.steps)
        _run(lambda: loop.train(training, lambda _: {}, [clock]))
    times = clock.times[WARM_UP:]
    seconds = statistics.median(each for each, _ in times)
    waited = sum(wait for _, wait in times) / sum(each for each, _ in times)
    return {
        "network": architecture,
        "precision": precision,
        "images a second": options.batch / seconds,
        "ms a step": 1000 * seconds,
        "waiting": waited,
    }


def _run(train: Callable[[], None]) -> None:
    try:
        train()
    except Enough:
        return


def place(processes: Processes) -> str:
    if processes.place.type == "cuda":
        return torch.cuda.get_device_name(processes.place)
    return f"processor, {torch.get_num_threads()} threads"


def main() -> int:
    """Print the table; exit code 1 if a training waits too long."""
    options = parsed()
    with joined() as processes:
        print(f"{place(processes)}; batches of {options.batch}, {options.workers} workers")
    print(f"{'network':<24}{'precision':>10}{'images/s':>10}{'ms a step':>11}{'waiting':>9}")
    rows = []
    for architecture in options.architectures:
        for precision in (FP32, BF16):
            row = measured(architecture, precision, options)
            rows.append(row)
            print(
                f"{architecture:<24}{precision:>10}{row['images a second']:>10.1f}"
                f"{row['ms a step']:>11.0f}{row['waiting']:>9.1%}",
                flush=True,
            )
    missed = [row for row in rows if row["waiting"] >= MOST_WAITING]
    print(f"waiting: target under {MOST_WAITING:.0%}, missed by {len(missed)} of {len(rows)}")
    if options.json:
        options.json.write_text(json.dumps(rows, indent=2) + "\n", "utf-8")
    return 1 if missed else 0


def parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--architectures", nargs="+", default=DEFAULT, metavar="NAME")
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--json", type=Path)
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
