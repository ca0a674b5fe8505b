"""What an import would do, from names and headers alone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from imports.inspection import Headers, Plan, inspect
from imports.layouts import Folders, Names
from imports.sources import Entry, Source
from imports.sources.tar import TarSource
from imports.sources.zip import ZipSource
from tests.embedder.pictures import saved, scene

from .archives import LIMITS, tarred, zipped

PHOTO = saved(scene(), "JPEG")
WEBP = saved(scene(600, 500), "WEBP", lossless=True)
LONG_EXIF = PHOTO[:2] + (b"\xff\xe1" + (60_002).to_bytes(2, "big") + bytes(60_000)) * 2 + PHOTO[2:]
FILES = [
    ("a/1.jpg", PHOTO),
    ("a/2.png", saved(scene(), "PNG")),
    ("a/3.webp", WEBP),
    ("a/4.jpg", LONG_EXIF),
    ("b/A.jpg", PHOTO),
    ("b/a.JPG", PHOTO),
    ("b/doc.pdf", b"%PDF-1.7"),
    ("b/cut.jpg", PHOTO[:100]),
    ("b/tiny.jpg", saved(scene(50, 50), "JPEG")),
    ("b/empty.jpg", b""),
    ("loose.jpg", PHOTO),
    ("x.zip", b""),
    (".DS_Store", b""),
]


def check(plan: Plan) -> None:
    assert plan.headers == Headers(
        judged=10,
        of=10,
        formats={"JPEG": 4, "PNG": 1, "WEBP": 1},
        refused={
            "unsupported_format": 1, "undecodable": 1, "bad_dimensions": 1, "empty_file": 1,
        },
    )  # fmt: skip
    assert (plan.files, plan.photos, plan.people, plan.twins) == (12, 10, 2, 1)
    assert plan.refused == {"no_folder": 1, "nested_archive": 1}
    assert plan.ignored == {"hidden": 1}
    assert (plan.headers.wrong_type, plan.headers.unreadable) == (1, 3)
    assert plan.headers.is_complete
    assert {(each.name, each.code) for each in plan.examples} >= {
        ("loose.jpg", "no_folder"), ("b/doc.pdf", "unsupported_format"),
    }  # fmt: skip


def test_a_plan_of_names_and_headers(tmp_path: Path) -> None:
    assert len(WEBP) > 4096
    with ZipSource(zipped(tmp_path / "a.zip", FILES), LIMITS) as source:
        plan = inspect(
            source,
            Folders(),
            rate=2.0,
            known=lambda ids: len({"a"} & set(ids)),
            duplicates=lambda _, entries: len(entries) - 1,
        )
    check(plan)
    assert plan.bytes == sum(len(data) for name, data in FILES[:10])
    assert (plan.known, plan.new, plan.duplicates, plan.compared) == (1, 1, 9, 10)
    assert plan.seconds == 5.0
    assert plan.losses == []


def test_the_same_from_a_tape_in_one_pass(tmp_path: Path) -> None:
    with TarSource(tarred(tmp_path / "a.tgz", FILES, "w:gz"), LIMITS) as source:
        plan = inspect(source, Folders())
    check(plan)
    assert (plan.known, plan.new, plan.duplicates, plan.seconds) == (None, None, None, None)


def test_of_more_photos_than_time_a_fair_sample_is_judged(tmp_path: Path) -> None:
    files = [(f"{n}.jpg", PHOTO if n % 2 else b"no photo") for n in range(400)]
    with ZipSource(zipped(tmp_path / "a.zip", files), LIMITS) as source:
        plan = inspect(source, Names(), sample=100)
        assert (plan.photos, plan.headers.judged, plan.headers.of) == (400, 100, 400)
        assert not plan.headers.is_complete
        assert 25 <= plan.headers.wrong_type <= 75
        assert inspect(source, Names(), sample=100).headers == plan.headers
        hurried = inspect(source, Names(), seconds=-1)
        assert (hurried.photos, hurried.headers.judged) == (400, 1)


def test_faults_found_by_reading_are_counted(tmp_path: Path) -> None:
    path = zipped(tmp_path / "a.zip", [("a.jpg", PHOTO), ("b.jpg", PHOTO)], 0)
    data = path.read_bytes()
    path.write_bytes(data.replace(b"PK\3\4", b"PK\7\7", 1))
    with ZipSource(path, LIMITS) as source:
        plan = inspect(source, Names())
    assert plan.headers.refused == {"damaged": 1}


def test_losses_are_said(tmp_path: Path) -> None:
    path = zipped(tmp_path / "a.zip", [(f"{n}.jpg", PHOTO) for n in range(4)])
    with ZipSource(path, replace(LIMITS, entries=3)) as source:
        plan = inspect(source, Names())
    assert [each.code for each in plan.losses] == ["too_many_entries"]
    assert plan.files == 3


@pytest.fixture
def lfw_zip(lfw: object, tmp_path: Path) -> Iterator[Source]:
    people = lfw.people(20)  # type: ignore[attr-defined]
    files = [
        (f"lfw/{name}/1.jpg", lfw.bytes(name))
        for name in people  # type: ignore[attr-defined]
    ]
    with ZipSource(zipped(tmp_path / "a.zip", files), LIMITS) as source:
        yield source


def test_real_photos(lfw_zip: Source) -> None:
    looked_up: list[str] = []

    def known(ids: Sequence[str]) -> int:
        looked_up.extend(ids)
        return 0

    plan = inspect(lfw_zip, Folders("lfw"), known=known)
    assert (plan.photos, plan.people, plan.new) == (20, 20, 20)
    assert plan.headers.formats == {"JPEG": 20}
    assert len(set(looked_up)) == 20
    assert sum(isinstance(each, Entry) for each in lfw_zip.listing()) == 20
