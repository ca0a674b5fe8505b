"""From the search log to what is counted a day."""

from __future__ import annotations

import math
import time
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from django.db import connection, connections
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st

from identification import rollup
from identification.models import Search, SearchDay
from identification.rollup import KEPT, of_one_fewer, roll_up
from people.models import Gallery
from people.services import delete_gallery
from tests.factories import SYSTEM, GalleryFactory
from tests.identification.logged import SURE, face, log
from tests.sets import ON_POSTGRESQL
from tests.thresholds.test_policies import calibration
from tests.thresholds.test_searching import CURVES
from thresholds.searching import stranger_rate

pytestmark = pytest.mark.django_db


def at(day: int, hour: int = 12, minute: int = 0) -> datetime:
    return datetime(2026, 3, day, hour, minute, tzinfo=UTC)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Any:
    def turn(now: datetime) -> None:
        monkeypatch.setattr(rollup.timezone, "now", lambda: now)

    turn(at(5))
    return turn


def figures(*names: str) -> list[tuple[Any, ...]]:
    return list(SearchDay.objects.order_by("day", "calibration").values_list(*names))


def test_what_a_day_came_to(gallery: Gallery, clock: Any) -> None:
    made = calibration(gallery.model)
    log(
        gallery,
        face((0.8, SURE), (0.3, 0.04)),
        face((0.2, 0.7), (0.1, 0.9), decision="no_match"),
        face((0.5, SURE), (0.4, 0.004), decision="review"),
        face((0.9, SURE), (0.4, 0.001), decision="poor_quality"),
        face((0.9, SURE)),
        face(decision="no_match"),
        at=at(4),
        calibration=made,
    )
    log(gallery, at=at(4), calibration=made)

    assert roll_up() == 1

    row = SearchDay.objects.get()
    assert (row.gallery, row.day, row.model) == (gallery, date(2026, 3, 4), gallery.model)
    assert (row.calibration, row.counted_at) == (str(made.public_id), at(5))
    assert (row.searches, row.others, row.faces) == (2, 0, 6)
    assert row.decisions == {"match": 2, "no_match": 2, "review": 1, "poor_quality": 1}
    assert row.best == {"360": 1, "240": 1, "300": 1, "380": 2}
    assert row.second == {"260": 1, "220": 1, "280": 2}
    # The first and the third have somebody who was clearly found, and a second.
    assert (row.strangers, row.high, row.highest) == (2, 2, 1)
    assert row.stranger_rates == {"13": 1, "23": 1}


def test_without_a_calibration_there_are_scores_and_no_strangers(
    gallery: Gallery, clock: Any
) -> None:
    log(gallery, face((0.8, None), (0.3, None), decision=None), at=at(4))
    roll_up()
    assert figures("calibration", "decisions", "best", "second", "strangers") == [
        ("", {"none": 1}, {"360": 1}, {"260": 1}, 0)
    ]


def test_some_people_and_several_galleries_are_only_counted(gallery: Gallery, clock: Any) -> None:
    made, second = calibration(gallery.model), GalleryFactory(model=gallery.model)
    seen = face((0.8, SURE), (0.3, 0.04))
    log(gallery, seen, at=at(4), calibration=made, among=7)
    log([gallery, second], seen, seen, at=at(4), calibration=made)
    roll_up()
    rows = SearchDay.objects.order_by("gallery")
    assert list(rows.values_list("gallery", "searches", "others", "faces", "strangers")) == [
        (gallery.pk, 0, 2, 0, 0), (second.pk, 0, 1, 0, 0),
    ]  # fmt: skip


def test_models_and_calibrations_are_counted_apart(gallery: Gallery, clock: Any) -> None:
    first, second = calibration(gallery.model), calibration(gallery.model)
    for made in (first, second, second):
        log(gallery, face((0.8, SURE)), at=at(4), calibration=made)
    log(gallery, at=at(4), model="another")
    roll_up()
    found = {(model, made): searches for model, made, searches in
             figures("model", "calibration", "searches")}  # fmt: skip
    assert found == {
        (gallery.model, str(first.public_id)): 1,
        (gallery.model, str(second.public_id)): 2,
        ("another", ""): 1,
    }


def test_who_comes_every_hour_counts_once_a_day(gallery: Gallery, clock: Any) -> None:
    made = calibration(gallery.model)
    for hour in range(5):
        again = face((0.8, SURE), (0.3, 0.2), person="one")
        log(gallery, again, at=at(3, hour), calibration=made)
        log(gallery, again, at=at(4, hour), calibration=made)
    log(gallery, face((0.8, SURE), (0.3, 0.2), person="two"), at=at(4), calibration=made)
    roll_up()
    assert figures("faces", "strangers") == [(5, 1), (6, 2)]


def test_entries_of_older_versions_count_without_scores(gallery: Gallery, clock: Any) -> None:
    log(gallery, face((0.8, SURE), (0.3, 0.2)), at=at(4), calibration=calibration(gallery.model))
    Search.objects.update(best_two=[])
    roll_up()
    assert figures("faces", "decisions", "best", "strangers") == [(1, {"match": 1}, {}, 0)]


