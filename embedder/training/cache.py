"""A cache of aligned crops: photos found, aligned and cut once, to be trained on many times.

A folder with `crops/<person>/<photo>.png`, `index.json` that says what became of each photo, and,
while it is being filled, `journal.jsonl`: one line for each photo that is done, behind its crop, so
that a run that was killed goes on where it stopped.
"""

from __future__ import annotations

import json
import os
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from embedder.errors import TrainingError

FORMAT = 1
INDEX, JOURNAL, CROPS, SKIPPED = "index.json", "journal.jsonl", "crops", "skipped.json"

DUPLICATE, TWO_NAMES = "duplicate", "two_names"


@dataclass(frozen=True, slots=True)
class Recipe:
    """How the crops of a cache are made.

    points: where the detector's five landmarks (left eye, right eye, nose, mouth corners) lie in
    square crops of `size` pixels a side. min_face: width in pixels of the smallest face looked for.
    """

    detector: str
    size: int
    points: tuple[tuple[float, float], ...]
    min_face: float


@dataclass(frozen=True, slots=True)
class Entry:
    """What became of a photo, named `<person>/<file>`.

    size (bytes), modified (nanoseconds) and sha256 are those of its file. crop: path of its crop
    under the cache, empty if there is none: then `code` and `why` say the reason.
    """

    photo: str
    size: int
    modified: int
    sha256: str
    crop: str
    code: str = ""
    why: str = ""

    @property
    def person(self) -> str:
        """The name of the folder that the photo lies in."""
        return self.photo.split("/", 1)[0]


@dataclass(frozen=True, slots=True)
class Cache:
    """A finished cache: entries by name of the photo, and how its crops were made."""

    folder: Path
    recipe: Recipe
    entries: tuple[Entry, ...]

    def usable(self) -> list[Entry]:
        """Entries with a crop, each photo once, and none that bears two people's names."""
        refused = {entry.photo for entry in self.skipped()}
        return [entry for entry in self.entries if entry.photo not in refused]

    def skipped(self) -> list[Entry]:
        """Entries that are not used, each with its reason."""
        copies = _copies(self.entries)
        return [
            entry for entry in (copies.get(each.photo, each) for each in self.entries) if entry.code
        ]


def _copies(entries: Iterable[Entry]) -> dict[str, Entry]:
    """Entries whose photo is there more than once, by name, with what is wrong with them."""
    groups: defaultdict[str, list[Entry]] = defaultdict(list)
    for entry in entries:
        if entry.sha256:
            groups[entry.sha256].append(entry)
    found = {}
    for group in groups.values():
        people = sorted({entry.person for entry in group})
        if len(people) > 1:
            # Whose face it is can't be known: no network is to learn that it is both's.
            why = f"The same photo (SHA-256 {group[0].sha256}) lies with {', '.join(people)}."
            found.update({each.photo: _with_fault(each, TWO_NAMES, why) for each in group})
        for again in group[1:] if len(people) == 1 else ():
            why = f"The same photo as {group[0].photo} (SHA-256 {again.sha256})."
            found[again.photo] = _with_fault(again, DUPLICATE, why)
    return found


def _with_fault(entry: Entry, code: str, why: str) -> Entry:
    return Entry(
        entry.photo, entry.size, entry.modified, entry.sha256, entry.crop, entry.code or code, why
    )


def read(folder: Path) -> Cache:
    """A finished cache. Raises TrainingError where there is none, or only a part of one."""
    path = folder / INDEX
    if not path.is_file():
        state = "is not finished" if (folder / JOURNAL).exists() else "has no index.json"
        raise TrainingError(f"{folder} {state}. Make it: python -m embedder align PHOTOS {folder}")
    try:
        content = json.loads(path.read_text("utf-8"))
        if content["format"] != FORMAT:
            raise TrainingError(f"{path} has format {content['format']}, not {FORMAT}.")
        entries = tuple(Entry(**entry) for entry in content["entries"])
        return Cache(folder, recipe_of(content["recipe"]), entries)
    except (ValueError, KeyError, TypeError) as error:
        raise TrainingError(f"{path} is damaged. Remove it, and align once more.") from error


