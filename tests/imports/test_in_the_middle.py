"""What happens to people, galleries and disks while a job is under way."""

from __future__ import annotations

import zipfile
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier
from typing import Any

import pytest
from django.db import connections

from enrolment.services import erase
from imports import working
from imports.jobs import change, make_job, progress, retry_failed
from imports.models import ImportItem, ImportJob, JobState
from imports.working import work
from people.models import DEFAULT_MODEL, Gallery, Person
from photos import pipeline
from photos.models import Face, Original, Photo
from tests import sets
from tests.conftest import Lfw
from tests.embedder.shelf import Shelf
from tests.factories import SYSTEM, PersonFactory
from tests.faults.harness import fill, full_disk
from tests.fixtures import files
from vectors.models import PersonTemplate

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("media")]
PEOPLE = {"Donald_Rumsfeld": 4, "Hans_Blix": 4, "Vladimir_Putin": 3}
PHOTOS = 11
OTHER = "yunet-mobilefacenet"


@pytest.fixture
def gallery(gallery: Gallery) -> Gallery:
    Gallery.objects.filter(pk=gallery.pk).update(several_faces="central", min_face=60)
    gallery.refresh_from_db()
    return gallery


@pytest.fixture
def archive(tmp_path: Path, lfw: Lfw) -> Path:
    path = tmp_path / "people.zip"
    with zipfile.ZipFile(path, "w") as made:
        for name, count in PEOPLE.items():
            for number in range(1, count + 1):
                made.writestr(f"all/{name}/{number}.jpg", lfw.bytes(name, number))
    return path


def started(gallery: Gallery, path: Path) -> ImportJob:
    job = make_job(SYSTEM, gallery, {"kind": "archive", "path": str(path)}, {"kind": "folders"})
    finished(job)
    change(SYSTEM, job, "start")
    while not ImportJob.objects.get(pk=job.pk).listed:
        working._step("worker")
    return ImportJob.objects.get(pk=job.pk)


def finished(job: ImportJob) -> ImportJob:
    while work("worker"):
        pass
    return ImportJob.objects.get(pk=job.pk)


def results(job: ImportJob) -> Counter[tuple[str, str]]:
    return Counter(job.items.values_list("state", "code"))


def once_before(monkeypatch: pytest.MonkeyPatch, function: str, act: Callable[[], object]) -> None:
    """Let something happen once, just before a worker comes to this."""
    real, acts = getattr(working, function), [act]

    def later(*args: Any, **named: Any) -> Any:
        if acts:
            acts.pop()()
        return real(*args, **named)

    monkeypatch.setattr(working, function, later)


# --- Erasing -------------------------------------------------------------------------------------


@pytest.mark.parametrize("moment", ["while they wait", "while they are in hand", "while stored"])
def test_whoever_is_erased_meanwhile_is_not_made_anew_and_their_files_say_so(
    gallery: Gallery, archive: Path, monkeypatch: pytest.MonkeyPatch, committed: Any, moment: str
) -> None:
    person = PersonFactory(gallery=gallery, external_id="Hans_Blix", name="Hans Blix")
    job = started(gallery, archive)
    if moment == "while they wait":
        erase(SYSTEM, person)
    else:
        function = "known_photos" if moment == "while they are in hand" else "store"
        once_before(monkeypatch, function, lambda: erase(SYSTEM, person))
    job = finished(job)

    assert job.state == JobState.DONE
    assert results(job) == {("enrolled", ""): 7, ("rejected", "erased"): 4}
    assert not Person.objects.filter(external_id="Hans_Blix").exists()
    assert Photo.objects.filter(state="enrolled").count() == 7
    assert "Blix" not in str(list(ImportItem.objects.values()))
    assert set(job.items.filter(code="erased").values_list("name", "text")) == {
        ("(erased)", "Whoever it shows was erased before it was imported, so it was not.")
    }
    # Nobody else's file paid for it with an attempt that counts.
    assert set(job.items.filter(state="enrolled").values_list("attempts", flat=True)) == {1}


