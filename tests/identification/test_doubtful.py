"""A lookup between the thresholds comes before a reviewer, with the face, if a gallery says so."""

from __future__ import annotations

from datetime import timedelta
from io import BytesIO
from typing import Any

import pytest
from django.utils import timezone
from PIL import Image
from rest_framework.test import APIClient

from enrolment.services import erase
from identification.batch_work import look_up_waiting
from identification.models import BatchItem, Probe, Search
from identification.probes import forget_old_probes
from people.models import Gallery, Role
from reviews.models import Review, State
from tests.conftest import Lfw
from tests.enrolment.people import let_in
from tests.factories import SYSTEM, GalleryFactory, PersonFactory
from tests.fixtures import Client, enrol, settle, upload
from thresholds.services import bring_recorded, update_policy

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("media", "indexed")]
PEOPLE = ("Donald_Rumsfeld", "Vladimir_Putin")


@pytest.fixture
def gallery(gallery: Gallery, lfw: Lfw) -> Gallery:
    """Two people, in a gallery where everybody who resembles them is doubtful."""
    Gallery.objects.filter(pk=gallery.pk).update(several_faces="central", min_face=60)
    gallery.refresh_from_db()
    for name in PEOPLE:
        enrol(PersonFactory(gallery=gallery, name=name), lfw.bytes(name, 1))
    settle(gallery)
    bring_recorded(SYSTEM)
    update_policy(
        SYSTEM, gallery, doubtful="queue", match_score=1.0, review_score=0.9, reason="a test"
    )
    return gallery


@pytest.fixture
def viewer(gallery: Gallery, client_of: Client) -> APIClient:
    return client_of(gallery, Role.VIEWER)


@pytest.fixture
def reviewer(gallery: Gallery, client_of: Client) -> APIClient:
    return client_of(gallery, Role.REVIEWER)


def look_up(client: APIClient, data: bytes, *galleries: Gallery) -> Any:
    ids = [str(each.public_id) for each in galleries]
    body = {"photo": upload(data), "galleries": ids, "faces": "central"}
    answer = client.post("/api/v1/identify", body, format="multipart")
    assert answer.status_code == 200, answer.json()
    (face,) = answer.json()["faces"]
    return face


def test_a_doubtful_face_is_queued_and_forgotten_once_it_is_decided(
    viewer: APIClient, reviewer: APIClient, gallery: Gallery, lfw: Lfw
) -> None:
    face = look_up(viewer, lfw.bytes(PEOPLE[0], 3), gallery)
    assert face["decision"] == "review"
    review = reviewer.get(f"/api/v1/reviews/{face['review']}").json()
    assert (review["kind"], review["state"], review["face_number"]) == ("search", "open", 0)
    assert review["search"] == str(Search.objects.get().public_id)
    assert review["thresholds"]["overridden"] is True
    assert [each["person"]["name"] for each in review["candidates"]] == [PEOPLE[0]]
    assert review["candidates"][0]["face"] is not None
    jpeg = reviewer.get(f"/api/v1/reviews/{face['review']}/probe")
    assert (jpeg.status_code, jpeg["Content-Type"]) == (200, "image/jpeg")
    assert 80 < Image.open(BytesIO(jpeg.content)).width < 200
    # What a policy doesn't keep stays until it is decided.
    assert forget_old_probes() == 0

    body = {"verdict": "same"}
    answer = reviewer.post(f"/api/v1/reviews/{face['review']}/decide", body, format="json").json()
    assert (answer["verdict"], answer["chosen"]) == (
        "same",
        review["candidates"][0]["person"]["id"],
    )
    assert not Probe.objects.exists()
    gone = reviewer.get(f"/api/v1/reviews/{face['review']}/probe")
    assert (gone.status_code, gone.json()["code"]) == (404, "not_found")
    # Whoever asked sees in the log what was decided.
    found = viewer.get(f"/api/v1/searches/{review['search']}").json()
    assert found["reviews"] == [
        {
            "id": face["review"], "face": 0, "state": "decided", "verdict": "same",
            "person": answer["chosen"],
        }
    ]  # fmt: skip


