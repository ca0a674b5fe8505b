"""Names of files as strangers write them: which are refused, which ignored, how they are shown.

No name ever becomes a path that is written to. What is refused here is refused because an archive
that has it was made to harm, or because nobody could be told what it means.
"""

import re
import unicodedata
from pathlib import Path
from typing import NamedTuple

LONGEST = 1000
"""Characters of a name with its folders."""

PHOTOS = frozenset(
    {".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".gif", ".bmp", ".avif", ".heic", ".heif"}
)
ARCHIVE_SUFFIX = ".archive"
"""Of what was sent: a name of ours, which says nothing to whoever sent it."""
TABLES = frozenset({".csv", ".tsv", ".xlsx"})
_ARCHIVES = frozenset(
    {".zip", ".tar", ".tgz", ".tbz", ".tbz2", ".txz", ".gz", ".bz2", ".xz", ".zst", ".lz4"}
    | {".7z", ".rar", ".jar", ".cab", ".iso"}
)
_LITTER = frozenset({"thumbs.db", "desktop.ini", "ehthumbs.db", "__macosx", "@eadir"})
_DRIVE = re.compile("[A-Za-z]:")
# Control characters, and halves of surrogate pairs: bytes that are no text in their encoding.
_UNPRINTABLE = re.compile("[\\x00-\\x1f\\x7f-\\x9f\\ud800-\\udfff]")
_UNDECODED = range(0xDC80, 0xDD00)  # how Python keeps the byte 0x80 to 0xff ("surrogateescape")


class Fault(NamedTuple):
    """Why something is refused: a stable code, and a sentence."""

    code: str
    sentence: str


def source_name(path: Path) -> str:
    """What a sentence calls the file that something is imported from."""
    return "What was sent" if path.suffix == ARCHIVE_SUFFIX else path.name


def fault(name: str) -> Fault | None:
    """What is wrong with the name of an entry, its folders between slashes; None if nothing is."""
    if "\0" in name:
        return Fault("bad_name", "Its name contains U+0000. Rename the file.")
    if len(name) > LONGEST:
        return Fault("name_too_long", f"Its name has more than {LONGEST} characters. Shorten it.")
    if "\\" in name:
        return Fault(
            "unsafe_name", "Its name contains a backslash. Pack the files with / between folders."
        )
    if name.startswith("/") or _DRIVE.match(name):
        return Fault("unsafe_name", "Its name is an absolute path. Pack the files without one.")
    if ".." in name.split("/"):
        return Fault("unsafe_name", "Its name leads out of the source (..). Pack the files anew.")
    return None


def tidied(name: str) -> str:
    """Without `./` and doubled slashes, which mean nothing."""
    if "//" not in name and not name.startswith("./") and "/./" not in name:
        return name
    return "/".join(part for part in name.split("/") if part not in {"", "."})


def shown(name: str) -> str:
    r"""The name as text that any database keeps and any page shows: what is no text as \xff."""
    if name.isascii() and name.isprintable():
        return name
    return _UNPRINTABLE.sub(_escaped, name)


def _escaped(match: re.Match[str]) -> str:
    code = ord(match[0])
    if code in _UNDECODED:
        code -= 0xDC00
    return f"\\x{code:02x}" if code <= 0xFF else f"\\u{code:04x}"  # noqa: PLR2004 - a byte


def is_ignored(name: str) -> bool:
    """Whether it is what systems leave behind: hidden files, thumbnails, resource forks."""
    return name.startswith(".") or "/." in name or not _LITTER.isdisjoint(name.lower().split("/"))


def suffix(name: str) -> str:
    """The end of the name that says what it is, such as `.jpg`, in small letters."""
    last = name.rpartition("/")[2]
    stem, dot, end = last.rpartition(".")
    return f".{end.lower()}" if dot and stem else ""


def is_archive(name: str) -> bool:
    """Whether it calls itself an archive."""
    return suffix(name) in _ARCHIVES


def twin_key(name: str) -> str:
    """Equal for names that differ only by case, or by how accents are written."""
    return name.casefold() if name.isascii() else _composed(_composed(name).casefold())


def _composed(name: str) -> str:
    return unicodedata.normalize("NFC", name)
