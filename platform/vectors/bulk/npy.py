"""Templates in an NPY file, n x 128, and a CSV file that says whose they are, in the same order."""

import hashlib
import tokenize
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vectors.codec import DIMENSION

from .errors import RowsDiffer, UnusableFile
from .people_file import Line, PeopleFile
from .rows import Batch, Fault, keys_of

KEYS_AT_ONCE = 10_000
_DIMENSIONS = 2


class NpySource:
    """An NPY file, mapped into memory, and its people."""

    # Neither file says which model made the templates.
    model = None

    def __init__(self, path: Path, people: Path) -> None:
        """Open both.

        Raises:
            UnusableFile: one is of another kind, or cut off.
            MissingColumns: the CSV file names no people.
        """
        self._path = path
        self._vectors = _mapped(path)
        self._people = PeopleFile(people)

    @property
    def rows(self) -> int:
        """As many as there are templates."""
        return len(self._vectors)

    def sha256(self) -> str:
        """Of the two files' own."""
        both = hashlib.sha256()
        for path in (self._path, self._people.path):
            with path.open("rb") as file:
                both.update(hashlib.file_digest(file, "sha256").digest())
        return both.hexdigest()

    def keys(self) -> Iterator[list[str]]:
        """Every row's key.

        Raises:
            RowsDiffer: there are more people than templates, or fewer.
        """
        counted = 0
        lines = self._people.lines()
        while part := list(islice(lines, KEYS_AT_ONCE)):
            counted += len(part)
            self._compare(counted <= self.rows)
            yield keys_of(self._people.columns(part))
        self._compare(counted == self.rows, counted)

    def _compare(self, agrees: bool, counted: int | None = None) -> None:  # noqa: FBT001
        if not agrees:
            people = "more" if counted is None else f"{counted:,}"
            raise RowsDiffer(
                f"{self._path.name} has {self.rows:,} templates and {self._people.path.name} "
                f"{people} people; they must be the same, in the same order."
            )

    def batches(self, start: int, size: int) -> Iterator[Batch]:
        """Rows from `start` on."""
        lines = islice(self._people.lines(), start, None)
        while part := list(islice(lines, size)):
            with np.errstate(over="ignore"):  # what is too large becomes infinite: refused
                vectors = np.array(self._vectors[start : start + len(part)], np.float32)
            yield Batch(start, self._people.columns(part), vectors, _ragged(part))
            start += len(part)


def _ragged(lines: list[Line]) -> dict[int, Fault]:
    return {
        index: Fault("ragged", f"Line {line.number} of the people has {line.problem}.")
        for index, line in enumerate(lines)
        if line.problem
    }


# What NumPy raises for a header that is damaged.
_DAMAGE = (
    ValueError,
    OSError,
    EOFError,
    SyntaxError,
    OverflowError,
    TypeError,
    tokenize.TokenError,
)


def _mapped(path: Path) -> NDArray[np.floating]:
    """The file's array, shape (n, 128), read when it is looked at."""
    try:
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    except _DAMAGE as error:
        raise UnusableFile(f"{path.name} is no whole NPY file of numbers: {error}") from error
    if not isinstance(array, np.ndarray) or not np.issubdtype(array.dtype, np.floating):
        raise UnusableFile(f"{path.name} holds no floating point numbers.")
    if array.ndim != _DIMENSIONS or array.shape[1] != DIMENSION:
        raise UnusableFile(
            f"{path.name} has the shape {array.shape}; templates have (n, {DIMENSION})."
        )
    return array
