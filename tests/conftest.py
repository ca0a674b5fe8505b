"""What all tests share: real photos, real parts."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from embedder.images import DecodedImage, decode

from . import sets

pytest_plugins = ["tests.fixtures"]
ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def test_data() -> Path:
    """Real photos, which are never part of the repository."""
    folder = (ROOT / os.environ.get("LIKENESS_TEST_DATA", "../shared/data")).resolve()
    if (folder / "lfw-dev" / "pairs.txt").is_file():
        return folder
    message = f"NO PHOTOS TO TEST WITH: {folder} is missing; set LIKENESS_TEST_DATA"
    if os.environ.get("CI") == "true":
        pytest.fail(message)
    pytest.skip(message)


class Lfw:
    """Photos of LFW by the person's name and the photo's number."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def path(self, person: str, number: int = 1) -> Path:
        return self.folder / "images" / person / f"{person}_{number:04d}.jpg"

    def bytes(self, person: str, number: int = 1) -> bytes:
        return self.path(person, number).read_bytes()

    def image(self, person: str, number: int = 1) -> DecodedImage:
        return decode(self.bytes(person, number))

    def people(self, count: int) -> list[str]:
        return sorted(folder.name for folder in (self.folder / "images").iterdir())[:count]

    def pairs(self) -> list[list[str]]:
        lines = (self.folder / "pairs.txt").read_text("utf-8").splitlines()[1:]
        return [line.split() for line in lines]


@pytest.fixture(scope="session")
def lfw(test_data: Path) -> Lfw:
    return Lfw(test_data / "lfw-dev")


@pytest.fixture(scope="session")
def index() -> Iterator[str]:
    """A real Milvus, for all tests of the run: embedded, or the run's server."""
    from django.conf import settings

    from vectors import lite

    if sets.ON_SERVERS:
        settings.MILVUS_URI = sets.milvus().url
        yield settings.MILVUS_URI
        return
    with lite.running() as uri:
        yield uri
