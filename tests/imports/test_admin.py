"""Imports in the admin: pages, buttons, and a new one from the browser."""

from __future__ import annotations

import io
import re
import zipfile
from html import unescape
from pathlib import Path
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from accounts.actors import actor_of
from accounts.models import User
from imports.admin import forms
from imports.jobs import change, make_job
from imports.models import ImportItem, ImportJob, ItemState, JobState
from imports.working import work
from people.models import Gallery
from photos.models import Photo
from tests.conftest import Lfw
from tests.factories import GalleryFactory, UserFactory
from tests.pages import acts, queries, signed_in, told

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("media")]
JOBS, ITEMS = "/admin/imports/importjob/", "/admin/imports/importitem/"
ADVICE = "Send what is missing, and say that it is uploaded."


@pytest.fixture(autouse=True)
def lfw_sized(gallery: Gallery, settings: Any, tmp_path: Path) -> None:
    settings.VAR_DIR, settings.IMPORT_ROOTS = tmp_path / "var", [tmp_path]
    Gallery.objects.filter(pk=gallery.pk).update(several_faces="central", min_face=60)


@pytest.fixture
def browser(site_admin: User) -> Client:
    return signed_in(site_admin)


@pytest.fixture
def archive(lfw: Lfw) -> bytes:
    stored = io.BytesIO()
    with zipfile.ZipFile(stored, "w") as made:
        for number in (1, 2):
            made.writestr(f"all/Donald/{number}.jpg", lfw.bytes("Donald_Rumsfeld", number))
        made.writestr("all/Hans/<b>1.jpg", lfw.bytes("Hans_Blix", 2))
        made.writestr("all/Hans/broken.jpg", lfw.bytes("Hans_Blix", 1)[:700])
    return stored.getvalue()


def send(browser: Client, gallery: Gallery, archive: bytes | None, **fields: Any) -> Any:
    """The form for a new import, as a browser sends it."""
    files = {} if not archive else {"archive": SimpleUploadedFile("people.zip", archive)}
    data = {"gallery": gallery.pk, "layout": "folders", **files, **fields}
    return browser.post(f"{JOBS}add/", data)


def page(browser: Client, job: ImportJob) -> str:
    answer = browser.get(f"{JOBS}{job.pk}/change/")
    assert answer.status_code == 200
    return unescape(answer.content.decode())


def step(browser: Client, job: ImportJob, name: str) -> Any:
    return browser.post(f"{JOBS}{job.pk}/step/", {"step": name})


def finish() -> ImportJob:
    while work("worker"):
        pass
    return ImportJob.objects.get()


def test_an_import_from_the_form_to_its_undoing(
    browser: Client, gallery: Gallery, archive: bytes, site_admin: User
) -> None:
    answer = send(browser, gallery, archive)
    job = ImportJob.objects.get()
    assert answer.headers["Location"] == f"{JOBS}{job.pk}/change/"
    assert (job.state, job.uploaded) == (JobState.PLANNING, len(archive))
    assert "data-under-way" in page(browser, job)

    job = finish()
    text = page(browser, job)
    for words in ("Waits for somebody to start it", "4 (", "2, 2 of them new here", "Donald"):
        assert words in text, words
    assert 'value="start"' in text
    assert 'value="pause"' not in text
    step(browser, job, "start")
    assert ImportJob.objects.get().state == JobState.RUNNING
    step(browser, job, "pause")
    step(browser, job, "resume")
    job = finish()
    text = page(browser, job)
    assert "4 of 4 files" in text
    assert f"/api/v1/imports/{job.public_id}/sheet" in text
    assert f"{ITEMS}?job={job.pk}&state=rejected" in text
    assert "data-under-way" not in text
    row = browser.get(JOBS).content.decode()
    assert "4 of 4" in row
    assert site_admin.username in row

    asked = browser.get(f"{JOBS}{job.pk}/undo/").content.decode()
    assert "Undo this import?" in asked
    assert ImportJob.objects.get().state == JobState.DONE
    browser.post(f"{JOBS}{job.pk}/undo/", {"confirmed": "yes"})
    assert finish().state == JobState.UNDONE
    assert not Photo.objects.exists()
    me = str(actor_of(site_admin))
    assert [action for actor, action in acts() if actor == me] == [
        "import.make", "import.uploaded", "import.start", "import.pause", "import.resume",
        "import.undo",
    ]  # fmt: skip


