"""A job from a folder or an archive to the last file's result, on real photos."""

from __future__ import annotations

import zipfile
from collections import Counter
from datetime import timedelta
from io import BytesIO
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from django.utils import timezone
from openpyxl import load_workbook

from accounts.actors import Actor
from audit.models import AuditEntry
from common.errors import Conflict, Forbidden, NotFound
from enrolment.services import erase
from imports import report, undoing, working
from imports.jobs import change, job_for, make_job, progress, release_held_by, retry_failed
from imports.models import ImportItem, ImportJob, ItemState, JobState
from imports.working import claim, work
from people.models import Gallery, Person, Role
from photos.models import Original, Photo
from tests import factories
from tests.conftest import Lfw
from tests.embedder.pictures import saved, scene
from tests.factories import SYSTEM, GalleryFactory, PersonFactory
from tests.fixtures import enrol, files, rows
from vectors.models import PersonTemplate

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("media")]
PEOPLE = {"Donald_Rumsfeld": 3, "Vladimir_Putin": 2, "Hans_Blix": 2}
LAYOUT = {"kind": "folders"}


@pytest.fixture
def gallery(gallery: Gallery) -> Gallery:
    Gallery.objects.filter(pk=gallery.pk).update(several_faces="central", min_face=60)
    gallery.refresh_from_db()
    return gallery


@pytest.fixture
def archive(tmp_path: Path, lfw: Lfw) -> Path:
    """Seven photos of three people, a picture without a face, a text, and something hidden."""
    path = tmp_path / "people.zip"
    with zipfile.ZipFile(path, "w") as made:
        for name, count in PEOPLE.items():
            for number in range(1, count + 1):
                made.writestr(f"all/{name}/{number}.jpg", lfw.bytes(name, number))
        made.writestr("all/Hans_Blix/none.png", saved(scene(300, 300), "PNG"))
        made.writestr("all/Hans_Blix/note.txt", b"no photo at all")
        made.writestr("all/__MACOSX/x.jpg", b"x")
    return path


def made(gallery: Gallery, path: Path, **fields: Any) -> ImportJob:
    return make_job(SYSTEM, gallery, {"kind": "archive", "path": str(path)}, LAYOUT, **fields)


def hours_ago(job: ImportJob, hours: int) -> ImportJob:
    """As if it had been changed so many hours ago."""
    then = timezone.now() - timedelta(hours=hours)
    ImportJob.objects.filter(pk=job.pk).update(updated_at=then)
    return ImportJob.objects.get(pk=job.pk)


def finished(job: ImportJob) -> ImportJob:
    """What the worker does, until nothing is left to be done."""
    while work("worker"):
        pass
    return ImportJob.objects.get(pk=job.pk)


def imported(gallery: Gallery, path: Path, **fields: Any) -> ImportJob:
    job = finished(made(gallery, path, **fields))
    assert job.state == JobState.PLANNED, job.text
    change(SYSTEM, job, "start")
    return finished(job)


def results(job: ImportJob) -> dict[str, tuple[str, str]]:
    rows = job.items.values_list("name", "state", "code")
    return {name.removeprefix("all/"): (state, code) for name, state, code in rows}


def test_a_plan_says_what_would_be_done_and_does_nothing(gallery: Gallery, archive: Path) -> None:
    PersonFactory(gallery=gallery, external_id="Hans_Blix")
    job = finished(made(gallery, archive))
    assert (job.state, job.plan["photos"], job.plan["people"]) == (JobState.PLANNED, 9, 3)
    assert (job.plan["known"], job.plan["new"]) == (1, 2)
    assert job.plan["headers"]["refused"] == {"unsupported_format": 1}
    assert not job.items.exists()
    assert not Photo.objects.exists()


