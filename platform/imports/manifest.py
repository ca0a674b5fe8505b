"""A table that says who is on which file: CSV or XLSX, in the source or beside it."""

import io
import sys
import unicodedata
from array import array
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from common.tables import CsvTable, OpenTable, Table, TableError, XlsxTable

from .errors import MISSING_COLUMNS, UnusableManifest
from .limits import MEGABYTE, Limits
from .names import TABLES, Fault, shown, suffix, tidied
from .people import (
    LineRefused,
    Planned,
    Result,
    Understood,
    id_fault,
    metadata_fault,
    name_fault,
    several_faces_fault,
    tidy_id,
)
from .sources import Entry, Refused, Source

FILE, ID, NAME, SEVERAL = "file", "external_id", "name", "several_faces"
_KNOWN = (FILE, ID, NAME, SEVERAL)
# Of a table that was sent: a name of ours, which says nothing to whoever sent it.
SENT_SUFFIX = ".manifest"
_SENT_NAME = "the manifest"
# The code of a file that no line names.
NOT_IN_MANIFEST = "not_in_manifest"
_LONGEST_CELL = 10_000
_PACKED = b"PK\3\4"  # how a workbook begins


class Manifest:
    """The lines of a table, by the file that each names; the cells of a line as they are written.

    Kept in memory, some 300 bytes a line. A line that can't be used is kept with its fault, so
    that the file it names gets that for its result.
    """

    def __init__(self, table: Table, name: str, limits: Limits) -> None:
        """Read all of it.

        Raises:
            UnusableManifest: it can't be read, or lacks a column that is needed.
        """
        self.name = name
        self.kind = table.kind
        self._rows: list[tuple[str, ...]] = []
        self._lines = array("L")
        self._faults: dict[int, Fault] = {}
        self._by_path: dict[str, int] = {}
        self._by_form: dict[str, int] = {}
        self._names: dict[str, tuple[int, str]] = {}
        try:
            lines = table.lines()
            self._header = _header(next(lines, (0, []))[1], name)
            for line, cells in lines:
                if len(self._rows) >= limits.entries:
                    raise UnusableManifest(f"{name} has more than {limits.entries:,} lines.")
                self._add(line, cells)
        except TableError as error:
            raise UnusableManifest(str(error)) from error

    @property
    def columns(self) -> dict[str, str]:
        """What each column of the table is taken for: its own name, or `metadata`."""
        return {
            title: (key if key in _KNOWN else "metadata") for key, title in self._header if title
        }

    def __len__(self) -> int:
        return len(self._rows)

    def finding(self, base: str = "") -> "Finding":
        """Look up files; paths may be relative to the folder `base`."""
        return Finding(self, base)

    def index(self, name: str, base: str) -> int | None:
        """Where the line is that names this file."""
        paths = [name, name.removeprefix(f"{base}/")] if base else [name]
        for path in paths:
            if path in self._by_path:
                return self._by_path[path]
        for path in paths:
            found = self._by_form.get(_form(path))
            if found is not None:
                return found
        return None

    def planned(self, index: int, entry: Entry) -> Planned | Refused:
        """What a line says of a file."""
        fault = self._faults.get(index)
        if fault is not None:
            return entry.refused(fault)
        cells = self._named(index)
        return Planned(
            entry,
            tidy_id(cells[ID]),
            cells.get(NAME, "").strip(),
            self._metadata(index),
            cells.get(SEVERAL, "").strip().lower(),
            self._lines[index],
        )

    def understood(self, rows: int) -> list[Understood]:
        """The first lines, whether or not their files are there."""
        return [self._understood(index) for index in range(min(rows, len(self)))]

    def _understood(self, index: int) -> Understood:
        fault = self._faults.get(index) or Fault("", "")
        line = self._lines[index]
        if not self._rows[index]:
            return Understood("", line=line, code=fault.code, sentence=fault.sentence)
        cells = self._named(index)
        return Understood(
            shown(cells[FILE]),
            tidy_id(cells[ID]),
            cells.get(NAME, "").strip(),
            self._metadata(index),
            cells.get(SEVERAL, "").strip().lower(),
            line,
            fault.code,
            fault.sentence,
        )

    def unused(self, is_used: bytearray) -> Iterator[LineRefused]:
        """Lines whose file is missing, or that name none."""
        for index, used in enumerate(is_used):
            if used:
                continue
            fault = self._faults.get(index) or Fault(
                "missing_file",
                f"Line {self._lines[index]} of {self.name} names a file that isn't in the source.",
            )
            file = self._rows[index][self._place(FILE)] if self._rows[index] else ""
            yield LineRefused(self._lines[index], shown(file[:_LONGEST_CELL]), *fault)

    def _add(self, line: int, cells: list[str]) -> None:
        index = len(self._rows)
        self._lines.append(line)
        if len(cells) < len(self._header) and self.kind == XlsxTable.kind:
            cells = cells + [""] * (len(self._header) - len(cells))
        if len(cells) != len(self._header):
            self._rows.append(())
            self._faults[index] = Fault(
                "ragged_line",
                f"Line {line} of {self.name} has {len(cells)} cells where the header has "
                f"{len(self._header)}.",
            )
            return
        self._rows.append(tuple(map(sys.intern, cells)))
        repeated = self._repeats(index)
        fault = self._fault(index) or repeated
        if fault is not None:
            self._faults[index] = Fault(fault.code, f"Line {line} of {self.name}: {fault.sentence}")

    def _fault(self, index: int) -> Fault | None:
        cells = self._named(index)
        if not cells[FILE].strip():
            return Fault("no_file", "It names no file.")
        if any(len(cell) > _LONGEST_CELL for cell in self._rows[index]):
            return Fault("bad_metadata", f"A cell has at most {_LONGEST_CELL} characters.")
        return (
            id_fault(tidy_id(cells[ID]))
            or name_fault(cells.get(NAME, "").strip())
            or several_faces_fault(cells.get(SEVERAL, "").strip().lower())
            or metadata_fault(self._metadata(index))
        )

    def _repeats(self, index: int) -> Fault | None:
        """What contradicts an earlier line; where two differ, neither is believed."""
        path = _path(self._named(index)[FILE])
        if not path:
            return None
        earlier = self._by_path.setdefault(path, index)
        self._by_form.setdefault(_form(path), index)
        if earlier == index:
            return self._other_name(index)
        line = self._lines[earlier]
        if self._rows[earlier] != self._rows[index]:
            self._faults.setdefault(
                earlier,
                Fault(
                    "duplicate_file",
                    f"Lines {line} and {self._lines[index]} of {self.name} say different things "
                    "of this file.",
                ),
            )
        return Fault("duplicate_file", f"Line {line} has named this file already.")

    def _other_name(self, index: int) -> Fault | None:
        """An id that an earlier line gave to somebody with another name."""
        cells = self._named(index)
        name = cells.get(NAME, "").strip()
        if not name:
            return None
        earlier, known = self._names.setdefault(tidy_id(cells[ID]), (index, name))
        if known == name:
            return None
        return Fault(
            "different_names",
            f"Line {self._lines[earlier]} calls the person with this external_id otherwise.",
        )

    def _named(self, index: int) -> dict[str, str]:
        """The cells of the columns that have a meaning here."""
        pairs = zip(self._header, self._rows[index], strict=True)
        return {key: cell for (key, _), cell in pairs if key in _KNOWN}

    def _metadata(self, index: int) -> dict[str, str]:
        """The cells of all other columns, as far as there is anything in them."""
        pairs = zip(self._header, self._rows[index], strict=True)
        return {
            title: cell.strip()
            for (key, title), cell in pairs
            if key not in _KNOWN and title and cell.strip()
        }

    def _place(self, column: str) -> int:
        return next(place for place, (key, _) in enumerate(self._header) if key == column)


