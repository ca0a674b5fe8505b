"""The process's one pipeline: loaded at first use, shared by all threads.

torch is imported here alone, and never at Django's start-up.
"""

import logging
import os
import threading
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from django.conf import settings

from common.errors import Unavailable
from embedder.images import DecodedImage, decode, encode_jpeg
from embedder.types import Detection, Face
from people.models import DEFAULT_MODEL

if TYPE_CHECKING:
    from embedder.pipeline import Pipeline

logger = logging.getLogger(__name__)

# Faces narrower than this are not looked for, in pixels of the original photo.
SMALLEST_FACE = 40.0
BLANK_SIDE = 256
# A web process answers several lookups at once. More runs of the network at a time than this
# would only take turns on the same cores, each with its memory.
_turns = threading.BoundedSemaphore(2)
_loading = threading.Lock()
_pipelines: dict[str, "Pipeline"] = {}


class ModelUnavailable(Unavailable):
    """The gallery's model is not installed in this process."""

    code = "model_unavailable"


def pipeline(model: str) -> "Pipeline":
    """The pipeline that makes this model's templates.

    Raises:
        ModelUnavailable: there is none of this name here.
    """
    with _loading:
        if model not in _pipelines:
            _pipelines[model] = _load(model)
        return _pipelines[model]


def detect(model: str, images: Sequence[DecodedImage]) -> list[list[Detection]]:
    """The faces of each image, widest first."""
    loaded = pipeline(model)
    with _turns:
        return loaded.detect(images, min_face=SMALLEST_FACE)


def embed(
    model: str, images: Sequence[DecodedImage], detections: Sequence[Sequence[Detection]]
) -> list[list[Face]]:
    """The template and quality of each detection given."""
    loaded = pipeline(model)
    with _turns:
        return loaded.embed(images, detections)


def warm_up() -> None:
    """Load the default pipeline now, and let it see a first, blank picture."""
    blank = np.full((BLANK_SIDE, BLANK_SIDE, 3), 127, np.uint8)
    detect(DEFAULT_MODEL, [decode(encode_jpeg(blank))])


def _load(model: str) -> "Pipeline":
    if model != DEFAULT_MODEL:
        raise ModelUnavailable(f"The model {model!r} is not installed on this server.")
    from embedder.pipeline import load_default  # noqa: PLC0415 - torch

    threads = settings.TORCH_THREADS or os.cpu_count() or 1
    loaded = load_default(threads=threads)
    logger.info("loaded %s on %d threads", loaded.model, threads)
    return loaded
