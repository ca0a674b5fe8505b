"""ZIP archives, good and hostile: one of each bad thing beside good photos."""

from __future__ import annotations

import io
import random
import stat
import struct
import unicodedata
import zipfile
import zlib
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imports.errors import UnusableSource
from imports.sources import Entry, Loss, Refused, zip_records
from imports.sources.zip import ZipSource
from tests.embedder.pictures import saved, scene

from .archives import (
    LIMITS,
    RawZip,
    contents,
    entries,
    ignored,
    losses,
    refusals,
    zipped,
)

PHOTO = saved(scene(), "JPEG")
NOISE = random.Random(7).randbytes(5000)
LONG = "x" * 300 + ".jpg"
NFC, NFD = "Zoë/1.jpg", unicodedata.normalize("NFD", "Zoë/1.jpg")


def hostile() -> RawZip:
    """One of each, beside good photos at both ends and in the middle."""
    nested = io.BytesIO()
    with zipfile.ZipFile(nested, "w") as inner:
        inner.writestr(zipfile.ZipInfo("a.jpg"), PHOTO)
    archive = RawZip().add(b"Anna/1.jpg", PHOTO)
    for name in (b"../up.jpg", b"a/../../up.jpg", b"/etc/passwd", b"C:/a.jpg", b"..\\up.jpg"):
        archive.add(name, PHOTO)
    archive.add(b"link.jpg", b"/etc/passwd", mode=stat.S_IFLNK | 0o777)
    archive.add(b"pipe.jpg", b"", mode=stat.S_IFIFO | 0o644)
    archive.add(b"disk.jpg", b"", mode=stat.S_IFBLK | 0o644)
    archive.add(b"secret.jpg", PHOTO, flags=0x801)
    archive.add(b"inner.zip", nested.getvalue())
    archive.add(b"bzip2.jpg", b"BZh9", method=12)
    archive.add(b"large.jpg", 3 * NOISE, size=1_100_000, method=0)
    archive.add(b"Bert/1.jpg", PHOTO, method=0)
    archive.add(b"bomb.jpg", b"\0" * 20_000_000)
    archive.add(b"says_less.jpg", NOISE, size=100)
    archive.add(b"says_more.jpg", NOISE, size=9000)
    archive.add(b"checksum.jpg", NOISE, crc=1)
    archive.add(b"nul\0.jpg", PHOTO)
    archive.add(b"y" * 1001 + b".jpg", PHOTO)
    for name in (NFC, NFD, "anna/1.jpg", LONG, "\u202egpj.\u05d0.jpg", "line\nbreak.jpg"):
        archive.add(name.encode(), PHOTO)
    archive.add(b"caf\x82.jpg", PHOTO, flags=0)  # é in the PC's first code
    archive.add(b"broken\xff.jpg", PHOTO)
    for name in (b"__MACOSX/Anna/._1.jpg", b".hidden/1.jpg", b"Anna/Thumbs.db", b"Bert/"):
        archive.add(name, b"")
    return archive.add(b"last.jpg", PHOTO)


def test_of_a_hostile_archive_each_bad_thing_is_named_and_each_good_one_offered(
    tmp_path: Path,
) -> None:
    with ZipSource(hostile().write(tmp_path / "a.zip"), LIMITS) as source:
        assert refusals(source) == {
            "../up.jpg": "unsafe_name",
            "a/../../up.jpg": "unsafe_name",
            "/etc/passwd": "unsafe_name",
            "C:/a.jpg": "unsafe_name",
            "..\\up.jpg": "unsafe_name",
            "link.jpg": "link",
            "pipe.jpg": "special_file",
            "disk.jpg": "special_file",
            "secret.jpg": "encrypted",
            "inner.zip": "nested_archive",
            "bzip2.jpg": "compression",
            "large.jpg": "too_large",
            "bomb.jpg": "bomb",
            "nul\\x00.jpg": "bad_name",
            "y" * 1000: "name_too_long",
        }
        assert ignored(source) == {
            "__MACOSX/Anna/._1.jpg": "hidden",
            ".hidden/1.jpg": "hidden",
            "Anna/Thumbs.db": "hidden",
            "Bert/": "folder",
        }
        assert losses(source) == []
        assert contents(source) == {
            "Anna/1.jpg": PHOTO,
            "Bert/1.jpg": PHOTO,
            "says_less.jpg": "wrong_size",
            "says_more.jpg": "wrong_size",
            "checksum.jpg": "damaged",
            NFC: PHOTO,
            NFD: PHOTO,
            "anna/1.jpg": PHOTO,
            LONG: PHOTO,
            "\u202egpj.\u05d0.jpg": PHOTO,
            "line\\x0abreak.jpg": PHOTO,
            "café.jpg": PHOTO,
            "broken\\xff.jpg": PHOTO,
            "last.jpg": PHOTO,
        }
        assert all(
            each.sentence.endswith(".") for each in source.listing() if isinstance(each, Refused)
        )
    assert [path.name for path in tmp_path.iterdir()] == ["a.zip"]


