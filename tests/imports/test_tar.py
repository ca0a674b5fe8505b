"""TAR archives, plain and compressed, good and hostile."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import random
import tarfile
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imports.errors import UnusableSource
from imports.sources import Entry, Refused
from imports.sources.tar import TarSource
from tests.embedder.pictures import saved, scene

from .archives import LIMITS, contents, entries, ignored, losses, refusals, tarred

PHOTO = saved(scene(), "JPEG")
MODES = ["w", "w:gz", "w:bz2", "w:xz"]


def hostile(mode: str) -> bytes:
    """One of each, beside good photos at both ends."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode=mode) as archive:  # type: ignore[call-overload]

        def add(name: str, data: bytes = b"", kind: bytes = tarfile.REGTYPE, to: str = "") -> None:
            member = tarfile.TarInfo(name)
            member.type, member.linkname, member.size = kind, to, len(data)
            archive.addfile(member, io.BytesIO(data))

        add("./Anna/1.jpg", PHOTO)
        for name in ("../up.jpg", "/etc/passwd", "C:/a.jpg", "..\\up.jpg"):
            add(name, PHOTO)
        add("symbolic.jpg", kind=tarfile.SYMTYPE, to="/etc/passwd")
        add("hard.jpg", kind=tarfile.LNKTYPE, to="Anna/1.jpg")
        for name, kind in (("b", tarfile.BLKTYPE), ("c", tarfile.CHRTYPE), ("p", tarfile.FIFOTYPE)):
            add(f"{name}.jpg", kind=kind)
        add("inner.tar.gz", b"x")
        add("large.jpg", random.Random(1).randbytes(1_100_000))
        add("é" * 300 + ".jpg", PHOTO)
        add("raw\udcff.jpg", PHOTO)
        add("._Anna/1.jpg", PHOTO)
        add("Bert", kind=tarfile.DIRTYPE)
        add("last.jpg", PHOTO)
    return stream.getvalue()


@pytest.mark.parametrize("mode", MODES)
def test_of_a_hostile_archive_each_bad_thing_is_named(tmp_path: Path, mode: str) -> None:
    path = tmp_path / "a.tar"
    path.write_bytes(hostile(mode))
    with TarSource(path, LIMITS) as source:
        assert source.is_tape is (mode != "w")
        assert refusals(source) == {
            "../up.jpg": "unsafe_name",
            "/etc/passwd": "unsafe_name",
            "C:/a.jpg": "unsafe_name",
            "..\\up.jpg": "unsafe_name",
            "symbolic.jpg": "link",
            "hard.jpg": "link",
            "b.jpg": "special_file",
            "c.jpg": "special_file",
            "p.jpg": "special_file",
            "inner.tar.gz": "nested_archive",
            "large.jpg": "too_large",
        }
        assert ignored(source) == {"._Anna/1.jpg": "hidden", "Bert/": "folder"}
        assert losses(source) == []
        assert contents(source) == {
            "Anna/1.jpg": PHOTO,
            "é" * 300 + ".jpg": PHOTO,
            "raw\\xff.jpg": PHOTO,
            "last.jpg": PHOTO,
        }


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("kept", [0.5, 0.8, 0.97])
def test_of_a_truncated_archive_the_readable_is_offered_and_the_loss_said(
    tmp_path: Path, mode: str, kept: float
) -> None:
    files = [(f"{n}.jpg", random.Random(n).randbytes(200_000)) for n in range(8)]
    path = tarred(tmp_path / "a.tar", files, mode)
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * kept)])
    if mode == "w:bz2" and kept < 0.6:
        return  # bzip2 gives nothing of its only block
    with TarSource(path, LIMITS) as source:
        assert losses(source) == ["cut_off"]
        found = contents(source)
        whole = [name for name, content in found.items() if content == dict(files)[name]]
        assert whole == [name for name, _ in files[: len(whole)]]
        assert len(whole) >= (0 if mode == "w:bz2" else int(8 * kept) - 2)
        assert set(found.values()) - {data for _, data in files} <= {"cut_off"}


