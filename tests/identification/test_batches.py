"""Many photos looked up by the worker: the same answers as one by one, and nothing left of them."""

from __future__ import annotations

import json
import os
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from django.conf import settings
from django.core.files.storage import default_storage
from django.db import DatabaseError, IntegrityError, transaction
from django.utils import timezone
from rest_framework.test import APIClient

from accounts.models import ApiKey
from audit.models import AuditEntry
from common import idempotency
from embedder.errors import TemplateError
from embedder.stream import Outcome
from enrolment.services import delete_photo, erase
from identification import batch_work, batches
from identification.batch_work import look_up_waiting
from identification.models import Batch, BatchItem, Search
from people.models import Gallery, Membership, Person, Role
from people.services import revoke_api_key
from photos import pipeline
from photos import services as photo_services
from photos.models import Photo
from tests.conftest import Lfw
from tests.embedder.pictures import saved, scene
from tests.factories import SYSTEM, GalleryFactory, PersonFactory, UserFactory
from tests.fixtures import Client, enrol, files, settle, store, upload
from tests.sets import about_the_embedded
from thresholds.services import bring_recorded, update_policy
from vectors import milvus
from vectors.errors import CollectionMissing, IndexUnavailable
from vectors.generations import refill
from vectors.models import IndexGeneration
from vectors.selectors import search

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("indexed")]
PEOPLE = ("Donald_Rumsfeld", "Vladimir_Putin", "Hans_Blix")
BATCHES = "/api/v1/identify/batches"


@pytest.fixture(autouse=True)
def as_many_threads_everywhere() -> None:
    """The pipeline's number of torch's threads here, too, whoever set another before.

    Sums are taken in another order with another number, and differ in their last bits.
    """
    import torch

    torch.set_num_threads(settings.TORCH_THREADS or os.cpu_count() or 1)


@pytest.fixture
def gallery(gallery: Gallery, lfw: Lfw, media: Path) -> Gallery:
    """Three people by two photos each, and thresholds."""
    Gallery.objects.filter(pk=gallery.pk).update(several_faces="central", min_face=60)
    gallery.refresh_from_db()
    for name in PEOPLE:
        person = PersonFactory(gallery=gallery, name=name, external_id=f"id of {name}")
        enrol(person, lfw.bytes(name, 1), lfw.bytes(name, 2))
    settle(gallery)
    bring_recorded(SYSTEM)
    return gallery


@pytest.fixture
def viewer(gallery: Gallery, client_of: Client) -> APIClient:
    return client_of(gallery, Role.VIEWER)


def nobody() -> bytes:
    return saved(scene(300, 300), "PNG")


def send(client: APIClient, gallery: Gallery, *photos: bytes, **fields: Any) -> Any:
    headers = fields.pop("headers", {})
    body = {
        "photos": [upload(each) for each in photos],
        "galleries": str(gallery.public_id),
        "faces": "central",
    }
    return client.post(BATCHES, {**body, **fields}, format="multipart", headers=headers)


def sent(client: APIClient, gallery: Gallery, *photos: bytes, **fields: Any) -> str:
    answer = send(client, gallery, *photos, **fields)
    assert answer.status_code == 202, answer.json()
    return str(answer.json()["id"])


def show(client: APIClient, batch: str, **part: int) -> Any:
    answer = client.get(f"{BATCHES}/{batch}", part)
    assert answer.status_code == 200, answer.json()
    return answer.json()


def one_by_one(client: APIClient, gallery: Gallery, photo: bytes, **fields: Any) -> Any:
    body = {"photo": upload(photo), "galleries": str(gallery.public_id), "faces": "central"}
    answer = client.post("/api/v1/identify", {**body, **fields}, format="multipart")
    assert answer.status_code == 200, answer.json()
    return answer.json()


def work() -> None:
    """Do what the photo workers would do, until nothing waits whose time has come."""
    while look_up_waiting():
        pass


def probes(media: Path) -> list[Path]:
    return files(media / "probes")


def comparable(answer: dict[str, Any]) -> dict[str, Any]:
    """An answer without what no two lookups share."""
    return {name: each for name, each in answer.items() if name not in ("search", "timings_ms")}


