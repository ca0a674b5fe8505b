"""What a gallery's searches say of its thresholds: drift, FPIR, other models; and who may know."""

from __future__ import annotations

from datetime import timedelta
from uuid import uuid4

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from rest_framework.test import APIClient

from common.errors import Forbidden, NotFound
from identification.drift import Counts, alarms, drift
from identification.models import Search, SearchDay
from identification.rollup import roll_up
from identification.telemetry import Telemetry, telemetry
from people.models import Gallery, Role
from tests import factories
from tests.factories import SYSTEM, GalleryFactory
from tests.fixtures import Client
from tests.identification.logged import SURE, crowd, face, found_by_all, log, strangers
from tests.thresholds.test_policies import calibration
from thresholds.models import Calibration
from thresholds.services import update_policy

pytestmark = pytest.mark.django_db
SIZE = 400


@pytest.fixture
def made(gallery: Gallery) -> Calibration:
    return calibration(gallery.model)


@pytest.fixture
def crowded(gallery: Gallery) -> Gallery:
    crowd(gallery, SIZE)
    return gallery


def shown(gallery: Gallery, days: int = 30) -> Telemetry:
    roll_up()
    return telemetry(SYSTEM, gallery, days)


# --- Drift ------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(5))
def test_strangers_as_the_calibration_foretells_are_no_alarm(
    crowded: Gallery, made: Calibration, seed: int
) -> None:
    seconds = strangers(made, SIZE, SIZE, seed=seed)
    log(crowded, *[face((0.89, SURE), each) for each in seconds], calibration=made, searched=SIZE)

    found = shown(crowded)

    assert found.drift is not None
    assert (found.drift.strangers, found.drift.independent) == (SIZE, SIZE)
    high, highest = found.drift.levels
    assert (high.foretold, highest.foretold) == (0.05, 0.005)
    assert high.low <= 0.05 <= high.high or high.observed == pytest.approx(0.05, abs=0.03)
    assert (found.alarm, found.advice) == (False, "")
    assert sum(found.stranger_rates) == pytest.approx(1)
    assert max(found.stranger_rates) < 0.1
    assert alarms() == []


def test_strangers_who_score_higher_are_an_alarm(crowded: Gallery, made: Calibration) -> None:
    found_by_all(crowded, made, SIZE, shift=0.1)

    found = shown(crowded)

    assert found.drift is not None
    assert found.drift.levels[0].observed > 0.1
    assert found.alarm
    assert found.advice.startswith(
        f"Strangers score higher than the calibration {made} foretells: "
    )
    assert "See whether people are enrolled twice" in found.advice
    assert found.advice.endswith(f"`manage.py calibrate --gallery {crowded.slug}`.")
    ((gallery, same),) = alarms()
    assert (gallery, same) == (crowded, found.drift)


def test_strangers_who_score_lower_are_none(crowded: Gallery, made: Calibration) -> None:
    found_by_all(crowded, made, SIZE, shift=-0.1)
    assert not shown(crowded).alarm


def test_people_enrolled_twice_are_an_alarm(crowded: Gallery, made: Calibration) -> None:
    """One in ten finds a second self: the rarer level shows it, the other hardly."""
    seconds = strangers(made, SIZE, SIZE)
    twice = [(0.85, SURE) if number % 10 == 0 else each for number, each in enumerate(seconds)]
    log(crowded, *[face((0.89, SURE), each) for each in twice], calibration=made, searched=SIZE)
    found = shown(crowded)
    assert found.drift is not None
    assert [each.alarm for each in found.drift.levels] == [False, True]
    assert found.drift.levels[1].observed == pytest.approx(0.1, abs=0.01)
    assert "of them as high as 0.5% should" in found.advice


def test_a_new_calibration_begins_anew(crowded: Gallery, made: Calibration) -> None:
    found_by_all(crowded, made, SIZE, shift=0.1)
    assert shown(crowded).alarm
    newer = calibration(crowded.model, shift=0.05)
    found = shown(crowded)
    assert found.calibration == newer.public_id
    assert found.drift is not None
    assert (found.drift.strangers, found.drift.levels, found.alarm) == (0, [], False)
    # The searches themselves are still there.
    assert (found.totals.searches, found.totals.faces) == (1, SIZE)
    assert alarms() == []
    # The policy goes back to the old one.
    update_policy(SYSTEM, crowded, calibration=made)
    assert [gallery for gallery, _ in alarms()] == [crowded]


def test_few_people_say_nothing(gallery: Gallery, made: Calibration) -> None:
    """Ninety come every day; more days are no more people."""
    crowd(gallery, 90)
    for day in range(5):
        found_by_all(gallery, made, 90, shift=0.3, at=timezone.now() - timedelta(days=day))
    found = shown(gallery)
    assert found.drift is not None
    assert (found.drift.strangers, found.drift.independent) == (450, 90)
    assert (found.drift.levels, found.drift.needed, found.alarm) == ([], 100, False)
    assert found.match_fpir is not None
    assert found.match_fpir.estimate is None
    assert alarms() == []


