from __future__ import annotations

import numpy as np
import pytest

from embedder.errors import EvaluationError
from embedder.evaluation import metrics, quality
from embedder.evaluation.comparisons import compare
from embedder.evaluation.faces import Faces
from tests.embedder.evaluation.test_comparisons import collection

BIG = np.repeat(np.arange(60), 4)


def faces() -> Faces:
    templates, acquired, _ = collection(3, BIG)
    figure = np.random.default_rng(1).random(len(BIG))
    figure[~acquired] = np.nan
    return Faces(templates, acquired, np.full(len(BIG), 100.0), {"score": figure}, {})


def test_the_worst_come_first_and_before_them_those_without_a_face() -> None:
    given = faces()
    order = quality.order(given, "score")
    failed = np.flatnonzero(~given.acquired)
    assert sorted(order[: len(failed)]) == sorted(failed)
    assert (np.diff(given.quality["score"][order[len(failed) :]]) >= 0).all()


def test_a_figure_that_there_is_not() -> None:
    with pytest.raises(EvaluationError, match=r"'beauty' is no figure .* There are: score"):
        quality.order(faces(), "beauty")


def test_leaving_out_the_worst_is_measuring_the_rest() -> None:
    given = faces()
    made = compare(given.templates, given.acquired, BIG)
    order = quality.order(given, "score")
    rest = np.sort(order[24:])
    alone = compare(given.templates[rest], given.acquired[rest], BIG[rest])
    tmr = metrics.tmr_at_fmr(alone.curve(), quality.FMR)
    assert tmr is not None
    assert quality.fnmr_without(made, order, 0.1) == pytest.approx(1 - tmr)


def test_a_figure_that_knows_the_failures_lowers_the_errors() -> None:
    given = faces()
    made = compare(given.templates, given.acquired, BIG)
    failures = float((~given.acquired).mean())
    order = quality.order(given, "score")
    assert 0 < failures < 0.1
    assert quality.fnmr_without(made, order, 0.1) < quality.fnmr_without(made, order, 0)


def test_too_few_people() -> None:
    made = compare(*collection())
    with pytest.raises(EvaluationError, match="more impostor pairs"):
        quality.fnmr_without(made, np.arange(80), 0.5)
