"""A CSV file of the rows that were refused, to mend and send again."""

import csv
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self, TextIO

from common.cells import harmless

from .errors import UnusableFile
from .rows import Refusal

HEADER = ("row", "external_id", "code", "reason")


class RefusedFile:
    """Refusals in the order of their rows.

    A load that goes on after row n keeps what the file says of rows up to n, so that it is
    complete in the end, however often the load was broken off.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: TextIO | None = None

    def start(self, after: int) -> None:
        """Begin with what is there up to this row.

        Raises:
            UnusableFile: it can't be written.
        """
        kept = list(_kept(self._path, after)) if after else []
        with _said(self._path):
            self._file = self._path.open("w", encoding="utf-8-sig", newline="")
            csv.writer(self._file).writerows([HEADER, *kept])

    def write(self, refusals: list[Refusal]) -> None:
        """Add refusals, on the disk when this returns.

        Raises:
            UnusableFile: it can't be written.
        """
        if self._file is None or not refusals:
            return
        with _said(self._path):
            csv.writer(self._file).writerows(
                [harmless(value) for value in each] for each in refusals
            )
            self._file.flush()
            os.fsync(self._file.fileno())

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        if self._file is not None:
            self._file.close()


def _kept(path: Path, after: int) -> Iterator[list[str]]:
    if not path.exists():
        return
    with _said(path), path.open(encoding="utf-8-sig", newline="") as file:
        for cells in csv.reader(file):
            whole = len(cells) == len(HEADER)
            if whole and cells[0].isdecimal() and int(cells[0]) <= after:
                yield cells


@contextmanager
def _said(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise UnusableFile(f"{path} can't be written: {error.strerror}.") from error
    except (UnicodeError, csv.Error) as error:
        raise UnusableFile(f"{path} is not a report of refused rows; name another.") from error
