"""Error versus reject: does leaving out the worst photos by a quality figure leave out the errors?

After Grother and Tabassi, "Performance of Biometric Quality Measures" (IEEE PAMI 29(4), 2007), with
the threshold set anew for what remains, so that the FMR stays what it is said to be. A photo
without a face has the worst quality. Beside it stands the mean of leaving out as many at random.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from embedder.errors import EvaluationError
from embedder.evaluation import metrics
from embedder.evaluation.collection import Collection
from embedder.evaluation.comparisons import Comparisons, compare
from embedder.evaluation.faces import FaceReader, Faces
from embedder.evaluation.metrics import Floats

SHARES = (0.05, 0.1, 0.2)
FMR = 1e-3
DRAWS = 10
FIGURE = "score"


@dataclass(frozen=True, slots=True)
class Rejected:
    """FNMR after leaving out a share of the photos, the worst or at random (mean and deviation)."""

    share: float
    worst: float
    at_random: float
    at_random_deviation: float


@dataclass(frozen=True, slots=True)
class ErrorVersusReject:
    """What a quality figure does for one model."""

    model: str
    figure: str
    photos: int
    fta: float
    rows: list[Rejected]

    def record(self) -> dict[str, object]:
        """All figures, ready for JSON."""
        return {
            "model": self.model,
            "figure": self.figure,
            "photos": self.photos,
            "fta": self.fta,
            "fmr": FMR,
            "rejected": [
                {name: getattr(row, name) for name in Rejected.__dataclass_fields__}
                for row in self.rows
            ],
        }


def evaluate(
    reader: FaceReader,
    collection: Collection,
    *,
    figure: str = FIGURE,
    shares: Sequence[float] = SHARES,
    seed: int = 0,
) -> ErrorVersusReject:
    """Read the photos and leave out the worst by a figure of `embedder.types.Quality`.

    Raises EvaluationError for a figure that there isn't, and for a folder too small to measure.
    """
    faces = reader.read(collection.photos)
    worst = order(faces, figure)
    comparisons = compare(faces.templates, faces.acquired, collection.person_indexes())
    rng = np.random.default_rng(seed)
    shuffled = [rng.permutation(len(worst)) for _ in range(DRAWS)]
    rows = []
    for share in (0.0, *shares):
        random = [fnmr_without(comparisons, one, share) for one in shuffled]
        rows.append(
            Rejected(
                share,
                fnmr_without(comparisons, worst, share),
                float(np.mean(random)),
                float(np.std(random)),
            )
        )
    return ErrorVersusReject(
        reader.model, figure, len(worst), 1 - float(faces.acquired.mean()), rows
    )


def order(faces: Faces, figure: str) -> NDArray[np.intp]:
    """(N,): photos from the worst to the best; those without a face first."""
    if figure not in faces.quality:
        raise EvaluationError(
            f"{figure!r} is no figure of a face's quality. There are: {', '.join(faces.quality)}."
        )
    values: Floats = np.where(faces.acquired, faces.quality[figure], -np.inf)
    return np.argsort(values, kind="stable")


def fnmr_without(comparisons: Comparisons, order: NDArray[np.intp], share: float) -> float:
    """FNMR at FMR 1e-3 among what is left after the first `share` of the photos in `order`."""
    keep = np.ones(len(order), np.bool_)
    keep[order[: round(share * len(order))]] = False
    tmr = metrics.tmr_at_fmr(comparisons.kept(keep), FMR)
    if tmr is None:
        raise EvaluationError(
            f"An FMR of {FMR:g} needs more impostor pairs than this folder has. Give more people."
        )
    return 1 - tmr