def test_the_files_of_a_job(browser: Client, gallery: Gallery, archive: bytes) -> None:
    send(browser, gallery, archive)
    step(browser, finish(), "start")
    job = finish()
    every = browser.get(f"{ITEMS}?job={job.pk}").content.decode()
    assert every.count("likeness") > 0
    assert "&lt;b&gt;1.jpg" in every
    assert "<b>1.jpg" not in every
    assert "import of archive into" in every
    rejected = browser.get(f"{ITEMS}?job={job.pk}&state=rejected&code=undecodable")
    (item,) = rejected.context["cl"].result_list
    assert item.name == "all/Hans/broken.jpg"
    assert "undecodable" in browser.get(f"{ITEMS}{item.pk}/change/").content.decode()
    for odd in ("x", "0"):
        assert browser.get(f"{ITEMS}?job={odd}").status_code in (200, 302)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"archive": ""}, "Choose an archive, or name a folder"),
        ({"folder": "/srv"}, "Choose an archive, or name a folder"),
        ({"archive": "", "folder": "/etc"}, "is no folder under one of those"),
        ({"manifest": SimpleUploadedFile("a.csv", b"file")}, "To use it choose"),
        ({"manifest": SimpleUploadedFile("a.csv", b""), "layout": "manifest"}, "empty"),
        ({"layout": "guess"}, "valid choice"),
    ],
)
def test_what_the_form_says(
    browser: Client, gallery: Gallery, archive: bytes, fields: dict[str, Any], words: str
) -> None:
    answer = send(browser, gallery, **{"archive": archive, **fields})
    assert answer.status_code == 200
    assert words in unescape(answer.content.decode())
    assert not ImportJob.objects.exists()


def test_a_folder_with_a_table_beside_it(
    browser: Client, gallery: Gallery, lfw: Lfw, tmp_path: Path, settings: Any
) -> None:
    settings.IMPORT_ROOTS = []
    assert 'name="folder"' not in browser.get(f"{JOBS}add/").content.decode()
    settings.IMPORT_ROOTS = [tmp_path]
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos/1.jpg").write_bytes(lfw.bytes("Hans_Blix", 1))
    assert f"Under {tmp_path}." in browser.get(f"{JOBS}add/").content.decode()
    table = SimpleUploadedFile("who.csv", "file;external_id;Größe\n1.jpg;8;7\n".encode())
    folder = str(tmp_path / "photos")
    send(browser, gallery, None, folder=folder, layout="manifest", manifest=table)
    text = page(browser, finish())
    assert "UTF-8, semicolons" in text
    assert "Größe as metadata" in re.sub(r"</?bdi>", "", text)


def test_what_is_too_large_is_told_and_nothing_is_left(
    browser: Client, gallery: Gallery, archive: bytes, monkeypatch: Any, tmp_path: Path
) -> None:
    monkeypatch.setattr(forms, "MOST_MEGABYTES", 0)
    answer = send(browser, gallery, archive)
    assert answer.status_code == 302
    assert "at most 0 MB" in told(answer)[0]
    assert not ImportJob.objects.exists()
    assert list((tmp_path / "var/imports").iterdir()) == []


