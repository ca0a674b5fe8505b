"""How much memory the web server and the photo worker hold, and whether it grows.

    python benchmarks/memory.py [--data FOLDER] [--photos N] [--lookups N] [--json FILE]

Starts everything as `make run` does, in a temporary folder, sends different photos of LFW through
the API, waits until each is in a final state, and looks faces up. RSS of a process and whatever
it started, in MB; the web server is gunicorn's master and its worker.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from itertools import islice
from pathlib import Path
from typing import Any

import psutil

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from tests.e2e.stack import Api, Stack, running  # noqa: E402

MEGABYTE = 1024 * 1024
WARM_UP = 32
STEPS = 4
SENDERS = 4
WATCHED = ("web", "photos", "index", "milvus")
LIMITS = {"web": 700, "photos": 1000}
# From warm to the end, in MB: beyond it a process grows.
GROWTH = 60

Row = dict[str, Any]


class Run:
    """An installation, and the photos not yet sent to it."""

    def __init__(self, stack: Stack, folder: Path) -> None:
        self._stack = stack
        self._paths = _photos(folder)
        self._people: dict[str, str] = {}
        self._sent = 0
        self._begin = time.monotonic()
        self.api = Api(stack, stack.make_key())
        self.api.accept_lfw()
        self.rows: list[Row] = []

    def enrol(self, count: int) -> None:
        """Send so many more photos and wait for all."""
        paths = list(islice(self._paths, count))
        for path in paths:
            if path.parent.name not in self._people:
                self._people[path.parent.name] = self.api.make_person(path.parent.name)
        with ThreadPoolExecutor(SENDERS) as pool:
            list(pool.map(self._send, paths))
        self._sent += len(paths)
        self.api.await_photos(self._sent, seconds=600)

    def _send(self, path: Path) -> None:
        self.api.upload(self._people[path.parent.name], path.read_bytes())

    def look_up(self, paths: Sequence[Path]) -> None:
        """Look up a face of each photo, several at a time."""
        with ThreadPoolExecutor(SENDERS) as pool:
            for answer in pool.map(lambda path: self.api.identify(path.read_bytes()), paths):
                self.api.ok(answer)

    def note(self, after: str) -> None:
        """Measure, and print a line."""
        row: Row = {
            "after": after,
            "seconds": round(time.monotonic() - self._begin),
            **{name: round(_rss(self._stack.process(name))) for name in WATCHED},
            "photos_peak": round(_peak(self._stack.process("photos"))),
        }
        self.rows.append(row)
        print(_line(row), flush=True)


def main() -> int:
    """Print the table; exit code 1 if a limit is passed or a process grows."""
    options = _options()
    folder = options.data / "lfw-dev" / "images"
    if not folder.is_dir():
        sys.exit(f"NO PHOTOS: {folder} is missing; give --data")
    print(_line({name: name for name in ("after", "seconds", *WATCHED, "photos_peak")}))
    with tempfile.TemporaryDirectory(prefix="likeness-memory-") as place:
        stack = Stack(Path(place))
        with running(stack):
            rows = _measure(Run(stack, folder), options, folder)
    failures = _failures(rows)
    for failure in failures:
        print(f"TOO MUCH: {failure}")
    if options.json:
        report = {"rows": rows, "limits_mb": LIMITS, "growth_mb": GROWTH, "failures": failures}
        options.json.write_text(json.dumps(report, indent=2) + "\n")
    return 1 if failures else 0


def _measure(run: Run, options: argparse.Namespace, folder: Path) -> list[Row]:
    probes = sorted(folder.glob("*/*_0001.jpg"))[: options.lookups]
    with closing(run.api.http):
        run.note("start")
        run.enrol(WARM_UP)
        run.look_up(probes[:8])
        run.note("warm-up")
        for step in range(1, STEPS + 1):
            run.enrol(options.photos * step // STEPS - options.photos * (step - 1) // STEPS)
            run.note(f"{options.photos * step // STEPS} photos")
        for step in (1, 2):
            run.look_up(probes)
            run.note(f"{len(probes) * step} lookups")
    return run.rows


def _failures(rows: Sequence[Row]) -> list[str]:
    """What is over its limit or grows."""
    found = []
    warm = next(row for row in rows if row["after"] == "warm-up")
    for name, limit in LIMITS.items():
        most, growth = max(row[name] for row in rows), rows[-1][name] - warm[name]
        if most > limit:
            found.append(f"{name} holds {most} MB, more than {limit}")
        if growth > GROWTH:
            found.append(f"{name} grew by {growth} MB after it was warm")
    return found


def _photos(folder: Path) -> Iterator[Path]:
    """All photos, people with several first, so that fused templates are made too."""
    people = sorted(folder.iterdir(), key=lambda person: (-len(list(person.iterdir())), person))
    for person in people:
        yield from sorted(person.iterdir())


def _rss(process: psutil.Process) -> float:
    family = [process, *process.children(recursive=True)]
    return float(sum(each.memory_info().rss for each in family) / MEGABYTE)


def _peak(process: psutil.Process) -> float:
    """The most RSS it ever had (Linux)."""
    status = Path(f"/proc/{process.pid}/status")
    lines = status.read_text().splitlines() if status.exists() else []
    return sum(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 1024


def _line(row: Row) -> str:
    return f"{row['after']:>14}" + "".join(f"{value!s:>12}" for value in list(row.values())[1:])


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data")
    parser.add_argument("--photos", type=int, default=1000, help="after the warm-up")
    parser.add_argument("--lookups", type=int, default=200)
    parser.add_argument("--json", type=Path, help="also write the figures to this file")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
