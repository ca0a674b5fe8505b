"""Taking fields out of a TOML table, one by one, each of a known type."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from difflib import get_close_matches
from typing import Any

from embedder.errors import ManifestError
from embedder.types import Point

_ONE_LINE = re.compile(r"[^\n\r]*[^\s][^\n\r]*")
_PAIR = 2


class Fields:
    """A table of a manifest. What is taken is known; `finish` refuses what is left.

    Every method raises ManifestError naming the file, the field and what to write instead.
    """

    def __init__(self, where: str, table: dict[str, Any]) -> None:
        self._where = where
        self._left = dict(table)

    def wrong(self, name: str, found: str, remedy: str) -> ManifestError:
        """An error about a field."""
        return ManifestError(f"{self._where}: {name} {found}. {remedy}")

    def names(self) -> list[str]:
        """The fields that are not taken yet."""
        return sorted(self._left)

    def finish(self) -> None:
        """Raise unless everything was taken."""
        for name in self.names():
            raise self.wrong(name, "is an unknown field", "Remove it, or correct its spelling.")

    def text(
        self,
        name: str,
        pattern: re.Pattern[str] = _ONE_LINE,
        rule: str = "some text on one line",
        *,
        default: str | None = None,
    ) -> str:
        """A string that is `pattern` from end to end, which `rule` says in words."""
        if default is not None and name not in self._left:
            return default
        value: str = self._take(name, str, rule)
        if not pattern.fullmatch(value):
            raise self.wrong(name, f"is {value!r}", f"Write {rule}.")
        return value

    def one_of(self, name: str, choices: Sequence[str], *, default: str | None = None) -> str:
        """One of the words given."""
        if default is not None and name not in self._left:
            return default
        rule = f"one of {', '.join(choices)}"
        value: str = self._take(name, str, rule)
        if value not in choices:
            raise self.wrong(name, f"is {value!r}", f"Write {rule}.")
        return value

    def flag(self, name: str, *, default: bool | None = None) -> bool:
        """A yes or no."""
        if default is not None and name not in self._left:
            return default
        value: bool = self._take(name, bool, "true or false")
        return value

    def whole(self, name: str, *, low: int, high: int, default: int | None = None) -> int:
        """A whole number from `low` to `high`."""
        if default is not None and name not in self._left:
            return default
        rule = f"a whole number from {low} to {high}"
        value: int = self._take(name, int, rule)
        if isinstance(value, bool) or not low <= value <= high:
            raise self.wrong(name, f"is {value!r}", f"Write {rule}.")
        return value

    def wholes(self, name: str, *, low: int) -> tuple[int, ...]:
        """One or more whole numbers from `low` on, each larger than the one before."""
        rule = f"a list of whole numbers from {low} on, rising"
        value: list[Any] = self._take(name, list, rule)
        whole = [isinstance(each, int) and not isinstance(each, bool) for each in value]
        if not value or not all(whole) or value[0] < low or sorted(set(value)) != value:
            raise self.wrong(name, f"is {value!r}", f"Write {rule}.")
        return tuple(value)

    def number(self, name: str, *, low: float, high: float, default: float | None = None) -> float:
        """A number from `low` to `high`."""
        if default is not None and name not in self._left:
            return default
        rule = f"a number from {low:g} to {high:g}"
        self._check_there(name, rule)
        found = self._left.pop(name)
        (value,) = self._checked_numbers(name, [found], 1, rule)
        if not low <= value <= high:
            raise self.wrong(name, f"is {found!r}", f"Write {rule}.")
        return value

    def numbers(self, name: str, count: int) -> tuple[float, ...]:
        """So many numbers, as in `mean = [127.5, 127.5, 127.5]`."""
        rule = f"a list of {count} numbers"
        return self._checked_numbers(name, self._take(name, list, rule), count, rule)

    def pairs(self, name: str, count: int) -> tuple[Point, ...]:
        """So many points, as in `[[x, y], [x, y]]`."""
        rule = f"a list of {count} points [x, y]"
        value = self._take(name, list, rule)
        if len(value) != count or not all(isinstance(each, list) for each in value):
            raise self.wrong(name, f"is {value!r}", f"Write {rule}.")
        checked = [self._checked_numbers(name, each, _PAIR, rule) for each in value]
        return tuple((x, y) for x, y in checked)

    def rows(self, name: str, rows: int, count: int) -> tuple[tuple[float, ...], ...]:
        """So many lists of so many numbers each."""
        rule = f"{rows} lists of {count} numbers each"
        value: list[Any] = self._take(name, list, rule)
        if len(value) != rows or not all(isinstance(row, list) for row in value):
            raise self.wrong(name, f"is a list of {len(value)}", f"Write {rule}.")
        return tuple(self._checked_numbers(name, row, count, rule) for row in value)

    def figures(self) -> tuple[tuple[str, float], ...]:
        """All that is left, each a number."""
        names = self.names()
        values = self._checked_numbers(
            "", [self._left.pop(n) for n in names], len(names), "numbers"
        )
        return tuple(zip(names, values, strict=True))

    def table(self, name: str, *, optional: bool = False) -> Fields:
        """A table `[name]`; an empty one if it is optional and missing."""
        if optional and name not in self._left:
            return Fields(f"{self._where} [{name}]", {})
        value: dict[str, Any] = self._take(name, dict, f"a table [{name}]")
        return Fields(f"{self._where} [{name}]", value)

    def tables(self, name: str) -> list[Fields]:
        """One or more tables `[[name]]`."""
        rule = f"one or more tables [[{name}]]"
        value: list[Any] = self._take(name, list, rule)
        if not value or not all(isinstance(each, dict) for each in value):
            raise self.wrong(name, "is no list of tables", f"Write {rule}.")
        return [Fields(f"{self._where} [[{name}]]", each) for each in value]

    def _check_there(self, name: str, rule: str) -> None:
        if name in self._left:
            return
        misspelt = get_close_matches(name, self._left, 1, cutoff=0.75)
        found = f"is missing; is {misspelt[0]!r} meant to be it?" if misspelt else "is missing."
        raise ManifestError(f"{self._where}: {name} {found} Write {rule}.")

    def _take(self, name: str, kind: type, rule: str) -> Any:
        self._check_there(name, rule)
        value = self._left.pop(name)
        if not isinstance(value, kind):
            raise self.wrong(name, f"is {value!r}", f"Write {rule}.")
        return value

    def _checked_numbers(
        self, name: str, values: Sequence[Any], count: int, rule: str
    ) -> tuple[float, ...]:
        good = [isinstance(x, int | float) and not isinstance(x, bool) for x in values]
        if len(values) != count or not all(good) or not all(map(_is_finite, values)):
            raise self.wrong(name, f"is {list(values)!r}", f"Write {rule}.")
        return tuple(float(each) for each in values)


def _is_finite(value: float) -> bool:
    try:
        return math.isfinite(value)
    except OverflowError:
        return False  # a whole number of hundreds of digits
