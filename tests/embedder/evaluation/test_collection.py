from __future__ import annotations

from pathlib import Path

import pytest

from embedder.errors import EvaluationError, PairsError
from embedder.evaluation.collection import (
    Pair,
    first_of_each_fold,
    read_pairs,
    read_people,
    read_photos,
)
from tests.conftest import Lfw

HEADER = "2\t1"
GOOD = [HEADER, "Ann\t1\t2", "Ann\t1\tBob\t1", "Cy\t1\t2", "Cy\t2\tDee\t1"]


@pytest.fixture
def images(tmp_path: Path) -> Path:
    """Folders of people with photos 1 and 2, which only have to be there."""
    folder = tmp_path / "images"
    for person in ("Ann", "Bob", "Cy", "Dee"):
        (folder / person).mkdir(parents=True)
        for number in (1, 2):
            (folder / person / f"{person}_{number:04d}.jpg").touch()
    return folder


def written(tmp_path: Path, lines: list[str]) -> Path:
    path = tmp_path / "pairs.txt"
    path.write_text("\n".join(lines) + "\n", "utf-8")
    return path


def test_lfws_pairs(lfw: Lfw) -> None:
    pairs = read_pairs(lfw.folder / "pairs.txt", lfw.folder / "images")
    assert len(pairs) == 2400
    assert pairs[0] == Pair(
        lfw.path("Abel_Pacheco", 1), lfw.path("Abel_Pacheco", 4), genuine=True, fold=0
    )
    assert pairs[120] == Pair(
        lfw.path("Aaron_Pena", 1), lfw.path("Richard_Naughton", 1), genuine=False, fold=0
    )
    for fold in range(10):
        kinds = [pair.genuine for pair in pairs if pair.fold == fold]
        assert (kinds.count(True), kinds.count(False)) == (120, 120)


def test_some_pairs_of_each_fold(tmp_path: Path, lfw: Lfw) -> None:
    pairs = read_pairs(lfw.folder / "pairs.txt", lfw.folder / "images")
    some = first_of_each_fold(pairs, 3)
    assert len(some) == 60
    assert some[:3] == pairs[:3]
    assert some[3:6] == pairs[120:123]
    assert first_of_each_fold(pairs, None) == pairs


def test_a_good_list(tmp_path: Path, images: Path) -> None:
    pairs = read_pairs(written(tmp_path, GOOD), images)
    assert [(pair.genuine, pair.fold) for pair in pairs] == [
        (True, 0),
        (False, 0),
        (True, 1),
        (False, 1),
    ]
    assert pairs[3].second == images / "Dee" / "Dee_0001.jpg"


@pytest.mark.parametrize(
    ("lines", "reason"),
    [
        ([], "line 1: expected two numbers"),
        (["2 1", *GOOD[1:]], "line 1: expected two numbers"),
        (["1\t1", *GOOD[1:3]], "line 1: at least two folds"),
        (GOOD[:-1], "line 1: 2 folds of 2 x 1 pairs are 4 lines, but 3 follow"),
        ([*GOOD, "Dee\t1\t2"], "line 1: 2 folds of 2 x 1 pairs are 4 lines, but 5 follow"),
        ([HEADER, "Ann\t1\tBob\t1", *GOOD[2:]], "line 2: expected person, number, number"),
        ([*GOOD[:2], "Ann\t1\t2", *GOOD[3:]], "line 3: expected person, number, person, number"),
        ([*GOOD[:2], "Ann\t1\tBob\tone", *GOOD[3:]], "line 3: 'one' is not the number"),
        ([*GOOD[:4], "Cy\t2\tDee\t3"], "line 5: .*Dee_0003.jpg does not exist"),
        ([*GOOD[:4], "Cy\t2\t../Cy\t1"], "line 5: '../Cy' is not the name of a folder"),
        ([*GOOD[:4], "Cy\t2\tCy\t1"], "line 5: an impostor pair shows Cy twice"),
        ([HEADER, "Ann\t1\t1", *GOOD[2:]], "line 2: a photo is paired with itself"),
        ([*GOOD[:4], "Cy\t2\tAnn\t1"], "Ann is in folds 1 and 2"),
    ],
)
def test_a_list_that_breaks_the_format(
    tmp_path: Path, images: Path, lines: list[str], reason: str
) -> None:
    with pytest.raises(PairsError, match=reason) as error:
        read_pairs(written(tmp_path, lines), images)
    assert str(error.value).startswith(str(tmp_path / "pairs.txt"))


def test_a_list_that_is_no_text(tmp_path: Path, images: Path) -> None:
    path = tmp_path / "pairs.txt"
    path.write_bytes(b"\xff\xd8\xff\xe0")
    with pytest.raises(PairsError, match="not a text file"):
        read_pairs(path, images)


def test_people_are_folders(images: Path) -> None:
    (images / "stray.jpg").touch()
    (images / "Ann" / "notes.txt").touch()
    collection = read_people(images)
    assert collection.people == ["Ann", "Ann", "Bob", "Bob", "Cy", "Cy", "Dee", "Dee"]
    assert collection.person_indexes().tolist() == [0, 0, 1, 1, 2, 2, 3, 3]
    assert collection.first(1).photos == [images / "Ann" / f"Ann_000{n}.jpg" for n in (1, 2)]
    assert len(read_photos(images)) == 9


def test_folders_without_photos(tmp_path: Path) -> None:
    for read in (read_people, read_photos):
        with pytest.raises(EvaluationError, match="has no photos"):
            read(tmp_path)
        with pytest.raises(EvaluationError, match="is not a folder"):
            read(tmp_path / "missing")
    (tmp_path / "loose.jpg").touch()
    with pytest.raises(EvaluationError, match="in folders of people"):
        read_people(tmp_path)
