"""Whole jobs of sources that were made to harm: each bad thing is named, each good photo enrolled.

What each reader does with them is tested with the readers. Here it is about the job: one bad file
stops nothing, every file is counted once, and nothing is written where it doesn't belong.
"""

from __future__ import annotations

import csv
import io
import stat
import tarfile
import unicodedata
import zipfile
import zlib
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from openpyxl import load_workbook
from PIL import Image, features

from embedder.opencv import cv2
from imports import report
from imports.jobs import change, make_job, progress
from imports.models import ImportJob, ItemState, JobState
from imports.working import work
from people.models import Gallery, Person
from photos.models import Original, Photo
from tests.conftest import Lfw
from tests.embedder.pictures import exif_block, png, png_chunk, saved, scene
from tests.factories import SYSTEM
from tests.fixtures import files
from tests.worse import blurred
from vectors.models import PersonTemplate

from .archives import RawZip, zipped

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("media")]
LARGEST = 1_000_000
ENROLLED = ("enrolled", "")
SOMEBODY = "Donald_Rumsfeld"
ALONE = [number for number in range(6, 50) if number != 13]  # nobody else on these photos
NFC, NFD = "Zoë/1.jpg", unicodedata.normalize("NFD", "Zoë/2.jpg")
RIGHT_TO_LEFT = "\u202egpj.\u05d0.jpg"
NO_CHARACTER = "no\uffffcharacter.jpg"  # no XML, and so no XLSX, can hold it
LONG, TOO_LONG = "x" * 300 + ".jpg", "y" * 1001 + ".jpg"


@pytest.fixture
def gallery(gallery: Gallery) -> Gallery:
    Gallery.objects.filter(pk=gallery.pk).update(min_face=60)
    gallery.refresh_from_db()
    return gallery


