"""The search log: every lookup is in it, for those who may know."""

from __future__ import annotations

import csv
from hashlib import sha256
from io import StringIO
from typing import Any

import pytest
from django.db import DatabaseError
from rest_framework.test import APIClient

from accounts.models import ApiKey
from identification import services
from identification.models import Search
from people.models import Gallery, Role
from tests.conftest import Lfw
from tests.enrolment.people import let_in
from tests.factories import SYSTEM, GalleryFactory, PersonFactory
from tests.fixtures import Client, enrol, settle, upload
from thresholds.services import bring_recorded, update_policy

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("media", "indexed")]
WHO = "Donald_Rumsfeld"


@pytest.fixture
def gallery(gallery: Gallery, lfw: Lfw) -> Gallery:
    Gallery.objects.filter(pk=gallery.pk).update(several_faces="central", min_face=60)
    gallery.refresh_from_db()
    enrol(PersonFactory(gallery=gallery, name="=Somebody"), lfw.bytes(WHO, 1), lfw.bytes(WHO, 2))
    settle(gallery)
    bring_recorded(SYSTEM)
    return gallery


def look_up(client: APIClient, lfw: Lfw, *galleries: Gallery, **fields: Any) -> Any:
    body = {
        "photo": upload(lfw.bytes(WHO, 3)),
        "galleries": [str(each.public_id) for each in galleries],
        "faces": "central",
    }
    return client.post("/api/v1/identify", {**body, **fields}, format="multipart")


def ids(client: APIClient, **filters: str) -> list[str]:
    answer = client.get("/api/v1/searches", filters)
    assert answer.status_code == 200, answer.json()
    return [each["id"] for each in answer.json()["results"]]


def test_what_was_answered_is_what_is_logged(client_of: Client, gallery: Gallery, lfw: Lfw) -> None:
    viewer = client_of(gallery, Role.VIEWER)
    body = look_up(viewer, lfw, gallery, reason="  case 17 ").json()
    entry = viewer.get(f"/api/v1/searches/{body['search']}").json()
    (face,), (answered,) = entry.pop("faces"), body["faces"]
    assert {key: entry[key] for key in ("reason", "searched", "thresholds", "model", "among")} == {
        "reason": "case 17", "searched": 1, "thresholds": body["thresholds"],
        "model": gallery.model, "among": None,
    }  # fmt: skip
    assert entry["actor"].startswith("api_key:")
    key = ApiKey.objects.get(prefix=entry["actor"].partition(":")[2])
    assert entry["actor_name"] == key.name
    assert entry["galleries"] == [str(gallery.public_id)]
    assert entry["probe"] == sha256(lfw.bytes(WHO, 3)).hexdigest()
    assert (face["decision"], face["box"]) == (answered["decision"], answered["box"])
    (candidate,), (shown,) = face["candidates"], answered["candidates"]
    assert candidate == {
        "person": shown["person"]["id"],
        "score": pytest.approx(shown["score"]),
        "stranger_rate": pytest.approx(shown["stranger_rate"]),
    }
    # Ids and figures: no name.
    assert "Somebody" not in str(Search.objects.values())


def test_the_two_best_are_kept_for_telemetry_alone(
    client_of: Client, gallery: Gallery, lfw: Lfw
) -> None:
    enrol(PersonFactory(gallery=gallery), lfw.bytes("Vladimir_Putin", 1))
    let_in(gallery)
    viewer = client_of(gallery, Role.VIEWER)
    two = look_up(viewer, lfw, gallery, top_k=2).json()["faces"][0]["candidates"]
    body = look_up(viewer, lfw, gallery, top_k=1).json()
    entry = Search.objects.get(public_id=body["search"])
    assert entry.best_two == [
        [[pytest.approx(each["score"]), pytest.approx(each["stranger_rate"])] for each in two]
    ]
    second = str(two[1]["score"])[:8]
    (candidate,) = body["faces"][0]["candidates"]
    assert second not in str(candidate)
    shown = viewer.get(f"/api/v1/searches/{body['search']}").json()
    assert len(shown["faces"][0]["candidates"]) == 1
    assert second not in str(shown)
    assert "best_two" not in str(shown)


