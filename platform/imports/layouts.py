"""How files become people: by their folder, by their name, or by a table beside them."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Protocol

from .limits import Limits, of_settings
from .manifest import NOT_IN_MANIFEST, Finding, Manifest, read_manifest, read_manifest_beside
from .names import PHOTOS, TABLES, Fault, suffix
from .people import Planned, Result, Understood, id_fault, tidy_id
from .sources import Entry, Ignored, Listed, Refused, Source

NO_FOLDER = Fault(
    "no_folder",
    "It lies in no person's folder. Put each person's photos into a folder of their own.",
)
_UNREADABLE_ID = Fault(
    "bad_external_id", "Its name is no readable text, so it can't say who this is. Rename it."
)
KINDS = ("folders", "names", "manifest")


class Layout(Protocol):
    """What a list of files means. Streams: the results come as the files do."""

    def plan(self, listed: Iterable[Listed]) -> Iterator[Result]:
        """Whom each file shows, or why that can't be said."""


@dataclass(frozen=True, slots=True)
class Folders:
    """A folder for each person: the deepest one's name is the external id.

    `top` is the folder that holds all of them (`top_folder`), and is nobody's; empty if there is
    none. The name is the id with spaces for underscores.
    """

    top: str = ""

    def plan(self, listed: Iterable[Listed]) -> Iterator[Result]:
        """Whom each file shows."""
        for each in listed:
            yield self._planned(each) if isinstance(each, Entry) else each

    def _planned(self, entry: Entry) -> Result:
        path = entry.name.removeprefix(f"{self.top}/") if self.top else entry.name
        folder = path.rpartition("/")[0].rpartition("/")[2]
        if not folder:
            return entry.refused(NO_FOLDER)
        return _named(entry, folder, folder.replace("_", " ").strip())


@dataclass(frozen=True, slots=True)
class Names:
    """`externalid_anything.jpg`: what stands before the separator is the external id.

    A name without the separator is the id as a whole.
    """

    separator: str = "_"

    def plan(self, listed: Iterable[Listed]) -> Iterator[Result]:
        """Whom each file shows."""
        for each in listed:
            yield self._planned(each) if isinstance(each, Entry) else each

    def _planned(self, entry: Entry) -> Result:
        file = entry.name.rpartition("/")[2]
        stem = file[: len(file) - len(suffix(file))]
        return _named(entry, stem.partition(self.separator)[0], "")


@dataclass(frozen=True, slots=True)
class ByManifest:
    """A table says who is on which file.

    `base` is the folder that its paths are relative to, beside the source's own beginning, and
    `file` the table's name if it lies in the source.
    """

    manifest: Manifest
    base: str = ""
    file: str = ""

    def plan(self, listed: Iterable[Listed]) -> Iterator[Result]:
        """Whom each file shows; in the end what is wrong with lines of the table."""
        found = self.manifest.finding(self.base)
        for each in listed:
            if isinstance(each, Refused):
                found.refused(each)
            if not isinstance(each, Entry):
                yield each
            elif each.name == self.file:
                yield _ignored(each)
            else:
                yield self._planned(each, found)
        yield from found.left()

    def _planned(self, entry: Entry, found: Finding) -> Result:
        """A table is no photo that was forgotten: most often it is the one that was sent."""
        result = found.planned(entry)
        is_unnamed = isinstance(result, Refused) and result.code == NOT_IN_MANIFEST
        is_other_table = not self.file and suffix(entry.name) in TABLES
        return _ignored(entry) if is_unnamed and is_other_table else result


def _ignored(table: Entry) -> Ignored:
    return Ignored(table.number, table.name, table.key, "manifest")


def _named(entry: Entry, text: str, name: str) -> Result:
    """The file of somebody whose id stands in its path."""
    if "\\" in text:  # how bytes that are no text are shown
        return entry.refused(_UNREADABLE_ID)
    external_id = tidy_id(text)
    fault = id_fault(external_id)
    return entry.refused(fault) if fault else Planned(entry, external_id, tidy_id(name))


def open_layout(
    kind: str,
    source: Source,
    *,
    separator: str = "_",
    manifest: Path | None = None,
    limits: Limits | None = None,
) -> Layout:
    """The layout of one of `KINDS` for this source; `manifest` is a table beside it, else in it.

    Raises:
        UnusableManifest: there is none, or it can't be read.
    """
    limits = limits or of_settings()
    if kind == "names":
        return Names(separator)
    if kind == "folders":
        return Folders(top_folder(source.listing()))
    if manifest is not None:
        beside = read_manifest_beside(manifest, limits)
        return ByManifest(beside, top_folder(source.listing()))
    inside, file = read_manifest(source, limits)
    return ByManifest(inside, file.rpartition("/")[0], file)


def top_folder(listed: Iterable[Listed]) -> str:
    """The first folder of the way to every photo, if they all have the same; else nothing.

    What isn't called like a photo doesn't count: a note beside the folder changes nothing. Looks no
    further than to the first two that differ.
    """
    top = ""
    for each in listed:
        if isinstance(each, Entry) and suffix(each.name) in PHOTOS:
            first, slash, _ = each.name.partition("/")
            if not slash or (top and first != top):
                return ""
            top = first
    return top


@dataclass(frozen=True, slots=True)
class Understanding:
    """What a dry run shows: how a table is written, what its columns are, and the first rows."""

    table: str
    columns: dict[str, str]
    rows: list[Understood]


def understand(layout: Layout, source: Source, *, rows: int = 10) -> Understanding:
    """How the first files, or lines of the manifest, are understood."""
    if isinstance(layout, ByManifest):
        manifest = layout.manifest
        return Understanding(manifest.kind, manifest.columns, manifest.understood(rows))
    results = layout.plan(source.listing())
    found = (_understood(each) for each in results if isinstance(each, Planned | Refused))
    return Understanding("", {}, list(islice(found, rows)))


def _understood(result: Planned | Refused) -> Understood:
    if isinstance(result, Refused):
        return Understood(result.name, code=result.code, sentence=result.sentence)
    return Understood(result.entry.name, result.external_id, result.name)
