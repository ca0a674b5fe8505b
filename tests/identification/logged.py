"""Entries of the search log without photos, for what is counted of it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import numpy as np
from django.utils import timezone
from numpy.typing import NDArray

from identification.models import Search
from people.models import Gallery
from tests.factories import bulk_templates
from thresholds.models import Calibration
from thresholds.searching import stranger_rate
from thresholds.selectors import curves_of

NOON = datetime(2026, 3, 4, 12, tzinfo=UTC)
SURE = 1e-6  # the stranger_rate of whoever was found


def face(
    *two: tuple[float, float | None], decision: str | None = "match", person: str = ""
) -> dict[str, Any]:
    """A face of an entry; `two` are the two best, of which one was asked for."""
    candidates = [
        {"person": person or str(uuid4()), "score": score, "stranger_rate": rate}
        for score, rate in two[:1]
    ]
    return {"decision": decision, "candidates": candidates, "two": [list(each) for each in two]}


def thresholds(calibration: Calibration) -> dict[str, Any]:
    """As an entry has them."""
    return {
        "tier": 1_000, "match": 0.5, "review": 0.4, "margin": 10.0,
        "calibrations": [str(calibration.public_id)], "overridden": False,
    }  # fmt: skip


def log(
    galleries: Gallery | Sequence[Gallery],
    *faces: dict[str, Any],
    at: datetime | None = None,
    calibration: Calibration | None = None,
    searched: int = 1_000,
    **fields: Any,
) -> Search:
    """An entry of the log with these faces."""
    galleries = [galleries] if isinstance(galleries, Gallery) else galleries
    made = Search.objects.create(
        actor="user:1",
        probe="0" * 64,
        searched=searched,
        thresholds=thresholds(calibration) if calibration else None,
        faces=[{key: value for key, value in each.items() if key != "two"} for each in faces],
        best_two=[each["two"] for each in faces],
        **{"model": galleries[0].model, **fields},
    )
    made.galleries.set(galleries)
    Search.objects.filter(pk=made.pk).update(created_at=at or timezone.now())
    return made


def crowd(gallery: Gallery, size: int) -> None:
    """So many people with a template of one photo."""
    vectors = np.random.default_rng(size).standard_normal((size, 128)).astype(np.float32)
    bulk_templates(gallery, vectors / np.linalg.norm(vectors, axis=1, keepdims=True))


def strangers(
    calibration: Calibration, size: int, count: int, shift: float = 0.0, seed: int = 7
) -> list[tuple[float, float]]:
    """Score and stranger_rate of so many second bests among `size` templates of one photo.

    Drawn from the calibration's own curve, and then all `shift` higher.
    """
    curves = curves_of(calibration)
    chances: NDArray[np.float64] = np.random.default_rng(seed).uniform(size=count)
    scores = [curves[1].score_at(each) + shift for each in 1 - (1 - chances) ** (1 / (size - 1))]
    return [(score, stranger_rate(curves, {1: size}, score)) for score in scores]


def found_by_all(
    gallery: Gallery, calibration: Calibration, size: int, shift: float = 0.0, **fields: Any
) -> None:
    """Each of `size` people is found once, in one search of all."""
    seconds = strangers(calibration, size, size, shift)
    faces = [face((0.89, SURE), second) for second in seconds]
    log(gallery, *faces, calibration=calibration, searched=size, **fields)
