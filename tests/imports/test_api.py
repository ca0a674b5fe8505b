"""Imports over HTTP: an archive in pieces, its plan, its end, its report."""

from __future__ import annotations

import csv
import io
import os
import zipfile
from pathlib import Path
from typing import Any

import pytest
from openpyxl import Workbook, load_workbook
from rest_framework.test import APIClient

from audit.models import AuditEntry
from imports.models import ImportJob
from imports.places import upload_path, uploads_folder
from imports.uploads import remove_old_uploads
from imports.working import work
from people.models import Gallery, Role
from tests.conftest import Lfw
from tests.factories import GalleryFactory
from tests.fixtures import Client

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("media")]
IMPORTS = "/api/v1/imports"


@pytest.fixture
def archive(lfw: Lfw) -> bytes:
    stored = io.BytesIO()
    with zipfile.ZipFile(stored, "w") as made:
        for number in (1, 2):
            made.writestr(f"=Donald/{number}.jpg", lfw.bytes("Donald_Rumsfeld", number))
        made.writestr("Hans/1.jpg", lfw.bytes("Hans_Blix", 2))
        made.writestr("../out.jpg", lfw.bytes("Hans_Blix", 1))
    return stored.getvalue()


@pytest.fixture(autouse=True)
def lfw_sized(gallery: Gallery, settings: Any, tmp_path: Path) -> None:
    settings.VAR_DIR = tmp_path / "var"
    Gallery.objects.filter(pk=gallery.pk).update(several_faces="central", min_face=60)


def made(client: APIClient, gallery: Gallery, **fields: Any) -> Any:
    body = {
        "gallery": str(gallery.public_id), "source": {"kind": "archive"},
        "layout": {"kind": "folders"}, **fields,
    }  # fmt: skip
    return client.post(IMPORTS, body, format="json")


def put(client: APIClient, job: str, offset: int, data: bytes) -> Any:
    return client.put(
        f"{IMPORTS}/{job}/archive?offset={offset}", data, content_type="application/octet-stream"
    )


def removed_later() -> int:
    """What is removed in an hour."""
    for path in uploads_folder().glob("*"):
        os.utime(path, (path.stat().st_atime, path.stat().st_mtime - 3601))
    return remove_old_uploads()


def shown(client: APIClient, job: str) -> Any:
    while work("worker"):
        pass
    return client.get(f"{IMPORTS}/{job}").json()


