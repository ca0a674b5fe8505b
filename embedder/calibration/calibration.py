"""A calibration as figures, as manifests and the platform keep it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from uuid import UUID, uuid4

from embedder.calibration.measuring import Labelled, measure

Row = tuple[float, ...]

COUNTED = ("people", "genuine", "strangers")


@dataclass(frozen=True, slots=True)
class Calibration:
    """Error rates of a model by score, and what stands behind them.

    id: of this measurement, wherever it is copied to. source: what it was made from, in words.
    people, photos: how many that was. comparisons, strangers, genuine: for templates of 1 to
    MOST_PHOTOS photos each, how many (people, genuine comparisons, strangers' comparisons) were
    counted, and the two lists of figures of a `Curve`.
    """

    id: UUID
    source: str
    people: int
    photos: int
    comparisons: tuple[tuple[int, ...], ...]
    strangers: tuple[Row, ...]
    genuine: tuple[Row, ...]

    def curves(self) -> dict[str, dict[str, Row]]:
        """What `Curve.from_json` reads, by the number of photos in a template, for JSON."""
        both = zip(self.strangers, self.genuine, strict=True)
        return {
            str(k): {"strangers": strangers, "genuine": genuine}
            for k, (strangers, genuine) in enumerate(both, start=1)
        }

    def counts(self) -> dict[str, dict[str, int]]:
        """`people`, `genuine` and `strangers`, by the number of photos in a template, for JSON."""
        return {
            str(k): dict(zip(COUNTED, each, strict=True))
            for k, each in enumerate(self.comparisons, start=1)
        }


def calibrate(
    labelled: Labelled,
    source: str,
    *,
    seed: int = 0,
    progress: Callable[[int], None] = lambda _: None,
) -> Calibration:
    """Measure a calibration; `progress` is told of each number of photos that is done.

    Raises TooFewPeopleError when fewer than 50 people have two photos.
    """
    measured = measure(labelled, seed=seed, progress=progress)
    figures = [each.curve.as_json() for each in measured.values()]
    return Calibration(
        id=uuid4(),
        source=source,
        people=len(labelled.missed),
        photos=len(labelled.people) + int(labelled.missed.sum()),
        comparisons=tuple((m.people, m.genuine, m.strangers) for m in measured.values()),
        strangers=tuple(tuple(each["strangers"]) for each in figures),
        genuine=tuple(tuple(each["genuine"]) for each in figures),
    )
