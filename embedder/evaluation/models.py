"""Where models and detectors come from, by name: the catalogue."""

from __future__ import annotations

from collections.abc import Mapping

from embedder.catalogue import (
    DETECTION,
    Catalogue,
    load_detector,
    load_pipeline,
    record_evaluation,
)
from embedder.detectors.base import Detector
from embedder.pipeline import Pipeline

DEFAULT = "mtcnn-dlib-resnet"


def pipeline(name: str) -> Pipeline:
    """The model of this name, on one thread: a batch is computed on each core.

    Raises as `Catalogue.load_pipeline` does.
    """
    return load_pipeline(name, threads=1)


def detectors() -> list[str]:
    """The names of all detectors that are installed."""
    return [manifest.name for manifest in Catalogue().installed(DETECTION)]


def detector(name: str) -> Detector:
    """The detector of this name, on one thread, so that times of detectors can be compared.

    Raises as `Catalogue.load_detector` does.
    """
    return load_detector(name, threads=1)


def record_model(name: str, figures: Mapping[str, float]) -> None:
    """Write a model's figures into its network's manifest, under its detector's name."""
    model = Catalogue().model(name)
    record_evaluation(model.network.name, model.detector.name, figures)


def record_detector(name: str, figures: Mapping[str, float]) -> None:
    """Write a detector's figures into its manifest."""
    record_evaluation(name, name, figures)