def assert_alike(one: Any, other: Any) -> None:
    """The same, but for what the last bits of numbers depend on: how many photos are in a run."""
    if isinstance(one, dict):
        assert one.keys() == other.keys()
        for name in one:
            assert_alike(one[name], other[name])
    elif isinstance(one, list):
        assert len(one) == len(other)
        for mine, theirs in zip(one, other, strict=True):
            assert_alike(mine, theirs)
    elif isinstance(one, float):
        assert one == pytest.approx(other, rel=0.02, abs=0.02)
    else:
        assert one == other


# --- Sending and asking --------------------------------------------------------------------------


def test_a_batch_is_answered_as_each_photo_is(
    viewer: APIClient, gallery: Gallery, lfw: Lfw, media: Path
) -> None:
    photos = [lfw.bytes(PEOPLE[0], 3), nobody(), lfw.bytes("Winona_Ryder", 1)]
    answer = send(viewer, gallery, *photos, reason=" case 17 ")
    body = answer.json()
    assert (answer.status_code, body["state"]) == (202, "waiting")
    assert body["counts"] == {"waiting": 3, "working": 0, "done": 0, "failed": 0}
    assert body["items"] == [{"index": index, "state": "waiting"} for index in range(3)]
    assert len(probes(media)) == 3
    assert not Search.objects.exists()

    work()

    shown = show(viewer, body["id"])
    assert (shown["state"], shown["next"]) == ("done", None)
    assert shown["counts"] == {"waiting": 0, "working": 0, "done": 3, "failed": 0}
    for item, photo in zip(shown["items"], photos, strict=True):
        expected = one_by_one(viewer, gallery, photo)
        assert_alike(comparable(item["answer"]), comparable(expected))
        # The log has what was answered, and who asked and why.
        entry = viewer.get(f"/api/v1/searches/{item['answer']['search']}").json()
        first = viewer.get(f"/api/v1/searches/{expected['search']}").json()
        assert (entry["reason"], first["reason"]) == ("case 17", "")
        assert [entry[name] for name in ("actor", "probe", "galleries", "among", "searched")] == [
            first[name] for name in ("actor", "probe", "galleries", "among", "searched")
        ]
        assert len(entry["faces"]) == len(item["answer"]["faces"])
    assert Search.objects.count() == 6
    assert probes(media) == []
    assert set(BatchItem.objects.values_list("file", flat=True)) == {""}


def test_the_answer_for_one_photo_is_equal_to_the_last_bit(
    viewer: APIClient, gallery: Gallery, lfw: Lfw
) -> None:
    photo = lfw.bytes(PEOPLE[0], 3)
    for fields in ({}, {"top_k": 1}, {"any_quality": "true"}, {"faces": "largest"}):
        batch = sent(viewer, gallery, photo, **fields)
        work()
        (item,) = show(viewer, batch)["items"]
        expected = one_by_one(viewer, gallery, photo, **fields)
        assert comparable(item["answer"]) == comparable(expected)
        assert set(item["answer"]["timings_ms"]) == {
            "search", "thresholds", "score", "decide", "log", "total",
        }  # fmt: skip


def test_every_face_of_a_crowd_and_among_some_people(
    viewer: APIClient, gallery: Gallery, test_data: Path
) -> None:
    crowd = (test_data / "photos" / "multiface.jpg").read_bytes()
    people = ",".join(str(each.public_id) for each in gallery.people.all()[:2])
    batch = sent(viewer, gallery, crowd, faces="all", people=people)
    work()
    (item,) = show(viewer, batch)["items"]
    expected = one_by_one(viewer, gallery, crowd, faces="all", people=people)
    assert len(expected["faces"]) == 6
    assert expected["searched"] == 2
    assert comparable(item["answer"]) == comparable(expected)


