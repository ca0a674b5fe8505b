"""How fast faces are found and embedded, against dlib and the `face_recognition` recipe.

    python benchmarks/embedder.py [--data FOLDER] [--rounds N] [--photos N] [--json FILE]

The recipe is what the package of that name does with its defaults: Pillow, dlib's HOG detector on
the photo doubled, dlib's five-point predictor, dlib's network. Each kind of work runs in processes
of its own, pinned to one core or two; they take turns, round by round, so that a busy machine slows
all of them; tables show medians. dlib computes with one thread, so for two cores two of its
processes run at once, and the rate is that of both together.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from time import perf_counter
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
# First, since this script has the name of the package that it measures.
sys.path.insert(0, str(ROOT))

from benchmarks import embedder_works as works  # noqa: E402

# What is compared: the work, on how many cores, against which other work, and how many times as
# fast it is to be.
Row = tuple[str, int, str, float | None]
BATCHED = "detection, batches of 32"
ROWS: list[Row] = [
    ("network", 1, "network, dlib", 20),
    ("network, fp32", 1, "network, dlib", None),
    ("network, dlib", 1, "network, dlib", None),
    ("network", 2, "network, dlib", None),
    ("network, dlib", 2, "network, dlib", None),
    ("photos of 250 px", 2, "recipe, 250 px", 5),
    ("photos of 250 px, unmirrored", 2, "recipe, 250 px", None),
    ("recipe, 250 px", 2, "recipe, 250 px", None),
    ("photos of 12 MP", 2, "recipe, 12 MP", 5),
    ("recipe, 12 MP", 2, "recipe, 12 MP", None),
    ("recipe, 12 MP, not doubled", 2, "recipe, 12 MP", None),
    (BATCHED, 2, "", None),
    ("detection, one by one", 2, "", None),
]
MOST_DETECTION_MS = 12.0
MOST_OUTSIDE = 0.20
MOST_GROWTH_MB = 60
Rates = dict[tuple[str, int], float]
Figures = dict[str, Any]


class Contender:
    """The processes that do one kind of work on a number of cores."""

    def __init__(self, work: str, cores: int, folder: Path) -> None:
        alone = "dlib" in work or "recipe" in work
        shares = [[core] for core in range(cores)] if alone else [list(range(cores))]
        self.processes = [_start(work, share, folder) for share in shares]

    def ready(self) -> Contender:
        for process in self.processes:
            if _line(process) != "ready":
                raise SystemExit("a worker did not start")
        return self

    def measure(self) -> float:
        """How many a second, of all its processes together, running at the same time."""
        with ThreadPoolExecutor(len(self.processes)) as pool:
            return sum(float(rate) for rate in pool.map(_ask, self.processes))

    def stop(self) -> None:
        for process in self.processes:
            process.communicate()


def _start(work: str, cores: list[int], folder: Path) -> subprocess.Popen[str]:
    command = [sys.executable, __file__, "--worker", work, "--data", str(folder)]
    command += ["--cores", *map(str, cores)]
    return subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT
    )


def _ask(process: subprocess.Popen[str]) -> str:
    if process.stdin is None:
        raise ValueError("a worker is spoken to through pipes")
    process.stdin.write("\n")
    process.stdin.flush()
    return _line(process)


def _line(process: subprocess.Popen[str]) -> str:
    if process.stdout is None:
        raise ValueError("a worker answers through pipes")
    return process.stdout.readline().strip()


def worker(work: str, cores: list[int], folder: Path) -> None:
    """Measure once for each line on standard input; print how many a second."""
    pin(len(cores), cores)
    run, count = works.prepare(work, folder)
    run()
    print("ready", flush=True)
    for _ in sys.stdin:
        begin = perf_counter()
        run()
        print(count / (perf_counter() - begin), flush=True)


def pin(threads: int, cores: list[int]) -> None:
    """Onto some of the cores that this process may use."""
    available = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, [available[core] for core in cores])
    works.set_threads(threads)


def compare(rounds: int, folder: Path) -> Iterator[Figures]:
    """A row of the table for each kind of work; those that are compared take turns."""
    groups = {(other, cores): None for _, cores, other, _ in ROWS}
    for group in groups:
        members = [row for row in ROWS if (row[2], row[1]) == group]
        rates = _in_turns([(work, cores) for work, cores, *_ in members], rounds, folder)
        for work, cores, other, target in members:
            rate = rates[work, cores]
            ratio = rate / rates[other, cores] if other else None
            yield {"work": work, "cores": cores, "a second": rate, "ratio": ratio, "target": target}


def _in_turns(members: list[tuple[str, int]], rounds: int, folder: Path) -> Rates:
    contenders = {key: Contender(*key, folder).ready() for key in members}
    measured = [[each.measure() for each in contenders.values()] for _ in range(rounds)]
    for contender in contenders.values():
        contender.stop()
    medians = map(statistics.median, zip(*measured, strict=True))
    return dict(zip(members, medians, strict=True))


def printed(rows: Iterator[Figures]) -> list[Figures]:
    """The rows, each printed as soon as it is there."""
    print(f"{'work':<32}{'cores':>6}{'a second':>12}{'ms each':>10}{'ratio':>9}{'target':>9}")
    done = []
    for row in rows:
        ratio = "" if row["ratio"] is None else f"{row['ratio']:.1f} x"
        target = "" if row["target"] is None else f"{row['target']:g} x"
        rate = row["a second"]
        print(
            f"{row['work']:<32}{row['cores']:>6}{rate:>12.2f}{1000 / rate:>10.2f}"
            f"{ratio:>9}{target:>9}",
            flush=True,
        )
        done.append(row)
    return done


def alone(function: str, *arguments: object) -> Any:
    """What a function of `embedder_works` returns in a process of its own, as JSON."""
    code = (
        "import json; from benchmarks import embedder_works; "
        f"print(json.dumps(embedder_works.{function}{arguments!r}))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True
    )
    return json.loads(done.stdout.splitlines()[-1])


def main() -> int:
    """Print the tables; exit code 1 if a target is missed."""
    chosen = options()
    if chosen.worker:
        worker(chosen.worker, chosen.cores, chosen.data)
        return 0
    rows = printed(compare(chosen.rounds, chosen.data))
    missed = [row["work"] for row in rows if row["target"] and row["ratio"] < row["target"]]
    detection = next(1000 / row["a second"] for row in rows if row["work"] == BATCHED)
    print(f"detection: {detection:.1f} ms an image, target at most {MOST_DETECTION_MS:g}")
    shares = alone("shares", str(chosen.data), chosen.rounds)
    for name, figures in shares.items():
        parts = ", ".join(f"{part} {share:.1%}" for part, share in figures.items())
        print(f"one thread, {name}: {parts}")
    outside = shares["photos of 250 px"]["outside"]
    print(f"outside: {outside:.1%}, target at most {MOST_OUTSIDE:.0%}")
    memory = alone("memory", str(chosen.data), chosen.photos)
    growth = memory["rows"][-1]["mb"] - memory["rows"][0]["mb"]
    for row in memory["rows"]:
        print(f"after {row['photos']:>6} photos: {row['mb']:.0f} MB, at most {row['most']:.0f}")
    print(f"grew by {growth:.0f} MB, target at most {MOST_GROWTH_MB}")
    missed += ["detection"] * (detection > MOST_DETECTION_MS)
    missed += ["outside"] * (outside > MOST_OUTSIDE) + ["memory"] * (growth > MOST_GROWTH_MB)
    print(f"missed: {', '.join(missed) or 'nothing'}")
    if chosen.json:
        record = {"rows": rows, "shares": shares, "memory": memory, "missed": missed}
        chosen.json.write_text(json.dumps(record, indent=2) + "\n", "utf-8")
    return 1 if missed else 0


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    default = os.environ.get("LIKENESS_TEST_DATA", "../shared/data")
    parser.add_argument("--data", type=Path, default=(ROOT / default).resolve())
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--photos", type=int, default=10_000, help="of the memory's measurement")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    parser.add_argument("--cores", type=int, nargs="+", help=argparse.SUPPRESS)
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