def test_an_archive_without_its_end_mark_is_cut_off(tmp_path: Path) -> None:
    path = tarred(tmp_path / "a.tar", [("a.jpg", bytes(512))])
    path.write_bytes(path.read_bytes()[:1024])
    with TarSource(path, LIMITS) as source:
        assert contents(source) == {"a.jpg": bytes(512)}
        assert losses(source) == ["cut_off"]


def test_a_damaged_header_ends_the_listing(tmp_path: Path) -> None:
    path = tarred(tmp_path / "a.tar", [("a.jpg", bytes(512)), ("b.jpg", b"")])
    data = bytearray(path.read_bytes())
    data[1024 + 10] ^= 1
    path.write_bytes(data)
    with TarSource(path, LIMITS) as source:
        assert [each.name for each in entries(source)] == ["a.jpg"]
        assert losses(source) == ["damaged"]


@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress, lzma.compress])
def test_a_bomb_ends_the_listing(tmp_path: Path, pack: object) -> None:
    plain = tarred(tmp_path / "plain", [("a.jpg", PHOTO), ("b.jpg", bytes(30_000_000))])
    path = tmp_path / "a.tar.x"
    path.write_bytes(pack(plain.read_bytes()))  # type: ignore[operator]
    with TarSource(path, LIMITS) as source:
        assert losses(source) == ["bomb"]
        assert [each.name for each in entries(source)] == ["a.jpg"]


def test_more_bytes_in_all_than_the_limit(tmp_path: Path) -> None:
    files = [(f"{n}.jpg", random.Random(n).randbytes(300_000)) for n in range(6)]
    limits = replace(LIMITS, total_bytes=1_000_000)
    with TarSource(tarred(tmp_path / "a.tgz", files, "w:gz"), limits) as source:
        assert losses(source) == ["too_much"]
    with TarSource(tarred(tmp_path / "a.tar", files), limits) as source:
        assert set(refusals(source).values()) == {"too_much"}


def header(name: str, kind: bytes, size: bytes) -> bytes:
    block = bytearray(tarfile.TarInfo(name).tobuf(tarfile.USTAR_FORMAT))
    block[124:136], block[156:157] = size, kind
    block[148:156] = b" " * 8
    block[148:155] = b"%06o\0" % sum(block)
    return bytes(block)


NEGATIVE = b"\xff" * 10 + b"\xfe\x00"


@pytest.mark.parametrize(
    "block",
    [
        header("a", b"L", NEGATIVE),
        header("a", b"x", NEGATIVE),
        header("a.jpg", b"0", NEGATIVE),
        header("a", b"x", b"%011o\0" % (1 << 32)),
        header("a", b"L", b"%011o\0" % (1 << 32)),
        header("a", b"x", b"%011o\0" % 0) * 3000,
        header("a", b"S", b"%011o\0" % 0),
    ],
    ids=["long name", "extended", "file", "huge extended", "huge name", "nested", "sparse"],
)
def test_headers_that_lead_readers_round_in_circles(tmp_path: Path, block: bytes) -> None:
    good = tarred(tmp_path / "good", [("a.jpg", PHOTO)]).read_bytes()[
        : 512 + -(-len(PHOTO) // 512) * 512
    ]
    path = tmp_path / "a.tar"
    path.write_bytes(good + block + bytes(1024))
    with TarSource(path, LIMITS) as source:
        assert entries(source)[0].name == "a.jpg"
        assert losses(source) in (["damaged"], ["cut_off"], [])
        assert len(list(source.listing())) <= 3


@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress, lzma.compress])
@pytest.mark.parametrize("after", [b"", b"something else"])
def test_streams_one_after_the_other(tmp_path: Path, pack: object, after: bytes) -> None:
    """As programs write them that compress on several cores."""
    plain = tarred(tmp_path / "plain", [("a.jpg", PHOTO), ("b.jpg", PHOTO[::-1])]).read_bytes()
    path = tmp_path / "a.tar.x"
    halves = plain[:1500], plain[1500:]
    path.write_bytes(b"".join(pack(half) for half in halves) + after)  # type: ignore[operator]
    with TarSource(path, LIMITS) as source:
        assert contents(source) == {"a.jpg": PHOTO, "b.jpg": PHOTO[::-1]}
        assert losses(source) == []
    path.write_bytes(pack(plain[:1500]) + after)  # type: ignore[operator]
    with TarSource(path, LIMITS) as source:
        assert losses(source) == ["cut_off"]


