"""What a lookup decides, on real photos, by the calibration that comes with the package."""

from __future__ import annotations

from typing import Any

import pytest
from rest_framework.test import APIClient

from people.models import Gallery, Role
from tests.conftest import Lfw
from tests.factories import SYSTEM, PersonFactory
from tests.fixtures import Client, enrol, settle, upload
from tests.worse import blurred
from thresholds.models import Calibration
from thresholds.services import bring_packaged, update_policy

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("media", "indexed")]
PEOPLE = ("Donald_Rumsfeld", "Vladimir_Putin", "Hans_Blix")


@pytest.fixture
def gallery(gallery: Gallery, lfw: Lfw) -> Gallery:
    """Three people, each by four photos."""
    Gallery.objects.filter(pk=gallery.pk).update(several_faces="central", min_face=60)
    gallery.refresh_from_db()
    for name in PEOPLE:
        enrol(PersonFactory(gallery=gallery, name=name), *(lfw.bytes(name, n) for n in range(1, 5)))
    settle(gallery)
    bring_packaged(SYSTEM)
    return gallery


@pytest.fixture
def viewer(gallery: Gallery, client_of: Client) -> APIClient:
    return client_of(gallery, Role.VIEWER)


def look_up(client: APIClient, data: bytes, gallery: Gallery, **fields: Any) -> tuple[Any, Any]:
    """The answer, and its only face."""
    body = {"photo": upload(data), "galleries": str(gallery.public_id), "faces": "central"}
    answer = client.post("/api/v1/identify", {**body, **fields}, format="multipart")
    assert answer.status_code == 200, answer.json()
    (face,) = answer.json()["faces"]
    return answer.json(), face


def test_who_is_enrolled_is_a_match_and_a_stranger_is_not(
    viewer: APIClient, gallery: Gallery, lfw: Lfw
) -> None:
    update_policy(SYSTEM, gallery, match_fpir=0.05, review_fpir=0.3)
    body, face = look_up(viewer, lfw.bytes(PEOPLE[0], 6), gallery)
    asked = body["thresholds"]
    assert (body["searched"], asked["tier"], asked["overridden"]) == (3, 1_000, False)
    assert asked["calibrations"] == [str(Calibration.objects.get().public_id)]
    assert (face["decision"], face["candidates"][0]["person"]["name"]) == ("match", PEOPLE[0])
    best, second = face["candidates"][:2]
    assert best["score"] >= asked["match"] > asked["review"]
    assert 0 < best["stranger_rate"] < second["stranger_rate"] <= 1
    assert face["margin"] == pytest.approx(second["stranger_rate"] / best["stranger_rate"])

    _, face = look_up(viewer, lfw.bytes("Winona_Ryder", 1), gallery)
    assert face["decision"] == "no_match"
    assert face["candidates"][0]["score"] < asked["review"]


def test_between_the_thresholds_a_person_decides(
    viewer: APIClient, gallery: Gallery, lfw: Lfw
) -> None:
    photo = lfw.bytes(PEOPLE[0], 6)
    _, face = look_up(viewer, photo, gallery)
    score = face["candidates"][0]["score"]
    update_policy(
        SYSTEM, gallery, match_score=score + 1e-4, review_score=score - 1e-4, reason="a test"
    )
    body, face = look_up(viewer, photo, gallery)
    assert (face["decision"], body["thresholds"]["overridden"]) == ("review", True)
    update_policy(SYSTEM, gallery, match_score=score - 1e-4, reason="a test")
    assert look_up(viewer, photo, gallery)[1]["decision"] == "match"
    # One candidate was asked for; whether the second is near counts all the same.
    update_policy(SYSTEM, gallery, match_score=0.1, review_score=0.0, margin=1e6, reason="a test")
    _, face = look_up(viewer, photo, gallery, top_k=1)
    assert (face["decision"], len(face["candidates"])) == ("review", 1)


def test_a_poor_probe_gets_candidates_and_a_decision_only_on_request(
    viewer: APIClient, gallery: Gallery, lfw: Lfw
) -> None:
    photo = blurred(lfw.bytes(PEOPLE[0], 1), 6)
    _, face = look_up(viewer, photo, gallery)
    assert face["decision"] == "poor_quality"
    assert len(face["candidates"]) == 3
    _, face = look_up(viewer, photo, gallery, any_quality="true")
    assert face["decision"] in ("match", "review", "no_match")
    good = lfw.bytes(PEOPLE[0], 6)
    update_policy(SYSTEM, gallery, min_probe_quality=1.0)
    assert look_up(viewer, good, gallery)[1]["decision"] == "poor_quality"


def test_without_a_calibration_there_are_scores_and_no_guess(
    viewer: APIClient, gallery: Gallery, lfw: Lfw
) -> None:
    Calibration.objects.all().delete()
    body, face = look_up(viewer, lfw.bytes(PEOPLE[0], 6), gallery)
    assert (body["thresholds"], face["decision"], face["margin"]) == (None, None, None)
    assert face["candidates"][0]["stranger_rate"] is None
    assert face["candidates"][0]["score"] > 0.9


def test_two_photos_are_verified_by_the_lower_threshold_for_one(
    viewer: APIClient, gallery: Gallery, lfw: Lfw
) -> None:
    def verify(first: bytes, second: bytes) -> Any:
        body = {"first": upload(first), "second": upload(second)}
        return viewer.post("/api/v1/verify", body, format="multipart").json()

    same = verify(lfw.bytes(PEOPLE[0], 1), lfw.bytes(PEOPLE[0], 3))
    other = verify(lfw.bytes(PEOPLE[0], 1), lfw.bytes("Winona_Ryder", 1))
    assert (same["decision"], other["decision"]) == ("match", "no_match")
    assert same["fmr"] <= 0.001 < other["fmr"]
    assert (
        same["threshold"]
        < look_up(viewer, lfw.bytes(PEOPLE[0], 6), gallery)[0]["thresholds"]["match"]
    )