class Finding:
    """One look through a source: which lines have found their file."""

    def __init__(self, manifest: Manifest, base: str) -> None:
        self._manifest = manifest
        self._base = base
        self._is_used = bytearray(len(manifest))

    def planned(self, entry: Entry) -> Result:
        """Whom a file shows, by the line that names it."""
        index = self._manifest.index(entry.name, self._base)
        if index is None:
            return entry.refused(
                Fault(NOT_IN_MANIFEST, f"No line of {self._manifest.name} names it.")
            )
        if self._is_used[index]:
            return entry.refused(
                Fault("ambiguous_file", "The line that names it has named another file already.")
            )
        self._is_used[index] = 1
        return self._manifest.planned(index, entry)

    def refused(self, refused: Refused) -> None:
        """A file that isn't taken isn't missing."""
        index = self._manifest.index(refused.name, self._base)
        if index is not None:
            self._is_used[index] = 1

    def left(self) -> Iterator[LineRefused]:
        """Lines that found none."""
        return self._manifest.unused(self._is_used)


def read_manifest_beside(path: Path, limits: Limits) -> Manifest:
    """The table in a file of its own.

    Raises:
        UnusableManifest: it can't be read, or lacks a column that is needed.
    """
    name = _SENT_NAME if path.suffix == SENT_SUFFIX else path.name
    with suppress(OSError):
        if path.stat().st_size > limits.manifest_bytes:
            raise UnusableManifest(_begun(_too_large(name, limits).detail))
    try:
        return Manifest(_table(name, lambda: path.open("rb")), name, limits)
    except UnusableManifest as error:
        raise UnusableManifest(_begun(error.detail), code=error.code) from error
    except OSError as error:
        raise UnusableManifest(_begun(f"{name} can't be read: {error.strerror}.")) from error


