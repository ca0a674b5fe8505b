"""What the doctor and the figures say of calibrations that don't hold."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.db import OperationalError

from identification.rollup import roll_up
from operations.checks import telemetry
from operations.management.commands.doctor import all_checks
from operations.metrics import _telemetry, figures
from operations.parts import State, ok
from people.models import Gallery
from tests.factories import GalleryFactory
from tests.identification.logged import crowd, found_by_all
from tests.thresholds.test_policies import calibration

pytestmark = pytest.mark.django_db
SIZE = 200


@pytest.fixture(autouse=True)
def forget() -> Iterator[None]:
    figures._until = 0.0
    yield
    figures._until = 0.0


def alarmed() -> float:
    (gauge,) = _telemetry()
    assert gauge.name == "likeness_drift_alarms"
    return float(gauge.samples[0].value)


def test_as_foretold(gallery: Gallery) -> None:
    well = ok("calibration", "strangers score no higher than foretold")
    assert telemetry.calibration() == well
    made = calibration(gallery.model)
    crowd(gallery, SIZE)
    found_by_all(gallery, made, SIZE)
    roll_up()
    assert (telemetry.calibration(), alarmed()) == (well, 0)


def test_higher_than_foretold(gallery: Gallery) -> None:
    made, second = calibration(gallery.model), GalleryFactory(model=gallery.model)
    for each, size in ((gallery, SIZE + 50), (second, SIZE)):
        crowd(each, size)
        found_by_all(each, made, size, shift=0.15)
    roll_up()
    found = telemetry.calibration()
    assert (found.state, found.where) == (State.WARNING, gallery.slug)
    assert found.detail == "in 2 galleries strangers score higher than foretold"
    assert found.remedy.endswith(f"`manage.py calibrate --gallery {gallery.slug}`.")
    assert alarmed() == 2
    # The gallery is calibrated anew; of the other one it is still said.
    calibration(gallery.model, gallery=gallery)
    found = telemetry.calibration()
    assert (found.detail, found.where) == (
        "in one gallery strangers score higher than foretold", second.slug,
    )  # fmt: skip


def test_a_database_that_is_away(monkeypatch: pytest.MonkeyPatch) -> None:
    def away() -> None:
        raise OperationalError("asked")

    monkeypatch.setattr(telemetry, "alarms", away)
    assert telemetry.calibration().sentence == "can't be read. See the database."


def test_the_doctor_asks() -> None:
    assert "calibration" in [check.name for check in all_checks()]
