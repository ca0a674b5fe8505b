"""Filling a cache of aligned crops from a folder with a folder of photos for each person."""

from __future__ import annotations

import errno
import stat
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from embedder import images
from embedder.aligner import Aligned, Aligner
from embedder.catalogue import load_detector
from embedder.errors import EmbedderError, ImageError, TrainingError
from embedder.evaluation.collection import read_people
from embedder.evaluation.faces import nearest_centre
from embedder.evaluation.report import table
from embedder.images import DecodedImage
from embedder.networks.architectures import ARCHITECTURES
from embedder.opencv import cv2
from embedder.stream import decoded_or_error, in_batches
from embedder.training.cache import CROPS, Cache, Entry, Journal, Recipe, write_index
from embedder.training.exclusive import exclusive

NO_FACE, UNREADABLE = "no_face", "unreadable"
_NO_FACE = "No face at least {:g} pixels wide was found. Give a larger photo, or lower --min-face."
# PNG's quickest real compression: crops are noisy, more effort saves little.
_PNG = [cv2.IMWRITE_PNG_COMPRESSION, 1]
# A file's name has 255 bytes at most; the crop's is longer by ".png.part".
_LONGEST_NAME = 245

Advance = Callable[[int], None]


def recipe_for(architecture: str, detector: str, *, min_face: float) -> Recipe:
    """How crops for a network are made; `min_face` is the smallest face's width in pixels.

    Raises TrainingError for a network or detector it doesn't know.
    """
    known = ARCHITECTURES.get(architecture)
    if known is None:
        names = ", ".join(ARCHITECTURES)
        raise TrainingError(f"There is no architecture {architecture!r}. There are: {names}.")
    if detector not in known.points:
        names = ", ".join(known.points)
        raise TrainingError(
            f"{architecture} doesn't know where the landmarks of the detector {detector!r} belong. "
            f"Use one of {names}."
        )
    return Recipe(detector, known.crop_size, known.points[detector], min_face)


def align(
    source: Path,
    folder: Path,
    recipe: Recipe,
    *,
    advance: Advance = lambda _: None,
    runs: int | None = None,
) -> Cache:
    """Fill the cache at `folder` with the crops of all photos under `source`/<person>/.

    Of each photo the face nearest the centre. What is there already and unchanged isn't done
    again; `runs` batches are worked on at once, by default one on each core; `advance` is told of
    photos that are done. Raises EvaluationError when there are no photos, TrainingError when the
    folder holds crops of another kind, OSError when it can't be written.
    """
    _check_apart(source, folder)
    photos = read_people(source).photos
    names = [_name(source, photo) for photo in photos]
    aligner = Aligner(
        load_detector(recipe.detector, threads=1), np.array(recipe.points, np.float32), recipe.size
    )
    folder.mkdir(parents=True, exist_ok=True)
    with exclusive(folder), closing(Journal(folder, recipe)) as journal:
        _check_same(journal, source, folder, names)
        _Work(source, folder, aligner, recipe.min_face, journal, advance).run(photos, runs)
        entries = [journal.known[name] for name in names]
        _remove_others(folder, entries)
        return write_index(folder, recipe, entries)


def _remove_others(folder: Path, entries: Sequence[Entry]) -> None:
    """Remove crops that no entry has: whoever is gone from the photos is to be gone from here."""
    kept = {folder / entry.crop for entry in entries}
    for path in sorted((folder / CROPS).rglob("*"), reverse=True):  # files before their folders
        if path.is_dir():
            with suppress(OSError):
                path.rmdir()  # if it is empty
        elif path not in kept:
            path.unlink()


def _check_apart(source: Path, folder: Path) -> None:
    """Raise TrainingError for a cache within the photos: its crops would be taken for photos."""
    if folder.resolve().is_relative_to(source.resolve()):
        raise TrainingError(f"{folder} lies in {source}. Name a folder for the cache outside it.")


def _check_same(journal: Journal, source: Path, folder: Path, names: Sequence[str]) -> None:
    """Raise TrainingError where a cache holds photos, but none of these: another folder's."""
    if journal.known and journal.known.keys().isdisjoint(names):
        raise TrainingError(
            f"{folder} holds {len(journal.known):,} photos, and none of those in {source}. Name "
            "the folder that it was made from, or another cache."
        )


def summary(cache: Cache) -> list[str]:
    """Lines of a table: how many photos are used, and how many are not and why."""
    skipped = Counter(entry.code for entry in cache.skipped())
    rows = [["used", str(len(cache.usable()))]]
    rows += [[code, str(count)] for code, count in sorted(skipped.items())]
    photos = Counter(entry.person for entry in cache.usable())
    several = [f"{sum(n >= k for n in photos.values()):,} with {k} or more" for k in (2, 3, 10)]
    caption = (
        f"{len(cache.entries):,} photos; those that can be used show {len(photos):,} people, "
        f"{', '.join(several)}"
    )
    return [caption, "", *table(["photos", "number"], rows)]