def test_counting_again_changes_nothing(gallery: Gallery, clock: Any) -> None:
    made = calibration(gallery.model)
    for day in (2, 3, 4):
        log(gallery, face((0.8, SURE), (0.3, 0.2)), at=at(day), calibration=made)
    roll_up()
    before = list(SearchDay.objects.order_by("day").values())
    SearchDay.objects.filter(day__gte=date(2026, 3, 3)).delete()
    assert roll_up() == 2
    again = list(SearchDay.objects.order_by("day").values())
    for each in (*before, *again):
        del each["id"]
    assert again == before


def test_a_day_is_counted_until_it_is_surely_over(gallery: Gallery, clock: Any) -> None:
    log(gallery, at=at(4, 10))
    clock(at(4, 11))
    roll_up()
    log(gallery, at=at(4, 23, 59))
    log(gallery, at=at(5, 0, 0))
    clock(at(5, 0, 1))
    assert roll_up() == 2
    assert figures("searches") == [(2,), (1,)]
    # Its transaction took a while.
    log(gallery, at=at(4, 23, 59))
    clock(at(5, 1))
    assert roll_up() == 2
    assert figures("searches") == [(3,), (1,)]
    clock(at(5, 3))
    roll_up()
    clock(at(5, 4))
    assert roll_up() == 1
    assert figures("searches") == [(3,), (1,)]


def test_days_that_a_dead_worker_left_are_made_up_for(
    gallery: Gallery, clock: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    for day in (1, 2, 4):
        log(gallery, at=at(day))
    real, counted = rollup._roll_up_day, []

    def dying(day: date) -> None:
        if counted:
            raise KeyboardInterrupt
        counted.append(day)
        real(day)

    monkeypatch.setattr(rollup, "_roll_up_day", dying)
    with pytest.raises(KeyboardInterrupt):
        roll_up()
    monkeypatch.setattr(rollup, "_roll_up_day", real)

    assert roll_up() == 2
    assert figures("day") == [(date(2026, 3, day),) for day in (1, 2, 4)]


def test_a_gallery_that_goes_meanwhile(
    gallery: Gallery, clock: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = GalleryFactory()
    log(gallery, at=at(4))
    log(other, at=at(4))
    real = rollup._keep

    def late(*arguments: Any) -> None:
        delete_gallery(SYSTEM, other)
        real(*arguments)

    monkeypatch.setattr(rollup, "_keep", late)
    roll_up()
    assert figures("gallery") == [(gallery.pk,)]
    monkeypatch.setattr(rollup, "_keep", real)
    # And takes what was counted of it along.
    delete_gallery(SYSTEM, gallery)
    assert not SearchDay.objects.exists()
    roll_up()
    assert not SearchDay.objects.exists()


@pytest.mark.skipif(not ON_POSTGRESQL, reason="SQLite has one writer at a time")
@pytest.mark.django_db(transaction=True)
def test_a_gallery_that_is_deleted_at_the_same_moment(
    gallery: Gallery, clock: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It waits for what is being counted, and takes that along."""

    def delete() -> None:
        try:
            delete_gallery(SYSTEM, gallery)
        finally:
            connections.close_all()

    log(gallery, at=at(4))
    real = rollup._row
    with ThreadPoolExecutor(1) as pool:
        begun: list[Future[None]] = []

        def meanwhile(*arguments: Any) -> SearchDay:
            begun.append(pool.submit(delete))
            time.sleep(0.5)
            assert not begun[0].done()
            return real(*arguments)

        monkeypatch.setattr(rollup, "_row", meanwhile)
        assert roll_up() == 1
        begun[0].result()
    assert not Gallery.objects.filter(slug=gallery.slug).exists()
    assert not SearchDay.objects.exists()


def test_what_is_too_old_is_forgotten_and_not_counted_again(gallery: Gallery) -> None:
    now = timezone.now()
    log(gallery, at=now - KEPT - timedelta(days=1))
    log(gallery, at=now)
    assert roll_up() == 1
    SearchDay.objects.update(day=(now - KEPT).date() - timedelta(days=1))
    roll_up()
    assert SearchDay.objects.get().day == now.date()


def test_it_takes_as_many_queries_for_many(gallery: Gallery, clock: Any) -> None:
    def queries() -> int:
        SearchDay.objects.all().delete()
        with CaptureQueriesContext(connection) as captured:
            assert roll_up() == 1
        return len(captured)

    log(gallery, at=at(4))
    few = queries()
    for each in (gallery, *GalleryFactory.create_batch(5)):
        log(each, *[face((0.8, SURE), (0.3, 0.2))] * 20, at=at(4))
    assert queries() == few


@given(st.integers(2, 10**8), st.floats(1e-6, 1 - 1e-6))
def test_second_best_rates_are_spread_evenly_at_every_size(size: int, chance: float) -> None:
    """The highest of N - 1 strangers reaches a score with the chance that its rate then says."""
    fmr = -math.expm1(math.log1p(-chance) / (size - 1))
    if not 1e-13 < fmr < 1:
        return
    score = CURVES[1].score_at(fmr)
    rate = stranger_rate(CURVES, {1: size}, score)
    assert of_one_fewer(rate, size) == pytest.approx(chance, rel=1e-6, abs=1e-6)


def test_alone_there_is_nobody_fewer() -> None:
    assert of_one_fewer(0.3, 1) == 0.3
    assert of_one_fewer(1.0, 2) < 1
