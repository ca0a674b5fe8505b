"""What a training's figures were, step by step and epoch by epoch."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import torch

Row = dict[str, float]


@dataclass(slots=True)
class Curves:
    """Rows of figures by name; every row of `steps` has the same names.

    steps: step, epoch, rate (learning rate), total and the loss's parts, accuracy (of the batch,
    where the loss tells people apart). epochs: epoch and what was measured on people held out.
    """

    steps: list[Row] = field(default_factory=list)
    epochs: list[Row] = field(default_factory=list)

    def state(self) -> dict[str, Any]:
        """As a checkpoint holds them: a tensor for each name, since there may be a million."""
        names = list(self.steps[0]) if self.steps else []
        columns = {
            name: torch.tensor([row[name] for row in self.steps], dtype=torch.float64)
            for name in names
        }
        return {"steps": columns, "epochs": self.epochs}

    @staticmethod
    def restored(state: dict[str, Any]) -> Curves:
        """The curves of a checkpoint."""
        columns = {name: values.tolist() for name, values in state["steps"].items()}
        rows = zip(*columns.values(), strict=True)
        steps = [dict(zip(columns, row, strict=True)) for row in rows]
        for row in steps:
            row |= {name: int(row[name]) for name in ("step", "epoch")}
        return Curves(steps, state["epochs"])

    def column(self, name: str) -> list[float]:
        """The values of one figure at all steps; empty when it has none of the name."""
        return [row[name] for row in self.steps if name in row]


class CurvesFile:
    """Rows as lines of JSON: those of steps have `step`, those of epochs don't."""

    def __init__(self, path: Path, curves: Curves) -> None:
        """Begin with what there is: lines behind the last checkpoint would be there twice."""
        self._stream: IO[str] = path.open("w", encoding="utf-8")
        self.add([*curves.steps, *curves.epochs])

    def add(self, rows: Sequence[Row]) -> None:
        """Append rows, at once to be seen by others."""
        self._stream.writelines(json.dumps(row) + "\n" for row in rows)
        self._stream.flush()

    def close(self) -> None:
        """Write no more."""
        self._stream.close()
