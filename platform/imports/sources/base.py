"""What every source is: a list of names that streams by, and the bytes of those that are wanted."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from types import TracebackType
from typing import Protocol, Self, TypeAlias

from imports.names import Fault


@dataclass(frozen=True, slots=True)
class Entry:
    """A file that is offered.

    `number` is its place in the source, from 0, and `name` its path there, with `/` between
    folders, as text that can be shown and stored. `size` is in bytes as the source claims, None if
    it doesn't say. `key` finds it again: number, name, size and key are all that need be kept.
    `head` is the beginning of its content, where a listing got it for nothing.
    """

    number: int
    name: str
    size: int | None
    key: str
    head: bytes = field(default=b"", compare=False, repr=False)

    def refused(self, fault: Fault) -> "Refused":
        """The same, not offered after all."""
        return Refused(self.number, self.name, self.key, fault.code, fault.sentence)


@dataclass(frozen=True, slots=True)
class Refused:
    """A file that is not taken, with a stable code and a sentence for whoever sent it."""

    number: int
    name: str
    key: str
    code: str
    sentence: str


@dataclass(frozen=True, slots=True)
class Ignored:
    """What was never meant to be imported: `why` is `folder`, `hidden` or `manifest`."""

    number: int
    name: str
    key: str
    why: str


@dataclass(frozen=True, slots=True)
class Loss:
    """What the source has, or had, beyond this point and can't give. A listing ends with it."""

    code: str
    sentence: str


Listed: TypeAlias = Entry | Refused | Ignored | Loss
Numbered: TypeAlias = Entry | Refused | Ignored
Content: TypeAlias = tuple[Entry, bytes | Refused]


class Source(Protocol):
    """Where photos come from. Everything in it is hostile until it was decoded.

    The order of a listing is always the same. Faults of entries are listed, never raised; only a
    source that gives nothing at all raises UnusableSource.
    """

    @property
    def is_tape(self) -> bool:
        """Whether reading anything means to read all before it. A listing then gives heads."""

    def listing(self, start: int = 0, *, head: int = 0) -> Iterator[Listed]:
        """All there is from number `start` on, in constant memory.

        A tape adds the first `head` bytes of each entry.
        """

    def read(
        self, entries: Iterable[Entry], *, first: int | None = None, at_most: int | None = None
    ) -> Iterator[Content]:
        """The content of each, or why there is none, in the order that costs least.

        With `first` so many bytes from the beginning are enough, and the rest is not looked at.
        No entry may be larger than `at_most`, by default the limit of a photo.
        """

    def close(self) -> None:
        """Give back files and connections."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None: ...


class Closing:
    """A source that is closed at the end of a `with`."""

    def close(self) -> None:
        """Give back files and connections."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self.close()
