"""Installations with a backup."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from tests.conftest import Lfw
from tests.services import PostgresServer

from .backed_up import enrol
from .installation import Installation


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    with PostgresServer() as server:
        assert isinstance(server, PostgresServer)
        yield server


@pytest.fixture(scope="session")
def sqlite_original(tmp_path_factory: pytest.TempPathFactory, lfw: Lfw) -> dict[str, Any]:
    """An installation with a backup, made once; each test has a copy of its own."""
    folder = tmp_path_factory.mktemp("original")
    people = enrol(Installation(folder), lfw)
    Installation(folder).ok("backup", str(folder / "backup"))
    return {"folder": folder, **people}


@pytest.fixture
def people(sqlite_original: dict[str, Any]) -> dict[str, Any]:
    return sqlite_original


@pytest.fixture
def installation(sqlite_original: dict[str, Any], tmp_path: Path) -> Installation:
    shutil.copytree(sqlite_original["folder"], tmp_path / "copy")
    return Installation(tmp_path / "copy")


@pytest.fixture
def backup(installation: Installation) -> Path:
    return installation.folder / "backup"


@pytest.fixture
def copied(sqlite_original: dict[str, Any], tmp_path: Path) -> Path:
    """The backup alone."""
    return Path(shutil.copytree(sqlite_original["folder"] / "backup", tmp_path / "backup"))


@pytest.fixture(params=["sqlite", "postgresql"])
def either(request: pytest.FixtureRequest, tmp_path: Path, lfw: Lfw) -> tuple[Installation, Any]:
    """An installation on each database, and whom it knows."""
    environment = {}
    if request.param == "postgresql":
        server = request.getfixturevalue("postgres")
        environment["DATABASE_URL"] = server.make_database(f"likeness_{uuid4().hex[:8]}")
    installation = Installation(tmp_path, **environment)
    return installation, enrol(installation, lfw)
