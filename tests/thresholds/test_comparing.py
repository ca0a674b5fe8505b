"""What other models would miss in a gallery of its size."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from embedder.calibration.curves import RATES, SHARES, curve
from people.models import Gallery
from tests.factories import SYSTEM, GalleryFactory
from tests.identification.logged import crowd
from tests.thresholds.test_policies import calibration
from thresholds.comparing import model_outlooks, verdict
from thresholds.models import Calibration
from thresholds.selectors import outlooks, policy_of
from thresholds.services import update_policy

pytestmark = pytest.mark.django_db
STRONG, WEAK = "yunet-sface", "hog-dlib-resnet"


def calibrated(model: str, highest: float, **fields: Any) -> Calibration:
    """One whose strangers reach from -0.5 to `highest`; of the right people's scores half are at
    0.5 and less.
    """
    made = calibration(model, **fields)
    figures = curve(np.linspace(-0.5, highest, len(RATES)), np.linspace(0, 1, len(SHARES)))
    made.curves = {str(k): figures.as_json() for k in range(1, 5)}
    made.save()
    return made


def found(gallery: Gallery) -> list[tuple[str, bool, bool]]:
    made = model_outlooks(gallery, policy_of(gallery))
    return [(each.model, each.current, each.better) for each in made]


def test_the_one_that_misses_least_comes_first(gallery: Gallery) -> None:
    calibrated(WEAK, 2.0)
    own = calibrated(gallery.model, 1.2)
    calibrated(STRONG, 0.4)
    assert found(gallery) == [
        (STRONG, False, True), (gallery.model, True, False), (WEAK, False, False),
    ]  # fmt: skip
    best, current, _ = model_outlooks(gallery, policy_of(gallery))
    assert (current.calibration, current.installed, best.installed) == (own, True, False)
    # By the policy's own figures, and worse in a larger gallery.
    now, later = outlooks(gallery, policy_of(gallery))
    assert (current.now, current.later) == (now, later)
    crowd(gallery, 500)
    again = {each.model: each for each in model_outlooks(gallery, policy_of(gallery))}
    larger = again[gallery.model]
    assert later.match_fnir < larger.later.match_fnir
    assert now.match_fnir <= larger.now.match_fnir < larger.later.match_fnir


def test_hardly_fewer_is_no_better(gallery: Gallery) -> None:
    calibrated(gallery.model, 1.2)
    calibrated(STRONG, 1.19)
    assert found(gallery) == [(STRONG, False, False), (gallery.model, True, False)]


def test_the_newest_counts_and_those_of_other_galleries_do_not(gallery: Gallery) -> None:
    calibrated(STRONG, 2.0)
    newest = calibrated(STRONG, 0.4)
    calibrated(STRONG, 0.1, gallery=GalleryFactory())
    (only,) = model_outlooks(gallery, policy_of(gallery))
    assert only.calibration == newest
    own = calibrated(STRONG, 0.5, gallery=gallery)
    calibrated(STRONG, 0.3)
    (only,) = model_outlooks(gallery, policy_of(gallery))
    assert only.calibration == own


def test_the_one_that_the_policy_names_counts_for_its_own_model(gallery: Gallery) -> None:
    named = calibrated(gallery.model, 1.2)
    calibrated(gallery.model, 0.4)
    update_policy(SYSTEM, gallery, calibration=named)
    (only,) = model_outlooks(gallery, policy_of(gallery))
    assert only.calibration == named


def test_a_score_set_by_hand_is_of_one_model_alone(gallery: Gallery) -> None:
    calibrated(gallery.model, 1.2)
    calibrated(STRONG, 0.4)
    before = model_outlooks(gallery, policy_of(gallery))
    update_policy(SYSTEM, gallery, match_score=0.1, review_score=0.0, reason="a test")
    assert model_outlooks(gallery, policy_of(gallery)) == before


def test_what_is_said_of_a_better_one(gallery: Gallery) -> None:
    calibrated(gallery.model, 1.2)
    calibrated(STRONG, 0.4)
    best, current = made = model_outlooks(gallery, policy_of(gallery))
    assert verdict(gallery, made) == (
        f"With {gallery.model} an expected {current.now.match_fnir:.0%} of searches of enrolled "
        f"people end without a match, {current.later.match_fnir:.0%} at ten times the size. "
        f"{STRONG} would miss {best.now.match_fnir:.0%}: `manage.py models pull {STRONG}`, then "
        f"`manage.py vectors rebuild --gallery {gallery.slug} --model {STRONG}`."
    )


def test_what_is_said_of_a_weak_one_without_a_better(gallery: Gallery) -> None:
    calibrated(gallery.model, 6.0)
    made = model_outlooks(gallery, policy_of(gallery))
    assert made[0].now.match > 1  # nobody can
    said = verdict(gallery, made)
    assert said.startswith(f"With {gallery.model} an expected 100% of searches of enrolled people ")
    assert "No model with a calibration is better: calibrate a stronger one" in said


def test_nothing_is_said_of_a_good_one_or_of_none(gallery: Gallery) -> None:
    assert verdict(gallery, model_outlooks(gallery, policy_of(gallery))) == ""
    calibrated(STRONG, 0.4)
    assert verdict(gallery, model_outlooks(gallery, policy_of(gallery))) == ""
    calibrated(gallery.model, 0.3)
    assert found(gallery)[0] == (gallery.model, True, False)
    assert verdict(gallery, model_outlooks(gallery, policy_of(gallery))) == ""


def test_it_takes_as_many_queries_for_many(gallery: Gallery) -> None:
    def queries() -> int:
        model_outlooks(gallery, policy_of(gallery))  # curves are read once in a process
        with CaptureQueriesContext(connection) as captured:
            model_outlooks(gallery, policy_of(gallery))
        return len(captured)

    calibrated(gallery.model, 1.2)
    few = queries()
    for number in range(10):
        calibrated(f"model-{number}", 0.4)
    assert queries() == few