def _begun(sentence: str) -> str:
    """With a capital letter where it begins with our own name for a table that was sent."""
    is_ours = sentence.startswith(f"{_SENT_NAME} ")
    return sentence[0].upper() + sentence[1:] if is_ours else sentence


def read_manifest(source: Source, limits: Limits) -> tuple[Manifest, str]:
    """The table in a source, and its name there.

    Raises:
        UnusableManifest: there is none, or several, or it can't be read.
    """
    entry = _find(source)
    ((_, found),) = source.read([entry], at_most=limits.manifest_bytes)
    if isinstance(found, Refused):
        raise UnusableManifest(f"{entry.name} can't be read: {found.sentence}")
    return Manifest(_table(entry.name, lambda: io.BytesIO(found)), entry.name, limits), entry.name


def _find(source: Source) -> Entry:
    """The table called `manifest`, or the only one."""
    tables = [
        each for each in source.listing() if isinstance(each, Entry) and suffix(each.name) in TABLES
    ]
    called = [each for each in tables if _stem(each.name) == "manifest"]
    chosen = called or tables
    if not chosen:
        raise UnusableManifest("The source has no table in it. Add manifest.csv, or name one.")
    if len(chosen) > 1:
        listed = ", ".join(each.name for each in chosen[:3])
        raise UnusableManifest(
            f"The source has several tables ({listed}). Call the right one manifest.csv."
        )
    return chosen[0]


def _stem(name: str) -> str:
    return name.rpartition("/")[2].rpartition(".")[0].lower()


def _table(name: str, open_table: OpenTable) -> Table:
    """Its bytes say what it is, and its name where it wants to be a workbook and is none."""
    with open_table() as file:
        is_packed = file.read(len(_PACKED)) == _PACKED
    kind = XlsxTable if is_packed or suffix(name) == ".xlsx" else CsvTable
    return kind(name.rpartition("/")[2], open_table)


def _header(cells: list[str], name: str) -> list[tuple[str, str]]:
    """What each column is, and how it is written. Raises UnusableManifest."""
    header = [(_key(cell), cell.strip()) for cell in cells]
    keys = [key for key, _ in header if key]
    if missing := [column for column in (FILE, ID) if column not in keys]:
        raise UnusableManifest(
            f"{name} has no column {' and no column '.join(missing)} in its first line, which "
            "names the columns. Rename or add what is missing.",
            code=MISSING_COLUMNS,
        )
    if len(set(keys)) < len(keys):
        raise UnusableManifest(f"{name} names a column twice.", code=MISSING_COLUMNS)
    return header


def _key(title: str) -> str:
    """The column's name, as people may write it: `External ID`."""
    return title.strip().casefold().replace(" ", "_").replace("-", "_")


def _path(text: str) -> str:
    """A path as the source would show it: spreadsheets of Windows write it with backslashes."""
    return shown(tidied(text.strip().replace("\\", "/")))


def _form(path: str) -> str:
    return unicodedata.normalize("NFC", path)


def _too_large(name: str, limits: Limits) -> UnusableManifest:
    return UnusableManifest(f"{name} is larger than {limits.manifest_bytes / MEGABYTE:g} MB.")