def test_entries_that_share_their_bytes(tmp_path: Path) -> None:
    archive = RawZip().add(b"good.jpg", PHOTO).add(b"one.jpg", PHOTO)
    at = len(archive.body)
    archive.add(b"two.jpg", PHOTO).add(b"two.jpg", PHOTO, at=at).add(b"late.jpg", PHOTO)
    archive.add(b"past.jpg", PHOTO, at=10**8)
    with ZipSource(archive.write(tmp_path / "a.zip"), LIMITS) as source:
        numbers = [e.number for e in source.listing() if isinstance(e, Refused)]
        assert numbers == [2, 3, 5]
        assert set(refusals(source).values()) == {"overlapping"}
        assert [each.name for each in entries(source)] == ["good.jpg", "one.jpg", "late.jpg"]


def test_the_directory_and_the_entry_have_to_agree_on_the_name(tmp_path: Path) -> None:
    archive = RawZip().add(b"good.jpg", PHOTO)
    archive.body = archive.body.replace(b"good.jpg", b"evil.jpg")
    with ZipSource(archive.write(tmp_path / "a.zip"), LIMITS) as source:
        assert contents(source) == {"good.jpg": "damaged"}


def test_limits_of_all_entries_together(tmp_path: Path) -> None:
    path = zipped(tmp_path / "a.zip", [(f"{n}.jpg", NOISE) for n in range(9)])
    with ZipSource(path, replace(LIMITS, total_bytes=12_000)) as source:
        assert len(entries(source)) == 2
        assert set(refusals(source).values()) == {"too_much"}
    with ZipSource(path, replace(LIMITS, entries=4)) as source:
        assert (len(entries(source)), losses(source)) == (4, ["too_many_entries"])


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_of_a_truncated_archive_the_readable_is_offered_and_the_loss_said(
    tmp_path: Path, method: int
) -> None:
    files = [(f"{n}.jpg", PHOTO) for n in range(5)]
    path = zipped(tmp_path / "a.zip", files, method)
    third = zipfile.ZipFile(path).infolist()[3].header_offset
    data = path.read_bytes()
    path.write_bytes(data[: third + 200])
    with ZipSource(path, LIMITS) as source:
        assert contents(source) == dict(files[:3])
        assert refusals(source) == {"3.jpg": "cut_off"}
        assert losses(source) == ["cut_off"]


class Unseekable(io.RawIOBase):
    """Makes zipfile write sizes after the content."""

    def __init__(self) -> None:
        super().__init__()
        self.data = bytearray()

    def writable(self) -> bool:
        return True

    def write(self, data: object) -> int:
        self.data += data  # type: ignore[arg-type]
        return len(data)  # type: ignore[arg-type]


def test_sizes_after_the_content_are_found_in_a_truncated_archive(tmp_path: Path) -> None:
    stream = Unseekable()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:  # type: ignore[type-var]
        for number in range(3):
            archive.writestr(f"{number}.jpg", PHOTO)
    path = tmp_path / "a.zip"
    path.write_bytes(stream.data)
    with ZipSource(path, LIMITS) as source:
        assert contents(source) == {f"{n}.jpg": PHOTO for n in range(3)}
    path.write_bytes(stream.data[: stream.data.index(b"PK\1\2")])
    with ZipSource(path, LIMITS) as source:
        assert contents(source) == {f"{n}.jpg": PHOTO for n in range(3)}
        assert losses(source) == ["cut_off"]


def test_a_bomb_is_not_unpacked_to_find_its_end(tmp_path: Path) -> None:
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    packed = packer.compress(bytes(40_000_000)) + packer.flush()
    header = struct.pack("<4s5H3L2H", b"PK\3\4", 20, 8, 8, 0, 0, 0, 0, 0, 5, 0) + b"a.jpg"
    path = tmp_path / "a.zip"
    path.write_bytes(RawZip().add(b"good.jpg", PHOTO).body + header + packed)
    with ZipSource(path, LIMITS) as source:
        assert contents(source) == {"good.jpg": PHOTO}
        assert (refusals(source), losses(source)) == ({"a.jpg": "cut_off"}, ["cut_off"])


def test_a_damaged_directory_gives_what_stands_before(tmp_path: Path) -> None:
    archive = RawZip().add(b"a.jpg", PHOTO).add(b"b.jpg", PHOTO)
    broken = archive.directory.index(b"PK\1\2", 4)
    archive.directory = archive.directory[:broken] + b"XX" + archive.directory[broken + 2 :]
    with ZipSource(archive.write(tmp_path / "a.zip"), LIMITS) as source:
        assert contents(source) == {"a.jpg": PHOTO}
        assert losses(source) == ["damaged"]


