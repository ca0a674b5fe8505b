"""What all listings do with what they find, one entry after the other."""

from collections.abc import Iterable, Iterator

from imports import names
from imports.limits import Limits
from imports.names import Fault

from . import faults
from .base import Entry, Ignored, Listed, Loss, Numbered, Refused

Found = tuple[str, int | None, str, Fault | None]
"""Name as it is, size, key, and what is wrong with it already."""


def judged(number: int, found: Found, limits: Limits) -> Numbered:
    """An entry, if its name and size can be taken."""
    raw, size, key, fault = found
    wrong = names.fault(raw)
    if wrong is not None:
        # Its key may be its name; nobody reads it any more.
        return Refused(number, names.shown(raw[: names.LONGEST]), names.shown(key), *wrong)
    name = names.shown(names.tidied(raw))
    if names.is_ignored(name):
        return Ignored(number, name, key, "hidden")
    if raw.endswith("/"):
        return Ignored(number, name, key, "folder")
    if fault is None and names.is_archive(name):
        fault = faults.NESTED
    if fault is None and size is not None and size > _most(name, limits):
        fault = faults.too_large(_most(name, limits))
    return Entry(number, name, size, key) if fault is None else Refused(number, name, key, *fault)


def _most(name: str, limits: Limits) -> int:
    """Bytes that an entry may have: tables may be larger than photos, if only by name."""
    return limits.manifest_bytes if names.suffix(name) in names.TABLES else limits.entry_bytes


def numbered(found: Iterable[Found | Loss], limits: Limits, start: int = 0) -> Iterator[Listed]:
    """All that was found, numbered, up to the limits or the first loss; from `start` on."""
    total = 0
    for number, each in enumerate(found):
        if isinstance(each, Loss):
            yield each
            return
        if number >= limits.entries:
            yield faults.too_many(limits.entries)
            return
        one = judged(number, each, limits)
        if isinstance(one, Entry):
            if total + (one.size or 0) > limits.total_bytes:
                one = one.refused(faults.too_much(limits.total_bytes))
            else:
                total += one.size or 0
        if number >= start:
            yield one
