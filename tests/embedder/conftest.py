from __future__ import annotations

import pytest

from embedder.pipeline import Pipeline, load_default


@pytest.fixture(scope="session")
def pipeline() -> Pipeline:
    return load_default(threads=1)