@pytest.mark.parametrize(
    "data", [b"", b"PK", b"no archive" * 10, b"PK\3\4" + b"\0" * 10, b"PK\5\6"]
)
def test_what_is_no_archive(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "a.zip"
    path.write_bytes(data)
    with pytest.raises(UnusableSource, match=r"^a\.zip "):
        ZipSource(path, LIMITS)
    with pytest.raises(UnusableSource, match=r"can't be read"):
        ZipSource(tmp_path / "none.zip", LIMITS)


def test_an_archive_of_nothing_and_one_with_something_before_it(tmp_path: Path) -> None:
    path = zipped(tmp_path / "a.zip", [])
    with ZipSource(path, LIMITS) as source:
        assert list(source.listing()) == []
    path = zipped(tmp_path / "b.zip", [("a.jpg", PHOTO)])
    path.write_bytes(b"#!/bin/sh\n" + path.read_bytes())
    with ZipSource(path, LIMITS) as source:
        assert contents(source) == {"a.jpg": PHOTO}


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_large_entries_and_long_directories_come_in_pieces(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, method: int
) -> None:
    monkeypatch.setattr(zip_records, "_CHUNK", 300)
    monkeypatch.setattr(zip_records, "_USUAL", 20)
    files = {f"{n}.jpg": random.Random(n).randbytes(60_000 * n) for n in range(9)}
    path = zipped(tmp_path / "a.zip", files.items(), method)
    with ZipSource(path, LIMITS) as source:
        assert contents(source) == files
        heads = {e.name: data for e, data in source.read(entries(source), first=100_000)}
        assert heads == {name: data[:100_000] for name, data in files.items()}
        ((_, large),) = source.read(entries(source)[8:], at_most=1000)
        assert isinstance(large, Refused)
        assert large.code == "too_large"


def test_zip64(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(zipfile, "ZIP64_LIMIT", 100)
    monkeypatch.setattr(zipfile, "ZIP_FILECOUNT_LIMIT", 2)
    path = zipped(tmp_path / "a.zip", [(f"{n}.jpg", PHOTO) for n in range(5)])
    assert b"PK\6\6" in path.read_bytes()
    with ZipSource(path, LIMITS) as source:
        assert contents(source) == {f"{n}.jpg": PHOTO for n in range(5)}
        assert losses(source) == []


def test_a_name_in_info_zip_s_field_wins(tmp_path: Path) -> None:
    info = zipfile.ZipInfo("a.jpg")
    name = "ж.jpg".encode()
    info.extra = struct.pack("<2HBL", 0x7075, 5 + len(name), 1, zlib.crc32(b"a.jpg")) + name
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr(info, PHOTO)
    with ZipSource(tmp_path / "a.zip", LIMITS) as source:
        assert contents(source) == {"ж.jpg": PHOTO}


def test_an_entry_that_changed_since_the_listing(tmp_path: Path) -> None:
    path = zipped(tmp_path / "a.zip", [("a.jpg", PHOTO)])
    with ZipSource(path, LIMITS) as source:
        (entry,) = entries(source)
        for other in (replace(entry, size=3), replace(entry, key="3"), replace(entry, name="b")):
            ((_, found),) = source.read([other])
            assert isinstance(found, Refused)
            assert found.code == "changed"


_FILES = st.dictionaries(
    st.from_regex(r"[a-z]{1,8}(/[a-zé]{1,5})?\.jpg", fullmatch=True),
    st.binary(max_size=3000),
    max_size=8,
)


@settings(deadline=None, max_examples=40)
@given(files=_FILES, method=st.sampled_from([0, 8]), first=st.integers(1, 4000))
def test_what_was_packed_is_read(
    tmp_path_factory: pytest.TempPathFactory, files: dict[str, bytes], method: int, first: int
) -> None:
    path = zipped(tmp_path_factory.mktemp("zip") / "a.zip", files.items(), method)
    with ZipSource(path, LIMITS) as source:
        assert contents(source) == files
        heads = {e.name: data for e, data in source.read(entries(source), first=first)}
        assert heads == {name: data[:first] for name, data in files.items()}
        whole = list(source.listing())
        for start in range(len(files) + 2):
            assert list(source.listing(start)) == whole[start:]


@settings(deadline=None, max_examples=60)
@given(data=st.data())
def test_no_damage_ever_raises(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    packed = bytearray(hostile().bytes())
    for _ in range(data.draw(st.integers(1, 6))):
        packed[data.draw(st.integers(0, len(packed) - 1))] = data.draw(st.integers(0, 255))
    path = tmp_path_factory.mktemp("zip") / "a.zip"
    path.write_bytes(packed[: data.draw(st.integers(len(packed) // 2, len(packed)))])
    try:
        source = ZipSource(path, LIMITS)
    except UnusableSource:
        return
    with source:
        for listed in source.listing():
            assert not isinstance(listed, Loss) or listed.code
            if isinstance(listed, Entry):
                list(source.read([listed]))
