"""Where models and detectors come from, by name."""

from __future__ import annotations

from embedder.catalogue import DETECTION, Catalogue, load_detector, load_pipeline
from embedder.detectors.base import Detector
from embedder.pipeline import Pipeline

DEFAULT = "mtcnn-dlib-resnet"


def pipeline(name: str) -> Pipeline:
    """The model of this name, on one thread: evaluations run a batch on each core."""
    return load_pipeline(name, threads=1)


def detectors() -> list[str]:
    """The names of all detectors that are installed."""
    return [each.name for each in Catalogue().installed(DETECTION)]


def detector(name: str) -> Detector:
    """The detector of this name, on all cores."""
    return load_detector(name)
