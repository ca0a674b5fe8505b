"""Who is trained on and who is held out, and the crops of both."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence, Set
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from embedder.errors import TrainingError
from embedder.evaluation.collection import Pair, read_pairs
from embedder.opencv import cv2
from embedder.training.cache import Cache, Entry
from embedder.training.configuration import FOLDS, DataOptions
from embedder.types import RgbImage

_FOLDS = 10
# People with two photos, two in each of two folds.
_LEAST_HELD_OUT = 4
# Genuine pairs of one person that a drawn protocol has at most: else a few people are all of it.
_PAIRS_EACH = 20
_MEGABYTE = 1_000_000


@dataclass(frozen=True, slots=True, eq=False)
class Crops:
    """N crops of people: paths of their files, and (N,) labels, places in `people`.

    fingerprint: a SHA-256 of the photos' names and contents, by which a training knows its data.
    detector: whose landmarks they were cut by.
    """

    size: int
    paths: tuple[Path, ...]
    labels: NDArray[np.intp]
    people: tuple[str, ...]
    fingerprint: str
    detector: str

    def read(self, place: int) -> RgbImage:
        """The (size, size, 3) crop at a place. Raises TrainingError for one that is damaged."""
        path = self.paths[place]
        try:
            pixels = cv2.imdecode(np.fromfile(path, np.uint8), cv2.IMREAD_COLOR)
        except (OSError, cv2.error):
            pixels = None
        if pixels is None or pixels.shape != (self.size, self.size, 3):
            raise TrainingError(
                f"{path} is no crop of {self.size} pixels. Remove it, and align once more."
            )
        return np.ascontiguousarray(pixels[..., ::-1])

    def read_all(self, places: Sequence[int] | None = None) -> NDArray[np.uint8]:
        """(N, size, size, 3): all crops, or those at the places."""
        chosen = range(len(self.paths)) if places is None else places
        crops = np.empty((len(chosen), self.size, self.size, 3), np.uint8)
        for crop, place in zip(crops, chosen, strict=True):
            crop[:] = self.read(place)
        return crops

    @property
    def megabytes(self) -> float:
        """Memory that all crops need."""
        return len(self.paths) * self.size**2 * 3 / _MEGABYTE


@dataclass(frozen=True, slots=True, eq=False)
class HeldOut:
    """Crops of people who are not trained on, and the pairs that measure.

    photos: names of the crops as the pairs have them. missing: photos of the pairs that have no
    crop; they count as failures to acquire.
    """

    crops: Crops
    photos: tuple[Path, ...]
    missing: tuple[Path, ...]
    pairs: tuple[Pair, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Division:
    """People trained on, and others."""

    train: Crops
    held_out: HeldOut


def divide(
    cache: Cache, options: DataOptions, *, size: int, seen: Set[str] = frozenset()
) -> Division:
    """Divide the photos of a cache by person, never by photo.

    `seen`: people whom the network has been trained on before, who can measure nothing. Raises
    TrainingError when the crops aren't `size` pixels a side, or when nobody or only one
    person is left to train on or to measure with; PairsError for a bad file of pairs.
    """
    if cache.recipe.size != size:
        raise TrainingError(
            f"{cache.folder} holds crops of {cache.recipe.size} pixels; this network wants {size}. "
            "Align once more into another folder, with --architecture."
        )
    usable = cache.usable()
    if options.hold_out == FOLDS:
        pairs = _pairs_of_folds(cache, options)
        people = {photo.parent.name for pair in pairs for photo in (pair.first, pair.second)}
        _check_unseen(people & seen)
    else:
        people = _drawn_people(usable, options, seen)
        drawn = [entry for entry in usable if entry.person in people]
        photos = [Path(entry.photo) for entry in drawn]
        pairs = tuple(draw_pairs(photos, [entry.person for entry in drawn], options.split))
    train = [entry for entry in usable if entry.person not in people]
    kept = _with_photos(train, options.min_photos)
    _check_people(cache, train, kept, options.min_photos)
    held_out = [entry for entry in usable if entry.person in people]
    usable_pairs = _with_crops(pairs, held_out)
    if not any(pair.genuine for pair in usable_pairs) or all(pair.genuine for pair in usable_pairs):
        raise TrainingError(
            "The people held out make no genuine and impostor pairs. Hold out more, of whom some "
            "have two photos."
        )
    return Division(crops_of(cache, kept), _held_out(cache, held_out, pairs))


def _with_crops(pairs: Sequence[Pair], entries: Sequence[Entry]) -> list[Pair]:
    photos = {Path(entry.photo) for entry in entries}
    return [pair for pair in pairs if {pair.first, pair.second} <= photos]


def _pairs_of_folds(cache: Cache, options: DataOptions) -> tuple[Pair, ...]:
    """The pairs of the folds held out, which are numbered anew from 0."""
    names = {entry.photo for entry in cache.entries}
    pairs = read_pairs(Path(options.pairs), Path(), exists=lambda photo: photo.as_posix() in names)
    known = max(pair.fold for pair in pairs) + 1
    if max(options.folds) > known or not 1 < len(options.folds) < known:
        raise TrainingError(
            f"data.folds is {list(options.folds)}: name two or more of the {known} folds of "
            f"{options.pairs}, and not all of them."
        )
    place = {fold - 1: number for number, fold in enumerate(options.folds)}
    return tuple(
        Pair(pair.first, pair.second, pair.genuine, place[pair.fold])
        for pair in pairs
        if pair.fold in place
    )


def _check_unseen(seen: Set[str]) -> None:
    if seen:
        raise TrainingError(
            f"{len(seen)} of the people held out were trained on before, by what network.start "
            "names: on them it would look better than it is. Hold out others, or begin with a "
            "network that has not seen them."
        )


def _drawn_people(entries: Sequence[Entry], options: DataOptions, seen: Set[str]) -> set[str]:
    """About a share of the people, but enough for two folds of genuine and impostor pairs.

    A lot is drawn for each person by name, so that whoever is held out stays so when others come.
    """
    counts = Counter(entry.person for entry in entries)
    lots = {person: _lot(options.split, person) for person in counts if person not in seen}
    chosen: list[str] = []
    several = 0
    for person in sorted(lots, key=lots.__getitem__):
        if lots[person] >= options.share and several >= _LEAST_HELD_OUT:
            break
        chosen.append(person)
        several += counts[person] > 1
    return set(chosen)


def _lot(split: int, person: str) -> float:
    """A number from 0 to 1, spread evenly over names."""
    digest = sha256(f"{split}/{person}".encode()).digest()
    return int.from_bytes(digest[:8], "big") / 2**64


def draw_pairs(photos: Sequence[Path], people: Sequence[str], seed: int) -> Iterator[Pair]:
    """Genuine pairs of people, and as many impostor pairs, in folds without a person in common.

    `people` are those of the photos, one by one.
    """
    random = np.random.default_rng((seed, 3))
    photos_of: dict[str, list[Path]] = {}
    for photo, person in zip(photos, people, strict=True):
        photos_of.setdefault(person, []).append(photo)
    several = [person for person, theirs in photos_of.items() if len(theirs) > 1]
    folds = max(2, min(_FOLDS, len(several) // 2))
    # People with two photos are dealt out first, so that each fold has its genuine pairs.
    dealt = [*random.permutation(several), *(p for p in photos_of if len(photos_of[p]) == 1)]
    for fold in range(folds):
        members = [str(person) for person in dealt[fold::folds]]
        genuine = [pair for person in members for pair in _genuine(photos_of[person], random)]
        yield from (Pair(one, other, genuine=True, fold=fold) for one, other in genuine)
        for _ in genuine if len(members) > 1 else ():
            a, b = random.choice(len(members), 2, replace=False)
            one, other = (photos_of[members[each]] for each in (a, b))
            first, second = one[random.integers(len(one))], other[random.integers(len(other))]
            yield Pair(first, second, genuine=False, fold=fold)


def _genuine(photos: Sequence[Path], random: np.random.Generator) -> list[tuple[Path, Path]]:
    pairs = [(a, b) for place, a in enumerate(photos) for b in photos[place + 1 :]]
    if len(pairs) <= _PAIRS_EACH:
        return pairs
    return [pairs[place] for place in random.choice(len(pairs), _PAIRS_EACH, replace=False)]


def _with_photos(entries: Sequence[Entry], least: int) -> list[Entry]:
    counts = Counter(entry.person for entry in entries)
    return [entry for entry in entries if counts[entry.person] >= least]


def _check_people(
    cache: Cache, train: Sequence[Entry], kept: Sequence[Entry], min_photos: int
) -> None:
    people, before = ({entry.person for entry in each} for each in (kept, train))
    if len(people) > 1:
        return
    if len(before) > 1:
        raise TrainingError(
            f"Of {len(before)} people to train on in {cache.folder}, {len(people)} have "
            f"{min_photos} photos or more. Give more photos of each, or lower data.min_photos."
        )
    usable = Counter(entry.person for entry in cache.usable())
    several = sum(count > 1 for count in usable.values())
    raise TrainingError(
        f"{cache.folder} leaves {len(before)} people to train on, besides those held out: at least "
        f"two are needed. It has {len(usable)} people, {several} of them with two photos or more: "
        "give more of these."
    )


def crops_of(cache: Cache, entries: Sequence[Entry]) -> Crops:
    """The crops of some photos of a cache."""
    people, labels = np.unique([entry.person for entry in entries], return_inverse=True)
    paths = tuple(cache.folder / entry.crop for entry in entries)
    facts = "\n".join(f"{entry.photo} {entry.sha256}" for entry in entries)
    fingerprint = sha256(facts.encode()).hexdigest()
    names = tuple(map(str, people))
    return Crops(cache.recipe.size, paths, labels, names, fingerprint, cache.recipe.detector)


def _held_out(cache: Cache, entries: Sequence[Entry], pairs: tuple[Pair, ...]) -> HeldOut:
    photos = tuple(Path(entry.photo) for entry in entries)
    paired = dict.fromkeys(photo for pair in pairs for photo in (pair.first, pair.second))
    present = set(photos)
    missing = tuple(photo for photo in paired if photo not in present)
    return HeldOut(crops_of(cache, entries), photos, missing, pairs)
