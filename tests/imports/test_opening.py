"""A source is opened by what it is, as far as the settings allow it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured

from config.settings import env
from imports.errors import SourceNotAllowed, UnusableSource
from imports.limits import Limits, of_settings
from imports.sources import open_archive, open_source
from imports.sources.folder import FolderSource
from imports.sources.tar import TarSource
from imports.sources.urls import UrlSource
from imports.sources.zip import ZipSource

from .archives import LIMITS, contents, tarred, zipped

FILES = [("a.jpg", b"photo")]


def test_archives_by_their_bytes_whatever_they_are_called(tmp_path: Path) -> None:
    kinds = {
        zipped(tmp_path / "a.tar", FILES): ZipSource,
        tarred(tmp_path / "b.zip", FILES): TarSource,
        tarred(tmp_path / "c.jpg", FILES, "w:gz"): TarSource,
    }
    for path, kind in kinds.items():
        with open_source(str(path), LIMITS) as source:
            assert isinstance(source, kind)
            assert contents(source) == dict(FILES)
    prefixed = tmp_path / "d"
    prefixed.write_bytes(b"x" * 1000 + (tmp_path / "a.tar").read_bytes())
    with open_archive(prefixed) as source:
        assert contents(source) == dict(FILES)
    for data in (b"", b"x" * 2000):
        prefixed.write_bytes(data)
        with pytest.raises(UnusableSource):
            open_archive(prefixed)
    with pytest.raises(UnusableSource, match="can't be read"):
        open_source(str(tmp_path / "none"))


def test_other_sources_by_how_they_are_written(tmp_path: Path, settings: Any) -> None:
    (tmp_path / "urls.txt").write_text("https://photos.example/a.jpg")
    for location in (str(tmp_path), str(tmp_path / "urls.txt"), "s3://photos/in"):
        with pytest.raises(SourceNotAllowed):
            open_source(location)
    settings.IMPORT_ROOTS, settings.IMPORT_URLS = [tmp_path], True
    with open_source(str(tmp_path)) as folder, open_source(str(tmp_path / "urls.txt")) as urls:
        assert isinstance(folder, FolderSource)
        assert isinstance(urls, UrlSource)


def test_limits_are_settings() -> None:
    assert of_settings() == Limits(
        entries=250_000,
        entry_bytes=15 << 20,
        total_bytes=500_000_000_000,
        ratio=100,
        manifest_bytes=64 << 20,
    )


def test_roots_are_absolute_and_never_everything(monkeypatch: pytest.MonkeyPatch) -> None:
    assert env.folders("ROOTS") == []
    monkeypatch.setenv("ROOTS", "/srv/a, /mnt/b")
    assert env.folders("ROOTS") == [Path("/srv/a"), Path("/mnt/b")]
    for value in ("photos", "/", "/srv/a,../b"):
        monkeypatch.setenv("ROOTS", value)
        with pytest.raises(ImproperlyConfigured, match=r"^ROOTS has '"):
            env.folders("ROOTS")
