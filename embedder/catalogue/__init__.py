"""Models by name: which there are, where their files come from, and loading them.

A *model* is a detector and a network, `mtcnn-dlib-resnet`; each of the two is described by a
manifest, in this package or in the models folder. Importing this imports no torch.
"""

from __future__ import annotations

from embedder.catalogue.catalogue import Broken, Catalogue, Model
from embedder.catalogue.manifest import DETECTION, EMBEDDING, File, Manifest
from embedder.catalogue.records import record_calibration, record_evaluation
from embedder.detectors.base import Detector
from embedder.networks.base import Network
from embedder.pipeline import Pipeline

__all__ = [
    "DETECTION",
    "EMBEDDING",
    "Broken",
    "Catalogue",
    "File",
    "Manifest",
    "Model",
    "load_detector",
    "load_network",
    "load_pipeline",
    "models",
    "record_calibration",
    "record_evaluation",
]


def models() -> list[str]:
    """The names of all models that are installed, as `Catalogue.models`."""
    return Catalogue().models()


def load_detector(name: str, *, threads: int | None = None) -> Detector:
    """A detector by name, as `Catalogue.load_detector`."""
    return Catalogue().load_detector(name, threads=threads)


def load_network(name: str, *, threads: int | None = None) -> Network:
    """A network by name, as `Catalogue.load_network`."""
    return Catalogue().load_network(name, threads=threads)


def load_pipeline(name: str, *, threads: int | None = None) -> Pipeline:
    """A model by name, as `Catalogue.load_pipeline`."""
    return Catalogue().load_pipeline(name, threads=threads)