def test_a_lookup_that_cannot_be_logged_is_not_answered(
    client_of: Client, gallery: Gallery, lfw: Lfw, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any) -> Any:
        raise DatabaseError("no room")

    monkeypatch.setattr(services, "log_searches", full)
    client = client_of(gallery, Role.VIEWER)
    client.raise_request_exception = False
    assert look_up(client, lfw, gallery).status_code >= 500


def test_a_gallery_may_want_to_know_why(client_of: Client, gallery: Gallery, lfw: Lfw) -> None:
    update_policy(SYSTEM, gallery, requires_reason=True)
    viewer = client_of(gallery, Role.VIEWER)
    for fields in ({}, {"reason": "  "}):
        refused = look_up(viewer, lfw, gallery, **fields)
        assert (refused.status_code, refused.json()["code"]) == (422, "reason_required")
    assert not Search.objects.exists()
    assert look_up(viewer, lfw, gallery, reason="case 17").status_code == 200
    assert look_up(viewer, lfw, gallery, reason="x" * 301).status_code == 400


def test_who_sees_what(client_of: Client, gallery: Gallery, lfw: Lfw, admin_api: APIClient) -> None:
    one, other = client_of(gallery, Role.VIEWER), client_of(gallery, Role.OPERATOR)
    mine = look_up(one, lfw, gallery).json()["search"]
    theirs = look_up(other, lfw, gallery).json()["search"]
    assert (ids(one), ids(other)) == ([mine], [theirs])
    assert one.get(f"/api/v1/searches/{theirs}").status_code == 404
    assert ids(client_of(gallery, Role.REVIEWER)) == [theirs, mine]
    assert ids(client_of(GalleryFactory(), Role.ADMIN)) == []

    # Of two galleries together only who may decide in both sees it, or has made it.
    second = GalleryFactory(model=gallery.model)
    settle(second)
    both = look_up(admin_api, lfw, gallery, second).json()["search"]
    assert both not in ids(client_of(gallery, Role.ADMIN))
    assert both in ids(admin_api)
    second.delete()
    Search.objects.get(public_id=both).galleries.clear()
    assert both not in ids(client_of(gallery, Role.ADMIN))


def test_filters(client_of: Client, gallery: Gallery, lfw: Lfw) -> None:
    viewer = client_of(gallery, Role.VIEWER)
    first = look_up(viewer, lfw, gallery, reason="case 17").json()["search"]
    second = look_up(viewer, lfw, gallery, reason="case 18").json()["search"]
    assert ids(viewer, reason="17") == [first]
    assert ids(viewer, gallery=str(gallery.public_id)) == [second, first]
    assert ids(viewer, after="2100-01-01T00:00:00Z") == []
    assert ids(viewer, before="2100-01-01T00:00:00Z") == [second, first]
    assert viewer.get("/api/v1/searches", {"after": "soon"}).status_code == 400


def test_export(client_of: Client, gallery: Gallery, lfw: Lfw) -> None:
    viewer = client_of(gallery, Role.VIEWER)
    body = look_up(viewer, lfw, gallery, reason="=HYPERLINK(1)").json()
    look_up(viewer, lfw, gallery, reason="another")
    answer = viewer.get("/api/v1/searches/export", {"reason": "HYPER"})
    assert answer["Content-Type"].startswith("text/csv")
    text = b"".join(answer.streaming_content).decode()  # type: ignore[attr-defined]
    (row,) = csv.DictReader(StringIO(text))
    best = body["faces"][0]["candidates"][0]
    assert (row["search"], row["reason"]) == (body["search"], "'=HYPERLINK(1)")
    assert (row["decision"], row["person"]) == (body["faces"][0]["decision"], best["person"]["id"])
    assert float(row["score"]) == pytest.approx(best["score"])


def test_one_s_own(client_of: Client, gallery: Gallery, lfw: Lfw) -> None:
    reviewer, viewer = client_of(gallery, Role.REVIEWER), client_of(gallery, Role.VIEWER)
    mine = look_up(reviewer, lfw, gallery).json()["search"]
    theirs = look_up(viewer, lfw, gallery).json()["search"]
    assert ids(reviewer) == [theirs, mine]
    assert ids(reviewer, mine="true") == [mine]
    assert ids(reviewer, mine="false") == [theirs]
    assert ids(viewer, mine="true") == [theirs]
    assert ids(viewer, mine="false") == []