def test_an_archive_that_can_t_be_kept_leaves_no_job_that_waits(
    browser: Client, gallery: Gallery, archive: bytes, settings: Any, tmp_path: Path
) -> None:
    settings.IMPORT_MAX_BYTES = 100
    answer = send(browser, gallery, archive)
    assert "It is larger than 100 bytes" in answer.content.decode()
    assert ImportJob.objects.get().state == JobState.CANCELLED


def test_what_can_t_be_done_is_told_and_changes_nothing(
    browser: Client, gallery: Gallery, site_admin: User
) -> None:
    job = make_job(actor_of(site_admin), gallery, {"kind": "archive"}, {"kind": "folders"})
    for name, words in (
        ("start", f"An import that is uploading can't be told to start. {ADVICE}"),
        ("retry", "The import is uploading."),
    ):
        assert told(step(browser, job, name))[-1] == words
    browser.get(JOBS)  # which shows what was told
    for name in ("undo", "nonsense", ""):
        assert told(step(browser, job, name)) == []
    refused = browser.post(f"{JOBS}{job.pk}/undo/", {"confirmed": "yes"})
    assert told(refused)[-1] == f"An import that is uploading can't be told to undo. {ADVICE}"
    assert ImportJob.objects.get().state == JobState.UPLOADING
    assert told(step(browser, ImportJob(pk=99), "start"))[-1].startswith("There is no import")
    assert browser.get(f"{JOBS}99/state/").status_code == 404
    assert browser.get(f"{JOBS}99/plan/").status_code == 404
    assert browser.post(f"{JOBS}99/undo/").status_code == 302
    assert browser.post(f"{JOBS}{job.pk}/change/", {"state": "done"}).status_code == 403
    assert browser.post(f"{JOBS}{job.pk}/delete/", {"post": "yes"}).status_code == 403


def test_failed_files_are_tried_again(browser: Client, gallery: Gallery, archive: bytes) -> None:
    send(browser, gallery, archive)
    step(browser, finish(), "start")
    job = finish()
    job.items.filter(code="undecodable").update(state=ItemState.FAILED, attempts=3)
    assert "Try the failed ones again" in page(browser, job)
    assert told(step(browser, job, "retry")) == ["1 files are tried once more."]
    finish()
    assert ImportItem.objects.get(code="undecodable").state == ItemState.REJECTED


def test_only_site_administrators_and_only_with_a_token(
    gallery: Gallery, site_admin: User, archive: bytes
) -> None:
    job = make_job(actor_of(site_admin), gallery, {"kind": "archive"}, {"kind": "folders"})
    others = signed_in(UserFactory(is_staff=True))
    strict = signed_in(site_admin, enforce_csrf_checks=True)
    for address in (JOBS, ITEMS, f"{JOBS}{job.pk}/change/", f"{JOBS}{job.pk}/state/"):
        assert others.get(address).status_code == 302
    assert send(others, gallery, archive).status_code == 302
    assert send(strict, gallery, archive).status_code == 403
    for client in (others, strict):
        step(client, job, "cancel")
        client.post(f"{JOBS}{job.pk}/undo/", {"confirmed": "yes"})
    assert ImportJob.objects.get().state == JobState.UPLOADING


def test_lists_take_as_many_queries_for_many(
    browser: Client, gallery: Gallery, site_admin: User
) -> None:
    def make(count: int) -> None:
        for _ in range(count):
            into = GalleryFactory()
            job = make_job(actor_of(site_admin), into, {"kind": "archive"}, {"kind": "folders"})
            change(actor_of(site_admin), job, "cancel")
            job.items.create(number=1, name="a.jpg", state=ItemState.FAILED, code="quarantined")

    make(1)
    pages = (JOBS, f"{ITEMS}?state=failed")
    for address in pages:
        queries(browser, address)
    few = [queries(browser, address) for address in pages]
    make(8)
    assert [queries(browser, address) for address in pages] == few


def test_the_sidebar_leads_to_it(browser: Client) -> None:
    assert f'href="{JOBS}"' in browser.get("/admin/").content.decode()
