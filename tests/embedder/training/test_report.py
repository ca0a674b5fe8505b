"""The tables of a training's report, of figures that are known."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from embedder.evaluation.identification import BEST, ONE, Identification, Searches
from embedder.training import report
from embedder.training.curves import Curves
from embedder.training.data import divide
from embedder.training.measure import CropReader, Final, final
from tests.embedder.training.folders import SIZE, drawn, people, told
from tests.embedder.training.test_measure import Colours

CURVES = Curves(
    [{"step": 1, "epoch": 1, "rate": 0.1, "total": 2.0, "softmax": 2.0, "accuracy": 0.5}],
    [{"epoch": 1, "accuracy": 0.5, "accuracy_error": 0.1, "tmr_1e-2": 0.3}],
)


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> Final:
    cache = drawn(tmp_path_factory.mktemp("cache"), people(16, 4))
    held_out = divide(cache, told(data={"share": 0.5}).data, size=SIZE).held_out
    return final(CropReader("colours", Colours(), held_out, torch.device("cpu")), held_out)


def searched(found: float) -> Searches:
    """Of four searches three find their person; one stranger in ten scores 0.45 or more."""
    scores = np.array([0.9, 0.8, found, 0.2])
    return Searches(scores, np.array([1, 1, 1, 3]), np.linspace(0, 0.5, 1_000))


def test_searches_of_the_largest_gallery_are_told(measured: Final) -> None:
    searches = {
        (100, ONE): searched(0.1),
        (250, ONE): searched(0.7),
        (250, BEST): searched(0.46),
    }
    identification = Identification("trained", searches, 3, 10, 0, {}, 400)
    told_of = {"trained": Final(measured.verification, identification, measured.spread)}
    assert report.search_rows(told_of) == [
        ["trained", "250", "one photo", "0.750", "0.250", "0.250", "0.250"],
        # 0.46 is above what one stranger in ten reaches, and below what one in 33 does.
        ["trained", "250", "best", "0.750", "0.250", "0.500", "0.500"],
    ]
    page = report.html("A training", told(), CURVES, told_of)
    assert page.count("<table>") == 2
    assert "<td>0.500</td>" in page


def test_too_few_people_to_search_are_said_to_be(measured: Final) -> None:
    told_of = {"trained": measured}
    assert report.search_rows(told_of) == []
    assert report.lines(told_of)[-1].startswith("Nobody is searched 1:N. The folder has 9 people")
    page = report.html("A training", told(), CURVES, told_of)
    assert page.count("<table>") == 1
    assert "Nobody is searched 1:N." in page
