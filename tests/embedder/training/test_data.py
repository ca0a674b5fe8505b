from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from embedder.errors import PairsError, TrainingError
from embedder.training.cache import Cache, Entry
from embedder.training.configuration import FOLDS, DataOptions
from embedder.training.data import divide
from tests.conftest import Lfw
from tests.embedder.training.folders import RECIPE, SIZE, drawn, people


def entries(counts: dict[str, int]) -> tuple[Entry, ...]:
    """Of a cache whose crops nobody opens."""
    names = [
        f"{person}/{person}_{n + 1:04d}.jpg" for person in counts for n in range(counts[person])
    ]
    return tuple(Entry(name, 1, 1, name, f"crops/{name}.png") for name in names)


def cached(counts: dict[str, int]) -> Cache:
    return Cache(Path("cache"), RECIPE, entries(counts))


def test_people_are_held_out_never_photos() -> None:
    found = divide(cached(people(40, 5)), DataOptions(share=0.25), size=SIZE)
    held_out = set(found.held_out.crops.people)
    assert 5 <= len(held_out) <= 15
    assert not held_out & set(found.train.people)
    assert len(found.train.paths) == 5 * (40 - len(held_out))
    assert found.train.people == tuple(sorted(found.train.people))
    assert [found.train.people[label] for label in found.train.labels[:6]] == [
        path.parts[-2] for path in found.train.paths[:6]
    ]
    for pair in found.held_out.pairs:
        one, other = pair.first.parts[0], pair.second.parts[0]
        assert (one == other) == pair.genuine
        assert {one, other} <= held_out
    genuine = [pair for pair in found.held_out.pairs if pair.genuine]
    assert len(genuine) == 10 * len(held_out)
    assert len(found.held_out.pairs) == 2 * len(genuine)


def test_folds_have_nobody_in_common() -> None:
    found = divide(cached(people(80, 3)), DataOptions(share=0.5), size=SIZE)
    where: dict[str, set[int]] = {}
    for pair in found.held_out.pairs:
        for photo in (pair.first, pair.second):
            where.setdefault(photo.parts[0], set()).add(pair.fold)
    assert {len(folds) for folds in where.values()} == {1}
    assert {fold for folds in where.values() for fold in folds} == set(range(10))


def test_the_division_depends_on_names_and_split_alone() -> None:
    one, same, other = (
        divide(cached(people(40, 3)), DataOptions(split=split), size=SIZE) for split in (1, 1, 2)
    )
    assert one.held_out.pairs == same.held_out.pairs
    assert one.train.fingerprint == same.train.fingerprint != other.train.fingerprint


@given(st.integers(0, 200), st.floats(0.05, 0.9))
@settings(max_examples=25, deadline=None)
def test_whoever_is_held_out_stays_so_when_others_come(more: int, share: float) -> None:
    options = DataOptions(share=share)
    before = divide(cached(people(60, 2)), options, size=SIZE)
    after = divide(cached(people(60 + more, 2)), options, size=SIZE)
    assert not set(before.train.people) & set(after.held_out.crops.people)
    assert set(before.train.people) <= set(after.train.people)


def test_nobody_is_held_out_whom_the_network_has_seen() -> None:
    before = divide(cached(people(40, 3)), DataOptions(share=0.5), size=SIZE)
    seen = set(before.train.people)
    options = DataOptions(share=0.5, split=7)
    assert seen & set(divide(cached(people(40, 3)), options, size=SIZE).held_out.crops.people)
    found = divide(cached(people(40, 3)), options, size=SIZE, seen=seen)
    assert seen <= set(found.train.people)
    assert found.held_out.crops.people


def test_contents_are_part_of_what_the_data_is() -> None:
    cache = cached(people(9, 3))
    changed = replace(
        cache, entries=tuple(replace(e, sha256=f"{e.sha256}!") for e in cache.entries)
    )
    one, other = (divide(each, DataOptions(), size=SIZE).train for each in (cache, changed))
    assert one.fingerprint != other.fingerprint


def test_people_with_few_photos_measure_but_are_not_trained_on() -> None:
    counts = people(30, 1) | {f"Q{n}": 4 for n in range(30)}
    found = divide(cached(counts), DataOptions(min_photos=3, share=0.5), size=SIZE)
    assert all(person.startswith("Q") for person in found.train.people)
    assert any(person.startswith("P") for person in found.held_out.crops.people)