def test_what_is_before_the_window_does_not_count(crowded: Gallery, made: Calibration) -> None:
    found_by_all(crowded, made, SIZE, shift=0.1, at=timezone.now() - timedelta(days=40))
    found = shown(crowded)
    assert (found.totals.searches, found.alarm, alarms()) == (0, False, [])
    assert shown(crowded, days=60).alarm


@pytest.mark.parametrize(("count", "alarm"), [(40, False), (64, False), (65, True)])
def test_how_many_are_an_alarm(
    gallery: Gallery,
    made: Calibration,
    count: int,
    alarm: bool,  # noqa: FBT001
) -> None:
    """Of 400 twenty should be so high; forty are within what is tolerated."""
    found = drift(gallery, made, Counts(400, count, 0), people=10_000)
    assert found.levels[0].observed == count / 400
    assert found.alarm is alarm


# --- FPIR -------------------------------------------------------------------------------------


def test_fpir_is_estimated_against_its_target(crowded: Gallery, made: Calibration) -> None:
    update_policy(SYSTEM, crowded, match_fpir=0.1, review_fpir=0.4)
    found_by_all(crowded, made, SIZE)
    found = shown(crowded)
    assert found.outlook is not None
    for fpir, target, foretold in (
        (found.match_fpir, 0.1, found.outlook.match_fpir),
        (found.review_fpir, 0.4, found.outlook.review_fpir),
    ):
        assert fpir is not None
        assert (fpir.target, fpir.foretold, fpir.exceeds) == (target, foretold, False)
        assert foretold < target  # the tier has room for a thousand
        assert fpir.estimate == pytest.approx(foretold, abs=0.06)
        assert fpir.low is not None
        assert fpir.high is not None
        assert fpir.low < fpir.estimate < fpir.high


def test_fpir_that_exceeds_its_target(crowded: Gallery, made: Calibration) -> None:
    found_by_all(crowded, made, SIZE, shift=0.2)
    found = shown(crowded)
    assert found.match_fpir is not None
    assert found.match_fpir.estimate is not None
    assert found.match_fpir.estimate > 0.02 > found.match_fpir.target  # type: ignore[operator]
    assert found.match_fpir.exceeds
    # Set by hand there is no target to exceed, and what was counted is the same.
    update_policy(SYSTEM, crowded, match_score=-0.1, review_score=-0.2, reason="a test")
    by_hand = shown(crowded)
    assert by_hand.match_fpir is not None
    assert (by_hand.match_fpir.target, by_hand.match_fpir.exceeds) == (None, False)
    assert by_hand.match_fpir.estimate is not None
    assert by_hand.match_fpir.estimate > found.match_fpir.estimate
    assert by_hand.drift == found.drift


# --- Over HTTP --------------------------------------------------------------------------------


def address(gallery: Gallery) -> str:
    return f"/api/v1/galleries/{gallery.public_id}/telemetry"


@pytest.fixture
def reviewer(gallery: Gallery, client_of: Client) -> APIClient:
    return client_of(gallery, Role.REVIEWER)


def test_exact_figures(reviewer: APIClient, gallery: Gallery, made: Calibration) -> None:
    other, now = GalleryFactory(model=gallery.model), timezone.now()
    yesterday = now - timedelta(days=1)
    log(gallery, face((0.8, SURE), (0.3, 0.04)), face((0.2, 0.7), decision="no_match"),
        calibration=made, at=now)  # fmt: skip
    log(gallery, face((0.6, 0.01), decision="review"), calibration=made, at=yesterday)
    log(gallery, face((0.6, None), decision=None), at=yesterday)
    log([gallery, other], face((0.9, SURE)), calibration=made, at=now)
    log(gallery, face((0.9, SURE)), calibration=made, at=now, model="another")
    roll_up()

    body = reviewer.get(address(gallery)).json()

    assert body["totals"] == {
        "searches": 3, "others": 1, "faces": 4,
        "decisions": {"match": 1, "review": 1, "no_match": 1, "poor_quality": 0, "none": 1},
        "shares": {"match": 0.25, "review": 0.25, "no_match": 0.25, "poor_quality": 0.0,
                   "none": 0.25},
    }  # fmt: skip
    first, last = body["by_day"]
    assert (first["day"], last["day"]) == (str(yesterday.date()), str(now.date()))
    assert [(each["searches"], each["others"], each["faces"]) for each in (first, last)] == [
        (2, 0, 2), (1, 1, 2),
    ]  # fmt: skip
    scores = body["scores"]
    assert (scores["width"], len(scores["best"]), len(scores["second"])) == (0.005, 400, 400)
    assert {at: n for at, n in enumerate(scores["best"]) if n} == {360: 1, 240: 1, 320: 2}
    assert {at: n for at, n in enumerate(scores["second"]) if n} == {260: 1}
    assert body["drift"] == {
        "strangers": 1, "independent": 0, "needed": 100, "levels": [],
        "stranger_rates": [pytest.approx(1, abs=0.02), pytest.approx(0, abs=0.02)] + [0.0] * 18,
    }  # fmt: skip
    assert (body["fpir"]["match"]["target"], body["fpir"]["match"]["estimate"]) == (0.003, None)
    assert (body["days"], body["model"]) == (30, gallery.model)
    assert (body["calibration"], body["alarm"], body["advice"]) == (str(made.public_id), False, "")
    assert body["outlook"]["searched"] == 1
    assert [(each["model"], each["current"]) for each in body["models"]] == [(gallery.model, True)]
    assert reviewer.get(address(gallery), {"days": 1}).json()["totals"]["searches"] == 1


