"""What a plan foretells: how rows are understood, what is known by content, how long it takes."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone
from rest_framework.test import APIClient

from enrolment.services import erase
from imports import inspection
from imports.jobs import make_job
from imports.models import ImportItem, ImportJob, ItemState, JobState
from imports.preview import measured_rate
from imports.working import work
from people.models import Gallery, Person, Role
from tests.conftest import Lfw
from tests.factories import SYSTEM, GalleryFactory, PersonFactory
from tests.fixtures import Client, store

from .archives import tarred, zipped

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("media")]
HANS, DONALD = "Hans_Blix", "Donald_Rumsfeld"


@pytest.fixture
def files(lfw: Lfw) -> list[tuple[str, bytes]]:
    table = f"Datei;file;external_id;name\nx;{HANS}/1.jpg;7;Hans\x00 B\ny;missing.jpg;;Nobody\n"
    return [
        (f"{HANS}/1.jpg", lfw.bytes(HANS, 1)),
        (f"{HANS}/2.jpg", lfw.bytes(HANS, 2)),
        (f"{DONALD}/1.jpg", lfw.bytes(DONALD, 1)),
        ("loose.jpg", lfw.bytes(DONALD, 2)),
        ("who.csv", table.encode()),
    ]


def planned(gallery: Gallery, path: Path, layout: str = "folders") -> ImportJob:
    job = make_job(SYSTEM, gallery, {"kind": "archive", "path": str(path)}, {"kind": layout})
    while work("worker"):
        pass
    job.refresh_from_db()
    assert job.state == JobState.PLANNED, job.text
    return job


def shown(client: APIClient, job: ImportJob) -> Any:
    return client.get(f"/api/v1/imports/{job.public_id}/preview")


def test_folders_and_what_is_known_by_content(
    operator: APIClient, gallery: Gallery, files: list[tuple[str, bytes]], tmp_path: Path
) -> None:
    store(PersonFactory(gallery=gallery), files[0][1])
    store(PersonFactory(gallery=GalleryFactory()), files[1][1])  # somebody else's
    job = planned(gallery, zipped(tmp_path / "a.zip", files))
    found = shown(operator, job).json()
    assert (found["table"], found["columns"]) == ("", {})
    rows = {
        each["file"]: (each["external_id"], each["name"], each["code"]) for each in found["rows"]
    }
    assert rows[f"{HANS}/1.jpg"] == (HANS, "Hans Blix", "")
    assert rows["loose.jpg"] == ("", "", "no_folder")
    assert (found["photos"], found["people"], found["new"]) == (3, 2, 2)
    assert (found["duplicates"], found["compared"]) == (1, 3)
    assert (found["rate"], found["is_rate_measured"], found["seconds"]) == (20.0, False, 0.15)


def test_a_manifest_with_faults(
    operator: APIClient, gallery: Gallery, files: list[tuple[str, bytes]], tmp_path: Path
) -> None:
    job = planned(gallery, zipped(tmp_path / "a.zip", files), "manifest")
    found = shown(operator, job).json()
    assert found["table"] == "UTF-8, semicolons"
    assert found["columns"] == {
        "Datei": "metadata", "file": "file", "external_id": "external_id", "name": "name",
    }  # fmt: skip
    first, second = found["rows"]
    assert (first["external_id"], first["metadata"], first["line"]) == ("7", {"Datei": "x"}, 2)
    assert (first["name"], first["code"]) == ("Hans\\x00 B", "bad_person_name")
    assert (second["file"], second["code"]) == ("missing.jpg", "no_external_id")
    assert (found["duplicates"], found["compared"]) == (None, 0)


def test_of_a_tape_nothing_is_compared(
    operator: APIClient, gallery: Gallery, files: list[tuple[str, bytes]], tmp_path: Path
) -> None:
    store(PersonFactory(gallery=gallery), files[0][1])
    job = planned(gallery, tarred(tmp_path / "a.tgz", files, "w:gz"))
    found = shown(operator, job).json()
    assert (found["duplicates"], found["compared"], len(found["rows"])) == (None, 0, 5)


def test_comparing_ends_in_time(
    gallery: Gallery, files: list[tuple[str, bytes]], tmp_path: Path, monkeypatch: Any
) -> None:
    store(PersonFactory(gallery=gallery), files[0][1])
    monkeypatch.setattr(inspection, "_COMPARED_AT_ONCE", 1)
    monkeypatch.setattr(inspection, "_COMPARE_SECONDS", 0.0)
    plan = planned(gallery, zipped(tmp_path / "a.zip", files)).plan or {}
    assert plan["compared"] < 3
    assert plan["photos"] == 3


def test_whoever_is_erased_is_not_in_a_preview(
    operator: APIClient, gallery: Gallery, files: list[tuple[str, bytes]], tmp_path: Path
) -> None:
    job = planned(gallery, zipped(tmp_path / "a.zip", files))
    erase(SYSTEM, PersonFactory(gallery=gallery, external_id=HANS))
    rows = shown(operator, job).json()["rows"]
    assert {each["file"] for each in rows} == {f"{DONALD}/1.jpg", "loose.jpg", "who.csv"}
    assert not Person.objects.exists()


def test_without_a_plan_there_is_nothing_to_see(
    operator: APIClient, client_of: Client, gallery: Gallery
) -> None:
    job = make_job(SYSTEM, gallery, {"kind": "archive"}, {"kind": "folders"})
    answer = shown(operator, job)
    assert (answer.status_code, answer.json()["code"]) == (409, "import_state")
    assert shown(client_of(gallery, Role.VIEWER), job).status_code == 404
    assert shown(client_of(GalleryFactory(), Role.ADMIN), job).status_code == 404


def test_the_rate_is_that_of_the_last_imports(gallery: Gallery) -> None:
    def job(photos: int, seconds: float, gallery: Gallery = gallery, **fields: Any) -> None:
        now = timezone.now()
        made = ImportJob.objects.create(
            gallery=gallery, source={"kind": "archive"}, layout={}, finished_at=now,
            started_at=now - timedelta(seconds=seconds), **{"state": JobState.DONE, **fields},
        )  # fmt: skip
        states = [ItemState.ENROLLED] * photos + [ItemState.DUPLICATE] * 200
        ImportItem.objects.bulk_create(
            ImportItem(job=made, number=number, name="x", state=state)
            for number, state in enumerate(states)
        )

    assert measured_rate(gallery.model) is None
    job(99, 1)  # too few to tell
    job(500, 1, state=JobState.CANCELLED)
    job(500, 1, GalleryFactory(model="yunet-sface"))
    assert measured_rate(gallery.model) is None
    for seconds in (1, 100, 10, 20, 40, 50):
        job(100, seconds)
    assert measured_rate(gallery.model) == pytest.approx(2.5)
