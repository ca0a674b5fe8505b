"""Pause, resume, cancel, undo over HTTP: what is counted is exact at every stop."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path
from typing import Any

import pytest
from rest_framework.test import APIClient

from imports import working
from imports.models import ImportItem
from imports.working import work
from people.models import Gallery, Person, Role
from photos.models import Original, Photo
from tests.conftest import Lfw
from tests.fixtures import Client, enrol, files
from vectors.models import PersonTemplate

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("media")]
IMPORTS = "/api/v1/imports"
WHO, COUNT = "Donald_Rumsfeld", 20


@pytest.fixture
def gallery(gallery: Gallery, settings: Any, tmp_path: Path) -> Gallery:
    settings.VAR_DIR = tmp_path / "var"
    Gallery.objects.filter(pk=gallery.pk).update(several_faces="central", min_face=60)
    gallery.refresh_from_db()
    return gallery


@pytest.fixture
def admin(gallery: Gallery, client_of: Client) -> APIClient:
    return client_of(gallery, Role.ADMIN)


@pytest.fixture
def job(admin: APIClient, gallery: Gallery, lfw: Lfw, monkeypatch: pytest.MonkeyPatch) -> str:
    """Two photos of one person and twenty of another, started; a chunk has four files."""
    monkeypatch.setattr(working, "CLAIMED", 4)
    stored = io.BytesIO()
    with zipfile.ZipFile(stored, "w") as archive:
        for number in (1, 2):
            archive.writestr(f"Hans_Blix/{number}.jpg", lfw.bytes("Hans_Blix", number))
        for number in range(1, COUNT + 1):
            archive.writestr(f"{WHO}/{number:02d}.jpg", lfw.bytes(WHO, number))
    body = {
        "gallery": str(gallery.public_id), "source": {"kind": "archive"},
        "layout": {"kind": "folders"},
    }  # fmt: skip
    made: str = admin.post(IMPORTS, body, format="json").json()["id"]
    admin.put(
        f"{IMPORTS}/{made}/archive?offset=0", stored.getvalue(),
        content_type="application/octet-stream",
    )  # fmt: skip
    admin.post(f"{IMPORTS}/{made}/uploaded")
    work("worker")
    assert told(admin, made, "start")["state"] == "running"
    return made


def told(client: APIClient, job: str, step: str) -> Any:
    answer = client.post(f"{IMPORTS}/{job}/{step}")
    assert answer.status_code == 200, answer.json()
    return answer.json()


def counted(client: APIClient, job: str) -> dict[str, int]:
    """The results that there are, and how many wait; that they are all files is checked."""
    shown = client.get(f"{IMPORTS}/{job}").json()["progress"]
    counts = {
        name: shown[name]
        for name in ("waiting", "working", "enrolled", "duplicate", "review", "rejected", "failed")
    }
    assert sum(counts.values()) == shown["files"] == COUNT + 2
    return {name: count for name, count in counts.items() if count}


def chunks(count: int) -> None:
    """What the worker does with so many claims, after the files have their rows."""
    while not ImportItem.objects.exists():
        working._step("worker")
    for _ in range(count):
        working._step("worker")


def test_a_paused_job_does_nothing_until_it_is_resumed(admin: APIClient, job: str) -> None:
    chunks(2)
    assert told(admin, job, "pause")["state"] == "paused"
    assert work("worker") is False
    assert counted(admin, job) == {"enrolled": 8, "waiting": 14}
    assert Photo.objects.count() == 8
    assert told(admin, job, "resume")["state"] == "running"
    work("worker")
    assert admin.get(f"{IMPORTS}/{job}").json()["state"] == "done"
    assert counted(admin, job) == {"enrolled": 22}
    assert set(ImportItem.objects.values_list("attempts", flat=True)) == {1}


def test_cancelled_at_half_it_stops_within_a_chunk_and_keeps_what_is_done(
    admin: APIClient, job: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Told while a chunk is in the networks: its files are given back, none half done."""
    chunks(2)
    stream = working.pipeline.stream

    def cancelling(*args: Any) -> Any:
        for number, outcome in enumerate(stream(*args)):
            if number == 1:
                told(admin, job, "cancel")
            yield outcome

    monkeypatch.setattr(working.pipeline, "stream", cancelling)
    working._step("worker")
    assert work("worker") is False
    assert admin.get(f"{IMPORTS}/{job}").json()["state"] == "cancelled"
    assert counted(admin, job) == {"enrolled": 8, "waiting": 14}
    assert (Photo.objects.count(), Original.objects.count()) == (8, 8)
    fused = PersonTemplate.objects.values_list("person__external_id", "face_count")
    assert dict(fused) == {"Hans_Blix": 2, WHO: 6}


def test_undone_at_half_nothing_of_it_is_left_but_its_report(
    admin: APIClient, gallery: Gallery, job: str, *, lfw: Lfw, media: Path, committed: Any
) -> None:
    known = Person.objects.create(gallery=gallery, external_id="Hans_Blix", name="Hans Blix")
    (own,) = enrol(known, lfw.bytes("Hans_Blix", 1))
    vector = bytes(PersonTemplate.objects.get().vector)
    chunks(3)
    told(admin, job, "cancel")
    assert counted(admin, job) == {"enrolled": 11, "duplicate": 1, "waiting": 10}
    assert told(admin, job, "undo")["state"] == "undoing"
    with committed():
        work("worker")
    assert admin.get(f"{IMPORTS}/{job}").json()["state"] == "undone"
    assert list(Photo.objects.all()) == [own]
    assert list(gallery.people.all()) == [known]
    assert bytes(PersonTemplate.objects.get().vector) == vector
    assert len(files(media)) == 1
    assert sum(counted(admin, job).values()) == 22


def test_a_step_that_is_not_possible_is_a_conflict_and_changes_nothing(
    admin: APIClient, job: str
) -> None:
    for step in ("start", "resume", "undo"):
        answer = admin.post(f"{IMPORTS}/{job}/{step}")
        assert (answer.status_code, answer.json()["code"]) == (409, "import_state")
    assert admin.get(f"{IMPORTS}/{job}").json()["state"] == "running"
