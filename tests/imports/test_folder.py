"""A folder on the server: nothing outside of its root is ever read."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from imports.errors import SourceNotAllowed, UnusableSource
from imports.sources import Refused, open_folder
from imports.sources.folder import FolderSource

from .archives import LIMITS, contents, entries, ignored, losses, refusals


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A root with photos in it, beside a secret."""
    root = tmp_path / "root"
    (root / "Anna" / "deep").mkdir(parents=True)
    (root / "Anna" / "1.jpg").write_bytes(b"anna")
    (root / "Anna" / "deep" / "2.jpg").write_bytes(b"deep")
    (root / "b.jpg").write_bytes(b"b")
    (tmp_path / "secret").mkdir()
    (tmp_path / "secret" / "key.jpg").write_bytes(b"secret")
    return root


def test_files_by_name_and_whatever_is_none(root: Path) -> None:
    (root / "link.jpg").symlink_to("../secret/key.jpg")
    (root / "inside.jpg").symlink_to("b.jpg")
    (root / "folder").symlink_to("../secret")
    os.mkfifo(root / "pipe.jpg")
    (root / "inner.zip").write_bytes(b"PK")
    (root / "large.jpg").write_bytes(bytes(1_000_001))
    (root / "back\\slash.jpg").write_bytes(b"x")
    (root / ".git").mkdir()
    (root / ".git" / "x.jpg").write_bytes(b"x")
    Path(os.fsdecode(os.fsencode(root) + b"/raw\xff.jpg")).write_bytes(b"raw")
    with FolderSource(root, [root], LIMITS) as source:
        assert refusals(source) == {
            "link.jpg": "link",
            "inside.jpg": "link",
            "folder": "link",
            "pipe.jpg": "special_file",
            "inner.zip": "nested_archive",
            "large.jpg": "too_large",
            "back\\slash.jpg": "unsafe_name",
        }
        assert ignored(source) == {".git/": "hidden", "Anna/": "folder", "Anna/deep/": "folder"}
        assert contents(source) == {
            "Anna/1.jpg": b"anna",
            "Anna/deep/2.jpg": b"deep",
            "b.jpg": b"b",
            "raw\\xff.jpg": b"raw",
        }
        whole = list(source.listing())
        assert [each.number for each in whole] == list(range(len(whole)))  # type: ignore[union-attr]
        for start in range(len(whole) + 1):
            assert list(source.listing(start)) == whole[start:]


def test_only_under_a_root(root: Path, tmp_path: Path) -> None:
    with FolderSource(root / "Anna", [root], LIMITS) as source:
        assert contents(source) == {"1.jpg": b"anna", "deep/2.jpg": b"deep"}
    (root / "out").symlink_to(tmp_path / "secret")
    for path in (
        tmp_path,
        tmp_path / "secret",
        root / "..",
        root / "../secret",
        root / "out",
        Path("/etc"),
        Path(f"{root}\0"),
    ):
        with pytest.raises(SourceNotAllowed) as caught:
            FolderSource(path, [root], LIMITS)
        assert caught.value.code == "source_not_allowed"
    with pytest.raises(UnusableSource, match=r"There is no folder .*/none on the server"):
        FolderSource(root / "none", [root], LIMITS)
    with pytest.raises(UnusableSource, match=r"b\.jpg can't be read"):
        FolderSource(root / "b.jpg", [root], LIMITS)


def test_without_roots_there_is_no_way_in(root: Path, settings: object) -> None:
    with pytest.raises(SourceNotAllowed, match="IMPORT_ROOTS"):
        open_folder(root, LIMITS)
    settings.IMPORT_ROOTS = [root]  # type: ignore[attr-defined]
    with open_folder(root, LIMITS) as source:
        assert len(entries(source)) == 3


def test_what_changes_after_the_listing_leads_nowhere(root: Path, tmp_path: Path) -> None:
    with FolderSource(root, [root], LIMITS) as source:
        listed = {each.name: each for each in entries(source)}
        (root / "Anna").rename(tmp_path / "gone")
        (root / "Anna").symlink_to(tmp_path / "secret")
        (root / "b.jpg").unlink()
        (root / "b.jpg").symlink_to("../secret/key.jpg")
        anna, b = listed["Anna/1.jpg"], listed["b.jpg"]
        crafted = replace(b, key="Anna/key.jpg"), replace(b, key="../secret/key.jpg")
        codes = [
            (entry.key, found.code if isinstance(found, Refused) else found)
            for entry, found in source.read([anna, b, *crafted])
        ]
    assert codes == [
        ("Anna/1.jpg", "link"),
        ("b.jpg", "link"),
        ("Anna/key.jpg", "link"),
        ("../secret/key.jpg", "changed"),
    ]


def test_a_file_that_became_a_pipe_is_not_waited_for(root: Path) -> None:
    with FolderSource(root, [root], LIMITS) as source:
        *_, b = entries(source)
        (root / "b.jpg").unlink()
        ((_, gone),) = source.read([b])
        os.mkfifo(root / "b.jpg")
        ((_, pipe),) = source.read([b])
        (root / "b.jpg").unlink()
        (root / "b.jpg").write_bytes(bytes(2_000_000))
        ((_, grown),) = source.read([b])
        ((_, head),) = source.read([b], first=10)
    assert [each.code for each in (gone, pipe, grown) if isinstance(each, Refused)] == [
        "changed", "special_file", "too_large",
    ]  # fmt: skip
    assert head == bytes(10)


def test_too_deep_and_too_many(root: Path) -> None:
    deep = root.joinpath(*["d"] * 60)
    deep.mkdir(parents=True)
    (deep / "x.jpg").write_bytes(b"x")
    with FolderSource(root, [root], LIMITS) as source:
        assert set(refusals(source).values()) == {"too_deep"}
        assert len(entries(source)) == 3
    with FolderSource(root, [root], replace(LIMITS, entries=2)) as source:
        assert losses(source) == ["too_many_entries"]


def test_no_descriptor_is_left_open(root: Path) -> None:
    before = len(os.listdir("/proc/self/fd"))  # noqa: PTH208
    with FolderSource(root, [root], LIMITS) as source:
        for count in range(6):
            listing = source.listing()
            for _ in range(count):
                next(listing)
            listing.close()  # type: ignore[attr-defined]
        contents(source)
    assert len(os.listdir("/proc/self/fd")) == before  # noqa: PTH208