def test_an_archive_comes_in_pieces_is_planned_started_and_reported(
    operator: APIClient, gallery: Gallery, archive: bytes
) -> None:
    job = made(operator, gallery).json()["id"]
    half = len(archive) // 2
    assert put(operator, job, 0, archive[:half]).json()["uploaded"] == half
    again = put(operator, job, 0, archive[:half])
    assert (again.status_code, again.json()["code"]) == (409, "wrong_offset")
    assert again.json()["uploaded"] == half
    assert put(operator, job, half, archive[half:]).status_code == 200
    assert operator.post(f"{IMPORTS}/{job}/uploaded").json()["state"] == "planning"

    planned = shown(operator, job)
    assert (planned["state"], planned["plan"]["photos"]) == ("planned", 3)
    assert planned["plan"]["refused"] == {"unsafe_name": 1}
    assert planned["source"] == {"kind": "archive"}
    assert operator.post(f"{IMPORTS}/{job}/start").json()["state"] == "running"

    done = shown(operator, job)
    counts = done["progress"]
    assert (done["state"], counts["files"]) == ("done", 4)
    assert (counts["enrolled"], counts["rejected"], counts["waiting"]) == (3, 1, 0)
    (refused,) = operator.get(f"{IMPORTS}/{job}/items?state=rejected").json()["results"]
    assert refused["code"] == "unsafe_name"

    answer = operator.get(f"{IMPORTS}/{job}/report")
    lines = list(csv.reader(io.StringIO(b"".join(answer.streaming_content).decode())))
    assert len(lines) == 5
    assert {line[3] for line in lines[1:]} == {"'=Donald", "Hans", ""}
    book = load_workbook(io.BytesIO(operator.get(f"{IMPORTS}/{job}/report?as=xlsx").content))
    assert [[str(cell or "") for cell in row] for row in book["files"].values] == lines
    # Its archive goes a week later, and within two hours of its job.
    assert (remove_old_uploads(), upload_path(ImportJob.objects.get()).exists()) == (0, True)
    ImportJob.objects.all().delete()
    assert removed_later() == 1


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ({"source": {"kind": "folder"}}, 400),
        ({"source": {"kind": "archive", "path": "/etc"}}, 400),
        ({"source": {"kind": "urls", "path": "/etc/passwd"}}, 400),
        ({"source": {"kind": "urls", "urls": []}}, 400),
        ({"source": {"kind": "urls", "urls": ["https://example.org/a_1.jpg\nb"]}}, 400),
        ({"source": {"kind": "urls", "urls": ["https://example.org/" + "a" * 2000]}}, 400),
        ({"source": {"kind": "archive", "urls": ["https://example.org/a_1.jpg"]}}, 400),
        ({"layout": {"kind": "guess"}}, 400),
        ({"layout": {"kind": "manifest", "manifest": "/etc/passwd"}}, 400),
        ({"layout": {"kind": "names", "manifest": "sent"}}, 400),
        ({"layout": {"kind": "manifest", "manifest": "inside"}}, 201),
        ({"layout": {"kind": "manifest"}}, 201),
        ({"several_faces": "all"}, 400),
        ({"priority": 99}, 400),
    ],
)
def test_what_is_asked(
    operator: APIClient, gallery: Gallery, fields: dict[str, Any], status: int
) -> None:
    answer = made(operator, gallery, **fields)
    assert answer.status_code == status
    if status == 201:  # a path on the server is nobody's to name
        assert ImportJob.objects.get().layout == answer.json()["layout"] == {"kind": "manifest"}


@pytest.mark.parametrize(
    "source",
    [
        {"kind": "folder", "path": "/etc"},
        {"kind": "folder", "path": "{root}/../elsewhere"},
        {"kind": "folder", "path": "{root}/link"},
        {"kind": "bucket", "bucket": "secrets"},
        {"kind": "urls"},
        {"kind": "urls", "urls": ["https://example.org/a_1.jpg"]},
    ],
)
def test_what_the_settings_don_t_open_is_refused_at_once(
    operator: APIClient, gallery: Gallery, source: dict[str, str], tmp_path: Path, settings: Any
) -> None:
    (tmp_path / "root").mkdir()
    (tmp_path / "root/link").symlink_to("/etc")
    settings.IMPORT_ROOTS, settings.IMPORT_BUCKETS = [tmp_path / "root"], ["photos"]
    if "path" in source:
        source = {**source, "path": source["path"].format(root=tmp_path / "root")}
    refused = made(operator, gallery, source=source)
    assert (refused.status_code, refused.json()["code"]) == (403, "source_not_allowed")
    assert not ImportJob.objects.exists()
    assert not AuditEntry.objects.filter(action__startswith="import.").exists()
    assert not (tmp_path / "var/imports").exists()


def test_web_addresses_come_with_the_job(
    operator: APIClient, gallery: Gallery, settings: Any
) -> None:
    """This machine is inside of something, so nothing is fetched from it; all else is real."""
    settings.IMPORT_URLS = True
    urls = ["http://127.0.0.1:1/17_front.jpg", "ftp://example.org/18_a.jpg", "no address"]
    source = {"kind": "urls", "urls": urls}
    job = made(operator, gallery, source=source, layout={"kind": "names"}).json()
    assert (job["state"], job["source"]) == ("planning", {"kind": "urls"})
    stored = upload_path(ImportJob.objects.get())
    assert stored.read_text().splitlines() == urls
    assert shown(operator, job["id"])["plan"]["photos"] == 1
    operator.post(f"{IMPORTS}/{job['id']}/start")
    assert shown(operator, job["id"])["state"] == "done"
    items = operator.get(f"{IMPORTS}/{job['id']}/items").json()["results"]
    assert {each["name"]: each["code"] for each in items} == {
        "127.0.0.1/17_front.jpg": "blocked_address",
        "ftp:/example.org/18_a.jpg": "bad_url",
        "no address": "bad_url",
    }
    ImportJob.objects.all().delete()
    assert (removed_later(), stored.exists()) == (1, False)


