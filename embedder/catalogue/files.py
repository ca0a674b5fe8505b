"""Where a model's files lie, and whether they are the right ones."""

from __future__ import annotations

import os
from importlib.util import find_spec
from pathlib import Path

from embedder import extras, weights
from embedder.catalogue.manifest import File, Manifest
from embedder.errors import NotInstalledError, WeightsError

_FOLDER = "LIKENESS_MODELS_DIR"
_DATA = "LIKENESS_VAR_DIR"
# What an engine imports that isn't always there, and the extra that brings it.
_EXTRAS = {"hog": ("dlib", "dlib")}


def default_folder() -> Path:
    """LIKENESS_MODELS_DIR, or models/ beside the data (LIKENESS_VAR_DIR, or var/ here)."""
    data = os.environ.get(_DATA, "").strip() or Path(__file__).resolve().parents[2] / "var"
    named = os.environ.get(_FOLDER, "").strip()
    return Path(named).expanduser() if named else Path(data).expanduser() / "models"


def path_of(file: File, folder: Path) -> Path:
    """Where the file lies, or would. Raises WeightsError when its package isn't installed."""
    if not file.package:
        return folder / file.path
    return weights.path_of(weights.WeightsFile(file.package, file.path, file.sha256))


def is_begun(manifest: Manifest, folder: Path) -> bool:
    """Whether somebody installed it, or a part of it; if it is incomplete then, that is a fault."""
    module, _ = _EXTRAS.get(manifest.engine, ("", ""))
    if module and find_spec(module) is None:
        return False
    fetched = [each for each in manifest.files if not each.package]
    return not fetched or any((folder / each.path).exists() for each in fetched)


def locate(manifest: Manifest, folder: Path) -> tuple[Path, ...]:
    """Where its files lie, all of them checked; each is read once a process.

    Raises NotInstalledError naming what is missing or wrong, and what to do.
    """
    _check_extra(manifest)
    return tuple(_located(manifest, file, folder) for file in manifest.files)


def _check_extra(manifest: Manifest) -> None:
    module, extra = _EXTRAS.get(manifest.engine, ("", ""))
    if module and find_spec(module) is None:
        raise NotInstalledError(
            f"{manifest.name} needs a package that isn't there. {extras.remedy(extra)}"
        )


def _located(manifest: Manifest, file: File, folder: Path) -> Path:
    try:
        path = path_of(file, folder)
        remedy = _remedy(manifest, file)
        if not path.is_file():
            raise NotInstalledError(f"{file.path} of {manifest.name} is not there. {remedy}")
        weights.check_sha256(path, file.sha256, remedy)
    except WeightsError as error:
        raise NotInstalledError(f"{manifest.name}: {error}") from error
    except OSError as error:
        raise NotInstalledError(
            f"{file.path} of {manifest.name} can't be read: {error.strerror or error}."
        ) from error
    return path


def _remedy(manifest: Manifest, file: File) -> str:
    if file.package:
        return f"Reinstall it: pip install --force-reinstall {file.package}"
    by_hand = "" if file.url else " --file PATH"
    return f"Fetch it: manage.py models pull {manifest.name}{by_hand}"
