"""A person asks the reviewers about a face that was looked up, whatever the machine decided."""

from __future__ import annotations

from typing import Any

import pytest
from rest_framework.test import APIClient

from audit.models import AuditEntry
from identification.models import Probe
from identification.probes import forget_old_probes
from people.models import Gallery, Role
from tests.conftest import Lfw
from tests.factories import SYSTEM, PersonFactory
from tests.fixtures import Client, enrol, settle, upload
from thresholds.services import bring_recorded, update_policy

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("media", "indexed")]
WHO = "Donald_Rumsfeld"


@pytest.fixture
def gallery(gallery: Gallery, lfw: Lfw) -> Gallery:
    """One person, whom nobody matches."""
    Gallery.objects.filter(pk=gallery.pk).update(several_faces="central", min_face=60)
    gallery.refresh_from_db()
    enrol(PersonFactory(gallery=gallery, name=WHO), lfw.bytes(WHO, 1))
    settle(gallery)
    bring_recorded(SYSTEM)
    update_policy(SYSTEM, gallery, match_score=1.0, review_score=1.0, reason="a test")
    return gallery


@pytest.fixture
def operator(gallery: Gallery, client_of: Client) -> APIClient:
    return client_of(gallery, Role.OPERATOR)


def look_up(client: APIClient, data: bytes, gallery: Gallery) -> Any:
    body = {"photo": upload(data), "galleries": [str(gallery.public_id)], "faces": "central"}
    answer = client.post("/api/v1/identify", body, format="multipart")
    assert answer.status_code == 200, answer.json()
    assert answer.json()["faces"][0]["decision"] == "no_match"
    return answer.json()["search"]


def ask(client: APIClient, search: str, data: bytes | None = None, number: int = 0) -> Any:
    body = {} if data is None else {"photo": upload(data)}
    return client.post(f"/api/v1/searches/{search}/faces/{number}/review", body, format="multipart")


def problem(answer: Any) -> tuple[int, str]:
    return answer.status_code, answer.json()["code"]


def test_a_face_is_asked_about_and_forgotten_once_it_is_decided(
    operator: APIClient, client_of: Client, gallery: Gallery, lfw: Lfw
) -> None:
    photo = lfw.bytes(WHO, 3)
    search = look_up(operator, photo, gallery)
    asked = ask(operator, search, photo)
    assert asked.status_code == 200, asked.json()
    review = asked.json()["id"]
    assert (asked.json()["face"], asked.json()["state"]) == (0, "open")
    assert AuditEntry.objects.filter(action="review.ask", target=f"review:{review}").exists()
    assert forget_old_probes() == 0
    shown = operator.get(f"/api/v1/searches/{search}").json()
    assert (shown["kept"], [each["id"] for each in shown["reviews"]]) == ([0], [review])
    # Asked twice, or of another lookup of the same photo, it is one question.
    assert ask(operator, search).json()["id"] == review
    assert ask(operator, look_up(operator, photo, gallery), photo).json()["id"] == review

    reviewer = client_of(gallery, Role.REVIEWER)
    assert reviewer.get(f"/api/v1/reviews/{review}/probe").status_code == 200
    found = reviewer.get(f"/api/v1/reviews/{review}").json()
    assert [each["person"]["name"] for each in found["candidates"]] == [WHO]
    decided = reviewer.post(f"/api/v1/reviews/{review}/decide", {"verdict": "same"}, format="json")
    assert decided.json()["chosen"] == found["candidates"][0]["person"]["id"]
    assert not Probe.objects.exists()
    assert problem(ask(operator, search, photo)) == (409, "review_state")


def test_what_cannot_be_asked(
    operator: APIClient, client_of: Client, gallery: Gallery, lfw: Lfw
) -> None:
    photo = lfw.bytes(WHO, 3)
    search = look_up(operator, photo, gallery)
    assert problem(ask(operator, search)) == (422, "photo_required")
    assert problem(ask(operator, search, lfw.bytes(WHO, 1))) == (422, "another_photo")
    assert problem(ask(operator, search, photo, number=7)) == (404, "not_found")
    other = client_of(gallery, Role.OPERATOR)
    assert problem(ask(other, search, photo)) == (404, "not_found")
    viewer = client_of(gallery, Role.VIEWER)
    assert problem(ask(viewer, look_up(viewer, photo, gallery), photo)) == (403, "role_needed")
    gallery.people.update(active=False)
    assert problem(ask(operator, search, photo)) == (422, "no_candidates")
    assert not Probe.objects.exists()


def test_the_log_shows_names_as_they_are_now(
    operator: APIClient, gallery: Gallery, lfw: Lfw
) -> None:
    look_up(operator, lfw.bytes(WHO, 3), gallery)
    gallery.people.update(name="Don")
    (entry,) = operator.get("/api/v1/searches").json()["results"]
    assert [each["name"] for each in entry["people"]] == ["Don"]
    assert entry["people"][0]["id"] == entry["faces"][0]["candidates"][0]["person"]
    gallery.people.update(active=False)
    (entry,) = operator.get("/api/v1/searches").json()["results"]
    assert entry["people"] == []