def test_half_a_surrogate_pair_is_no_address(
    operator: APIClient, gallery: Gallery, settings: Any
) -> None:
    settings.IMPORT_URLS = True
    source = '{"kind": "urls", "urls": ["https://example.org/\\ud800.jpg"]}'
    body = (
        f'{{"gallery": "{gallery.public_id}", "source": {source}, "layout": {{"kind": "names"}}}}'
    )
    refused = operator.post(IMPORTS, body, content_type="application/json")
    assert (refused.status_code, refused.json()["code"]) == (400, "invalid")
    assert "one line of text" in refused.content.decode()


def test_a_long_list_of_addresses_comes_in_pieces(
    operator: APIClient, gallery: Gallery, settings: Any
) -> None:
    settings.IMPORT_URLS, settings.IMPORT_MAX_FILES = True, 2
    job = made(operator, gallery, source={"kind": "urls"}, layout={"kind": "names"}).json()["id"]
    assert operator.post(f"{IMPORTS}/{job}/uploaded").json()["code"] == "empty_file"
    first = b"http://127.0.0.1:1/17_a.jpg\nhttp://127."
    put(operator, job, 0, first)
    put(operator, job, len(first), b"0.0.1:1/17_b.jpg\n")
    refused = put(operator, job, len(first) + 17, b" " * 4000)
    assert (refused.status_code, refused.json()["code"]) == (413, "too_large")
    operator.post(f"{IMPORTS}/{job}/uploaded")
    planned = shown(operator, job)
    assert (planned["plan"]["photos"], planned["source"]) == (2, {"kind": "urls"})


def xlsx(*lines: str) -> bytes:
    book, stored = Workbook(), io.BytesIO()
    for line in lines:
        book.active.append(line.split(","))
    for cell in book.active["A"]:
        cell.data_type = "s"  # text, though it begins like a formula
    book.save(stored)
    return stored.getvalue()


LINES = ("file,external_id,name", "=Donald/1.jpg,7,Donald", "Hans/1.jpg,8,Hans")
SENT = {"kind": "manifest", "manifest": "sent"}


def send(client: APIClient, job: str, data: bytes, query: str = "") -> Any:
    content_type = "application/x-www-form-urlencoded"  # as curl does, unless it is told
    return client.put(f"{IMPORTS}/{job}/manifest{query}", data, content_type=content_type)


@pytest.mark.parametrize("table", ["\n".join(LINES).encode(), xlsx(*LINES)], ids=["csv", "xlsx"])
def test_a_manifest_comes_beside_the_archive(
    operator: APIClient, gallery: Gallery, archive: bytes, table: bytes
) -> None:
    job = made(operator, gallery, layout=SENT).json()["id"]
    put(operator, job, 0, archive)
    missing = operator.post(f"{IMPORTS}/{job}/uploaded")
    assert (missing.status_code, missing.json()["code"]) == (422, "empty_file")
    # What was begun is begun anew, and goes on where it ended.
    assert send(operator, job, b"something else").status_code == 200
    assert send(operator, job, table[:50]).json()["layout"] == SENT
    wrong = send(operator, job, table[50:], "?offset=49")
    assert (wrong.json()["code"], wrong.json()["uploaded"]) == ("wrong_offset", 50)
    assert send(operator, job, table[50:], "?offset=50").json()["state"] == "uploading"
    operator.post(f"{IMPORTS}/{job}/uploaded")
    plan = shown(operator, job)["plan"]
    assert (plan["photos"], plan["people"]) == (2, 2)
    assert plan["refused"] == {"not_in_manifest": 1, "unsafe_name": 1}
    late = send(operator, job, table)
    assert (late.status_code, late.json()["code"]) == (409, "import_state")
    operator.post(f"{IMPORTS}/{job}/start")
    assert shown(operator, job)["progress"]["enrolled"] == 2
    assert set(gallery.people.values_list("external_id", "name")) == {
        ("7", "Donald"), ("8", "Hans"),
    }  # fmt: skip
    ImportJob.objects.all().delete()
    assert removed_later() == 2


