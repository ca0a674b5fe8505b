from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from embedder import images
from embedder.__main__ import main
from embedder.errors import TrainingError
from embedder.evaluation.faces import nearest_centre
from embedder.opencv import cv2
from embedder.pipeline import Pipeline
from embedder.training import cache
from embedder.training.alignment import align, recipe_for
from embedder.training.cache import JOURNAL, Cache
from embedder.training.exclusive import exclusive
from tests.conftest import ROOT, Lfw
from tests.embedder.pictures import saved, scene
from tests.embedder.training.folders import photos

DLIB = recipe_for("dlib-resnet", "mtcnn", min_face=40.0)


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory, lfw: Lfw) -> Path:
    """Photos of three people, and what goes wrong with photos."""
    folder = photos(tmp_path_factory.mktemp("photos"), lfw, 3, 2)
    first, second, third = sorted(folder.iterdir())
    data = (first / f"{first.name}_0001.jpg").read_bytes()
    (first / "again.jpg").write_bytes(data)
    (second / "half.jpg").write_bytes(data[: len(data) // 2])
    (second / "empty.jpg").write_bytes(b"")
    (second / "tree.png").write_bytes(saved(scene(), "PNG"))
    both = (third / f"{third.name}_0001.jpg").read_bytes()
    (second / "somebody.jpg").write_bytes(both)
    (third / "away.jpg").symlink_to(folder / "nowhere.jpg")
    return folder


@pytest.fixture(scope="module")
def filled(source: Path, tmp_path_factory: pytest.TempPathFactory) -> Cache:
    return align(source, tmp_path_factory.mktemp("cache"), DLIB)


def test_what_is_skipped_and_why(source: Path, filled: Cache) -> None:
    first, second, third = sorted(path.name for path in source.iterdir())
    codes = {entry.photo: entry.code for entry in filled.skipped()}
    assert (
        codes
        == {
            f"{first}/again.jpg": "duplicate",
            f"{second}/empty.jpg": "empty_file",
            f"{second}/half.jpg": "undecodable",
            f"{second}/somebody.jpg": "two_names",
            f"{second}/tree.png": "no_face",
            f"{third}/away.jpg": "unreadable",
            f"{third}/{third}_0001.jpg": "two_names",
        }
        or f"{first}/{first}_0001.jpg" in codes
    )
    assert len(filled.usable()) + len(filled.skipped()) == 12
    why = {entry.code: entry.why for entry in filled.skipped()}
    assert f"lies with {second}, {third}" in why["two_names"]
    assert "SHA-256" in why["duplicate"]
    told = json.loads((filled.folder / cache.SKIPPED).read_text("utf-8"))
    assert {each["photo"]: each["code"] for each in told} == codes


def test_crops_are_those_that_the_pipeline_serves(
    source: Path, filled: Cache, pipeline: Pipeline
) -> None:
    for entry in filled.usable():
        image = images.decode((source / entry.photo).read_bytes(), min_face=40.0)
        (detections,) = pipeline.detect([image])
        (served,) = pipeline.crops(image, nearest_centre(image.info, detections))
        kept = cv2.imread(str(filled.folder / entry.crop))[..., ::-1]
        # To the last bit one at a time; in a batch landmarks may differ in the last digits.
        assert np.abs(served.astype(int) - kept).max() <= 2


def test_a_second_run_does_nothing_again(source: Path, filled: Cache) -> None:
    before = {path: path.stat().st_mtime_ns for path in filled.folder.rglob("*.png")}
    again = align(source, filled.folder, DLIB)
    assert again == filled
    assert {path: path.stat().st_mtime_ns for path in filled.folder.rglob("*.png")} == before


def test_a_changed_photo_is_aligned_again(tmp_path: Path, lfw: Lfw) -> None:
    folder = photos(tmp_path / "photos", lfw, 2, 1)
    photo = next(folder.rglob("*.jpg"))
    name = photo.relative_to(folder).as_posix()
    first = {entry.photo: entry for entry in align(folder, tmp_path / "cache", DLIB).entries}
    photo.write_bytes(lfw.bytes("Winona_Ryder"))
    second = {entry.photo: entry for entry in align(folder, tmp_path / "cache", DLIB).entries}
    assert first[name].sha256 != second[name].sha256
    others = [each for each in first if each != name]
    assert [first[each] for each in others] == [second[each] for each in others]


def test_killed_at_any_point_it_goes_on(tmp_path: Path, lfw: Lfw) -> None:
    folder = photos(tmp_path / "photos", lfw, 40, 2)
    command = [sys.executable, "-m", "embedder", "align", str(folder), str(tmp_path / "cache")]
    running = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL)
    journal = tmp_path / "cache" / JOURNAL
    while running.poll() is None:
        if journal.exists() and journal.read_bytes().count(b"\n") > 3:
            running.send_signal(signal.SIGKILL)
            break
    running.wait()
    assert running.returncode == -signal.SIGKILL
    done = [line for line in journal.read_bytes().split(b"\n")[1:] if line]
    assert 3 <= len(done) < 80
    with pytest.raises(TrainingError, match=r"is not finished. Make it: python -m embedder align"):
        cache.read(tmp_path / "cache")
    # As if the machine had cut a line in half, too.
    journal.write_bytes(journal.read_bytes() + b'{"photo": "Half')
    seen: list[int] = []
    recipe = recipe_for("mobilefacenet", "mtcnn", min_face=40.0)
    resumed = align(folder, tmp_path / "cache", recipe, advance=seen.append)
    assert sum(seen) == 80
    whole = align(folder, tmp_path / "other", recipe)
    assert [entry.photo for entry in resumed.entries] == [entry.photo for entry in whole.entries]
    assert not journal.exists()
    assert cache.read(tmp_path / "cache") == resumed


def test_odd_files_are_skipped_and_say_why(tmp_path: Path, lfw: Lfw) -> None:
    folder = photos(tmp_path / "photos", lfw, 2, 1)
    person = next(folder.iterdir())
    data = lfw.bytes("Winona_Ryder")
    os.mkfifo(person / "pipe.jpg")
    (person / "folder.jpg").mkdir()
    long = "x" * 250 + ".jpg"
    (person / long).write_bytes(data)
    foreign = os.fsencode(person) + b"/caf\xe9.jpg"
    Path(os.fsdecode(foreign)).write_bytes(data)
    found = align(folder, tmp_path / "cache", DLIB)
    why = {entry.photo.split("/")[1]: (entry.code, entry.why) for entry in found.skipped()}
    assert why == {
        "pipe.jpg": ("unreadable", "The file can't be read: it is no file."),
        long: ("unreadable", "The file can't be read: its name is longer than 245 bytes."),
        os.fsdecode(b"caf\xe9.jpg"): (
            "unreadable", "The file can't be read: its name is not UTF-8, rename it.",
        ),
    }  # fmt: skip
    assert len(found.usable()) == 2
    assert cache.read(tmp_path / "cache") == found


def test_a_person_s_folder_can_be_a_link(tmp_path: Path, lfw: Lfw) -> None:
    photos(tmp_path / "elsewhere", lfw, 2, 1)
    folder = tmp_path / "photos"
    folder.mkdir()
    for person in (tmp_path / "elsewhere").iterdir():
        (folder / person.name).symlink_to(person)
        (person / "back").symlink_to(folder)
    found = align(folder, tmp_path / "cache", DLIB)
    assert [entry.person for entry in found.usable()] == sorted(p.name for p in folder.iterdir())


def test_what_is_gone_from_the_photos_is_gone_from_the_cache(tmp_path: Path, lfw: Lfw) -> None:
    folder = photos(tmp_path / "photos", lfw, 3, 1)
    before = align(folder, tmp_path / "cache", DLIB)
    gone, *kept = sorted(folder.iterdir())
    shutil.rmtree(gone)
    changed = next(kept[0].iterdir())
    changed.write_bytes(saved(scene(), "PNG"))
    after = align(folder, tmp_path / "cache", DLIB)
    assert len(before.usable()) == 3
    assert {entry.person for entry in after.entries} == {person.name for person in kept}
    crops = list((tmp_path / "cache" / "crops").rglob("*"))
    assert {path.name for path in crops if path.is_dir()} == {kept[1].name}
    assert len([path for path in crops if path.is_file()]) == 1


def test_a_cache_is_of_one_folder(source: Path, filled: Cache, tmp_path: Path, lfw: Lfw) -> None:
    other = photos(tmp_path / "other", lfw, 1, 1, skip=10)
    with pytest.raises(TrainingError, match=r"holds 12 photos, and none of those in .*other"):
        align(other, filled.folder, DLIB)
    assert cache.read(filled.folder) == filled
    with pytest.raises(TrainingError, match=r"cache lies in .*other\. Name a folder .* outside it"):
        align(other, other / "cache", DLIB)


def test_two_at_once_do_not_write_into_one_cache(source: Path, filled: Cache) -> None:
    with (
        exclusive(filled.folder),
        pytest.raises(TrainingError, match="Another process writes into"),
    ):
        align(source, filled.folder, DLIB)
    assert align(source, filled.folder, DLIB) == filled


def test_another_recipe_needs_another_folder(source: Path, filled: Cache) -> None:
    other = recipe_for("mobilefacenet", "mtcnn", min_face=40.0)
    with pytest.raises(TrainingError, match=r"holds crops of 150 pixels .* Name another folder"):
        align(source, filled.folder, other)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--architecture", "vgg"], "There is no architecture 'vgg'. There are: inception"),
        (["--detector", "eyes"], "doesn't know where the landmarks of the detector 'eyes'"),
        ([], "is not a folder"),
    ],
)
def test_bad_arguments(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], told: str
) -> None:
    given = ["align", str(tmp_path / "none"), str(tmp_path / "cache"), *arguments]
    assert main(given) == 2
    assert told in capsys.readouterr().err
    assert not (tmp_path / "cache").exists()


def test_the_table(source: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["align", str(source), str(tmp_path), "--architecture", "dlib-resnet"]) == 0
    printed = capsys.readouterr().out
    assert printed.startswith("12 photos; those that can be used show 3 people, 2 with 2 or more, ")
    for code in ("duplicate", "empty_file", "no_face", "two_names", "undecodable", "unreadable"):
        assert f"| {code}" in printed
    assert f"{tmp_path}/skipped.json" in printed


@pytest.mark.parametrize("text", ["\0\0\n", "[]\n", '{"size": 1}\n'])
def test_a_journal_that_is_none(tmp_path: Path, text: str) -> None:
    (tmp_path / JOURNAL).write_text(text, "utf-8")
    with pytest.raises(TrainingError, match=r"journal.jsonl is damaged. Remove it"):
        cache.Journal(tmp_path, DLIB)


@pytest.mark.parametrize("text", ["", "[]", '{"format": 1}', '{"format": 2}'])
def test_an_index_that_is_none(tmp_path: Path, text: str) -> None:
    (tmp_path / "index.json").write_text(text, "utf-8")
    with pytest.raises(TrainingError, match=r"index.json (is damaged|has format 2)"):
        cache.read(tmp_path)