def test_the_folds_of_lfw(lfw: Lfw, test_data: Path) -> None:
    photos = sorted(path.relative_to(lfw.folder / "images").as_posix()
                    for path in (lfw.folder / "images").rglob("*.jpg"))  # fmt: skip
    pairs = lfw.folder / "pairs.txt"
    lost = [line.split("\t") for line in pairs.read_text("utf-8").splitlines()][241]
    missing = f"{lost[0]}/{lost[0]}_{int(lost[1]):04d}.jpg"
    every = tuple(
        Entry(name, 1, 1, name, "" if name == missing else f"crops/{name}.png",
              "no_face" if name == missing else "")
        for name in photos
    )  # fmt: skip
    options = DataOptions(hold_out=FOLDS, pairs=str(pairs), folds=(2, 5))
    found = divide(Cache(Path("cache"), RECIPE, every), options, size=SIZE)
    assert len(found.held_out.pairs) == 2 * 240
    assert {pair.fold for pair in found.held_out.pairs} == {0, 1}
    assert missing in {path.as_posix() for path in found.held_out.missing}
    paired = {
        photo.parts[0] for pair in found.held_out.pairs for photo in (pair.first, pair.second)
    }
    assert not paired & set(found.train.people)
    assert min(np.bincount(found.train.labels)) >= 2


@pytest.mark.parametrize("folds", [(1,), (1, 11), tuple(range(1, 11))])
def test_folds_that_can_not_be_held_out(lfw: Lfw, folds: tuple[int, ...]) -> None:
    photos = [path.relative_to(lfw.folder / "images").as_posix()
              for path in (lfw.folder / "images").rglob("*.jpg")]  # fmt: skip
    every = tuple(Entry(name, 1, 1, name, f"crops/{name}.png") for name in photos)
    options = DataOptions(hold_out=FOLDS, pairs=str(lfw.folder / "pairs.txt"), folds=folds)
    with pytest.raises(TrainingError, match="name two or more of the 10 folds"):
        divide(Cache(Path("cache"), RECIPE, every), options, size=SIZE)


def test_pairs_of_other_photos(lfw: Lfw) -> None:
    options = DataOptions(hold_out=FOLDS, pairs=str(lfw.folder / "pairs.txt"), folds=(1, 2))
    with pytest.raises(PairsError, match=r"line 2: .* does not exist"):
        divide(cached(people(5, 5)), options, size=SIZE)


@pytest.mark.parametrize(
    ("counts", "told"),
    [
        (people(1, 9), "leaves 0 people to train on"),
        (people(5, 9), "leaves 1 people to train on"),
        (people(9, 1), "leaves 0 people to train on|make no genuine"),
        (
            people(60, 1) | {f"Q{n}": 5 for n in range(5)},
            r"Of \d+ people to train on in cache, 1 have 2 photos",
        ),
    ],
)
def test_too_few_people_or_photos(counts: dict[str, int], told: str) -> None:
    with pytest.raises(TrainingError, match=told):
        divide(cached(counts), DataOptions(), size=SIZE)


def test_crops_of_another_size() -> None:
    with pytest.raises(TrainingError, match="holds crops of 112 pixels; this network wants 160"):
        divide(cached(people(9, 9)), DataOptions(), size=160)


def test_crops_are_read_as_they_were_cut(tmp_path: Path) -> None:
    found = divide(drawn(tmp_path, people(9, 3)), DataOptions(), size=SIZE)
    crops = found.train.read_all()
    assert (crops.shape, crops.dtype) == ((len(found.train.paths), SIZE, SIZE, 3), np.uint8)
    assert (found.train.read_all([2, 0]) == crops[[2, 0]]).all()
    assert found.train.megabytes == pytest.approx(crops.nbytes / 1e6)


@pytest.mark.parametrize("content", [b"", b"no picture", None])
def test_a_damaged_crop_is_named(tmp_path: Path, content: bytes | None) -> None:
    crops = divide(drawn(tmp_path, people(9, 3)), DataOptions(), size=SIZE).train
    if content is None:
        crops.paths[1].unlink()
    else:
        crops.paths[1].write_bytes(content)
    with pytest.raises(TrainingError, match=r"is no crop of 112 pixels. Remove it, and align once"):
        crops.read(1)
    with pytest.raises(TrainingError, match="is no crop of 64 pixels"):
        replace(crops, size=64).read(0)
