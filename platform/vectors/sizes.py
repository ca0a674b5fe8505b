"""How many templates a gallery has, remembered for as long as a large one changes little."""

from collections.abc import Callable, Mapping
from time import monotonic

# What is counted in a millisecond is counted each time, and so exact.
SMALL = 1_000
PEOPLE_A_SECOND = 10_000
LONGEST = 30.0  # seconds

# How many templates were made of so many photos.
MakeUp = Mapping[int, int]


class Sizes:
    """Counts by gallery and model, kept in the process. Safe for threads."""

    def __init__(
        self, count: Callable[[int, str], MakeUp], clock: Callable[[], float] = monotonic
    ) -> None:
        self._count, self._clock = count, clock
        self._known: dict[tuple[int, str], tuple[MakeUp, float]] = {}

    def of(self, gallery_id: int, model: str) -> MakeUp:
        """The counts, new or remembered."""
        key = (gallery_id, model)
        counts, good_until = self._known.get(key, ({}, 0.0))
        if self._clock() < good_until:
            return counts
        counts = self._count(gallery_id, model)
        self._known[key] = (counts, self._clock() + lasting(sum(counts.values())))
        return counts


def lasting(count: int) -> float:
    """For how many seconds a count is good."""
    return 0.0 if count < SMALL else min(count / PEOPLE_A_SECOND, LONGEST)
