"""Enrolment at a desk: document against live photo, then the gallery."""

from __future__ import annotations

from typing import Any

import pytest
from rest_framework.test import APIClient

from audit.models import AuditEntry
from common import idempotency
from enrolment import desk
from identification.models import Probe, Search
from people.models import Gallery, Person, Role
from photos.models import Photo
from reviews.models import Review
from tests.conftest import Lfw
from tests.embedder.pictures import saved, scene
from tests.factories import SYSTEM
from tests.fixtures import Client, files, process, upload
from thresholds.models import Calibration
from thresholds.services import bring_recorded, update_policy
from vectors.errors import IndexUnavailable
from vectors.generations import ensure_active_index

from .people import let_in

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("media", "indexed")]
WHO, OTHER = "Donald_Rumsfeld", "Vladimir_Putin"


@pytest.fixture
def gallery(gallery: Gallery) -> Gallery:
    Gallery.objects.filter(pk=gallery.pk).update(several_faces="central", min_face=60)
    gallery.refresh_from_db()
    bring_recorded(SYSTEM)
    update_policy(SYSTEM, gallery, review_fpir=0.5, match_fpir=0.1)
    ensure_active_index(gallery)
    let_in(gallery)
    return gallery


def at_desk(client: APIClient, gallery: Gallery, live: bytes, **fields: Any) -> Any:
    body = {"gallery": str(gallery.public_id), "live": upload(live), **fields}
    return client.post("/api/v1/enrolments", body, format="multipart")


def nothing_was_made() -> bool:
    return not (Person.objects.exists() or Photo.objects.exists() or Probe.objects.exists())


def test_whoever_their_document_shows_is_enrolled(
    operator: APIClient, gallery: Gallery, lfw: Lfw
) -> None:
    answer = at_desk(
        operator, gallery, lfw.bytes(WHO, 1), document=upload(lfw.bytes(WHO, 3)),
        name="D. R.", external_id="p-1", metadata='{"desk": 4}',
    )  # fmt: skip
    assert answer.status_code == 202, answer.json()
    body = answer.json()
    assert (body["person"]["name"], body["person"]["metadata"]) == ("D. R.", {"desk": 4})
    assert body["photo"]["state"] == "received"
    verification = body["verification"]
    assert verification["decision"] == "match"
    assert verification["score"] >= verification["threshold"]
    assert verification["fmr"] <= 0.001
    assert (body["duplicates"]["decision"], body["duplicates"]["likely"]) == ("no_match", [])
    assert Search.objects.get().reason == "enrolment"
    process()
    let_in(gallery)
    person = operator.get(f"/api/v1/people/{body['person']['id']}").json()
    assert (person["active"], person["held"]) == (True, "")
    # Of the document nothing is kept.
    assert Photo.objects.count() == 1


def test_a_document_of_somebody_else_enrols_nobody(
    operator: APIClient, gallery: Gallery, lfw: Lfw, media: Any
) -> None:
    answer = at_desk(operator, gallery, lfw.bytes(WHO, 1), document=upload(lfw.bytes(OTHER, 1)))
    body = answer.json()
    assert (answer.status_code, body["code"]) == (422, "identity_mismatch")
    assert body["score"] < body["threshold"]
    assert nothing_was_made()
    assert files(media) == []
    entry = AuditEntry.objects.get(action="enrolment.refuse")
    assert entry.details == {"code": "identity_mismatch", "score": round(body["score"], 4)}


def test_whoever_is_enrolled_already_is_said_at_once_and_then_reviewed(
    operator: APIClient, gallery: Gallery, lfw: Lfw
) -> None:
    first = at_desk(operator, gallery, lfw.bytes(WHO, 1)).json()["person"]["id"]
    process()
    let_in(gallery)
    again = at_desk(operator, gallery, lfw.bytes(WHO, 3), name="Somebody Else").json()
    assert again["duplicates"]["decision"] in ("match", "review")
    (alike,) = again["duplicates"]["likely"]
    assert alike["person"]["id"] == first
    assert alike["evidence"]["score"] == pytest.approx(alike["score"], abs=1e-5)
    assert 0 < alike["stranger_rate"] < 0.5
    process()
    let_in(gallery)
    person = operator.get(f"/api/v1/people/{again['person']['id']}").json()
    assert (person["active"], person["held"]) == (False, "duplicate")
    assert Review.objects.get().kind == "duplicate"

    update_policy(SYSTEM, gallery, duplicates="block")
    count = Person.objects.count()
    refused = at_desk(operator, gallery, lfw.bytes(WHO, 4))
    assert (refused.status_code, refused.json()["code"]) == (409, "likely_duplicate")
    assert refused.json()["candidates"] == [first]
    assert Person.objects.count() == count


