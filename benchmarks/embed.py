"""How fast faces are found and embedded, against dlib's own network on the same crops.

    python benchmarks/embed.py [--data FOLDER] [--rounds N] [--json FILE]

Each measurement runs in processes of its own, pinned to one core or two. Torch and dlib take
turns, round by round, so that a busy machine slows both; the table shows medians. dlib computes
with one thread, so for two cores two of its processes run at once.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from embedder import images, weights  # noqa: E402
from embedder.images import DecodedImage  # noqa: E402
from embedder.networks import dlib_resnet  # noqa: E402
from embedder.pipeline import load_default  # noqa: E402

BATCH = 32
MIN_FACE = 40.0
# dlib needs about 80 ms a face: a quarter of the batch tells as much.
DLIB_CROPS = 8
TARGET = 12

# What is measured, and what one unit of it is.
WORKS = {
    "embed, torch": "face",
    "embed, torch fp32": "face",
    "embed, dlib": "face",
    "detect, one by one": "image",
    "detect, batches": "image",
    "detect and embed, mirrored": "image",
}
Rates = dict[str, float]


def photos(folder: Path) -> list[DecodedImage]:
    """32 portraits of LFW; without them, the astronaut of scikit-image, 32 times shifted."""
    found = sorted(folder.glob("lfw-dev/images/*/*_0001.jpg"))[:BATCH]
    if found:
        return [images.decode(path.read_bytes()) for path in found]
    from skimage.data import astronaut

    portrait: Callable[[], NDArray[np.uint8]] = astronaut
    picture = portrait()
    parts = [picture[:250, 80 + shift : 330 + shift] for shift in range(BATCH)]
    return [images.decode(images.encode_jpeg(part, quality=95)) for part in parts]


def aligned(pictures: list[DecodedImage]) -> NDArray[np.uint8]:
    """(32, 150, 150, 3): the largest face of each picture."""
    pipeline = load_default()
    found = pipeline.detect(pictures, min_face=MIN_FACE)
    crops = [pipeline.crops(p, faces[:1]) for p, faces in zip(pictures, found, strict=True)]
    return np.resize(np.concatenate(crops), (BATCH, 150, 150, 3))


def worker(work: str, cores: list[int], folder: Path) -> None:
    """Measure once for each line on standard input; print how many a second."""
    available = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, [available[core] for core in cores])
    torch.set_num_threads(len(cores))
    run, count = prepare(work, photos(folder))
    run()
    print("ready", flush=True)
    for _ in sys.stdin:
        begin = time.perf_counter()
        run()
        print(count / (time.perf_counter() - begin), flush=True)


def prepare(work: str, pictures: list[DecodedImage]) -> tuple[Callable[[], object], int]:
    """What to run, and how many faces or images that is."""
    if work == "embed, dlib":
        return prepare_dlib(aligned(pictures)[:DLIB_CROPS])
    if work.startswith("embed"):
        network = dlib_resnet.load(bf16=False if work.endswith("fp32") else None)
        crops = aligned(pictures)
        return lambda: network.embed(crops), len(crops)
    pipeline = load_default()
    if work.startswith("detect and embed"):
        return lambda: pipeline.process(pictures, min_face=MIN_FACE), len(pictures)
    size = 1 if work.endswith("one by one") else BATCH
    batches = [pictures[at : at + size] for at in range(0, len(pictures), size)]
    return lambda: [pipeline.detect(b, min_face=MIN_FACE) for b in batches], len(pictures)


def prepare_dlib(crops: NDArray[np.uint8]) -> tuple[Callable[[], object], int]:
    import dlib

    reference = dlib.face_recognition_model_v1(str(weights.locate(weights.DLIB_RESNET)))
    return lambda: [reference.compute_face_descriptor(crop, 0) for crop in crops], len(crops)


def ask(process: subprocess.Popen[str], request: str = "\n") -> str:
    """Send a request to a worker and return the line it answers."""
    if process.stdin is None or process.stdout is None:
        raise ValueError("a worker is spoken to through pipes")
    process.stdin.write(request)
    process.stdin.flush()
    return process.stdout.readline().strip()


class Contender:
    """The processes that do one kind of work on a number of cores."""

    def __init__(self, work: str, cores: int, folder: Path) -> None:
        # dlib's network has one thread: give it a process a core.
        self.processes = [
            self._start(work, own, folder)
            for own in ([[c] for c in range(cores)] if "dlib" in work else [list(range(cores))])
        ]
        for process in self.processes:
            if ask(process, "") != "ready":
                raise SystemExit(f"{work} did not start")

    @staticmethod
    def _start(work: str, cores: list[int], folder: Path) -> subprocess.Popen[str]:
        command = [sys.executable, __file__, "--worker", work, "--data", str(folder)]
        command += ["--cores", *map(str, cores)]
        return subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT
        )

    def measure(self) -> float:
        """Faces or images a second, of all its processes together, running at the same time."""
        with ThreadPoolExecutor(len(self.processes)) as pool:
            return sum(float(rate) for rate in pool.map(ask, self.processes))

    def stop(self) -> None:
        for process in self.processes:
            process.communicate()


def compare(cores: int, rounds: int, folder: Path) -> Rates:
    """Median rate of each kind of work."""
    contenders = {work: Contender(work, cores, folder) for work in WORKS}
    rates: dict[str, list[float]] = {work: [] for work in WORKS}
    for _ in range(rounds):
        for work, contender in contenders.items():
            rates[work].append(contender.measure())
    for contender in contenders.values():
        contender.stop()
    return {work: statistics.median(values) for work, values in rates.items()}


def print_table(results: dict[int, Rates], precision: str) -> None:
    print(f"torch {torch.__version__} computes in {precision}; batches of {BATCH}; medians")
    print(f"{'work':<28}{'cores':>6}{'a second':>12}{'ms each':>10}{'x dlib':>9}")
    for cores, rates in results.items():
        for work, rate in rates.items():
            ratio = f"{rate / rates['embed, dlib']:.1f}" if WORKS[work] == "face" else ""
            print(f"{work:<28}{cores:>6}{rate:>12.1f}{1000 / rate:>10.1f}{ratio:>9}")
    print(f"target: {TARGET} x dlib")


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Speed of detection and embedding.")
    default = os.environ.get("LIKENESS_TEST_DATA", "../shared/data")
    parser.add_argument("--data", type=Path, default=(ROOT / default).resolve())
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    parser.add_argument("--cores", type=int, nargs="+", help=argparse.SUPPRESS)
    return parser.parse_args()


def main() -> None:
    chosen = options()
    if chosen.worker:
        worker(chosen.worker, chosen.cores, chosen.data)
        return
    most = min(2, len(os.sched_getaffinity(0)))
    results = {cores: compare(cores, chosen.rounds, chosen.data) for cores in range(1, most + 1)}
    precision = dlib_resnet.load().precision
    print_table(results, precision)
    if chosen.json:
        record = {"precision": precision, "batch": BATCH, "a_second_by_cores": results}
        chosen.json.write_text(json.dumps(record, indent=2) + "\n", "utf-8")


if __name__ == "__main__":
    main()
