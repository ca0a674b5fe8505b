"""Which ids stand in several rows of a file of any size, found before anything is loaded."""

import tempfile
from collections.abc import Callable, Iterable
from typing import BinaryIO

import numpy as np

from .rows import IntArray

AT_ONCE = 1 << 20


class Repeats:
    """The hashes of ids that occur more than once, and the first row of each, from 0.

    Memory goes with the number of these ids, not with that of the rows. Two different ids have
    the same hash once in tens of millions of files of a million; one of them is then refused, and
    passes at the next try, since each process hashes differently.
    """

    def __init__(self, hashes: IntArray) -> None:
        self._hashes = hashes
        self._firsts = np.full(len(hashes), np.iinfo(np.int64).max)

    def note(self, start: int, keys: list[str]) -> None:
        """See the keys of rows from `start` on."""
        places, known = self._places(keys)
        rows = np.arange(start, start + len(keys))[known]
        np.minimum.at(self._firsts, places[known], rows)

    def first_rows(self, keys: list[str]) -> IntArray:
        """Of each key the first row that has it; -1 if that is the only one."""
        places, known = self._places(keys)
        rows = np.full(len(keys), -1, np.int64)
        rows[known] = self._firsts[places[known]]
        return rows

    def _places(self, keys: list[str]) -> tuple[IntArray, np.ndarray]:
        hashes = _hashes(keys)
        if not len(self._hashes):
            return np.zeros(len(keys), np.int64), np.zeros(len(keys), np.bool_)
        places = np.minimum(np.searchsorted(self._hashes, hashes), len(self._hashes) - 1)
        return places, self._hashes[places] == hashes


def find_repeats(rows: int, read: Callable[[], Iterable[list[str]]]) -> Repeats:
    """Look through the keys of all rows; `read` begins anew each time it is called."""
    with tempfile.TemporaryFile() as file:
        repeats = Repeats(_repeated(rows, read(), file))
    if len(repeats._hashes):
        start = 0
        for keys in read():
            repeats.note(start, keys)
            start += len(keys)
    return repeats


def _repeated(rows: int, parts: Iterable[list[str]], file: BinaryIO) -> IntArray:
    """The hashes that occur more than once, sorted. All of them are kept in the file only."""
    if not rows:
        for _ in parts:  # they check themselves
            pass
        return np.zeros(0, np.int64)
    all_hashes = np.memmap(file, np.int64, "w+", shape=(rows,))
    start = 0
    for keys in parts:
        all_hashes[start : start + len(keys)] = _hashes(keys)
        start += len(keys)
    all_hashes.sort()
    found = [
        part[1:][part[1:] == part[:-1]]
        for part in (all_hashes[at : at + AT_ONCE + 1] for at in range(0, rows, AT_ONCE))
    ]
    return np.unique(np.concatenate(found))


def _hashes(keys: list[str]) -> IntArray:
    return np.fromiter(map(hash, keys), np.int64, len(keys))