def test_a_manifest_comes_beside_a_folder(
    operator: APIClient, gallery: Gallery, lfw: Lfw, tmp_path: Path, settings: Any
) -> None:
    """A bad one is sent again; the job waits for it, and for nothing else."""
    settings.IMPORT_ROOTS, settings.IMPORT_MAX_MANIFEST_BYTES = [tmp_path], 200
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos/1.jpg").write_bytes(lfw.bytes("Hans_Blix", 1))
    source = {"kind": "folder", "path": str(tmp_path / "photos")}
    job = made(operator, gallery, source=source, layout=SENT).json()
    assert job["state"] == "uploading"
    refused = put(operator, job["id"], 0, b"PK")
    assert (refused.status_code, refused.json()["code"]) == (409, "import_state")
    send(operator, job["id"], b"file;who\n1.jpg;8\n")
    operator.post(f"{IMPORTS}/{job['id']}/uploaded")
    failed = shown(operator, job["id"])
    assert (failed["state"], failed["code"]) == ("failed", "missing_columns")
    assert failed["text"].startswith("The manifest has no column external_id in its first line")
    large = send(operator, job["id"], b"x" * 201)
    assert (large.status_code, large.json()["code"]) == (413, "too_large")
    assert shown(operator, job["id"])["state"] == "failed"
    again = send(operator, job["id"], b"file;external_id\n1.jpg;8\n").json()
    assert (again["state"], again["code"], again["finished_at"]) == ("uploading", "", None)
    operator.post(f"{IMPORTS}/{job['id']}/uploaded")
    assert shown(operator, job["id"])["plan"]["photos"] == 1
    without = made(operator, gallery).json()["id"]
    assert send(operator, without, b"file,external_id").json()["code"] == "import_state"


def test_an_upload_that_was_cancelled_goes_on_as_one(
    operator: APIClient, gallery: Gallery, archive: bytes
) -> None:
    job = made(operator, gallery).json()["id"]
    put(operator, job, 0, archive[:100])
    assert operator.post(f"{IMPORTS}/{job}/cancel").json()["state"] == "cancelled"
    resumed = operator.post(f"{IMPORTS}/{job}/resume").json()
    assert (resumed["state"], resumed["uploaded"]) == ("uploading", 100)
    assert shown(operator, job)["state"] == "uploading"
    put(operator, job, 100, archive[100:])
    operator.post(f"{IMPORTS}/{job}/uploaded")
    assert shown(operator, job)["state"] == "planned"


def test_others_see_nothing_of_it(client_of: Client, gallery: Gallery, archive: bytes) -> None:
    job = made(client_of(gallery, Role.OPERATOR), gallery).json()["id"]
    for client in (client_of(gallery, Role.VIEWER), client_of(GalleryFactory(), Role.ADMIN)):
        assert client.get(IMPORTS).json()["results"] == []
        assert client.get(f"{IMPORTS}/{job}").status_code == 404
        assert put(client, job, 0, archive).status_code == 404
        assert send(client, job, b"file,external_id").status_code == 404
        for act in ("uploaded", "start", "pause", "resume", "cancel", "undo", "retry"):
            assert client.post(f"{IMPORTS}/{job}/{act}").status_code == 404
        for part in ("items", "report", "sheet", "preview", "report?as=xlsx"):
            assert client.get(f"{IMPORTS}/{job}/{part}").status_code == 404
    assert made(client_of(gallery, Role.VIEWER), gallery).status_code == 403
    empty = client_of(gallery, Role.OPERATOR).post(f"{IMPORTS}/{job}/uploaded")
    assert (empty.status_code, empty.json()["code"]) == (422, "empty_file")