def test_a_person_whom_the_job_made_is_erased_in_its_middle(
    gallery: Gallery, archive: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(working, "CLAIMED", 6)
    monkeypatch.setattr(working, "STORED", 6)
    job = started(gallery, archive)
    working._step("worker")
    assert results(job) == {("enrolled", ""): 6, ("waiting", ""): 5}
    erase(SYSTEM, Person.objects.get(external_id="Hans_Blix"))
    job = finished(job)

    # Two were enrolled, and say so; the other two never were.
    assert results(job) == {("enrolled", ""): 9, ("rejected", "erased"): 2}
    assert set(Person.objects.values_list("external_id", flat=True)) == {
        "Donald_Rumsfeld", "Vladimir_Putin",
    }  # fmt: skip
    assert dict(PersonTemplate.objects.values_list("person__external_id", "face_count")) == {
        "Donald_Rumsfeld": 4, "Vladimir_Putin": 3,
    }  # fmt: skip
    assert progress(job).files == PHOTOS


def test_files_that_failed_are_not_tried_again_once_their_person_is_erased(
    gallery: Gallery, archive: Path
) -> None:
    person = PersonFactory(gallery=gallery, external_id="Hans_Blix")
    job = started(gallery, archive)
    job.items.filter(external_id="Hans_Blix").update(state="failed", code="quarantined")
    erase(SYSTEM, person)
    assert retry_failed(SYSTEM, job) == 0
    job = finished(job)
    assert results(job) == {("enrolled", ""): 7, ("rejected", "erased"): 4}
    assert not Person.objects.filter(external_id="Hans_Blix").exists()


# --- Full disks ----------------------------------------------------------------------------------


def test_a_full_disk_stops_the_job_with_its_reason_and_it_goes_on_where_it_was(
    gallery: Gallery, archive: Path, media: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(working, "CLAIMED", 4)
    monkeypatch.setattr(working, "STORED", 4)
    with full_disk(media, 2):
        job = started(gallery, archive)
        working._step("worker")
        ballast = fill(media)
        job = finished(job)
        assert (job.state, job.code) == (JobState.FAILED, "storage_full")
        assert "resume" in job.text
        assert results(job) == {("enrolled", ""): 4, ("waiting", ""): 7}
        ballast.unlink()
        assert len(files(media)) == Original.objects.count() == 4

        change(SYSTEM, job, "resume")
        job = finished(job)
        assert (job.state, job.code) == (JobState.DONE, "")
        assert results(job) == {("enrolled", ""): PHOTOS}
        assert set(job.items.values_list("attempts", flat=True)) == {1}
        assert len(files(media)) == Original.objects.count() == PHOTOS


# --- Another model -------------------------------------------------------------------------------


def test_files_in_hand_when_the_gallery_s_model_changes_are_taken_anew(
    gallery: Gallery, archive: Path, monkeypatch: pytest.MonkeyPatch, settings: Any, tmp_path: Path
) -> None:
    settings.MODELS_DIR = tmp_path / "models"
    kept = {name: each for name, each in pipeline._pipelines.items() if name == DEFAULT_MODEL}
    monkeypatch.setattr(pipeline, "_pipelines", kept)
    shelf = Shelf(settings.MODELS_DIR)
    shelf.yunet()
    shelf.mobilefacenet()
    monkeypatch.setattr(working, "CLAIMED", 4)
    monkeypatch.setattr(working, "STORED", 4)
    job = started(gallery, archive)
    ours = Gallery.objects.filter(pk=gallery.pk)
    once_before(monkeypatch, "store", lambda: ours.update(model=OTHER))
    job = finished(job)

    assert job.state == JobState.DONE
    assert results(job) == {("enrolled", ""): PHOTOS}
    assert set(job.items.values_list("attempts", flat=True)) == {1}
    assert set(Face.objects.values_list("model", flat=True)) == {OTHER}
    assert dict(PersonTemplate.objects.values_list("person__external_id", "face_count")) == PEOPLE
    assert set(PersonTemplate.objects.values_list("model", flat=True)) == {OTHER}


# --- Several at once -----------------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
@pytest.mark.skipif(not sets.ON_POSTGRESQL, reason="SQLite has one writer at a time")
@pytest.mark.parametrize("backwards", [False, True])
def test_two_jobs_of_the_same_people_at_once_enrol_nothing_twice(
    gallery: Gallery,
    archive: Path,
    media: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    *,
    backwards: bool,
) -> None:
    """The second has its files in the order of the first, or in the other."""
    monkeypatch.setattr(working, "CLAIMED", 3)
    monkeypatch.setattr(working, "STORED", 3)
    second = archive.with_name("second.zip")
    with zipfile.ZipFile(archive) as first, zipfile.ZipFile(second, "w") as other:
        for name in sorted(first.namelist(), reverse=backwards):
            other.writestr(name, first.read(name))
    both = [started_beside(gallery, path) for path in (archive, second)]
    together = Barrier(2)

    def run(job: ImportJob) -> None:
        together.wait(30)
        try:
            while working._bring_on(fresh(job), f"worker-{job.pk}", lambda: True):
                pass
        finally:
            working.opened.close()
            connections.close_all()

    with ThreadPoolExecutor(2) as pool:
        for each in [pool.submit(run, job) for job in both]:
            each.result(120)

    assert {fresh(job).state for job in both} == {JobState.DONE}
    found = sum((results(job) for job in both), Counter())
    assert found == {("enrolled", ""): PHOTOS, ("duplicate", "known"): PHOTOS}
    assert ImportItem.objects.filter(made_photo=True).count() == PHOTOS
    assert ImportItem.objects.filter(made_person=True).count() == len(PEOPLE)
    assert Photo.objects.count() == Original.objects.count() == len(files(media)) == PHOTOS
    assert dict(PersonTemplate.objects.values_list("person__external_id", "face_count")) == PEOPLE
    enrolled = Face.objects.filter(template__isnull=False)
    assert enrolled.values("photo").distinct().count() == enrolled.count() == PHOTOS
    assert "could not be stored" not in caplog.text


def started_beside(gallery: Gallery, path: Path) -> ImportJob:
    """Planned, started and listed, and nothing of any job imported."""
    job = make_job(SYSTEM, gallery, {"kind": "archive", "path": str(path)}, {"kind": "folders"})
    working._bring_on(fresh(job), "worker", lambda: True)
    change(SYSTEM, fresh(job), "start")
    working._bring_on(fresh(job), "worker", lambda: True)
    assert fresh(job).listed
    return job


def fresh(job: ImportJob) -> ImportJob:
    return ImportJob.objects.select_related("gallery").get(pk=job.pk)
