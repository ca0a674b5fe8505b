"""Objects that only one thread may use at a time, shared by many threads."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Generic, TypeVar

T = TypeVar("T")


class Pool(Generic[T]):
    """Lends objects out, and makes another when all are out.

    So there are never more of them than threads that used one at the same time.
    """

    def __init__(self, make: Callable[[], T]) -> None:
        """Make the first at once, so that what is wrong with it shows here."""
        self._make = make
        self._idle = deque([make()])

    @contextmanager
    def lend(self) -> Iterator[T]:
        """One of them, for this thread alone until the block ends."""
        # A deque's own methods are atomic: no lock is needed.
        try:
            one = self._idle.pop()
        except IndexError:
            one = self._make()
        yield one
        # Not given back after an error: its state is anyone's guess.
        self._idle.append(one)
