"""Files of ready-made templates, and loads of them into an installation."""

from __future__ import annotations

import csv
import subprocess
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from people.models import DEFAULT_MODEL
from tests.e2e.stack import Stack

_BATCH = 10_000


@dataclass(frozen=True)
class File:
    """Templates as an NPY file, and whose they are as a CSV file."""

    vectors: Path
    people: Path
    rows: int

    @property
    def command(self) -> tuple[str, ...]:
        """What loads it into the gallery that a fresh installation has."""
        return (
            *("vectors", "import", str(self.vectors), "--people", str(self.people)),
            *("--gallery", "main", "--model", DEFAULT_MODEL),
        )


def write_file(folder: Path, name: str, rows: int) -> File:
    """Random unit vectors of as many people; another `name` is other people."""
    random = np.random.default_rng(list(name.encode()))
    vectors = np.lib.format.open_memmap(
        folder / f"{name}.npy", mode="w+", dtype=np.float32, shape=(rows, 128)
    )
    for start in range(0, rows, _BATCH):
        part = random.standard_normal((min(_BATCH, rows - start), 128), np.float32)
        vectors[start : start + len(part)] = part / np.linalg.norm(part, axis=1, keepdims=True)
    vectors.flush()
    people = folder / f"{name}.csv"
    with people.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["external_id"])
        writer.writerows([f"{name} {number}"] for number in range(rows))
    return File(folder / f"{name}.npy", people, rows)


def begin_load(stack: Stack, file: File) -> subprocess.Popen[str]:
    """The load as a process of its own."""
    return stack.begin(*file.command)


def load(stack: Stack, file: File, seconds: float = 600) -> None:
    """Load all of it."""
    done = stack.manage(*file.command, seconds=seconds)
    assert done.returncode == 0, done.stdout + done.stderr
