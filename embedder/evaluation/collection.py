"""Photos to evaluate on: a folder with a folder for each person, and LFW's lists of pairs."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from embedder.errors import EvaluationError, PairsError

_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif", ".avif"})
_HEADER = 2
_GENUINE = 3
_IMPOSTOR = 4


@dataclass(frozen=True, slots=True, eq=False)
class Collection:
    """N photos, `people[i]` the name of the person in `photos[i]`."""

    photos: list[Path]
    people: list[str]

    def person_indexes(self) -> NDArray[np.intp]:
        """(N,): the person of each photo, 0 to P - 1 in the order of their names."""
        return np.unique(np.array(self.people), return_inverse=True)[1]

    def first(self, people: int | None) -> Collection:
        """The photos of the first so many people by name."""
        if people is None:
            return self
        chosen = set(sorted(set(self.people))[:people])
        pairs = [(p, n) for p, n in zip(self.photos, self.people, strict=True) if n in chosen]
        return Collection([photo for photo, _ in pairs], [name for _, name in pairs])


@dataclass(frozen=True, slots=True)
class Pair:
    """Two photos, the fold they are in, and whether they show one person."""

    first: Path
    second: Path
    genuine: bool
    fold: int


def read_people(folder: Path) -> Collection:
    """The photos under `folder`/<person>/, sorted by path.

    Raises EvaluationError when there are none.
    """
    photos = [path for path in read_photos(folder) if path.parent != folder]
    if not photos:
        raise EvaluationError(f"{folder} has no photos in folders of people, {folder}/<person>/.")
    return Collection(photos, [path.relative_to(folder).parts[0] for path in photos])


def read_photos(folder: Path) -> list[Path]:
    """The photos anywhere under a folder, sorted; links to folders are followed.

    Raises EvaluationError when there are none.
    """
    if not folder.is_dir():
        raise EvaluationError(f"{folder} is not a folder. Name the folder the photos lie in.")
    photos = sorted(path for path in _files(folder) if path.suffix.lower() in _SUFFIXES)
    if not photos:
        raise EvaluationError(f"{folder} has no photos ({', '.join(sorted(_SUFFIXES))}).")
    return photos


def _files(folder: Path) -> Iterator[Path]:
    seen: set[tuple[int, int]] = set()
    for name, folders, files in os.walk(folder, followlinks=True):
        status = Path(name).stat()
        if (status.st_dev, status.st_ino) in seen:
            folders.clear()  # a link back to where we have been
            continue
        seen.add((status.st_dev, status.st_ino))
        yield from (Path(name) / file for file in files)


def read_pairs(
    path: Path, images: Path, *, exists: Callable[[Path], bool] = Path.is_file
) -> list[Pair]:
    """The pairs of a file in LFW's format, of photos <images>/<person>/<person>_0001.jpg.

    `exists` says which photos there are.

    A header `folds  n`, then for each fold n genuine lines `person  number  number` and n impostor
    lines `person  number  person  number`, separated by tabs. Raises PairsError naming file and
    line; OSError when the file can't be read.
    """
    lines = _lines(path)
    folds, each = _header(path, lines)
    if len(lines) != 1 + 2 * folds * each:
        raise PairsError(
            f"{path}, line 1: {folds} folds of 2 x {each} pairs are {2 * folds * each} lines, "
            f"but {len(lines) - 1} follow."
        )
    pairs = []
    for number, line in enumerate(lines[1:]):
        fold, place = divmod(number, 2 * each)
        try:
            pairs.append(_pair(line.split("\t"), images, exists, genuine=place < each, fold=fold))
        except ValueError as error:
            raise PairsError(f"{path}, line {number + 2}: {error}") from error
    _check_disjoint(path, pairs)
    return pairs


def first_of_each_fold(pairs: list[Pair], count: int | None) -> list[Pair]:
    """At most `count` genuine and `count` impostor pairs of each fold."""
    if count is None:
        return pairs
    seen: dict[tuple[int, bool], int] = {}
    chosen = []
    for pair in pairs:
        kind = (pair.fold, pair.genuine)
        seen[kind] = seen.get(kind, 0) + 1
        if seen[kind] <= count:
            chosen.append(pair)
    return chosen


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text("utf-8").removeprefix("\ufeff").splitlines()
    except UnicodeDecodeError as error:
        raise PairsError(f"{path} is not a text file in UTF-8.") from error


def _header(path: Path, lines: list[str]) -> tuple[int, int]:
    fields = lines[0].split("\t") if lines else []
    if len(fields) != _HEADER or not all(_is_number(field) for field in fields):
        raise PairsError(
            f"{path}, line 1: expected two numbers separated by a tab, the folds and the pairs of "
            "each kind in a fold."
        )
    folds, each = map(int, fields)
    if folds < 2:  # noqa: PLR2004 - a fold's threshold comes from the others
        raise PairsError(f"{path}, line 1: at least two folds are needed, not {folds}.")
    return folds, each


def _is_number(field: str) -> bool:
    return field.isascii() and field.isdigit() and int(field) > 0


def _pair(
    fields: list[str], images: Path, exists: Callable[[Path], bool], *, genuine: bool, fold: int
) -> Pair:
    """Raises ValueError saying what is wrong with a line."""
    wanted = "person, number, number" if genuine else "person, number, person, number"
    if len(fields) != (_GENUINE if genuine else _IMPOSTOR):
        raise ValueError(f"expected {wanted} separated by tabs, got {len(fields)} fields.")
    people, numbers = (fields[:1] * 2, fields[1:]) if genuine else (fields[::2], fields[1::2])
    first, second = (_photo(images, exists, *one) for one in zip(people, numbers, strict=True))
    if first == second:
        raise ValueError("a photo is paired with itself.")
    if not genuine and people[0] == people[1]:
        raise ValueError(f"an impostor pair shows {people[0]} twice.")
    return Pair(first, second, genuine, fold)


def _photo(images: Path, exists: Callable[[Path], bool], person: str, number: str) -> Path:
    if not _is_number(number):
        raise ValueError(f"{number!r} is not the number of a photo.")
    if person != Path(person).name:
        raise ValueError(f"{person!r} is not the name of a folder.")
    photo = images / person / f"{person}_{int(number):04d}.jpg"
    if not exists(photo):
        raise ValueError(f"{photo} does not exist.")
    return photo


def _check_disjoint(path: Path, pairs: list[Pair]) -> None:
    """Folds share no one, or thresholds would be chosen on people they are tested on."""
    fold_of: dict[str, int] = {}
    for pair in pairs:
        for photo in (pair.first, pair.second):
            person = photo.parent.name
            if fold_of.setdefault(person, pair.fold) != pair.fold:
                raise PairsError(
                    f"{path}: {person} is in folds {fold_of[person] + 1} and {pair.fold + 1}. "
                    "Folds must not share people."
                )
