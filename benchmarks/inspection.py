"""Inspecting an archive: how long names and headers of many photos take.

    python benchmarks/inspection.py [--n 100000] [--data FOLDER] [--json FILE]

Makes archives of N photos in a temporary folder, from those of LFW again and again under other
names, and inspects each in a process of its own on one core: a ZIP archive that stores and one
that deflates, a plain TAR archive. There is no limit of time, so all headers are judged.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
DATA = ROOT / ".." / "shared" / "data"

_INSPECT = """
import json, os, resource, sys, time
from pathlib import Path
sys.path[:0] = [".", "platform"]
os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
os.environ["DJANGO_SETTINGS_MODULE"] = "config.settings"
import django
django.setup()
from imports.inspection import inspect
from imports.layouts import open_layout
from imports.sources import open_archive
wall, cpu = time.perf_counter(), time.process_time()
with open_archive(Path(sys.argv[1])) as source:
    plan = inspect(source, open_layout("folders", source), seconds=3600)
print(json.dumps({
    "photos": plan.photos,
    "people": plan.people,
    "headers": plan.headers.judged,
    "seconds": time.perf_counter() - wall,
    "cpu_seconds": time.process_time() - cpu,
    "megabytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
}))
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--n", type=int, default=100_000)
    parser.add_argument("--data", type=Path, default=DATA / "lfw-dev" / "images")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    photos = [path.read_bytes() for path in sorted(options.data.glob("*/*.jpg"))]
    if not photos:
        sys.exit(f"There are no photos in {options.data}: see --data.")
    makers: dict[str, Callable[[Path, Iterator[tuple[str, bytes]]], None]] = {
        "ZIP, stored": lambda path, files: zipped(path, files, zipfile.ZIP_STORED),
        "ZIP, deflated": lambda path, files: zipped(path, files, zipfile.ZIP_DEFLATED),
        "TAR": tarred,
    }
    found = {}
    print(f"{'archive':14} {'photos':>8} {'headers':>8} {'wall s':>7} {'cpu s':>7} {'MB':>5}")
    for name, make in makers.items():
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "archive"
            make(path, named(photos, options.n))
            found[name] = row = inspected(path, Path(folder))
        print(
            f"{name:14} {row['photos']:8.0f} {row['headers']:8.0f} {row['seconds']:7.2f} "
            f"{row['cpu_seconds']:7.2f} {row['megabytes']:5.0f}"
        )
    if options.json:
        options.json.write_text(json.dumps(found, indent=2))


def named(photos: list[bytes], count: int) -> Iterator[tuple[str, bytes]]:
    for number in range(count):
        person = f"Person_{number // 3:07d}"
        yield f"top/{person}/{person}_{number % 3:04d}.jpg", photos[number % len(photos)]


def zipped(path: Path, files: Iterator[tuple[str, bytes]], method: int) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in files:
            archive.writestr(zipfile.ZipInfo(name), data, compress_type=method, compresslevel=1)


def tarred(path: Path, files: Iterator[tuple[str, bytes]]) -> None:
    with tarfile.open(path, "w") as archive:
        for name, data in files:
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, BytesIO(data))
            archive.members.clear()  # type: ignore[attr-defined]


def inspected(path: Path, folder: Path) -> dict[str, float]:
    done = subprocess.run(
        [sys.executable, "-c", _INSPECT, str(path)],
        cwd=ROOT,
        env={**os.environ, "LIKENESS_VAR_DIR": str(folder / "var")},
        capture_output=True,
        text=True,
        check=True,
    )
    found: dict[str, float] = json.loads(done.stdout)
    return found


if __name__ == "__main__":
    main()
