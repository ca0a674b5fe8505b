"""What happens to people, galleries and disks while a job is under way."""

from __future__ import annotations

import zipfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from enrolment.services import erase
from imports import working
from imports.jobs import change, make_job, progress, retry_failed
from imports.models import ImportItem, ImportJob, JobState
from imports.working import work
from people.models import Gallery, Person
from photos.models import Photo
from tests.conftest import Lfw
from tests.factories import SYSTEM, PersonFactory
from vectors.models import PersonTemplate

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("media")]
PEOPLE = {"Donald_Rumsfeld": 4, "Hans_Blix": 4, "Vladimir_Putin": 3}
PHOTOS = 11
ERASED = ("(erased)", "rejected", "erased")


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
