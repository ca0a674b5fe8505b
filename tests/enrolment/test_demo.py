"""The trial run that a newcomer makes first."""

from __future__ import annotations

import json
import shutil
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError

from enrolment.models import Erasure
from people.models import Gallery, Person
from photos.models import Photo
from tests.conftest import Lfw
from tests.embedder.pictures import saved, scene
from vectors.models import PersonTemplate

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("media", "indexed")]
PEOPLE = ("Donald_Rumsfeld", "Hans_Blix", "Vladimir_Putin")


def run(*arguments: object) -> str:
    out = StringIO()
    call_command("demo", *map(str, arguments), stdout=out)
    return out.getvalue()


@pytest.fixture
def folder(tmp_path: Path, lfw: Lfw) -> Path:
    """Three people with three photos each, and two strangers."""
    people = tmp_path / "people"
    for name in PEOPLE:
        (people / name).mkdir(parents=True)
        for number in (1, 2, 3):
            shutil.copy(lfw.path(name, number), people / name)
    for name in ("Abel_Pacheco", "Winona_Ryder"):
        (people / name).mkdir()
        shutil.copy(lfw.path(name, 1), people / name)
    (people / "README.txt").write_text("no person")
    return people


def test_without_a_folder_it_finds_the_portrait(tmp_path: Path) -> None:
    text = run("--json", tmp_path / "figures.json")
    figures = json.loads((tmp_path / "figures.json").read_text())
    assert (figures["rank1"], figures["people"], figures["photos_enrolled"]) == (1.0, 1, 1)
    assert (figures["strangers"], figures["strangers_without_face"]) == (1, 1)
    assert Person.objects.get().name == "Eileen Collins"
    assert "Right person first (rank 1)" in text
    assert "1  (1.000)" in text


def test_a_folder_of_people(folder: Path, tmp_path: Path) -> None:
    text = run(folder, "--json", tmp_path / "figures.json")
    figures = json.loads((tmp_path / "figures.json").read_text())
    assert set(figures) == {
        "rank1", "people", "photos_enrolled", "photos_refused", "searches", "right", "wrong",
        "missed", "strangers", "strangers_without_face", "genuine_scores", "wrong_scores",
        "stranger_scores", "stage_ms",
    }  # fmt: skip
    assert figures["rank1"] == 1.0
    assert (figures["people"], figures["photos_enrolled"], figures["photos_refused"]) == (3, 6, {})
    assert (figures["searches"], figures["right"], figures["wrong"], figures["missed"]) == (
        3, 3, 0, 0,
    )  # fmt: skip
    assert (figures["strangers"], len(figures["stranger_scores"])) == (2, 2)
    assert len(figures["genuine_scores"]) == 3
    assert figures["wrong_scores"] == []
    assert min(figures["genuine_scores"]) > max(figures["stranger_scores"])
    assert set(figures["stage_ms"]) == {
        "decode", "wait", "detect", "embed", "search", "score", "decide", "thresholds", "log",
        "total",
    }  # fmt: skip
    assert "takes faces from 70 px wide" in text

    gallery = Gallery.objects.get()
    assert (gallery.slug, gallery.min_face, gallery.several_faces) == ("demo", 70, "central")
    assert set(Person.objects.values_list("external_id", flat=True)) == set(PEOPLE)
    assert {template.face_count for template in PersonTemplate.objects.all()} == {2}
    assert {photo.source for photo in Photo.objects.all()} == {"demo"}


def test_a_second_run_holds_exactly_the_people_asked_for(folder: Path) -> None:
    run(folder, "--people", "2")
    first = set(Person.objects.values_list("public_id", flat=True))
    assert len(first) == 2
    run(folder, "--people", "1")
    assert Person.objects.get().public_id in first
    assert Erasure.objects.count() == 1
    run(folder, "--people", "1")
    assert Photo.objects.count() == 2


def test_photos_that_cannot_be_used_are_counted(folder: Path, tmp_path: Path) -> None:
    (folder / PEOPLE[0] / "0.jpg").write_bytes(b"no photo")
    (folder / PEOPLE[0] / "1.png").write_bytes(saved(scene(200, 200), "PNG"))
    (folder / PEOPLE[1] / "zz.jpg").write_bytes(b"held out, and no photo")
    run(folder, "--json", tmp_path / "figures.json")
    figures = json.loads((tmp_path / "figures.json").read_text())
    assert figures["photos_refused"] == {"no_face": 1, "unsupported_format": 1}
    assert (figures["right"], figures["missed"]) == (2, 1)
    assert figures["rank1"] == pytest.approx(2 / 3)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["/nowhere"], r"^/nowhere is no folder\. Give one that holds a folder per person\.$"),
        (["."], r"^\. holds nobody with two or more photos \(JPEG, PNG"),
        (["--people", "0"], r"^--people takes a number from 1\.$"),
    ],
)
def test_a_folder_that_cannot_be_used_is_said(
    arguments: list[str], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(CommandError, match=message):
        run(*arguments)
    assert Gallery.objects.count() == 0