def test_a_gallery_may_want_a_document(operator: APIClient, gallery: Gallery, lfw: Lfw) -> None:
    update_policy(SYSTEM, gallery, requires_document=True)
    refused = at_desk(operator, gallery, lfw.bytes(WHO, 1))
    assert (refused.status_code, refused.json()["code"]) == (422, "document_required")
    Calibration.objects.all().delete()
    unjudged = at_desk(operator, gallery, lfw.bytes(WHO, 1), document=upload(lfw.bytes(WHO, 3)))
    assert (unjudged.status_code, unjudged.json()["code"]) == (422, "not_calibrated")
    assert nothing_was_made()


def test_without_the_index_they_are_looked_for_later(
    operator: APIClient, gallery: Gallery, lfw: Lfw, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: object, **__: object) -> None:
        raise IndexUnavailable("Milvus is away.")

    monkeypatch.setattr(desk, "identify", away)
    answer = at_desk(operator, gallery, lfw.bytes(WHO, 1))
    assert (answer.status_code, answer.json()["duplicates"]) == (202, None)
    process()
    assert Person.objects.get().held == "checking"


def test_what_is_refused(
    client_of: Client, operator: APIClient, gallery: Gallery, lfw: Lfw
) -> None:
    nobody = saved(scene(300, 300), "PNG")
    live = lfw.bytes(WHO, 1)
    for answer, status, code in (
        (at_desk(operator, gallery, nobody), 422, "no_face"),
        (at_desk(operator, gallery, b""), 400, "empty_file"),
        (at_desk(operator, gallery, b"<svg/>"), 415, "unsupported_format"),
        (at_desk(operator, gallery, live, document=upload(nobody)), 422, "no_face"),
        (at_desk(operator, gallery, live, metadata="{"), 400, "invalid"),
        (at_desk(operator, gallery, live, metadata="[]"), 400, "invalid"),
        (at_desk(operator, gallery, live, metadata="[" * 100_000), 400, "invalid"),
        (at_desk(operator, gallery, live, metadata='{"a":' * 50_000), 400, "invalid"),
        (at_desk(operator, gallery, live, metadata='{"a": "\\ud800"}'), 400, "invalid"),
        (at_desk(client_of(gallery, Role.VIEWER), gallery, live), 403, "role_needed"),
    ):
        assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert nothing_was_made()


def test_a_request_sent_again_makes_nobody_twice(
    operator: APIClient, gallery: Gallery, lfw: Lfw, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also when the process dies as it answers: the person and the answer are one transaction."""
    operator.credentials(**operator._credentials, HTTP_IDEMPOTENCY_KEY="key")

    def die(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(idempotency, "_remember", die)
        with pytest.raises(KeyboardInterrupt):
            at_desk(operator, gallery, lfw.bytes(WHO, 1), document=upload(lfw.bytes(WHO, 3)))
    assert nothing_was_made()

    first, again = (
        at_desk(operator, gallery, lfw.bytes(WHO, 1), document=upload(lfw.bytes(WHO, 3)))
        for _ in range(2)
    )
    assert (first.status_code, again.json()) == (202, first.json())
    assert again["Idempotent-Replayed"] == "true"
    assert (Person.objects.count(), Photo.objects.count()) == (1, 1)


def test_a_taken_external_id_leaves_nothing_half_done(
    operator: APIClient, gallery: Gallery, lfw: Lfw
) -> None:
    at_desk(operator, gallery, lfw.bytes(OTHER, 1), external_id="p-1")
    again = at_desk(operator, gallery, lfw.bytes(WHO, 1), external_id="p-1")
    assert (again.status_code, again.json()["code"]) == (409, "external_id_taken")
    assert (Person.objects.count(), Photo.objects.count()) == (1, 1)