def test_before_the_first_search(reviewer: APIClient, gallery: Gallery) -> None:
    body = reviewer.get(address(gallery)).json()
    nothing = ("calibration", "counted_at", "drift", "fpir", "outlook")
    assert [body[name] for name in nothing] == [None] * 5
    assert (body["totals"]["searches"], body["by_day"], body["models"]) == (0, [], [])
    assert set(body["totals"]["shares"].values()) == {0.0}
    assert (body["alarm"], body["verdict"]) == (False, "")


def test_an_alarm_over_http(reviewer: APIClient, crowded: Gallery, made: Calibration) -> None:
    found_by_all(crowded, made, SIZE, shift=0.1)
    roll_up()
    body = reviewer.get(address(crowded)).json()
    assert body["alarm"] is True
    assert f"calibrate --gallery {crowded.slug}" in body["advice"]
    assert body["drift"]["levels"][0]["alarm"] is True


def test_nobody_is_in_it(reviewer: APIClient, gallery: Gallery, made: Calibration) -> None:
    """Figures only."""
    person = str(uuid4())
    log(gallery, face((0.8, SURE), (0.3, 0.04), person=person), calibration=made, reason="case 7")
    roll_up()
    text = reviewer.get(address(gallery)).content.decode() + str(SearchDay.objects.values())
    for secret in (person, "case 7", "user:1", str(Search.objects.get().public_id)):
        assert secret not in text


def test_a_second_that_was_not_asked_for_is_shown_to_nobody(
    reviewer: APIClient, gallery: Gallery, made: Calibration
) -> None:
    log(gallery, face((0.8, SURE), (0.31234, 0.04)), calibration=made)
    answers = (reviewer.get("/api/v1/searches"), reviewer.get("/api/v1/searches/export"))
    for answer in answers:
        content = b"".join(answer) if answer.streaming else answer.content
        assert b"0.8" in content
        assert b"0.31234" not in content


@pytest.mark.parametrize("days", ["0", "-1", "401", "many", "1.5"])
def test_days_are_few_and_whole(reviewer: APIClient, gallery: Gallery, days: str) -> None:
    answer = reviewer.get(address(gallery), {"days": days})
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid")


def test_who_may_know(client_of: Client, gallery: Gallery) -> None:
    for role, status in ((Role.VIEWER, 403), (Role.OPERATOR, 403), (Role.REVIEWER, 200),
                         (Role.ADMIN, 200)):  # fmt: skip
        assert client_of(gallery, role).get(address(gallery)).status_code == status
    stranger = client_of(GalleryFactory(), Role.ADMIN)
    for unknown in (address(gallery), f"/api/v1/galleries/{uuid4()}/telemetry"):
        answer = stranger.get(unknown)
        assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
    assert APIClient().get(address(gallery)).status_code == 401
    with pytest.raises(Forbidden):
        telemetry(factories.actor(gallery, Role.OPERATOR), gallery, 30)
    with pytest.raises(NotFound):
        telemetry(factories.actor(GalleryFactory(), Role.ADMIN), gallery, 30)


@pytest.mark.parametrize("method", ["post", "put", "patch", "delete"])
def test_it_is_only_read(method: str, reviewer: APIClient, gallery: Gallery) -> None:
    assert getattr(reviewer, method)(address(gallery)).status_code == 405


def test_it_takes_as_many_queries_for_many(
    reviewer: APIClient, gallery: Gallery, made: Calibration
) -> None:
    def queries() -> int:
        with CaptureQueriesContext(connection) as captured:
            assert reviewer.get(address(gallery)).status_code == 200
        return len(captured)

    log(gallery, face((0.8, SURE), (0.3, 0.04)), calibration=made)
    roll_up()
    queries()
    few = queries()
    for number in range(20):
        at = timezone.now() - timedelta(days=number % 10)
        log(gallery, face((0.8, SURE), (0.3, 0.04)), calibration=made, at=at)
    SearchDay.objects.all().delete()
    roll_up()
    assert SearchDay.objects.count() == 10
    assert queries() == few


def test_one_query_finds_that_nothing_drifts(gallery: Gallery, made: Calibration) -> None:
    crowd(gallery, SIZE)
    found_by_all(gallery, made, SIZE)
    roll_up()
    with CaptureQueriesContext(connection) as captured:
        assert alarms() == []
    assert len(captured) == 1
