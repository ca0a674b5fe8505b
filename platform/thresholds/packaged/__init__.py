"""Calibrations that come with the package, of models that do: figures only, a file each."""

from __future__ import annotations

import json
from dataclasses import dataclass
from importlib.resources import files
from typing import Any
from uuid import UUID


@dataclass(frozen=True, slots=True)
class Packaged:
    """A calibration as its file has it."""

    public_id: UUID
    model: str
    source: str
    people: int
    photos: int
    comparisons: dict[str, dict[str, int]]
    curves: dict[str, Any]


def packaged() -> list[Packaged]:
    """All of them, by the names of their files."""
    found = (each for each in files(__name__).iterdir() if each.name.endswith(".json"))
    return [_read(each.read_text()) for each in sorted(found, key=lambda each: each.name)]


def _read(text: str) -> Packaged:
    figures = json.loads(text)
    return Packaged(public_id=UUID(figures.pop("id")), **figures)
