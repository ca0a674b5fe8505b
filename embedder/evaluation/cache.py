"""Faces that were embedded before, in a file for each model and smallest face.

The key of a face is the SHA-256 of its photo's bytes. Templates depend on the model's name alone:
after a change of its code, empty the folder.
"""

from __future__ import annotations

import json
import zipfile
from dataclasses import dataclass, field
from pathlib import Path
from uuid import uuid4

import numpy as np

from embedder.errors import EmbedderError, EvaluationError, ImageError
from embedder.stream import Outcome
from embedder.types import TEMPLATE_DIM, Template

NO_FACE = "no_face"

_ARRAYS = ("keys", "templates", "widths", "quality", "failures")


@dataclass(frozen=True, slots=True, eq=False)
class Record:
    """A photo's central face, or the code of what failed: its template is zero then."""

    template: Template
    width: float
    quality: dict[str, float]
    failure: str = ""

    @staticmethod
    def of(outcome: Outcome) -> Record:
        """What is kept of a photo with one face at most."""
        if outcome.faces:
            face = outcome.faces[0]
            return Record(face.template, face.detection.box.width, face.quality.as_dict())
        failure = _code(outcome.error) if outcome.error else NO_FACE
        return Record(np.zeros(TEMPLATE_DIM, np.float32), float("nan"), {}, failure)


@dataclass(slots=True)
class FaceCache:
    """Records by key, in <folder>/<name>.npz; without a folder they live as long as the object."""

    folder: Path | None
    name: str
    records: dict[str, Record] = field(default_factory=dict)
    _saved: int = 0

    def __post_init__(self) -> None:
        """Raise EvaluationError when the file is no cache."""
        if self._path is not None and self._path.exists():
            self.records = _load(self._path)
            self._saved = len(self.records)

    @property
    def _path(self) -> Path | None:
        return self.folder and self.folder / f"{self.name}.npz"

    def save(self) -> None:
        """Write what is new; a reader sees the old file or the whole new one."""
        if self._path is None or len(self.records) == self._saved:
            return
        self._path.parent.mkdir(parents=True, exist_ok=True)
        # A name of its own, with numpy's suffix: two evaluations may save at once.
        partial = self._path.with_suffix(f".{uuid4().hex}.npz")
        records = self.records.values()
        np.savez(
            partial,
            keys=np.array(list(self.records)),
            templates=np.array([record.template for record in records]),
            widths=np.array([record.width for record in records]),
            quality=np.array([json.dumps(record.quality) for record in records]),
            failures=np.array([record.failure for record in records]),
        )
        partial.replace(self._path)
        self._saved = len(self.records)


def _code(error: EmbedderError) -> str:
    return error.code if isinstance(error, ImageError) else str(error)


def _load(path: Path) -> dict[str, Record]:
    try:
        # Given a path, numpy leaves a file open that turns out to be no archive.
        with path.open("rb") as stream, np.load(stream, allow_pickle=False) as arrays:
            keys, templates, widths, quality, failures = (arrays[name] for name in _ARRAYS)
        rows = zip(templates, widths, quality, failures, strict=True)
        return {
            str(key): Record(template, float(width), json.loads(str(figures)), str(failure))
            for key, (template, width, figures, failure) in zip(keys, rows, strict=True)
        }
    except (OSError, EOFError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise EvaluationError(f"{path} is not a cache of faces. Remove it.") from error
