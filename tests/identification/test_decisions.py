"""What a lookup decides, on real photos, by the calibration that comes with the package."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import pytest
from rest_framework.test import APIClient

from identification.models import Search
from people.models import Gallery, Role
from tests.conftest import Lfw
from tests.factories import SYSTEM, PersonFactory, bulk_templates
from tests.fixtures import Client, enrol, settle, upload
from tests.worse import blurred
from thresholds.models import Calibration
from thresholds.services import bring_recorded, update_policy
from vectors import selectors
from vectors.generations import ensure_active_index
from vectors.models import PersonTemplate
from vectors.outbox import mark_all
from vectors.sizes import Sizes

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
    bring_recorded(SYSTEM)
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


def test_thresholds_follow_a_gallery_that_grows_while_it_is_searched(
    viewer: APIClient, gallery: Gallery, lfw: Lfw, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(selectors, "_sizes", Sizes(selectors._count))  # and forgotten afterwards
    photo, asked = lfw.bytes(PEOPLE[0], 6), {}
    for size in (900, 11_000):
        grow(gallery, size)
        body, face = look_up(viewer, photo, gallery)
        assert body["searched"] == size
        assert face["candidates"][0]["person"]["name"] == PEOPLE[0]
        asked[body["thresholds"]["tier"]] = (body["thresholds"], face["candidates"][0])
    (small, before), (large, after) = asked[1_000], asked[100_000]
    assert [each.thresholds["tier"] for each in Search.objects.order_by("pk")] == [1_000, 100_000]
    assert small["match"] < large["match"]
    assert small["review"] < large["review"]
    assert before["score"] == pytest.approx(after["score"], abs=1e-6)
    # The rate follows N itself, about twelve times as many; the thresholds its tier.
    assert after["stranger_rate"] == pytest.approx(before["stranger_rate"] * 11_000 / 900, rel=0.2)


def grow(gallery: Gallery, size: int) -> None:
    """Strangers of random templates join, until there are so many."""
    missing = size - PersonTemplate.objects.filter(person__gallery=gallery).count()
    vectors = np.random.default_rng(size).standard_normal((missing, 128)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    made = bulk_templates(gallery, vectors)
    mark_all(ensure_active_index(gallery), PersonTemplate.objects.filter(pk__gte=made[0].pk))
    settle(gallery)
    # A large gallery is counted once in a second for each 10,000 people.
    while selectors.searchable_count([gallery]) != size:
        time.sleep(0.05)


def test_a_list_of_people_is_searched_alone(viewer: APIClient, gallery: Gallery, lfw: Lfw) -> None:
    known = {person.name: str(person.public_id) for person in gallery.people.all()}
    photo = lfw.bytes(PEOPLE[0], 6)
    whole, found = look_up(viewer, photo, gallery)
    body, face = look_up(viewer, photo, gallery, people=f"{known[PEOPLE[0]]},{known[PEOPLE[1]]}")
    assert (whole["searched"], body["searched"]) == (3, 2)
    names = [each["person"]["name"] for each in face["candidates"]]
    assert names == [PEOPLE[0], PEOPLE[1]]
    best, same = face["candidates"][0], found["candidates"][0]
    assert best["score"] == pytest.approx(same["score"], abs=1e-6)
    assert best["stranger_rate"] < same["stranger_rate"]
    gallery.people.filter(name=PEOPLE[0]).update(active=False)
    body, face = look_up(viewer, photo, gallery, people=known[PEOPLE[0]])
    assert (body["searched"], face["decision"], face["candidates"]) == (0, "no_match", [])

    elsewhere = str(PersonFactory().public_id)
    answer = viewer.post(
        "/api/v1/identify",
        {"photo": upload(photo), "galleries": str(gallery.public_id), "people": elsewhere},
        format="multipart",
    )
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


def test_a_photo_is_verified_against_somebody_enrolled(
    viewer: APIClient, gallery: Gallery, lfw: Lfw
) -> None:
    person = gallery.people.get(name=PEOPLE[0])

    def verify(first: bytes, **fields: Any) -> Any:
        return viewer.post("/api/v1/verify", {"first": upload(first), **fields}, format="multipart")

    body = verify(lfw.bytes(PEOPLE[0], 6), person=str(person.public_id)).json()
    assert (body["decision"], len(body["faces"])) == ("match", 1)
    _, face = look_up(viewer, lfw.bytes(PEOPLE[0], 6), gallery)
    assert body["score"] == pytest.approx(face["candidates"][0]["score"], abs=1e-4)
    assert body["score"] >= body["threshold"]
    stranger = verify(lfw.bytes("Winona_Ryder", 1), person=str(person.public_id)).json()
    assert (stranger["decision"], stranger["threshold"]) == ("no_match", body["threshold"])

    nobody = PersonFactory(gallery=gallery)
    refused = verify(lfw.bytes(PEOPLE[0], 6), person=str(nobody.public_id))
    assert (refused.status_code, refused.json()["code"]) == (422, "not_enrolled")
    hidden = verify(lfw.bytes(PEOPLE[0], 6), person=str(PersonFactory().public_id))
    assert (hidden.status_code, hidden.json()["code"]) == (404, "not_found")
    for fields in ({}, {"person": str(person.public_id), "second": upload(b"x")},
                   {"person": str(person.public_id), "model": "mtcnn-dlib-resnet"}):  # fmt: skip
        assert verify(lfw.bytes(PEOPLE[0], 6), **fields).status_code == 400


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