def recipe_of(table: dict[str, Any]) -> Recipe:
    """A recipe as `asdict` and JSON left it."""
    points = tuple((float(x), float(y)) for x, y in table["points"])
    return Recipe(table["detector"], table["size"], points, table["min_face"])


def write_index(folder: Path, recipe: Recipe, entries: Sequence[Entry]) -> Cache:
    """Finish a cache: the index takes the place of the journal."""
    content = {
        "format": FORMAT,
        "recipe": asdict(recipe),
        "entries": [asdict(entry) for entry in entries],
    }
    write_text(folder / INDEX, json.dumps(content, indent=1) + "\n")
    cache = Cache(folder, recipe, tuple(entries))
    skipped = [
        {"photo": entry.photo, "code": entry.code, "why": entry.why} for entry in cache.skipped()
    ]
    write_text(folder / SKIPPED, json.dumps(skipped, indent=1) + "\n")
    (folder / JOURNAL).unlink(missing_ok=True)
    return cache


def write_text(path: Path, text: str) -> None:
    """Replace a file by another in one step: a reader sees the old one or the whole new one."""
    fresh = path.with_name(f"{path.name}.part")
    with fresh.open("w", encoding="utf-8") as stream:
        stream.write(text)
        stream.flush()
        os.fsync(stream.fileno())
    fresh.replace(path)


class Journal:
    """The lines of a cache that is being filled."""

    def __init__(self, folder: Path, recipe: Recipe) -> None:
        """Go on with what is there. Raises TrainingError when it was begun with another recipe."""
        self.known = {entry.photo: entry for entry in _finished(folder, recipe)}
        path = folder / JOURNAL
        lines = _text(path).split("\n") if path.exists() else [""]
        # What stands behind the last line break was cut off when the process was killed.
        whole = lines[:-1]
        for entry in _journaled(folder, recipe, whole):
            self.known[entry.photo] = entry
        head = whole or [json.dumps(asdict(recipe))]
        write_text(path, "".join(f"{line}\n" for line in head))
        self._stream = path.open("a", encoding="utf-8")

    def add(self, entry: Entry) -> None:
        """Note what became of a photo, whose crop is already in its place."""
        self.known[entry.photo] = entry
        self._stream.write(json.dumps(asdict(entry)) + "\n")
        # To the system, so that it outlives this process.
        self._stream.flush()

    def close(self) -> None:
        """Write no more."""
        self._stream.close()


def _text(path: Path) -> str:
    """What a journal says; what is no text is no line of one, and told so."""
    return path.read_text("utf-8", errors="replace")


def _journaled(folder: Path, recipe: Recipe, lines: Sequence[str]) -> list[Entry]:
    if not lines:
        return []
    try:
        found = recipe_of(json.loads(lines[0]))
        entries = [Entry(**json.loads(line)) for line in lines[1:]]
    except (ValueError, KeyError, TypeError) as error:
        raise TrainingError(
            f"{folder / JOURNAL} is damaged. Remove it: what it says is done again."
        ) from error
    _check_recipe(folder, recipe, found)
    return entries


def _finished(folder: Path, recipe: Recipe) -> tuple[Entry, ...]:
    if not (folder / INDEX).exists():
        return ()
    cache = read(folder)
    _check_recipe(folder, recipe, cache.recipe)
    return cache.entries


def _check_recipe(folder: Path, wanted: Recipe, found: Recipe) -> None:
    if wanted != found:
        raise TrainingError(
            f"{folder} holds crops of {found.size} pixels of the detector {found.detector}, "
            f"min_face {found.min_face:g}, aligned in another way than asked for now "
            f"({wanted.size} pixels, {wanted.detector}, {wanted.min_face:g}). Name another folder."
        )
