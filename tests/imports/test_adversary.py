"""What somebody tries who wants imports to do harm, or to stop."""

from __future__ import annotations

import io
import zipfile
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from django.db import connections
from openpyxl import load_workbook
from rest_framework.test import APIClient

from common.errors import Conflict
from enrolment.services import erase
from imports import reading, report, undoing
from imports.jobs import change, make_job
from imports.models import ImportItem, ImportJob, ItemState, JobState
from imports.sources import Source
from imports.working import claim, work
from people.models import Gallery, Person
from photos.models import Photo
from tests import sets
from tests.conftest import Lfw
from tests.factories import SYSTEM, PersonFactory
from tests.fixtures import store

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("media")]
IMPORTS = "/api/v1/imports"
LAYOUT = {"kind": "folders"}


@pytest.fixture(autouse=True)
def installation(gallery: Gallery, settings: Any, tmp_path: Path) -> None:
    settings.VAR_DIR, settings.IMPORT_URLS = tmp_path / "var", True
    settings.LEDGER_FILE = tmp_path / "ledger.jsonl"
    Gallery.objects.filter(pk=gallery.pk).update(several_faces="central", min_face=60)


def packed(path: Path, files: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w") as made:
        for name, data in files.items():
            made.writestr(name, data)
    return path


def job_of(gallery: Gallery, path: Path) -> ImportJob:
    return make_job(SYSTEM, gallery, {"kind": "archive", "path": str(path)}, LAYOUT)


def finished(job: ImportJob) -> ImportJob:
    for _ in range(50):
        if not work("worker"):
            return ImportJob.objects.get(pk=job.pk)
    raise AssertionError("it never ends")


# --- Spreadsheets ---------------------------------------------------------------------------------


@pytest.mark.parametrize("before", ["", "\ufffe", "\uffff", "\n", "\t", "\r", "\ufffe\uffff"])
@pytest.mark.parametrize("mark", ["=", "+", "-", "@", "\uff1d", "\uff0b", "\uff0d", "\uff20"])
def test_no_cell_of_a_report_is_a_formula(gallery: Gallery, before: str, mark: str) -> None:
    job = make_job(SYSTEM, gallery, {"kind": "archive", "path": "/x"}, LAYOUT)
    evil = f'{before}{mark}HYPERLINK("https://example.org")'
    ImportItem.objects.create(job=job, number=0, name=evil, external_id=evil, person_name=evil)
    book = load_workbook(io.BytesIO(report.as_xlsx(job)))
    (row,) = list(book["files"].iter_rows(min_row=2))
    for cell in (row[2], row[3], row[4]):
        assert cell.data_type == "s"
        assert cell.value[0] == "'"
    assert f"\"'{before}{mark}" in "".join(report.as_csv(job))


# --- A job that stops the others ------------------------------------------------------------------


def test_an_address_with_u_0000_is_a_row_like_others(gallery: Gallery, operator: APIClient) -> None:
    body = {"gallery": str(gallery.public_id), "source": {"kind": "urls"},
            "layout": {"kind": "names"}}  # fmt: skip
    job = operator.post(IMPORTS, body, format="json").json()["id"]
    lines = b"http://127.0.0.1:1/17_a\0b.jpg\nhttp://127.0.0.1:1/17_\xff%00.jpg\n\0\n"
    operator.put(
        f"{IMPORTS}/{job}/archive?offset=0", lines, content_type="application/octet-stream"
    )
    operator.post(f"{IMPORTS}/{job}/uploaded")
    assert finished(ImportJob.objects.get()).state == JobState.PLANNED
    operator.post(f"{IMPORTS}/{job}/start")
    assert finished(ImportJob.objects.get()).state == JobState.DONE
    assert set(ImportItem.objects.values_list("state", flat=True)) == {"rejected"}
    assert not ImportItem.objects.filter(key__contains="\\0").exists()


@pytest.mark.parametrize("where", ["inspect", "list_rows"])
def test_a_job_that_breaks_its_worker_fails_and_others_go_on(
    gallery: Gallery, tmp_path: Path, monkeypatch: Any, caplog: Any, where: str
) -> None:
    """Whatever mistake of ours its source finds. The log says where, and names no file."""
    bad = job_of(gallery, packed(tmp_path / "bad.zip", {"Bad/all/1.jpg": b"no photo"}))
    good = job_of(gallery, packed(tmp_path / "good.zip", {"all/Hans/1.jpg": b"no photo"}))
    real_inspect, real_rows = reading.inspect, reading._rows

    def inspect(source: Source, *args: Any, **kwargs: Any) -> Any:
        if where == "inspect" and any(each.name.startswith("Bad") for each in source.listing()):
            raise IndexError("all/Hans/1.jpg")
        return real_inspect(source, *args, **kwargs)

    def rows(job: ImportJob, results: Any) -> Any:
        if job.pk == bad.pk:
            raise IndexError("all/Hans/1.jpg")
        return real_rows(job, results)

    monkeypatch.setattr(reading, "inspect", inspect)
    monkeypatch.setattr(reading, "_rows", rows)
    for each in (bad, good):
        finished(each)
        each.refresh_from_db()
        if each.state == JobState.PLANNED:
            change(SYSTEM, each, "start")
    finished(good)
    for each in (bad, good):
        each.refresh_from_db()
    assert (bad.state, bad.code) == (JobState.FAILED, "internal_error")
    assert good.state == JobState.DONE
    (record,) = [each for each in caplog.records if each.levelname == "ERROR"]
    logged = caplog.handler.format(record)
    assert "IndexError" in logged
    assert "IndexError: " not in logged


# --- Erasing at the worst moment ------------------------------------------------------------------


@pytest.mark.parametrize("moment", ["planned", "running"])
def test_who_is_erased_before_a_job_has_listed_its_files_is_not_made_anew(
    gallery: Gallery, tmp_path: Path, lfw: Lfw, moment: str
) -> None:
    files = {"Hans/1.jpg": lfw.bytes("Hans_Blix", 1), "Donald/1.jpg": lfw.bytes("Donald_Rumsfeld")}
    person = PersonFactory(gallery=gallery, external_id="Hans", name="Hans")
    job = finished(job_of(gallery, packed(tmp_path / "a.zip", files)))
    if moment == "running":
        change(SYSTEM, job, "start")
    erase(SYSTEM, person)
    if moment == "planned":
        change(SYSTEM, job, "start")
    job = finished(job)
    assert job.state == JobState.DONE
    assert set(Person.objects.values_list("external_id", flat=True)) == {"Donald"}
    (item,) = job.items.filter(state=ItemState.REJECTED)
    assert (item.code, item.name, item.external_id) == ("erased", "(erased)", "")


# --- Pages ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("accept", ["text/html", "text/html,application/xhtml+xml,*/*;q=0.8"])
def test_a_browser_is_told_what_is_wrong_with_its_sheet(
    gallery: Gallery, operator: APIClient, accept: str
) -> None:
    job = make_job(SYSTEM, gallery, {"kind": "archive", "path": "/x"}, LAYOUT)
    page = f"{IMPORTS}/{job.public_id}/sheet"
    assert operator.get(f"{page}?limit=x", HTTP_ACCEPT=accept).status_code == 400
    assert operator.get(f"{page}?after={'9' * 30}", HTTP_ACCEPT=accept).status_code == 400
    gone = f"{IMPORTS}/{gallery.public_id}/sheet"
    assert operator.get(gone, HTTP_ACCEPT=accept).status_code == 404
    assert APIClient().get(page, HTTP_ACCEPT=accept).status_code in (401, 403)


# --- Undoing --------------------------------------------------------------------------------------


def test_an_undoing_that_fails_stops_no_other_job(
    gallery: Gallery, tmp_path: Path, lfw: Lfw, monkeypatch: Any
) -> None:
    path = packed(tmp_path / "a.zip", {"all/Hans/1.jpg": lfw.bytes("Hans_Blix", 1)})
    bad = finished(job_of(gallery, path))
    change(SYSTEM, bad, "start")
    bad = finished(bad)
    change(SYSTEM, bad, "undo")
    good = job_of(gallery, path)

    def refuse(*args: Any) -> None:
        raise Conflict("Who is whom was changed in this very moment.", code="changed")

    with monkeypatch.context() as broken:
        broken.setattr(undoing, "delete_photo", refuse)
        assert finished(good).state == JobState.PLANNED
        change(SYSTEM, good, "start")
        assert finished(good).state == JobState.DONE
    assert finished(bad).state == JobState.UNDONE


def test_undoing_takes_from_a_worker_what_it_has_in_hand(
    gallery: Gallery, tmp_path: Path, lfw: Lfw
) -> None:
    """It may have asked whether the job runs just before it was cancelled and undone."""
    path = packed(tmp_path / "a.zip", {"all/Hans/1.jpg": lfw.bytes("Hans_Blix", 1)})
    job = finished(job_of(gallery, path))
    change(SYSTEM, job, "start")
    reading.list_files(job)
    lease = uuid4()
    (item,) = claim(job, 10, "another worker", lease)
    change(SYSTEM, job, "cancel")
    change(SYSTEM, job, "undo")
    assert finished(job).state == JobState.UNDONE
    item.refresh_from_db()
    assert (item.state, item.lease, item.attempts) == ("waiting", None, 0)


@pytest.mark.django_db(transaction=True)
@pytest.mark.skipif(not sets.ON_POSTGRESQL, reason="SQLite has one writer at a time")
def test_a_photo_that_was_taken_while_its_person_is_undone_is_not_lost(
    gallery: Gallery, lfw: Lfw, monkeypatch: Any
) -> None:
    """Either it comes first, and the person stays; or they are gone, and its sender is told so."""
    person = PersonFactory(gallery=gallery, external_id="Hans")
    job = make_job(SYSTEM, gallery, {"kind": "archive", "path": "/x"}, LAYOUT)
    ImportItem.objects.create(job=job, number=0, name="x", person=person, made_person=True)
    ImportJob.objects.filter(pk=job.pk).update(state=JobState.UNDOING)
    real, sent = undoing._is_empty, []

    def send() -> None:
        try:
            store(person, lfw.bytes("Hans_Blix", 1))
        finally:
            connections.close_all()

    def look(each: Person) -> bool:
        is_empty = real(each)
        sent.append(pool.submit(send))
        wait(sent, timeout=2)
        return is_empty

    monkeypatch.setattr(undoing, "_is_empty", look)
    with ThreadPoolExecutor(1) as pool:
        undoing.undo_some(job)
        wait(sent, timeout=30)
    was_taken = sent[0].exception() is None
    assert Photo.objects.exists() == was_taken == Person.objects.exists()