def test_every_file_has_one_result(gallery: Gallery, archive: Path, media: Path) -> None:
    job = imported(gallery, archive)
    assert job.state == JobState.DONE
    assert results(job) == {
        **{f"{name}/{n}.jpg": ("enrolled", "") for name, count in PEOPLE.items()
           for n in range(1, count + 1)},
        "Hans_Blix/none.png": ("rejected", "no_face"),
        "Hans_Blix/note.txt": ("rejected", "unsupported_format"),
    }  # fmt: skip
    assert sum(job.ignored.values()) >= 1
    counts = progress(job)
    assert (counts.files, counts.enrolled, counts.rejected, counts.waiting) == (9, 7, 2, 0)
    assert {each.external_id: each.name for each in gallery.people.all()} == {
        name: name.replace("_", " ") for name in PEOPLE
    }
    fused = dict(PersonTemplate.objects.values_list("person__external_id", "face_count"))
    assert fused == PEOPLE
    assert set(Photo.objects.values_list("source", flat=True)) == {"import"}
    # Originals once, and of the picture without a face, too.
    assert len(files(media)) == Original.objects.count() == 8
    assert Photo.objects.get(state="rejected").code == "no_face"


def test_the_same_again_changes_nothing(gallery: Gallery, archive: Path, media: Path) -> None:
    imported(gallery, archive)
    before, stored = rows(), files(media)
    job = imported(gallery, archive)
    assert Counter(state for state, _ in results(job).values()) == {"duplicate": 7, "rejected": 2}
    assert results(job)["Hans_Blix/none.png"] == ("rejected", "no_face")
    after = rows()
    for table in ("people.Person", "photos.Photo", "photos.Face", "photos.Original",
                  "vectors.PersonTemplate", "vectors.VectorOutbox"):  # fmt: skip
        assert after[table] == before[table]
    assert files(media) == stored


def test_photos_that_were_there_are_duplicates_and_stay_when_the_job_is_undone(
    gallery: Gallery, archive: Path, lfw: Lfw, media: Path, committed: Any
) -> None:
    person = PersonFactory(gallery=gallery, external_id="Hans_Blix")
    (own,) = enrol(person, lfw.bytes("Hans_Blix", 1))
    kept = bytes(PersonTemplate.objects.get().vector)
    job = imported(gallery, archive)
    assert results(job)["Hans_Blix/1.jpg"] == ("duplicate", "known")
    assert PersonTemplate.objects.get(person=person).face_count == 2

    change(SYSTEM, job, "undo")
    with committed():
        job = finished(job)

    assert job.state == JobState.UNDONE
    assert list(gallery.people.all()) == [person]
    assert list(Photo.objects.all()) == [own]
    assert bytes(PersonTemplate.objects.get().vector) == kept
    assert len(files(media)) == 1
    # What became of each file stays on record.
    assert progress(job).files == 9


