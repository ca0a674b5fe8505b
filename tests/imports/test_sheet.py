"""The sheet of files that were not taken: what it shows, and that it can do no harm."""

from __future__ import annotations

import base64
import io
import re
from html import unescape
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from rest_framework.test import APIClient

from imports.jobs import change, make_job
from imports.models import ImportItem, ImportJob, ItemState, JobState
from imports.working import work
from people.models import Gallery, Role
from photos.models import Original
from tests.conftest import Lfw
from tests.embedder.pictures import saved, scene
from tests.factories import SYSTEM, GalleryFactory
from tests.fixtures import Client

from .archives import zipped

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("media")]
HOSTILE = "<img src=x onerror=alert(1)>\u202egpj.exe"


@pytest.fixture
def job(gallery: Gallery, tmp_path: Path, lfw: Lfw) -> ImportJob:
    """One good photo; one without a face, one that is none, one whose name leads elsewhere."""
    path = zipped(
        tmp_path / "a.zip",
        [
            ("all/Hans/1.jpg", lfw.bytes("Hans_Blix", 1)),
            (f"all/Hans/{HOSTILE}", saved(scene(400, 300), "PNG") + b"<script>trailing</script>"),
            ("all/Hans/broken.jpg", lfw.bytes("Hans_Blix", 1)[:800]),
            ("../out.jpg", b"x"),
        ],
    )
    Gallery.objects.filter(pk=gallery.pk).update(several_faces="central", min_face=60)
    job = make_job(SYSTEM, gallery, {"kind": "archive", "path": str(path)}, {"kind": "folders"})
    _work()
    job = change(SYSTEM, job, "start")
    _work()
    job.refresh_from_db()
    assert job.state == JobState.DONE, job.text
    return job


def _work() -> None:
    while work("worker"):
        pass


def sheet(client: APIClient, job: ImportJob, query: str = "", **headers: Any) -> Any:
    return client.get(f"/api/v1/imports/{job.public_id}/sheet{query}", headers=headers)


def codes(page: str) -> list[str]:
    return re.findall(r"<div><code>(\w+)</code></div>", page)


def test_each_file_with_its_picture_and_its_reason(operator: APIClient, job: ImportJob) -> None:
    page = sheet(operator, job, accept="text/html").content.decode()
    assert sorted(codes(page)) == ["no_face", "undecodable", "unsafe_name"]
    text = unescape(page)
    assert "all/Hans/broken.jpg" in text
    assert "No face was found." in text
    assert "Hans/1.jpg" not in text
    assert page.count("no picture") == 2
    (picture,) = re.findall(r'src="data:image/jpeg;base64,([^"]+)"', page)
    jpeg = base64.b64decode(picture)
    assert Image.open(io.BytesIO(jpeg)).size == (160, 120)
    assert b"trailing" not in jpeg


def test_the_page_can_do_nothing(operator: APIClient, job: ImportJob) -> None:
    answer = sheet(operator, job)
    page = answer.content.decode()
    assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    policy = answer.headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'none'; img-src data:; style-src 'sha256-")
    assert "unsafe" not in policy
    assert "&lt;img src=x onerror=alert(1)&gt;" in page
    assert "<img src=x" not in page
    assert "<script" not in page
    assert not re.search(r'(src|href)="(?!data:image/jpeg|\?)', page)
    assert not re.search(r"\son\w+=\"", page)
    # What turns the direction of writing ends where the name does.
    assert page.count("<bdi>") == page.count("</bdi>") == 6


def test_by_code_and_by_page(operator: APIClient, job: ImportJob) -> None:
    only = sheet(operator, job, "?code=undecodable").content.decode()
    assert codes(only) == ["undecodable"]
    assert "all 3" in only
    assert codes(sheet(operator, job, "?code=%3Cb%3E").content.decode()) == []
    seen: list[str] = []
    query: str | None = "?limit=2"
    while query:
        page = unescape(sheet(operator, job, query).content.decode())
        seen += codes(page)
        found = re.search(r'href="(\?[^"]*)" rel="next"', page)
        query = found[1] if found else None
    assert sorted(seen) == ["no_face", "undecodable", "unsafe_name"]
    for query in ("?limit=201", "?limit=0", "?after=-1", "?after=x"):
        refused = sheet(operator, job, query)
        assert (refused.status_code, refused.json()["code"]) == (400, "invalid")


def test_pages_are_bounded_and_files_that_are_gone_have_no_picture(
    operator: APIClient, job: ImportJob, media: Path
) -> None:
    ImportItem.objects.bulk_create(
        ImportItem(job=job, number=number, name=f"{number}.jpg", state=ItemState.FAILED, code="x")
        for number in range(100, 300)
    )
    for original in Original.objects.all():
        (media / original.file.name).unlink()
    page = sheet(operator, job).content.decode()
    assert (len(codes(page)), page.count("no picture")) == (100, 100)


def test_others_see_nothing_of_it(client_of: Client, job: ImportJob) -> None:
    for client in (client_of(job.gallery, Role.VIEWER), client_of(GalleryFactory(), Role.ADMIN)):
        assert sheet(client, job).status_code == 404
    assert sheet(APIClient(), job).status_code == 401