def test_a_size_below_zero_is_damage(tmp_path: Path) -> None:
    path = tmp_path / "a.tar"
    with tarfile.open(path, "w", format=tarfile.PAX_FORMAT) as archive:
        for name, size in (("a.jpg", "-5"), ("b.jpg", "0")):
            member = tarfile.TarInfo(name)
            member.pax_headers = {"size": size}
            archive.addfile(member)
    with TarSource(path, LIMITS) as source:
        assert refusals(source) == {"a.jpg": "damaged"}


@pytest.mark.parametrize("data", [b"", b"no archive" * 100, gzip.compress(b"no archive" * 100)])
def test_what_is_no_archive(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "a.tar"
    path.write_bytes(data)
    with pytest.raises(UnusableSource, match=r"^a\.tar is no ZIP or TAR archive"):
        TarSource(path, LIMITS)


def test_heads_come_with_the_listing_of_a_tape(tmp_path: Path) -> None:
    files = [(f"{n}.jpg", bytes([n]) * 5000) for n in range(4)]
    with TarSource(tarred(tmp_path / "a.tgz", files, "w:gz"), LIMITS) as source:
        heads = {e.name: e.head for e in source.listing(head=100) if isinstance(e, Entry)}
        assert heads == {name: data[:100] for name, data in files}
    with TarSource(tarred(tmp_path / "a.tar", files), LIMITS) as source:
        assert {e.head for e in source.listing(head=100) if isinstance(e, Entry)} == {b""}


_CONTENTS = st.lists(st.binary(max_size=2000), min_size=1, max_size=6)


@settings(deadline=None, max_examples=30)
@given(_CONTENTS, st.sampled_from(MODES), st.randoms(use_true_random=False))
def test_what_was_packed_is_read_from_any_place_in_any_order(
    tmp_path_factory: pytest.TempPathFactory,
    packed: list[bytes],
    mode: str,
    order: random.Random,
) -> None:
    files = [(f"{number}/é.jpg", data) for number, data in enumerate(packed)]
    path = tarred(tmp_path_factory.mktemp("tar") / "a", files, mode)
    with TarSource(path, LIMITS) as source:
        listed = list(source.listing())
        assert contents(source) == dict(files)
        for start in range(len(files) + 2):
            assert list(source.listing(start)) == listed[start:]
    rest = [each for each in listed if isinstance(each, Entry)]
    order.shuffle(rest)
    with TarSource(path, LIMITS) as source:  # another process: only the entries are left
        for entry in rest:
            ((same, data),) = source.read([entry])
            assert (same, data) == (entry, dict(files)[entry.name])
        other = replace(rest[0], size=7777)
        ((_, found),) = source.read([other])
        assert isinstance(found, Refused)
        assert found.code == "changed"


@settings(deadline=None, max_examples=60)
@given(data=st.data())
def test_no_damage_ever_raises(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    packed = bytearray(hostile(data.draw(st.sampled_from(MODES))))
    for _ in range(data.draw(st.integers(1, 6))):
        packed[data.draw(st.integers(0, len(packed) - 1))] = data.draw(st.integers(0, 255))
    path = tmp_path_factory.mktemp("tar") / "a"
    path.write_bytes(packed)
    try:
        source = TarSource(path, LIMITS)
    except UnusableSource:
        return
    with source:
        list(source.listing(head=10))
        contents(source)