@pytest.fixture(autouse=True)
def in_an_empty_folder(tmp_path: Path, settings: Any, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where a name that leads up, or is taken as it is, would be seen."""
    settings.VAR_DIR = tmp_path / "var"
    settings.MAX_UPLOAD_BYTES = LARGEST
    folder = tmp_path / "deep" / "down"
    folder.mkdir(parents=True)
    monkeypatch.chdir(folder)
    return folder


# --- What is bad --------------------------------------------------------------------------------


def pillow(photo: bytes, mode: str = "RGB") -> Image.Image:
    return Image.open(io.BytesIO(photo)).convert(mode)


def sixteen_bit(photo: bytes) -> bytes:
    pixels = np.asarray(pillow(photo), dtype=np.uint16)[..., ::-1] * 257
    return bytes(cv2.imencode(".png", pixels)[1])


def animated(photo: bytes) -> bytes:
    return saved(pillow(photo), "GIF", save_all=True, append_images=[scene(250, 250)], loop=0)


def turned(photo: bytes) -> bytes:
    """On its side, and EXIF says so."""
    on_its_side = pillow(photo).transpose(Image.Transpose.ROTATE_90)
    return saved(on_its_side, "JPEG", exif=exif_block(6), quality=95)


def text_bomb() -> bytes:
    plain = saved(scene(), "PNG")
    chunk = png_chunk(b"zTXt", b"comment\0\0" + zlib.compress(bytes(100_000_000)))
    return plain[:33] + chunk + plain[33:]


def photos(lfw: Lfw, test_data: Path) -> dict[str, tuple[bytes, tuple[str, str]]]:
    """Every bad photo, and every odd one that is good: its bytes, and what must become of it."""

    def face(number: int) -> bytes:
        return lfw.bytes(SOMEBODY, number)

    undecodable = ("rejected", "undecodable")
    unsupported = ("rejected", "unsupported_format")
    dimensions = ("rejected", "bad_dimensions")
    avif = saved(pillow(face(1)), "AVIF") if features.check("avif") else b"\0\0\0\x18ftypavif"
    return {
        "good.jpg": (face(1), ENROLLED),
        "empty.jpg": (b"", ("rejected", "empty_file")),
        "large.jpg": (np.random.default_rng(1).bytes(LARGEST + 1), ("rejected", "too_large")),
        "pixels.png": (png(7100, 7057, bytes(1000)), ("rejected", "too_many_pixels")),
        "stripe.png": (png(1, 100_000, bytes(1000)), dimensions),
        "tiny.png": (saved(scene(79, 200), "PNG"), dimensions),
        "truncated.jpg": (face(1)[:4000], undecodable),
        "png.jpg": (saved(pillow(face(2)), "PNG"), ENROLLED),
        "text.jpg": (b"I am no photo, whatever my name says.", unsupported),
        "page.svg": (b'<svg xmlns="http://www.w3.org/2000/svg"/>', unsupported),
        "page.html": (b"<!doctype html><script>alert(1)</script>", unsupported),
        "page.pdf": (b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n", unsupported),
        "page.tiff": (saved(scene(), "TIFF"), unsupported),
        "polyglot.jpg": (face(3) + b"PK\3\4<script>alert(1)</script>", ENROLLED),
        "animated.gif": (animated(face(4)), ENROLLED),
        "turned.jpg": (turned(face(5)), ENROLLED),
        "cmyk.jpg": (saved(pillow(face(1), "CMYK"), "JPEG", quality=95), ENROLLED),
        "sixteen.png": (sixteen_bit(face(2)), ENROLLED),
        "bomb.png": (text_bomb(), undecodable),
        "apple.heic": (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(100), unsupported),
        "new.avif": (avif, ENROLLED if features.check("avif") else unsupported),
        "nobody.png": (saved(scene(300, 300), "PNG"), ("rejected", "no_face")),
        "several.jpg": (
            (test_data / "photos" / "multiface.jpg").read_bytes(), ("rejected", "several_faces"),
        ),
        "blurred.png": (blurred(face(4), 4), ("rejected", "blurred")),
    }  # fmt: skip


# --- Whole jobs ---------------------------------------------------------------------------------


@dataclass
class Hostile:
    """An archive, and what must become of each of its files, by the name that is shown."""

    expected: dict[str, tuple[str, str]] = field(default_factory=dict)
    ignored: dict[str, int] = field(default_factory=dict)
    losses: list[str] = field(default_factory=list)


def tree(folder: Path) -> dict[str, tuple[int, int]]:
    """Everything under a folder but its originals: kind and size, by path."""
    known = {
        str(path.relative_to(folder)): path.lstat()
        for path in folder.rglob("*")
        if not path.is_relative_to(folder / "media")
    }
    return {
        name: (each.st_mode, 0 if stat.S_ISDIR(each.st_mode) else each.st_size)
        for name, each in known.items()
    }


def done(gallery: Gallery, path: Path, layout: str = "folders") -> ImportJob:
    """Plan it, start it, and work until nothing is left to be done."""
    source = {"kind": "archive", "path": str(path)}
    job = make_job(SYSTEM, gallery, source, {"kind": layout})
    while work("worker"):
        pass
    job.refresh_from_db()
    assert job.state == JobState.PLANNED, job.text
    change(SYSTEM, job, "start")
    while work("worker"):
        pass
    job.refresh_from_db()
    assert job.state == JobState.DONE
    return job


def reported(job: ImportJob) -> list[dict[str, str]]:
    """The lines of the report, which are the same in CSV and XLSX."""
    lines = list(csv.reader(io.StringIO("".join(report.as_csv(job)), newline="")))
    book = load_workbook(io.BytesIO(report.as_xlsx(job)))
    cells = [[str(cell or "") for cell in row] for row in book["files"].values]
    in_xml = [[cell.replace("\ufffe", "").replace("\uffff", "") for cell in row] for row in lines]
    assert cells == in_xml
    assert not any(cell.data_type == "f" for row in book["files"] for cell in row)
    return [dict(zip(lines[0], line, strict=True)) for line in lines[1:]]


def assert_done_exactly(job: ImportJob, made: Hostile, before: Any, tmp_path: Path) -> None:
    lines = reported(job)
    assert {line["file"]: (line["result"], line["code"]) for line in lines} == made.expected
    assert len(lines) == len(made.expected)
    assert all(line["reason"].endswith(".") for line in lines if line["result"] == "rejected")
    counts = progress(job)
    results = Counter(state for state, _ in made.expected.values())
    assert (counts.files, counts.waiting + counts.working) == (len(made.expected), 0)
    assert (counts.enrolled, counts.rejected) == (results["enrolled"], results["rejected"])
    assert counts.duplicate + counts.review + counts.failed == 0
    assert job.ignored == made.ignored
    assert [each["code"] for each in job.losses] == made.losses
    assert_stored_exactly(results["enrolled"], before, tmp_path)


def assert_stored_exactly(enrolled: int, before: Any, tmp_path: Path) -> None:
    """What was enrolled is, and nothing lies where it doesn't belong."""
    assert tree(tmp_path) == before
    assert Photo.objects.filter(state="enrolled").count() == enrolled
    assert sum(PersonTemplate.objects.values_list("face_count", flat=True)) == enrolled
    stored = {path.relative_to(tmp_path / "media").as_posix() for path in files(tmp_path / "media")}
    assert stored == set(Original.objects.values_list("file", flat=True))


def zip_of_harm(path: Path, lfw: Lfw, odd: dict[str, tuple[bytes, tuple[str, str]]]) -> Hostile:
    """One of each, beside good photos at both ends and in the middle."""
    number, made, archive = iter(ALONE), Hostile(), RawZip()

    def face() -> bytes:
        return lfw.bytes(SOMEBODY, next(number))

    def add(name: str, code: str = "", data: bytes | None = None, **how: Any) -> None:
        archive.add(name.encode(), face() if data is None else data, **how)
        made.expected[_shown(name)] = ("rejected", code) if code else ENROLLED

    add("A/first.jpg")
    for name in ("../up.jpg", "A/../../../up.jpg", f"{path.parent}/absolute.jpg", "C:/a.jpg"):
        add(name, "unsafe_name", b"x")
    for name in ("..\\up.jpg", "A\\B\\back.jpg"):
        add(name, "unsafe_name", b"x")
    add("A/symbolic.jpg", "link", b"/etc/passwd", mode=stat.S_IFLNK | 0o777)
    add("A/pipe.jpg", "special_file", b"", mode=stat.S_IFIFO | 0o644)
    add("A/disk.jpg", "special_file", b"", mode=stat.S_IFBLK | 0o644)
    add("A/secret.jpg", "encrypted", b"x" * 100, flags=0x801)
    add("A/inner.zip", "nested_archive", zip_bytes(lfw.bytes(SOMEBODY, 1)))
    add("A/odd.jpg", "compression", b"BZh9", method=12)
    add("A/ratio.jpg", "bomb", bytes(20_000_000))
    add("A/streamed.jpg", "wrong_size", bytes(20_000_000), size=1000)
    add("A/longer.jpg", "wrong_size", b"x" * 500, size=900)
    add("A/checksum.jpg", "damaged", b"x" * 500, crc=1)
    at = len(archive.body)
    add("A/one.jpg", "overlapping", b"x" * 500)
    add("A/other.jpg", "overlapping", b"x" * 500, at=at)
    add("A/nul\0.jpg", "bad_name", b"x")
    add(f"A/{TOO_LONG}", "name_too_long", b"x")
    for name in (NFC, NFD, "case/1.jpg", "CASE/1.jpg", f"L/{LONG}", f"R/{RIGHT_TO_LEFT}",
                 f"X/{NO_CHARACTER}", "N/line\nbreak.jpg"):  # fmt: skip
        add(name)
    add("=1+1/=2+2.jpg")
    add("no_folder.jpg", "no_folder", b"x")
    add("b\u202eid/1.jpg", "bad_external_id", b"x")
    for name, (data, (state, code)) in odd.items():
        add(f"odd/{name}", code, data, method=0)
        made.expected[f"odd/{name}"] = (state, code)
    for name in (b"__MACOSX/A/._1.jpg", b".hidden/1.jpg", b"A/Thumbs.db", b"A/"):
        archive.add(name)
    made.ignored = {"hidden": 3, "folder": 1}
    add("A/last.jpg")
    archive.write(path)
    return made


def zip_bytes(photo: bytes) -> bytes:
    stored = io.BytesIO()
    with zipfile.ZipFile(stored, "w") as inner:
        inner.writestr("a.jpg", photo)
    return stored.getvalue()


def _shown(name: str) -> str:
    """As a report shows it: no control characters, and nothing that a spreadsheet computes."""
    shown = name[:1000].replace("\0", "\\x00").replace("\n", "\\x0a")
    return f"'{shown}" if shown.startswith("=") else shown


def tar_of_harm(
    path: Path, lfw: Lfw, mode: str, odd: dict[str, tuple[bytes, tuple[str, str]]]
) -> Hostile:
    """The same of a TAR archive, as far as there is such a thing."""
    number, made = iter(ALONE), Hostile()
    with tarfile.open(path, mode) as archive:  # type: ignore[call-overload]

        def add(name: str, code: str = "", data: bytes | None = None,
                kind: bytes = tarfile.REGTYPE, to: str = "") -> None:  # fmt: skip
            content = lfw.bytes(SOMEBODY, next(number)) if data is None else data
            member = tarfile.TarInfo(name)
            member.type, member.linkname, member.size = kind, to, len(content)
            if "\0" in name:
                member.name, member.pax_headers = "nul", {"path": name}
            archive.addfile(member, io.BytesIO(content))
            made.expected[_shown(name)] = ("rejected", code) if code else ENROLLED

        add("A/first.jpg")
        for name in ("../up.jpg", "A/../../../up.jpg", f"{path.parent}/absolute.jpg", "C:/a.jpg",
                     "..\\up.jpg", "A\\B\\back.jpg"):  # fmt: skip
            add(name, "unsafe_name", b"x")
        add("A/symbolic.jpg", "link", b"", tarfile.SYMTYPE, "/etc/passwd")
        add("A/hard.jpg", "link", b"", tarfile.LNKTYPE, "A/first.jpg")
        for name, kind in (("block", tarfile.BLKTYPE), ("character", tarfile.CHRTYPE),
                           ("pipe", tarfile.FIFOTYPE)):  # fmt: skip
            add(f"A/{name}.jpg", "special_file", b"", kind)
        add("A/inner.tar.gz", "nested_archive", b"x")
        add("A/nul\0.jpg", "bad_name", b"x")
        add(f"A/{TOO_LONG}", "name_too_long", b"x")
        for name in (NFC, NFD, "case/1.jpg", "CASE/1.jpg", f"L/{LONG}", f"R/{RIGHT_TO_LEFT}",
                     f"X/{NO_CHARACTER}", "=1+1/=2+2.jpg"):  # fmt: skip
            add(name)
        add("no_folder.jpg", "no_folder", b"x")
        for name, (data, (state, code)) in odd.items():
            add(f"odd/{name}", code, data)
            made.expected[f"odd/{name}"] = (state, code)
        archive.addfile(_folder("A"))
        archive.addfile(tarfile.TarInfo("A/._1.jpg"))
        made.ignored = {"hidden": 1, "folder": 1}
        add("A/last.jpg")
    return made


def _folder(name: str) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.type = tarfile.DIRTYPE
    return member


def test_a_zip_archive_with_one_of_each(
    gallery: Gallery, lfw: Lfw, test_data: Path, tmp_path: Path
) -> None:
    path = tmp_path / "hostile.zip"
    made = zip_of_harm(path, lfw, photos(lfw, test_data))
    before = tree(tmp_path)
    assert_done_exactly(done(gallery, path), made, before, tmp_path)
    # Twins by case are two people; twins by accents are one, with both photos.
    counts = dict(PersonTemplate.objects.values_list("person__external_id", "face_count"))
    assert counts == {"A": 2, "Zoë": 2, "case": 1, "CASE": 1, "L": 1, "R": 1, "X": 1, "N": 1,
                      "=1+1": 1, "odd": 7 + features.check("avif")}  # fmt: skip
    animation = Original.objects.get(extension=".gif")
    assert (animation.frames, animation.media_type) == (2, "image/gif")


@pytest.mark.parametrize("mode", ["w", "w:gz"])
def test_a_tar_archive_with_one_of_each(
    gallery: Gallery, lfw: Lfw, test_data: Path, tmp_path: Path, mode: str
) -> None:
    path = tmp_path / "hostile.tar"
    made = tar_of_harm(path, lfw, mode, photos(lfw, test_data))
    before = tree(tmp_path)
    assert_done_exactly(done(gallery, path), made, before, tmp_path)


def cut(path: Path, archive: bytes, share: float) -> Path:
    path.write_bytes(archive[: int(len(archive) * share)])
    return path


@pytest.mark.parametrize("kind", ["zip", "w", "w:gz"])
def test_of_an_archive_that_was_cut_off_what_was_readable_is_imported_and_the_loss_is_said(
    gallery: Gallery, lfw: Lfw, tmp_path: Path, kind: str
) -> None:
    stored = io.BytesIO()
    faces = [lfw.bytes(SOMEBODY, number) for number in (1, 2, 3, 4)]
    if kind == "zip":
        with zipfile.ZipFile(stored, "w") as packed:
            for number, face in enumerate(faces):
                packed.writestr(f"all/A/{number}.jpg", face)
    else:
        with tarfile.open(fileobj=stored, mode=kind) as tape:  # type: ignore[call-overload]
            for number, face in enumerate(faces):
                member = tarfile.TarInfo(f"all/A/{number}.jpg")
                member.size = len(face)
                tape.addfile(member, io.BytesIO(face))
    path = cut(tmp_path / "cut", stored.getvalue(), 0.6)
    before = tree(tmp_path)
    job = done(gallery, path)
    found = dict(job.items.values_list("name", "code"))
    assert list(found.values())[:2] == ["", ""]
    assert list(found.values())[2:] == ["cut_off"]
    assert [each["code"] for each in job.losses] == ["cut_off"]
    assert_stored_exactly(2, before, tmp_path)


def test_a_bomb_in_a_compressed_tar_costs_what_stands_after_it_and_no_more(
    gallery: Gallery, lfw: Lfw, tmp_path: Path
) -> None:
    path, one, other = tmp_path / "bomb.tgz", lfw.bytes(SOMEBODY, 1), lfw.bytes(SOMEBODY, 2)
    with tarfile.open(path, "w:gz") as archive:
        for number, data in enumerate((one, bytes(30_000_000), other), 1):
            member = tarfile.TarInfo(f"all/A/{number}.jpg")
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    before = tree(tmp_path)
    made = Hostile(
        {"all/A/1.jpg": ENROLLED, "all/A/2.jpg": ("rejected", "too_large")}, {}, ["bomb"]
    )
    assert_done_exactly(done(gallery, path), made, before, tmp_path)


def test_a_bomb_by_count_and_one_by_all_its_bytes(
    gallery: Gallery, lfw: Lfw, tmp_path: Path, settings: Any
) -> None:
    faces = [lfw.bytes(SOMEBODY, number) for number in range(1, 6)]
    path = zipped(tmp_path / "a.zip", [(f"all/A/{n}.jpg", face) for n, face in enumerate(faces)])
    before = tree(tmp_path)
    settings.IMPORT_MAX_FILES = 3
    made = Hostile({f"all/A/{n}.jpg": ENROLLED for n in range(3)}, {}, ["too_many_entries"])
    assert_done_exactly(done(gallery, path), made, before, tmp_path)
    settings.IMPORT_MAX_FILES, settings.IMPORT_MAX_BYTES = 100, sum(map(len, faces[:4]))
    job = done(gallery, path)
    assert list(job.items.order_by("number").values_list("state", "code")) == [
        *[("duplicate", "known")] * 3, ("enrolled", ""), ("rejected", "too_much"),
    ]  # fmt: skip
    assert_stored_exactly(4, before, tmp_path)


# --- Manifests ----------------------------------------------------------------------------------

LINES = [
    ["file", "External ID", "name", "several_faces", "note"],
    ["a/1.jpg", "p1", "=cmd|'/c calc'!A1", "", "@SUM(1)"],  # formulas are kept as they are
    ["a\\2.jpg", "p1", "=cmd|'/c calc'!A1", "", ""],  # the same id twice is the same person
    ["a/3.jpg", "p1", "Somebody else", "", ""],
    ["a/4.jpg", "p4"],
    ["a/5.jpg", "p5", "", "", ""],
    ["a/5.jpg", "p6", "", "", ""],
    ["a/none.jpg", "p8", "", "", ""],
    ["a/6.jpg", "", "Nobody", "", ""],
    ["a/7.jpg", '=HYPERLINK("x")', "+1", "", ""],
    ["a/8.jpg", "p9", "", "everybody", ""],
    ["", "p10", "", "", ""],
]


@pytest.mark.parametrize(
    ("encoding", "separator"), [("utf-8-sig", ","), ("utf-16", ";"), ("utf-8", "\t")]
)
def test_a_manifest_with_one_of_each(
    gallery: Gallery, lfw: Lfw, tmp_path: Path, encoding: str, separator: str
) -> None:
    table = io.StringIO()
    csv.writer(table, delimiter=separator).writerows(LINES)
    named = [(f"a/{n}.jpg", lfw.bytes(SOMEBODY, n)) for n in range(1, 10)]
    beside = [("manifest.csv", table.getvalue().encode(encoding))]
    path = zipped(tmp_path / "a.zip", [*named, *beside])
    before = tree(tmp_path)
    job = done(gallery, path, "manifest")
    lines = reported(job)

    found = [(line["line"], line["file"], line["result"], line["code"]) for line in lines]
    assert sorted(found) == sorted([
        ("2", "a/1.jpg", "enrolled", ""),
        ("3", "a/2.jpg", "enrolled", ""),
        ("", "a/3.jpg", "rejected", "different_names"),
        ("5", "", "rejected", "ragged_line"),
        ("", "a/4.jpg", "rejected", "not_in_manifest"),
        ("", "a/5.jpg", "rejected", "duplicate_file"),
        ("7", "a/5.jpg", "rejected", "duplicate_file"),
        ("8", "a/none.jpg", "rejected", "missing_file"),
        ("", "a/6.jpg", "rejected", "no_external_id"),
        ("10", "a/7.jpg", "enrolled", ""),
        ("", "a/8.jpg", "rejected", "bad_several_faces"),
        ("12", "", "rejected", "no_file"),
        ("", "a/9.jpg", "rejected", "not_in_manifest"),
    ])  # fmt: skip
    reasons = {line["code"]: line["reason"] for line in lines}
    assert reasons["ragged_line"].startswith("Line 5 of manifest.csv has 2 cells")
    assert reasons["different_names"].startswith("Line 4 of manifest.csv")
    counts = progress(job)
    assert (counts.files, counts.enrolled, counts.rejected) == (13, 3, 10)
    assert job.ignored == {"manifest": 1}
    # Kept as they were written, and harmless where a spreadsheet opens them.
    people = {each.external_id: (each.name, each.metadata) for each in Person.objects.all()}
    assert people == {
        "p1": ("=cmd|'/c calc'!A1", {"note": "@SUM(1)"}), '=HYPERLINK("x")': ("+1", {}),
    }  # fmt: skip
    ids = {line["external_id"] for line in lines if line["result"] == ItemState.ENROLLED}
    assert ids == {"p1", '\'=HYPERLINK("x")'}
    assert_stored_exactly(3, before, tmp_path)