def test_all_faces_of_a_chunk_are_one_question_to_the_index(
    viewer: APIClient, gallery: Gallery, lfw: Lfw, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []

    def counting(galleries: Any, found: Any, limit: int) -> Any:
        asked.append(len(found))
        return search(galleries, found, limit)

    monkeypatch.setattr("identification.services.search", counting)
    sent(viewer, gallery, *(lfw.bytes(PEOPLE[0], number) for number in range(1, 11)))
    work()
    assert asked == [10]


def test_bad_files_among_good_ones(
    viewer: APIClient, gallery: Gallery, lfw: Lfw, media: Path
) -> None:
    good = lfw.bytes(PEOPLE[0], 3)
    body = send(viewer, gallery, b"", good, b"%PDF-1.7", good[:5000], good).json()
    states = [each["state"] for each in body["items"]]
    assert states == ["failed", "waiting", "failed", "failed", "waiting"]
    problems = [each.get("problem", {}).get("code") for each in body["items"]]
    assert problems == ["empty_file", None, "unsupported_format", "undecodable", None]
    assert body["items"][2]["problem"]["status"] == 415
    assert (body["state"], body["counts"]["failed"]) == ("waiting", 3)
    assert len(probes(media)) == 2
    work()
    shown = show(viewer, body["id"])
    assert [each["index"] for each in shown["items"] if "answer" in each] == [1, 4]
    assert shown["items"][0] == body["items"][0]

    only_bad = send(viewer, gallery, b"").json()
    assert (only_bad["state"], only_bad["counts"]["failed"]) == ("done", 1)


@pytest.mark.parametrize(
    "fields",
    [
        {"photos": []},
        {"photos": "text"},
        {"galleries": "x"},
        {"top_k": "101"},
        {"faces": "some"},
        {"people": "x"},
    ],
    ids=str,
)
def test_fields_that_make_no_sense_are_named(
    viewer: APIClient, gallery: Gallery, media: Path, fields: dict[str, Any]
) -> None:
    response = send(viewer, gallery, nobody(), **fields)
    assert (response.status_code, response.json()["code"]) == (400, "invalid")
    assert set(response.json()["errors"]) == set(fields)
    assert (Batch.objects.count(), probes(media)) == (0, [])


def test_a_part_at_a_time(viewer: APIClient, gallery: Gallery) -> None:
    batch = sent(viewer, gallery, *([nobody()] * 3))
    assert [each["index"] for each in show(viewer, batch, limit=2)["items"]] == [0, 1]
    assert show(viewer, batch, limit=2)["next"] == 2
    rest = show(viewer, batch, first=2, limit=2)
    assert ([each["index"] for each in rest["items"]], rest["next"]) == ([2], None)
    assert show(viewer, batch, limit=0)["items"] == []
    for wrong in ({"limit": 101}, {"first": -1}):
        assert viewer.get(f"{BATCHES}/{batch}", wrong).status_code == 400


def test_the_same_request_again_is_the_same_batch(
    viewer: APIClient, gallery: Gallery, media: Path
) -> None:
    once, again = (
        send(viewer, gallery, nobody(), headers={"Idempotency-Key": "k"}) for _ in range(2)
    )
    assert once.json() == again.json()
    assert again.headers["Idempotent-Replayed"] == "true"
    assert (Batch.objects.count(), len(probes(media))) == (1, 1)


def test_a_batch_and_its_answer_are_one_transaction(
    viewer: APIClient, gallery: Gallery, media: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process that dies between the two has stored nothing but files, which `tidy` finds."""

    def die(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(idempotency, "_remember", die)
        with pytest.raises(KeyboardInterrupt):
            send(viewer, gallery, nobody(), headers={"Idempotency-Key": "k"})
    assert not Batch.objects.exists()
    (left,) = probes(media)

    assert send(viewer, gallery, nobody(), headers={"Idempotency-Key": "k"}).status_code == 202
    assert Batch.objects.count() == 1
    old = (timezone.now() - timedelta(hours=2)).timestamp()
    os.utime(left, (old, old))
    assert batches.remove_orphan_files() == 1
    assert not left.exists()


def test_a_gallery_may_want_to_know_why(viewer: APIClient, gallery: Gallery, media: Path) -> None:
    update_policy(SYSTEM, gallery, requires_reason=True)
    refused = send(viewer, gallery, nobody())
    assert (refused.status_code, refused.json()["code"]) == (422, "reason_required")
    assert (Batch.objects.count(), probes(media)) == (0, [])
    # One that is wanted only afterwards counts as it does for a lookup of then.
    update_policy(SYSTEM, gallery, requires_reason=False)
    batch = sent(viewer, gallery, nobody())
    update_policy(SYSTEM, gallery, requires_reason=True)
    work()
    (item,) = show(viewer, batch)["items"]
    assert (item["state"], item["problem"]["code"]) == ("failed", "reason_required")
    assert not Search.objects.exists()


# --- Who may -------------------------------------------------------------------------------------


def test_others_find_nothing(
    viewer: APIClient, gallery: Gallery, client_of: Client, admin_api: APIClient, media: Path
) -> None:
    batch = sent(viewer, gallery, nobody())
    before = list(BatchItem.objects.values())
    strangers = [
        client_of(gallery, Role.ADMIN),
        client_of(GalleryFactory(), Role.ADMIN),
    ]
    for client in strangers:
        for method in (client.get, client.delete):
            answer = method(f"{BATCHES}/{batch}")
            assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
    assert APIClient().get(f"{BATCHES}/{batch}").status_code == 401
    assert viewer.get(f"{BATCHES}/{uuid4()}").status_code == 404
    assert list(BatchItem.objects.values()) == before
    assert len(probes(media)) == 1
    assert show(admin_api, batch)["state"] == "waiting"


def test_a_gallery_that_is_closed_takes_no_batch(
    gallery: Gallery, client_of: Client, media: Path
) -> None:
    stranger = client_of(GalleryFactory(), Role.ADMIN)
    assert send(stranger, gallery, nobody()).status_code == 404
    elsewhere = str(PersonFactory().public_id)
    own = client_of(gallery, Role.VIEWER)
    assert send(own, gallery, nobody(), people=elsewhere).status_code == 404
    assert (Batch.objects.count(), probes(media)) == (0, [])


def test_a_key_revoked_meanwhile_gets_nothing(
    viewer: APIClient, gallery: Gallery, admin_api: APIClient, lfw: Lfw, media: Path
) -> None:
    batch = sent(viewer, gallery, lfw.bytes(PEOPLE[0], 3))
    revoke_api_key(SYSTEM, gallery, ApiKey.objects.get().prefix)
    work()
    assert viewer.get(f"{BATCHES}/{batch}").status_code == 401
    (item,) = show(admin_api, batch)["items"]
    assert (item["state"], item["problem"]["status"]) == ("failed", 403)
    assert not Search.objects.exists()
    assert probes(media) == []


def test_a_role_taken_away_closes_the_batch_before_and_after(
    gallery: Gallery, lfw: Lfw, media: Path
) -> None:
    user = UserFactory()
    member = Membership.objects.create(gallery=gallery, user=user, role=Role.VIEWER)
    client = APIClient()
    client.force_login(user)
    done, waits = (sent(client, gallery, lfw.bytes(PEOPLE[0], 3)) for _ in range(2))
    look_up_waiting(limit=1)
    assert show(client, done)["state"] == "done"
    member.delete()
    work()
    for batch in (done, waits):
        assert client.get(f"{BATCHES}/{batch}").status_code == 404
    item = BatchItem.objects.get(batch__public_id=waits)
    assert (item.state, item.problem["code"], item.answer) == ("failed", "not_found", None)
    assert Search.objects.count() == 1

    Membership.objects.create(gallery=gallery, user=user, role=Role.VIEWER)
    assert show(client, done)["state"] == "done"
    user.is_active = False
    user.save()
    waits = Batch.objects.get(public_id=done)
    with pytest.raises(batches.Problem):
        batches.question_of(waits)


def test_whoever_lost_everything_takes_the_batch_along(
    viewer: APIClient, gallery: Gallery, media: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent(viewer, gallery, nobody())
    ApiKey.objects.all().delete()
    assert Batch.objects.count() == 0
    monkeypatch.setattr(photo_services, "ORPHAN_AGE", timedelta(0))
    assert (batches.remove_orphan_files(), probes(media)) == (1, [])


# --- People who go -------------------------------------------------------------------------------


def test_an_erased_person_stands_in_no_answer(
    viewer: APIClient, gallery: Gallery, lfw: Lfw
) -> None:
    batch = sent(viewer, gallery, lfw.bytes(PEOPLE[0], 3))
    work()
    kept = json.dumps(list(BatchItem.objects.values_list("answer", flat=True)))
    assert not any(name in kept for name in PEOPLE)

    def names() -> list[str]:
        ((face,),) = [each["answer"]["faces"] for each in show(viewer, batch)["items"]]
        return [each["person"]["name"] for each in face["candidates"]]

    best, second, third = names()
    assert best == PEOPLE[0]
    person = Person.objects.get(name=best)
    erase(SYSTEM, person)
    assert names() == [second, third]
    assert str(person.public_id) not in viewer.get(f"{BATCHES}/{batch}").content.decode()
    Person.objects.filter(name=second).update(active=False)
    Person.objects.filter(name=third).update(name="Another")
    assert names() == ["Another"]


def test_evidence_that_was_deleted_is_none(viewer: APIClient, gallery: Gallery, lfw: Lfw) -> None:
    batch = sent(viewer, gallery, lfw.bytes(PEOPLE[0], 1), top_k=1)
    work()

    def evidence() -> Any:
        ((face,),) = [each["answer"]["faces"] for each in show(viewer, batch)["items"]]
        return face["candidates"][0]["evidence"]

    delete_photo(SYSTEM, Photo.objects.get(public_id=evidence()["photo"]))
    assert evidence() is None


def test_somebody_erased_between_the_search_and_the_answer(
    viewer: APIClient, gallery: Gallery, lfw: Lfw, monkeypatch: pytest.MonkeyPatch
) -> None:
    batch = sent(viewer, gallery, lfw.bytes(PEOPLE[0], 3))
    real = batch_work._store

    def erased_first(*args: Any) -> None:
        erase(SYSTEM, Person.objects.get(name=PEOPLE[0]))
        real(*args)

    monkeypatch.setattr(batch_work, "_store", erased_first)
    work()
    ((face,),) = [each["answer"]["faces"] for each in show(viewer, batch)["items"]]
    assert PEOPLE[0] not in [each["person"]["name"] for each in face["candidates"]]


# --- Cancelling and forgetting -------------------------------------------------------------------


def test_cancelled_before_and_after(
    viewer: APIClient, gallery: Gallery, lfw: Lfw, media: Path, committed: Any
) -> None:
    done = sent(viewer, gallery, lfw.bytes(PEOPLE[0], 3))
    work()
    waits = sent(viewer, gallery, lfw.bytes(PEOPLE[0], 3))
    for batch in (done, waits):
        with committed():
            assert viewer.delete(f"{BATCHES}/{batch}").status_code == 204
        assert viewer.get(f"{BATCHES}/{batch}").status_code == 404
        assert viewer.delete(f"{BATCHES}/{batch}").status_code == 404
    work()
    assert (BatchItem.objects.count(), probes(media)) == (0, [])
    assert Search.objects.count() == 1
    told = AuditEntry.objects.filter(target=f"batch:{waits}").order_by("pk")
    assert [each.action for each in told] == ["batch.receive", "batch.forget"]
    assert {each.gallery for each in told} == {gallery.public_id}


def test_cancelled_while_a_worker_has_it(  # noqa: PLR0917 - fixtures
    viewer: APIClient, gallery: Gallery, lfw: Lfw, media: Path, committed: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    batch = sent(viewer, gallery, lfw.bytes(PEOPLE[0], 3), lfw.bytes(PEOPLE[0], 4))
    real = batch_work.look_up

    def cancelled(*args: Any) -> Any:
        with committed():
            assert viewer.delete(f"{BATCHES}/{batch}").status_code == 204
        return real(*args)

    monkeypatch.setattr(batch_work, "look_up", cancelled)
    work()
    assert (BatchItem.objects.count(), Search.objects.count(), probes(media)) == (0, 0, [])


def test_answers_are_forgotten_after_a_day_and_probes_after_a_week(
    viewer: APIClient, gallery: Gallery, media: Path, committed: Any
) -> None:
    done, waits = sent(viewer, gallery, nobody()), sent(viewer, gallery, nobody())
    look_up_waiting(limit=1)
    assert batches.forget_old() == 0
    day, week = timedelta(days=1, seconds=1), timedelta(days=7, seconds=1)
    Batch.objects.update(created_at=timezone.now() - 2 * day)
    assert batches.forget_old() == 0
    BatchItem.objects.filter(state="done").update(finished_at=timezone.now() - day)
    assert batches.forget_old() == 1
    assert viewer.get(f"{BATCHES}/{done}").status_code == 404
    assert show(viewer, waits)["state"] == "waiting"
    Batch.objects.update(created_at=timezone.now() - week)
    with committed():
        assert batches.forget_old() == 1
    assert (Batch.objects.count(), probes(media)) == (0, [])


def test_a_file_that_the_disk_keeps_is_deleted_later(
    viewer: APIClient, gallery: Gallery, media: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    batch = sent(viewer, gallery, nobody())

    def refuse(name: str) -> None:
        raise OSError("the disk is read-only")

    with monkeypatch.context() as patched:
        patched.setattr(default_storage, "delete", refuse)
        work()
    assert show(viewer, batch)["state"] == "done"
    assert len(probes(media)) == 1
    assert batches.release_expired()  # the sweeper wakes a worker for it
    assert look_up_waiting() == 0
    assert probes(media) == []
    assert not batches.release_expired()


def test_files_without_a_row_go_after_an_hour(
    viewer: APIClient, gallery: Gallery, media: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent(viewer, gallery, nobody())
    orphan = media / "probes" / "ab" / "orphan.jpg"
    orphan.parent.mkdir(parents=True, exist_ok=True)
    orphan.write_bytes(b"x")
    assert batches.remove_orphan_files() == 0
    monkeypatch.setattr(photo_services, "ORPHAN_AGE", timedelta(0))
    assert batches.remove_orphan_files() == 1
    assert (orphan.exists(), len(probes(media))) == (False, 1)


def test_a_batch_that_cannot_be_stored_leaves_no_file(
    viewer: APIClient, gallery: Gallery, media: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any, **__: Any) -> None:
        raise DatabaseError("no room")

    monkeypatch.setattr(batches, "_record", full)
    viewer.raise_request_exception = False
    assert send(viewer, gallery, nobody(), nobody()).status_code == 500
    assert (Batch.objects.count(), probes(media)) == (0, [])


# --- Faults --------------------------------------------------------------------------------------


def let_leases_run_out() -> None:
    BatchItem.objects.filter(state="working").update(
        leased_until=timezone.now() - timedelta(seconds=1)
    )


def away(*_: Any) -> None:
    raise IndexUnavailable("Milvus does not answer.")


@pytest.mark.parametrize("moment", ["require_ready", "look_up"])
def test_milvus_away_and_back(  # noqa: PLR0917 - fixtures
    viewer: APIClient, gallery: Gallery, lfw: Lfw, media: Path, monkeypatch: pytest.MonkeyPatch,
    moment: str,
) -> None:  # fmt: skip
    batch = sent(viewer, gallery, lfw.bytes(PEOPLE[0], 3), lfw.bytes(PEOPLE[1], 3))
    with monkeypatch.context() as patched:
        patched.setattr(batch_work, moment, away)
        for _ in range(5):
            BatchItem.objects.update(not_before=timezone.now())
            assert batches.release_expired()
            assert look_up_waiting() == 2
            assert look_up_waiting() == 0  # until its time has come
            assert not batches.release_expired()
    shown = show(viewer, batch)
    assert (shown["state"], shown["counts"]["waiting"]) == ("waiting", 2)
    assert set(BatchItem.objects.values_list("attempts", flat=True)) == {0}
    assert (len(probes(media)), Search.objects.count()) == (2, 0)

    BatchItem.objects.update(not_before=timezone.now())
    work()
    assert show(viewer, batch)["counts"]["done"] == 2
    assert Search.objects.count() == 2


@about_the_embedded
def test_the_embedded_milvus_away_and_back(
    viewer: APIClient, gallery: Gallery, lfw: Lfw, settings: Any, tmp_path: Path
) -> None:
    batch = sent(viewer, gallery, lfw.bytes(PEOPLE[0], 3))
    here, settings.VAR_DIR = settings.VAR_DIR, tmp_path
    assert (look_up_waiting(), look_up_waiting()) == (1, 0)
    settings.VAR_DIR = here
    BatchItem.objects.update(not_before=timezone.now())
    work()
    assert show(viewer, batch)["state"] == "done"
    assert BatchItem.objects.get().attempts == 1


def test_a_batch_that_waits_lets_others_pass(
    viewer: APIClient, gallery: Gallery, client_of: Client, lfw: Lfw, media: Path
) -> None:
    other = GalleryFactory()
    settle(other)
    waits = sent(client_of(other, Role.VIEWER), other, *([nobody()] * 3))
    passes = sent(viewer, gallery, lfw.bytes(PEOPLE[0], 3))
    real = batch_work.require_ready

    def building(galleries: Any) -> None:
        if galleries[0].pk == other.pk:
            raise CollectionMissing("The index of this gallery is being built.", retry_after=2)
        real(galleries)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(batch_work, "require_ready", building)
        # The whole batch waits, also what was not taken with the first chunk.
        assert (look_up_waiting(limit=2), look_up_waiting(), look_up_waiting()) == (2, 1, 0)
    assert show(viewer, passes)["state"] == "done"
    assert set(
        BatchItem.objects.filter(batch__public_id=waits).values_list("state", "attempts")
    ) == {("waiting", 0)}


def test_an_index_under_construction_is_waited_for(
    viewer: APIClient, gallery: Gallery, lfw: Lfw
) -> None:
    batch = sent(viewer, gallery, lfw.bytes(PEOPLE[0], 3))
    refill(IndexGeneration.objects.get(placement__isnull=False).pk)
    work()
    assert show(viewer, batch)["state"] == "waiting"
    settle()
    BatchItem.objects.update(not_before=timezone.now())
    work()
    assert show(viewer, batch)["state"] == "done"


def test_a_collection_that_is_gone_is_waited_for(
    viewer: APIClient, gallery: Gallery, lfw: Lfw
) -> None:
    batch = sent(viewer, gallery, lfw.bytes(PEOPLE[0], 3))
    milvus.drop_collection(IndexGeneration.objects.get(placement__isnull=False).collection)
    work()
    assert show(viewer, batch)["state"] == "waiting"
    assert not Search.objects.exists()


def test_a_worker_that_died_is_succeeded(
    viewer: APIClient, gallery: Gallery, lfw: Lfw, media: Path
) -> None:
    batch = sent(viewer, gallery, lfw.bytes(PEOPLE[0], 3))
    first, _ = batches.claim(16, "photos@here")
    assert batches.claim(16, "photos@there")[1] == []
    assert show(viewer, batch)["state"] == "working"
    let_leases_run_out()
    assert batches.release_expired()
    second, (again,) = batches.claim(16)
    assert (again.attempts, first != second) == (2, True)
    assert batches.release_held_by("photos@elsewhere") == 0
    let_leases_run_out()
    work()  # without the sweeper, too
    assert show(viewer, batch)["state"] == "done"
    assert Search.objects.count() == 1


def test_a_run_whose_lease_was_taken_away_writes_nothing(
    viewer: APIClient, gallery: Gallery, lfw: Lfw, media: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    batch = sent(viewer, gallery, lfw.bytes(PEOPLE[0], 3))
    real = batch_work.look_up
    turns = [1]

    def overtaken(*args: Any) -> Any:
        if turns:
            turns.pop()
            let_leases_run_out()
            assert look_up_waiting() == 1
        return real(*args)

    monkeypatch.setattr(batch_work, "look_up", overtaken)
    assert look_up_waiting() == 1
    assert show(viewer, batch)["state"] == "done"
    assert Search.objects.count() == 1
    assert BatchItem.objects.get().attempts == 2


def test_an_answer_that_cannot_be_logged_is_none(
    viewer: APIClient, gallery: Gallery, lfw: Lfw, media: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    batch = sent(viewer, gallery, lfw.bytes(PEOPLE[0], 3))

    def full(*_: Any) -> Any:
        raise MemoryError

    with monkeypatch.context() as patched:
        patched.setattr(batch_work, "log", full)
        for _ in range(3):
            with pytest.raises(MemoryError):
                look_up_waiting()
    (item,) = show(viewer, batch)["items"]
    assert (item["state"], item["problem"]["code"]) == ("failed", "quarantined")
    assert item["problem"]["detail"] == (
        "Looking it up failed 3 times; the last time with MemoryError. Send it again, or another "
        "photo."
    )
    assert look_up_waiting() == 0
    assert (Search.objects.count(), probes(media)) == (0, [])
    assert AuditEntry.objects.filter(action="batch.photo_failed").count() == 1


def test_a_poison_photo_takes_no_other_with_it(
    viewer: APIClient, gallery: Gallery, lfw: Lfw, media: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    batch = sent(viewer, gallery, *(lfw.bytes(PEOPLE[0], number) for number in range(1, 5)))
    real = batch_work._read

    def read(item: BatchItem, lease: Any) -> Any:
        if item.index == 1:
            raise MemoryError
        return real(item, lease)

    monkeypatch.setattr(batch_work, "_read", read)
    failures = 0
    while BatchItem.objects.filter(state="waiting").exists():
        try:
            look_up_waiting()
        except MemoryError:
            failures += 1
    states = [each["state"] for each in show(viewer, batch)["items"]]
    assert (failures, states) == (3, ["done", "failed", "done", "done"])
    assert Search.objects.count() == 3


def test_what_time_was_too_short_for_goes_back_uncounted(
    viewer: APIClient, gallery: Gallery, lfw: Lfw, monkeypatch: pytest.MonkeyPatch
) -> None:
    batch = sent(viewer, gallery, lfw.bytes(PEOPLE[0], 3), lfw.bytes(PEOPLE[0], 4))
    with monkeypatch.context() as patched:
        patched.setattr(batch_work, "BEGUN_WITHIN", -1.0)
        assert look_up_waiting() == 2
    assert set(BatchItem.objects.values_list("state", "attempts")) == {("waiting", 0)}
    work()
    assert show(viewer, batch)["state"] == "done"


def test_files_that_went_bad_on_the_disk(
    viewer: APIClient, gallery: Gallery, lfw: Lfw, media: Path
) -> None:
    batch = sent(viewer, gallery, *(lfw.bytes(PEOPLE[0], number) for number in (1, 2, 3)))
    gone, cut, long = (Path(item.file.path) for item in BatchItem.objects.order_by("index"))
    gone.unlink()
    cut.write_bytes(cut.read_bytes()[:5000])
    long.write_bytes(b"x" * 16 * 1024 * 1024)
    work()
    codes = [each["problem"]["code"] for each in show(viewer, batch)["items"]]
    assert codes == ["quarantined", "undecodable", "too_large"]
    assert (probes(media), Search.objects.count()) == ([], 0)


def test_a_face_that_cannot_be_embedded(
    viewer: APIClient, gallery: Gallery, lfw: Lfw, monkeypatch: pytest.MonkeyPatch
) -> None:
    batch = sent(viewer, gallery, lfw.bytes(PEOPLE[0], 3))

    def stream(model: str, photos: Any, *_: Any) -> list[Outcome]:
        return [Outcome(None, (), TemplateError("not finite")) for _ in photos]

    monkeypatch.setattr(pipeline, "stream", stream)
    work()
    (item,) = show(viewer, batch)["items"]
    assert item["problem"]["code"] == "quarantined"


def test_a_model_that_is_away_ends_in_a_problem_and_others_go_on(
    viewer: APIClient, gallery: Gallery, client_of: Client, lfw: Lfw, media: Path
) -> None:
    other = GalleryFactory(model="not-here")
    settle(other)
    bad = client_of(other, Role.VIEWER)
    away, beside = sent(bad, other, nobody()), sent(viewer, gallery, nobody())
    work()
    (item,) = show(bad, away)["items"]
    assert item["problem"]["code"] == "quarantined"
    assert show(viewer, beside)["state"] == "done"


def test_a_turn_is_no_longer_than_that_of_photos_that_wait(
    viewer: APIClient, gallery: Gallery, lfw: Lfw, media: Path
) -> None:
    chunk = pipeline.stream_length()
    for _ in range(3):
        sent(viewer, gallery, *([nobody()] * chunk))
    store(PersonFactory(gallery=gallery), nobody())
    assert look_up_waiting() == chunk
    Photo.objects.filter(state="received").delete()
    assert look_up_waiting() == 2 * chunk


@pytest.mark.parametrize(
    "wrong",
    [
        {"state": "unknown"},
        {"state": "working"},
        {"state": "done"},
        {"state": "failed"},
        {"lease": uuid4()},
        {"finished_at": timezone.now()},
    ],
    ids=str,
)
def test_the_database_itself_refuses_a_state_that_makes_no_sense(
    viewer: APIClient, gallery: Gallery, wrong: dict[str, Any]
) -> None:
    sent(viewer, gallery, nobody())
    with pytest.raises(IntegrityError), transaction.atomic():
        BatchItem.objects.update(**wrong)
    assert str(Batch.objects.get()).startswith("batch ")
    assert str(BatchItem.objects.get()).startswith("photo 0 of batch ")


def test_a_batch_has_one_who_asked(gallery: Gallery) -> None:
    with pytest.raises(IntegrityError), transaction.atomic():
        Batch.objects.create(galleries=[], top_k=1, faces="all", any_quality=False)
