"""Writing manifests: new ones, and what was measured into those there are."""

from __future__ import annotations

import contextlib
import math
import os
import re
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from embedder.calibration import Calibration
from embedder.catalogue import calibrations
from embedder.catalogue.catalogue import Catalogue
from embedder.catalogue.manifest import DETECTORS, read
from embedder.errors import ManifestError

_FIGURE = re.compile(r"[A-Za-z0-9_-]+")
_READABLE = 0o644


def record_evaluation(
    name: str, detector: str, figures: Mapping[str, float], *, catalogue: Catalogue | None = None
) -> Path:
    """Write a table `[evaluation.DETECTOR]` into the manifest of a detector or a network.

    An older table of that detector is replaced; all else stays as it is. Returns the manifest's
    path. Raises UnknownModelError, and ManifestError when it can't be written or a figure is no
    finite number.
    """
    path = (catalogue or Catalogue()).manifest(name).origin
    _check(path, detector, figures)
    lines = [f"{key} = {float(value)!r}" for key, value in figures.items()]
    return _record(path, f"[evaluation.{detector}]", lines)


def record_calibration(
    name: str, calibration: Calibration, *, catalogue: Catalogue | None = None
) -> Path:
    """Write a model's table `[calibration.DETECTOR]` into the manifest of its network.

    An older table of that detector is replaced; all else stays as it is. Returns the manifest's
    path. Raises UnknownModelError, and ManifestError when it can't be written.
    """
    model = (catalogue or Catalogue()).model(name)
    header = f"[calibration.{model.detector.name}]"
    return _record(model.network.origin, header, calibrations.lines(calibration))


def _record(path: Path, header: str, lines: Sequence[str]) -> Path:
    try:
        kept = _without(path.read_text("utf-8"), header).rstrip("\n")
        write_manifest(path, "\n".join([kept, "", header, *lines, ""]))
    except OSError as error:
        raise ManifestError(
            f"{path} can't be written: {error.strerror}. Run this as a user who may write there."
        ) from error
    return path


def _check(path: Path, detector: str, figures: Mapping[str, float]) -> None:
    if detector not in DETECTORS:
        raise ManifestError(f"{detector!r} is no detector. There are: {', '.join(DETECTORS)}.")
    for key, value in figures.items():
        if not _FIGURE.fullmatch(key) or not math.isfinite(value):
            raise ManifestError(
                f"{path.name}: {key!r} = {value} is no figure. Give a name of letters, digits, _ "
                "and -, and a finite number."
            )


def _without(text: str, header: str) -> str:
    """The text without the table under `header`, up to the next table."""
    kept, inside = [], False
    for line in text.splitlines(keepends=True):
        if line.lstrip().startswith("["):
            inside = line.strip() == header
        if not inside:
            kept.append(line)
    return "".join(kept)


def write_manifest(path: Path, text: str) -> None:
    """Put a manifest in its place, new or for an old one, if it can be read.

    Raises ManifestError when it can't, and OSError; what was there stays then.
    """
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    fresh = Path(name)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as stream:
            stream.write(text)
            stream.flush()
            os.fsync(stream.fileno())
        read(fresh)
        fresh.chmod(_READABLE)
        fresh.replace(path)
    finally:
        with contextlib.suppress(FileNotFoundError):
            fresh.unlink()