@dataclass(frozen=True, slots=True, eq=False)
class _Found:
    """The face of a photo, as its (S, S, 3) RGB crop, or why there is none."""

    crop: NDArray[np.uint8] | None
    code: str = ""
    why: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class _Work:
    """One run over the photos of a folder."""

    source: Path
    folder: Path
    aligner: Aligner
    min_face: float
    journal: Journal
    advance: Advance

    def run(self, photos: Sequence[Path], runs: int | None) -> None:
        """Align what isn't yet, in the order of the photos."""
        asked: list[Entry] = []
        found = in_batches(
            self._contents(photos, asked), self._aligned, min_face=self.min_face, runs=runs
        )
        for place, face in enumerate(found):
            self.journal.add(self._kept(asked[place], face))
            self.advance(1)

    def _contents(self, photos: Sequence[Path], asked: list[Entry]) -> Iterator[bytes]:
        """The content of each photo that is new or changed, noted in `asked`."""
        for photo in photos:
            name = _name(self.source, photo)
            try:
                status = photo.stat()
                if not stat.S_ISREG(status.st_mode):
                    raise OSError(errno.EINVAL, "it is no file")
                # A name that no crop can have, or no text.
                _check_name(name)
                stamp = (status.st_size, status.st_mtime_ns)
                if self._is_done(name, stamp):
                    self.advance(1)
                    continue
                data = photo.read_bytes()
            except OSError as error:
                why = f"The file can't be read: {error.strerror}."
                self.journal.add(Entry(name, 0, 0, "", "", UNREADABLE, why))
                self.advance(1)
                continue
            asked.append(Entry(name, *stamp, sha256(data).hexdigest(), ""))
            yield data

    def _is_done(self, name: str, stamp: tuple[int, int]) -> bool:
        known = self.journal.known.get(name)
        if known is None or (known.size, known.modified) != stamp:
            return False
        return not known.crop or (self.folder / known.crop).is_file()

    def _aligned(self, photos: Sequence[bytes]) -> list[_Found]:
        """The faces of a batch of photos; one that can't be decoded or aligned fails alone."""
        decoded = [decoded_or_error(photo, self.min_face, images.MAX_PIXELS) for photo in photos]
        pictures = [image for image in decoded if isinstance(image, DecodedImage)]
        faces = iter(self._faces(pictures))
        return [
            self._found(next(faces))
            if isinstance(image, DecodedImage)
            else _Found(None, image.code, image.message)
            for image in decoded
        ]

    def _faces(self, pictures: Sequence[DecodedImage]) -> list[Aligned | EmbedderError]:
        try:
            detections = self.aligner.detect(pictures, min_face=self.min_face)
            chosen = [
                nearest_centre(picture.info, faces)
                for picture, faces in zip(pictures, detections, strict=True)
            ]
            return list(self.aligner.align(pictures, chosen))
        except EmbedderError as error:
            if len(pictures) == 1:
                return [error]
            # One of them is bad: each finds out alone.
            return [self._faces([picture])[0] for picture in pictures]

    def _found(self, aligned: Aligned | EmbedderError) -> _Found:
        if isinstance(aligned, EmbedderError):
            code = aligned.code if isinstance(aligned, ImageError) else "unaligned"
            return _Found(None, code, str(aligned))
        _, crops = aligned
        if not len(crops):
            return _Found(None, NO_FACE, _NO_FACE.format(self.min_face))
        return _Found(crops[0])

    def _kept(self, entry: Entry, face: _Found) -> Entry:
        """The entry of a photo, once its crop is in its place."""
        crop = ""
        if face.crop is not None:
            crop = f"{CROPS}/{entry.photo}.png"
            _write_png(self.folder / crop, face.crop)
        return Entry(
            entry.photo, entry.size, entry.modified, entry.sha256, crop, face.code, face.why
        )


def _check_name(name: str) -> None:
    """Raise OSError for what can't be written down, or be the name of a crop."""
    try:
        longest = max(len(part.encode()) for part in name.split("/"))
    except UnicodeEncodeError as error:
        raise OSError(errno.EILSEQ, "its name is not UTF-8, rename it") from error
    if longest > _LONGEST_NAME:
        raise OSError(errno.ENAMETOOLONG, f"its name is longer than {_LONGEST_NAME} bytes")


def _name(source: Path, photo: Path) -> str:
    return photo.relative_to(source).as_posix()


def _write_png(path: Path, crop: NDArray[np.uint8]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f"{path.name}.part")
    try:
        fresh.write_bytes(cv2.imencode(".png", crop[..., ::-1], _PNG)[1].tobytes())
        fresh.replace(path)
    except OSError as error:
        fresh.unlink(missing_ok=True)
        raise TrainingError(
            f"{path} can't be written: {error.strerror}. Make room, then give the same command: "
            "what is done stays done."
        ) from error
