"""What an import would do, from names and the beginnings of files, before anything is done."""

import random
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from django.conf import settings

from embedder.errors import ImageError
from embedder.images import ImageInfo
from embedder.images import inspect as judge

from .layouts import Layout
from .names import twin_key
from .people import LineRefused, Planned, Result
from .sources import Entry, Ignored, Loss, Refused, Source

Known: TypeAlias = Callable[[Sequence[str]], int]
"""How many of these external ids the gallery has."""
Duplicates: TypeAlias = Callable[[Source, Sequence[Entry]], int]
"""How many of these few files the gallery has by content. Reads them whole."""

HEADS = (4 << 10, 256 << 10)
"""Bytes that are tried to judge a header by: nearly always the first is enough."""

_SAMPLE = 150_000
_COMPARED = 200  # files that are read whole, to be looked for in the gallery
_COMPARED_AT_ONCE, _COMPARE_SECONDS = 10, 3.0
_SECONDS = 5.0
_CHUNK = 500
_STRIDE = 8
_EXAMPLES = 5
_FORMAT = "unsupported_format"


@dataclass(frozen=True, slots=True)
class Headers:
    """What the beginnings of files say: how many were `judged` of how many, and what is wrong.

    Where not all were judged (`judged` < `of`), those that were are a fair sample.
    """

    judged: int = 0
    of: int = 0
    formats: dict[str, int] = field(default_factory=dict)
    refused: dict[str, int] = field(default_factory=dict)

    @property
    def is_complete(self) -> bool:
        """Whether every file was judged."""
        return self.judged == self.of

    @property
    def wrong_type(self) -> int:
        """Files that are no photos."""
        return self.refused.get(_FORMAT, 0)

    @property
    def unreadable(self) -> int:
        """Photos whose header says that they can't be used."""
        return sum(self.refused.values()) - self.wrong_type


@dataclass(frozen=True, slots=True)
class Example:
    """One of the first things refused with a code."""

    name: str
    code: str
    sentence: str


@dataclass(frozen=True, slots=True)
class Plan:
    """What an import would do.

    `files` is `photos` (to be enrolled, or tried) and all that is `refused`, by code; `ignored` and
    `lines` (of a manifest, by code) come on top. `twins` are photos whose names differ from an
    earlier one's by case or accents only. `known` people are in the gallery already, `duplicates`
    are photos of the `compared` ones that it has; both are None where nobody was there to say it.
    `seconds` is what the import is expected to take.
    """

    files: int
    photos: int
    people: int
    bytes: int
    refused: dict[str, int]
    ignored: dict[str, int]
    lines: dict[str, int]
    examples: list[Example]
    losses: list[Loss]
    twins: int
    headers: Headers
    known: int | None
    duplicates: int | None
    compared: int
    seconds: float | None
    took: float

    @property
    def new(self) -> int | None:
        """People who are not in the gallery yet."""
        return None if self.known is None else self.people - self.known


def inspect(
    source: Source,
    layout: Layout,
    *,
    rate: float | None = None,
    known: Known | None = None,
    duplicates: Duplicates | None = None,
    sample: int = _SAMPLE,
    seconds: float = _SECONDS,
) -> Plan:
    """Read all names, and headers as far as `sample` files and `seconds` go.

    `rate` is in photos a second. A tape (a compressed TAR) is read to its end whatever it takes,
    and all its headers are judged on the way.
    """
    began = time.monotonic()
    seen = _Seen(sample, is_tape=source.is_tape)
    for result in layout.plan(source.listing(head=HEADS[1] if source.is_tape else 0)):
        seen.add(result)
    if not source.is_tape:
        seen.judge(source, time.monotonic() + seconds)
    known_bytes, compared = _compared(source, seen, duplicates)
    return Plan(
        files=seen.photos + sum(seen.refused.values()),
        photos=seen.photos,
        people=len(seen.ids),
        bytes=seen.bytes,
        refused=dict(seen.refused),
        ignored=dict(seen.ignored),
        lines=dict(seen.lines),
        examples=seen.examples,
        losses=seen.losses,
        twins=seen.twins,
        headers=Headers(seen.judged, seen.photos, dict(seen.formats), dict(seen.by_header)),
        known=_known(seen.ids, known),
        duplicates=known_bytes,
        compared=compared,
        seconds=seen.photos / rate if rate else None,
        took=time.monotonic() - began,
    )


