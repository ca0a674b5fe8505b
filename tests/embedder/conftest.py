from __future__ import annotations

import pytest

from embedder.catalogue import load_pipeline
from embedder.pipeline import Pipeline


@pytest.fixture(scope="session")
def pipeline() -> Pipeline:
    return load_pipeline("mtcnn-dlib-resnet", threads=1)
