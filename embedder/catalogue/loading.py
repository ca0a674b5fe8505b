"""From a manifest and its files to a detector or a network, each loaded once a process.

Whatever a model doesn't need is not imported: YuNet with an ONNX network leaves torch away.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import TypeVar, cast

from embedder.catalogue.manifest import ONNX, TORCH, Manifest
from embedder.detectors.base import Detector
from embedder.networks.base import Network
from embedder.networks.onnx import OnnxNetwork

Part = TypeVar("Part")

# Where each detector's class stands, and whether it wants the path of its file.
_DETECTORS = {
    "mtcnn": ("embedder.detectors.mtcnn", "Mtcnn", False),
    "yunet": ("embedder.detectors.yunet", "YuNet", True),
    "haar": ("embedder.detectors.haar", "Haar", False),
    "hog": ("embedder.detectors.hog", "Hog", False),
}
_IN_TORCH = ("mtcnn", "dlib-resnet", TORCH)

_lock = threading.Lock()


def detector(manifest: Manifest, paths: tuple[Path, ...], threads: int | None) -> Detector:
    """The detector of a manifest, whose files lie at `paths` and are checked.

    Raises WeightsError.
    """
    _share_cores(manifest, threads)
    return _once(_detector, manifest, paths)


def network(manifest: Manifest, paths: tuple[Path, ...], threads: int | None) -> Network:
    """The network of a manifest, whose files lie at `paths` and are checked.

    Raises WeightsError, DimensionError, TemplateError.
    """
    _share_cores(manifest, threads)
    return _once(_network, manifest, paths[0], threads or os.cpu_count() or 1)


def _once(make: Callable[..., Part], *arguments: object) -> Part:
    """Make it, or the one that was made before; a second thread that asks waits for the first."""
    with _lock:
        return make(*arguments)


@cache
def _detector(manifest: Manifest, paths: tuple[Path, ...]) -> Detector:
    # By manifest, whose hashes tell a file from another one that took its place.
    module, name, with_path = _DETECTORS[manifest.engine]
    make = getattr(import_module(module), name)
    return cast("Detector", make(paths[0]) if with_path else make())


@cache
def _network(manifest: Manifest, path: Path, threads: int) -> Network:
    if manifest.engine == ONNX and manifest.recipe is not None:
        return OnnxNetwork(
            path,
            manifest.recipe,
            name=manifest.name,
            mirrored=manifest.mirrored,
            threads=threads,
        )
    if manifest.engine == TORCH:
        return _torch_network(manifest, path)
    from embedder.networks.dlib_resnet import DlibResNet  # noqa: PLC0415 - torch

    return DlibResNet(path)


def _torch_network(manifest: Manifest, path: Path) -> Network:
    from embedder.networks.torch_network import TorchNetwork  # noqa: PLC0415 - torch

    return TorchNetwork(path, manifest.architecture, name=manifest.name, mirrored=manifest.mirrored)


def _share_cores(manifest: Manifest, threads: int | None) -> None:
    if threads is not None and manifest.engine in _IN_TORCH:
        import torch  # noqa: PLC0415 - only where it computes

        torch.set_num_threads(threads)