def test_what_is_no_archive_is_told_without_a_name_of_ours(
    operator: APIClient, gallery: Gallery
) -> None:
    job = made(operator, gallery).json()["id"]
    without = operator.put(
        f"{IMPORTS}/{job}/archive", b"x", content_type="application/octet-stream"
    ).json()
    assert without["errors"] == {
        "offset": ["Say at which byte this piece begins, as in ?offset=0."]
    }
    put(operator, job, 0, b"file;external_id\n")
    operator.post(f"{IMPORTS}/{job}/uploaded")
    failed = shown(operator, job)
    said = "What was sent is no ZIP or TAR archive, or is damaged from its start."
    assert (failed["state"], failed["text"]) == ("failed", said)
    refused = operator.post(f"{IMPORTS}/{job}/start").json()["detail"]
    assert refused == "An import that is failed can't be told to start. It can be told to resume."


def test_a_job_is_shown_without_the_rows_of_its_preview(
    operator: APIClient, gallery: Gallery, archive: bytes
) -> None:
    job = made(operator, gallery).json()["id"]
    put(operator, job, 0, archive)
    operator.post(f"{IMPORTS}/{job}/uploaded")
    plan = shown(operator, job)["plan"]
    assert plan["photos"] > 0
    assert "understanding" not in plan


def test_files_are_counted_by_code_and_found_by_words(
    operator: APIClient, gallery: Gallery, archive: bytes
) -> None:
    job = made(operator, gallery).json()["id"]
    put(operator, job, 0, archive)
    operator.post(f"{IMPORTS}/{job}/uploaded")
    shown(operator, job)
    operator.post(f"{IMPORTS}/{job}/start")
    shown(operator, job)

    (code,) = operator.get(f"{IMPORTS}/{job}/codes").json()
    assert (code["state"], code["code"], code["count"]) == ("rejected", "unsafe_name", 1)
    assert code["text"].startswith("Its name leads out of the source")

    def names(**query: str) -> list[str]:
        found = operator.get(f"{IMPORTS}/{job}/items", query).json()["results"]
        return [each["name"] for each in found]

    # In the order of the source.
    assert names() == ["=Donald/1.jpg", "=Donald/2.jpg", "Hans/1.jpg", "../out.jpg"]
    assert names(q="hans") == ["Hans/1.jpg"]
    assert names(q="donald", state="rejected") == []


def test_a_list_counts_the_files_of_all_its_jobs_at_once(
    operator: APIClient, gallery: Gallery, django_assert_max_num_queries: Any
) -> None:
    for _ in range(5):
        made(operator, gallery)
    with django_assert_max_num_queries(8):
        found = operator.get(IMPORTS, {"gallery": str(gallery.public_id)}).json()["results"]
    assert [each["progress"]["files"] for each in found] == [0] * 5


def test_what_the_server_takes_photos_from(
    client_of: Client, gallery: Gallery, settings: Any, tmp_path: Path
) -> None:
    settings.IMPORT_ROOTS, settings.IMPORT_URLS, settings.IMPORT_BUCKETS = [tmp_path], True, ["b"]
    found = client_of(gallery, Role.OPERATOR).get(f"{IMPORTS}/sources").json()
    assert (found["folders"], found["urls"], found["buckets"]) == ([str(tmp_path)], True, ["b"])
    assert found["piece"] == 16 * 1024 * 1024
    assert client_of(gallery, Role.VIEWER).get(f"{IMPORTS}/sources").status_code == 403
