"""How many templates a gallery has, remembered for as long as a large one changes little."""

from collections.abc import Callable
from time import monotonic

# What is counted in a millisecond is counted each time, and so exact.
SMALL = 1_000
PEOPLE_A_SECOND = 10_000
LONGEST = 30.0  # seconds


class Sizes:
    """Counts by gallery and model, kept in the process. Safe for threads."""

    def __init__(
        self, count: Callable[[int, str], int], clock: Callable[[], float] = monotonic
    ) -> None:
        self._count, self._clock = count, clock
        self._known: dict[tuple[int, str], tuple[int, float]] = {}

    def of(self, gallery_id: int, model: str) -> int:
        """The count, new or remembered."""
        key = (gallery_id, model)
        count, good_until = self._known.get(key, (0, 0.0))
        if self._clock() < good_until:
            return count
        count = self._count(gallery_id, model)
        self._known[key] = (count, self._clock() + lasting(count))
        return count


def lasting(count: int) -> float:
    """For how many seconds a count is good."""
    return 0.0 if count < SMALL else min(count / PEOPLE_A_SECOND, LONGEST)