class _Seen:
    """What was counted so far."""

    def __init__(self, size: int, *, is_tape: bool) -> None:
        self.photos = self.bytes = self.twins = self.judged = 0
        self.ids: set[str] = set()
        self.refused: Counter[str] = Counter()
        self.ignored: Counter[str] = Counter()
        self.lines: Counter[str] = Counter()
        self.formats: Counter[str] = Counter()
        self.by_header: Counter[str] = Counter()
        self.examples: list[Example] = []
        self.losses: list[Loss] = []
        self.sample: list[Entry] = []
        self._size = size
        self._is_tape = is_tape
        self._names: set[int] = set()
        self._random = random.Random(0)  # noqa: S311 - a sample, the same each time

    def add(self, result: Result) -> None:
        """Count a file."""
        if isinstance(result, Planned):
            self._photo(result)
        elif isinstance(result, Refused):
            self._refused(self.refused, result.code, result.name, result.sentence)
        elif isinstance(result, LineRefused):
            self._refused(self.lines, result.code, result.file, result.sentence)
        elif isinstance(result, Ignored):
            self.ignored[result.why] += 1
        else:
            self.losses.append(result)

    def judge(self, source: Source, ends: float) -> None:
        """Judge the headers of the sample until the time is over.

        Every eighth first, then the ones after those: wherever it ends, all parts had their share.
        """
        ordered = sorted(self.sample, key=lambda entry: entry.number)
        for chunk in _chunks(ordered):
            for entry, head in source.read(chunk, first=HEADS[0]):
                self._judge(source, entry, head)
                if time.monotonic() > ends:
                    return

    def spread(self, count: int) -> list[Entry]:
        """So many of the sample, from all parts of the source."""
        return self.sample[:: max(1, -(-len(self.sample) // count))]

    def _photo(self, planned: Planned) -> None:
        entry = planned.entry
        self.photos += 1
        self.bytes += entry.size or 0
        self.ids.add(planned.external_id)
        key = hash(twin_key(entry.name))
        self.twins += key in self._names
        self._names.add(key)
        if self._is_tape:
            self._judge(None, entry, entry.head)
        else:
            self._draw(entry)

    def _draw(self, entry: Entry) -> None:
        """Each photo with the same chance (Vitter's algorithm R)."""
        if len(self.sample) < self._size:
            self.sample.append(entry)
        elif (place := self._random.randrange(self.photos)) < self._size:
            self.sample[place] = entry

    def _judge(self, source: Source | None, entry: Entry, head: bytes | Refused) -> None:
        found = head if isinstance(head, Refused) else _judged(source, entry, head)
        if found is None:
            return
        self.judged += 1
        if isinstance(found, ImageInfo):
            self.formats[found.format] += 1
        else:
            self._refused(self.by_header, found.code, entry.name, found.sentence)

    def _refused(self, counts: Counter[str], code: str, name: str, sentence: str) -> None:
        counts[code] += 1
        if counts[code] <= _EXAMPLES:
            self.examples.append(Example(name, code, sentence))


def _judged(source: Source | None, entry: Entry, head: bytes) -> ImageInfo | Refused | None:
    """What the header says; more of the file is read where its beginning doesn't tell.

    None where that can't be: on a tape, which has moved on.
    """
    try:
        return judge(head, max_pixels=settings.MAX_PIXELS)
    except ImageError as error:
        if error.code != "undecodable" or len(head) not in HEADS:
            return _refused(entry, error)
    if source is None:
        return None
    for first in (*HEADS[1:], None):
        ((_, more),) = source.read([entry], first=first)
        if isinstance(more, Refused):
            return more
        try:
            return judge(more, max_pixels=settings.MAX_PIXELS)
        except ImageError as error:
            if first is None or len(more) < first:
                return _refused(entry, error)
    raise AssertionError("the last one is read whole")


def _refused(entry: Entry, error: ImageError) -> Refused:
    return Refused(entry.number, entry.name, entry.key, error.code, error.message)


def _chunks(entries: Sequence[Entry]) -> Iterator[Sequence[Entry]]:
    for start in range(_STRIDE):
        part = entries[start::_STRIDE]
        for at in range(0, len(part), _CHUNK):
            yield part[at : at + _CHUNK]


def _compared(source: Source, seen: _Seen, duplicates: Duplicates | None) -> tuple[int | None, int]:
    """How many of how many files the gallery has: those that could be read in time.

    Of a tape none: to reach a file in its middle all before it is unpacked once more.
    """
    if duplicates is None or source.is_tape:
        return None, 0
    chosen = seen.spread(_COMPARED)
    ordered = [entry for start in range(_STRIDE) for entry in chosen[start::_STRIDE]]
    found = compared = 0
    ends = time.monotonic() + _COMPARE_SECONDS
    for at in range(0, len(ordered), _COMPARED_AT_ONCE):
        if time.monotonic() > ends:
            break
        some = ordered[at : at + _COMPARED_AT_ONCE]
        found, compared = found + duplicates(source, some), compared + len(some)
    return (found, compared) if compared else (None, 0)


def _known(ids: Iterable[str], known: Known | None) -> int | None:
    if known is None:
        return None
    ordered = list(ids)
    return sum(known(ordered[at : at + _CHUNK]) for at in range(0, len(ordered), _CHUNK))