def test_a_doubtful_face_of_a_batch_is_queued_too(
    viewer: APIClient, reviewer: APIClient, gallery: Gallery, lfw: Lfw
) -> None:
    photos = [upload(lfw.bytes("Winona_Ryder", 1)), upload(lfw.bytes(PEOPLE[0], 3))]
    body = {"photos": photos, "galleries": [str(gallery.public_id)], "faces": "central"}
    sent = viewer.post("/api/v1/identify/batches", body, format="multipart").json()
    while look_up_waiting():
        pass
    items = viewer.get(f"/api/v1/identify/batches/{sent['id']}").json()["items"]
    (clear,), (doubtful,) = (each["answer"]["faces"] for each in items)
    assert (clear["decision"], clear["review"]) == ("no_match", None)
    assert doubtful["decision"] == "review"
    jpeg = reviewer.get(f"/api/v1/reviews/{doubtful['review']}/probe")
    assert 80 < Image.open(BytesIO(jpeg.content)).width < 200
    # Of the photos themselves nothing is left.
    assert not BatchItem.objects.exclude(file="").exists()


def test_nothing_is_kept_unless_a_gallery_wants_it(
    viewer: APIClient, gallery: Gallery, lfw: Lfw
) -> None:
    update_policy(SYSTEM, gallery, doubtful="answer")
    face = look_up(viewer, lfw.bytes(PEOPLE[0], 3), gallery)
    assert (face["decision"], face["review"]) == ("review", None)
    update_policy(SYSTEM, gallery, doubtful="queue")
    face = look_up(viewer, lfw.bytes("Winona_Ryder", 1), gallery)
    assert (face["decision"], face["review"]) == ("no_match", None)
    assert not Probe.objects.exists()
    assert not Review.objects.exists()


def test_faces_are_kept_for_as_long_as_a_gallery_says(
    viewer: APIClient, gallery: Gallery, lfw: Lfw
) -> None:
    update_policy(SYSTEM, gallery, keep_probe_days=30, doubtful="answer")
    look_up(viewer, lfw.bytes(PEOPLE[0], 3), gallery)
    look_up(viewer, lfw.bytes("Winona_Ryder", 1), gallery)
    assert Probe.objects.count() == 2
    assert forget_old_probes() == 0
    until = Probe.objects.order_by("pk").values_list("keep_until", flat=True)
    assert all(timedelta(29) < each - timezone.now() <= timedelta(30) for each in until)
    Probe.objects.filter(pk=Probe.objects.order_by("pk")[0].pk).update(keep_until=timezone.now())
    assert forget_old_probes() == 1
    assert Probe.objects.count() == 1


def test_a_person_confirms_every_match_where_a_gallery_wants_it(
    viewer: APIClient, gallery: Gallery, lfw: Lfw
) -> None:
    update_policy(SYSTEM, gallery, match_score=0.91, reason="a test")
    photo = lfw.bytes(PEOPLE[0], 3)
    assert look_up(viewer, photo, gallery)["decision"] == "match"
    assert not Review.objects.exists()
    update_policy(SYSTEM, gallery, person_confirms=True)
    face = look_up(viewer, photo, gallery)
    assert face["decision"] == "review"
    assert face["review"] is not None


def test_of_several_galleries_the_first_candidate_s_reviewers_see_their_own_people(
    viewer: APIClient, gallery: Gallery, lfw: Lfw, admin_api: APIClient
) -> None:
    other = GalleryFactory(several_faces="central", min_face=60)
    enrol(PersonFactory(gallery=other, name="Elsewhere"), lfw.bytes(PEOPLE[0], 4))
    let_in(other)
    update_policy(SYSTEM, other, doubtful="queue")
    face = look_up(admin_api, lfw.bytes(PEOPLE[0], 3), gallery, other)
    assert {each["person"]["name"] for each in face["candidates"][:2]} == {PEOPLE[0], "Elsewhere"}
    review = Review.objects.get()
    assert str(review.gallery.public_id) == face["candidates"][0]["person"]["gallery"]
    assert [each.person.gallery for each in review.candidates.all()] == [review.gallery]


def test_with_whoever_is_erased_goes_the_face_that_was_looked_up(
    viewer: APIClient, gallery: Gallery, lfw: Lfw
) -> None:
    update_policy(SYSTEM, gallery, keep_probe_days=30)
    look_up(viewer, lfw.bytes(PEOPLE[0], 3), gallery)
    assert Probe.objects.count() == 1
    erase(SYSTEM, gallery.people.get(name=PEOPLE[0]))
    assert not Probe.objects.exists()
    assert Review.objects.get().state == State.WITHDRAWN