def test_pause_resume_and_cancel_keep_exact_counts(
    gallery: Gallery, archive: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(working, "CLAIMED", 2)
    job = finished(made(gallery, archive))
    change(SYSTEM, job, "start")
    work("worker", seconds=0.0)
    while progress(job).enrolled < 2:
        assert working._step("worker")
    change(SYSTEM, job, "pause")
    assert work("worker") is False
    paused = progress(job)
    assert paused.enrolled + paused.rejected + paused.waiting == paused.files == 9
    assert paused.waiting > 0
    change(SYSTEM, job, "resume")
    working._step("worker")
    change(SYSTEM, job, "cancel")
    assert work("worker") is False
    stopped = progress(job)
    assert stopped.enrolled == Photo.objects.filter(state="enrolled").count()
    assert stopped.working == 0
    for step in ("start", "pause"):
        with pytest.raises(Conflict):
            change(SYSTEM, job, step)
    change(SYSTEM, job, "resume")
    assert finished(job).state == JobState.DONE
    assert progress(job).enrolled == 7


def test_a_workbook_opens_whatever_its_files_are_called(gallery: Gallery, tmp_path: Path) -> None:
    job = made(gallery, tmp_path / "a.zip")
    names = ["no\uffffcharacter.jpg", "nor\ufffe.jpg", "bell\a.jpg"]
    for number, name in enumerate(names):
        ImportItem.objects.create(job=job, number=number, name=name)
    sheet = load_workbook(BytesIO(report.as_xlsx(job)))["files"]
    assert [row[2] for row in list(sheet.values)[1:]] == ["nocharacter.jpg", "nor.jpg", "bell.jpg"]


def test_who_is_named_on_one_line_only_is_not_made_nameless_by_the_next(
    gallery: Gallery, tmp_path: Path, lfw: Lfw
) -> None:
    table = (
        "file,external_id,name,team,floor\n"
        "1.jpg,p1,,,3\n"
        "2.jpg,p1,Hans Blix,UN,4\n"
        "3.jpg,p1,,,\n"
    )  # fmt: skip
    path = tmp_path / "people.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("manifest.csv", table)
        for number in (1, 2, 3):
            archive.writestr(f"{number}.jpg", lfw.bytes("Hans_Blix", number))
    source = {"kind": "archive", "path": str(path)}
    job = finished(make_job(SYSTEM, gallery, source, {"kind": "manifest"}))
    change(SYSTEM, job, "start")
    assert progress(finished(job)).enrolled == 3
    person = Person.objects.get()
    assert (person.name, person.metadata) == ("Hans Blix", {"team": "UN", "floor": "3"})


def test_a_worker_that_dies_leaves_its_files_to_the_next(gallery: Gallery, archive: Path) -> None:
    job = finished(made(gallery, archive))
    change(SYSTEM, job, "start")
    while not ImportJob.objects.get(pk=job.pk).listed:
        working._step("worker")
    taken = claim(job, 5, "worker", uuid4())
    assert len(taken) == 5
    assert release_held_by("worker") == 5
    job = finished(job)
    assert (job.state, progress(job).enrolled) == (JobState.DONE, 7)
    assert set(job.items.filter(state="enrolled").values_list("attempts", flat=True)) == {1, 2}


def test_a_file_that_fails_three_times_stops_no_other_and_can_be_tried_again(
    gallery: Gallery, archive: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = finished(made(gallery, archive))
    change(SYSTEM, job, "start")
    store_one = working.store

    def failing(job: Any, ready: Any, lease: Any) -> None:
        if any(each.item.name.endswith("Hans_Blix/2.jpg") for each in ready):
            raise RuntimeError("a bad one")
        store_one(job, ready, lease)

    with monkeypatch.context() as patch:
        patch.setattr(working, "store", failing)
        job = finished(job)
    assert job.state == JobState.DONE
    assert results(job)["Hans_Blix/2.jpg"] == ("failed", "quarantined")
    assert progress(job).enrolled == 6
    assert retry_failed(SYSTEM, job) == 1
    assert finished(job).state == JobState.DONE
    assert progress(job).enrolled == 7


def test_a_source_that_can_t_be_read_fails_with_its_reason(
    gallery: Gallery, tmp_path: Path
) -> None:
    broken = tmp_path / "broken.zip"
    broken.write_bytes(b"PK\x03\x04nothing")
    for path in (broken, tmp_path / "missing.zip"):
        job = finished(made(gallery, path))
        assert job.state in (JobState.FAILED, JobState.PLANNED)
        if job.state == JobState.FAILED:
            assert job.code == "unusable_source"
            assert job.text


def test_whoever_is_erased_is_not_named_by_an_import(gallery: Gallery, archive: Path) -> None:
    job = imported(gallery, archive)
    erase(SYSTEM, Person.objects.get(external_id="Hans_Blix"))
    assert "Blix" not in str(list(ImportItem.objects.values()))
    assert "Blix" not in str(list(ImportJob.objects.values()))
    counts = progress(job)
    assert (counts.files, counts.enrolled, counts.rejected) == (9, 7, 2)
    assert "Rumsfeld" in str(list(ImportItem.objects.values()))


def test_a_job_goes_on_once_its_source_is_there_again(gallery: Gallery, archive: Path) -> None:
    job = finished(made(gallery, archive))
    change(SYSTEM, job, "start")
    while not ImportJob.objects.get(pk=job.pk).listed:
        working._step("worker")
    away = archive.rename(archive.with_suffix(".away"))
    job = finished(job)
    assert (job.state, job.code) == (JobState.FAILED, "unusable_source")
    assert progress(job).working == 0
    away.rename(archive)
    change(SYSTEM, job, "resume")
    job = finished(job)
    assert (job.state, job.code, progress(job).enrolled) == (JobState.DONE, "", 7)


def test_who_may_do_what(gallery: Gallery, archive: Path) -> None:
    operator = factories.actor(gallery, Role.OPERATOR)
    job = make_job(operator, gallery, {"kind": "archive", "path": str(archive)}, LAYOUT)
    assert job_for(operator, job.public_id) == job
    viewer, stranger = (factories.actor(gallery, Role.VIEWER),
                        factories.actor(GalleryFactory(), Role.ADMIN))  # fmt: skip
    for who in (viewer, stranger):
        with pytest.raises(NotFound):
            job_for(who, job.public_id)
    with pytest.raises(Forbidden):
        make_job(viewer, gallery, {"kind": "archive"}, LAYOUT)
    job = finished(job)
    change(operator, job, "start")
    job = finished(job)
    with pytest.raises(Forbidden):
        change(operator, job, "undo")
    acts = AuditEntry.objects.filter(action__startswith="import.").values_list("action", flat=True)
    assert list(acts) == ["import.make", "import.start"]
    assert Person.objects.count() == 3
    assert ImportItem.objects.filter(state=ItemState.ENROLLED).count() == 7


def test_the_rate_is_that_of_the_hours_in_which_it_worked(gallery: Gallery) -> None:
    job = ImportJob.objects.create(
        gallery=gallery, state=JobState.RUNNING, source={"kind": "archive"}, layout=LAYOUT,
        started_at=timezone.now() - timedelta(hours=10), listed=True,
    )  # fmt: skip
    states = [ItemState.ENROLLED] * 36 + [ItemState.WAITING] * 72
    ImportItem.objects.bulk_create(
        ImportItem(job=job, number=number, name="x", state=state)
        for number, state in enumerate(states)
    )
    job = hours_ago(change(SYSTEM, job, "pause"), 9)
    assert progress(job).rate == pytest.approx(0.01, rel=0.01)  # and no less as hours go by
    assert progress(job).seconds_left is None
    job = change(SYSTEM, job, "cancel")
    assert progress(job).rate == pytest.approx(0.01, rel=0.01)
    job = change(SYSTEM, job, "resume")
    found = progress(job)
    assert found.rate == pytest.approx(0.01, rel=0.01)
    assert found.seconds_left == pytest.approx(7200, rel=0.01)


def test_lines_without_a_file_stand_at_the_end_of_a_report(
    gallery: Gallery, tmp_path: Path
) -> None:
    job = made(gallery, tmp_path / "a.zip")
    for number, line, name in ((None, 9, "missing.jpg"), (1, 3, "1.jpg"), (0, None, "0.jpg")):
        ImportItem.objects.create(job=job, number=number, line=line, name=name)
    names = [line.split(",")[2] for line in report.as_csv(job)]
    assert names == ["file", "0.jpg", "1.jpg", "missing.jpg"]


def test_two_who_undo_the_same_job_don_t_stop_each_other(
    gallery: Gallery, archive: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The command line helps the worker: whoever it is about to erase may be gone just then."""
    job = imported(gallery, archive)

    gone = [NotFound("person")]

    def another_was_faster(actor: Actor, person: Person) -> None:
        if gone:
            raise gone.pop()
        erase(actor, person)

    monkeypatch.setattr(undoing, "erase", another_was_faster)
    change(SYSTEM, job, "undo")
    assert finished(job).state == JobState.UNDONE
    assert not Person.objects.exists()
