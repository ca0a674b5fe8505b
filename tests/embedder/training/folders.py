"""Folders of photos, and caches of crops, as trainings need them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from embedder.opencv import cv2
from embedder.training.cache import Cache, Entry, Recipe, write_index
from embedder.training.configuration import Configuration, parse
from tests.conftest import Lfw

SIZE = 112
RECIPE = Recipe(
    "mtcnn", SIZE, ((38.0, 51.0), (73.0, 51.0), (56.0, 71.0), (41.0, 92.0), (70.0, 92.0)), 40.0
)


def several(lfw: Lfw, people: int, photos: int) -> list[str]:
    """The first people who have so many photos."""
    return [name for name in lfw.people(1453) if lfw.path(name, photos).is_file()][:people]


def photos(folder: Path, lfw: Lfw, people: int, each: int, *, skip: int = 0) -> Path:
    """A folder with photos of people of LFW, without the first few."""
    for name in several(lfw, skip + people, each)[skip:]:
        (folder / name).mkdir(parents=True)
        for number in range(1, each + 1):
            source = lfw.path(name, number)
            (folder / name / source.name).write_bytes(source.read_bytes())
    return folder


def drawn(folder: Path, counts: Mapping[str, int]) -> Cache:
    """A cache of crops of so many photos of each person: a colour of their own, with noise.

    For tests of what surrounds a training: faces take seconds to find.
    """
    random = np.random.default_rng(7)
    entries = []
    for person, count in counts.items():
        base = random.integers(40, 216, (7, 7, 3))
        for number in range(1, count + 1):
            cells = np.clip(base + random.normal(0, 20, base.shape), 0, 255).astype(np.uint8)
            name = f"{person}/{person}_{number:04d}.jpg"
            path = folder / "crops" / f"{name}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(cv2.imencode(".png", cells.repeat(16, 0).repeat(16, 1))[1].tobytes())
            entries.append(Entry(name, 1, 1, name, f"crops/{name}.png"))
    return write_index(folder, RECIPE, entries)


def people(count: int, photos: int) -> dict[str, int]:
    """So many people with so many photos each."""
    return {f"P{number:02d}": photos for number in range(count)}


def told(**tables: dict[str, Any]) -> Configuration:
    """A configuration for two cores and a few seconds."""
    table: dict[str, dict[str, Any]] = {
        "network": {"architecture": "mobilefacenet-half", "dropout": 0.2},
        "data": {"share": 0.3},
        "augment": {"crop": 0.5, "colour": 0.5, "erase": 0.5},
        "loss": {"center_weight": 0.01},
        "schedule": {"rate": 0.01},
        "training": {"epochs": 2, "batch": 4, "workers": 0, "threads": 1, "ema": 0.9},
    }
    for name, fields in tables.items():
        table[name] = {**table.get(name, {}), **fields}
    return parse(table, "test.toml", Path())
