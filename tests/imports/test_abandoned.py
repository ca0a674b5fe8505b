"""What is sent only in part: an archive that never ends, and one whose beginning is gone."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone
from rest_framework.test import APIClient

from audit.models import AuditEntry
from imports.jobs import make_job
from imports.models import ImportJob
from imports.places import manifest_path, upload_path, uploads_folder
from imports.uploads import append, append_manifest, give_up_abandoned, remove_old_uploads
from people.models import Gallery
from tests.factories import SYSTEM
from workers.maintenance import tidy

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("media")]
IMPORTS = "/api/v1/imports"


@pytest.fixture(autouse=True)
def var(settings: Any, tmp_path: Path) -> None:
    settings.VAR_DIR, settings.IMPORT_ROOTS = tmp_path / "var", [tmp_path]
    settings.LEDGER_FILE = tmp_path / "ledger.jsonl"


@pytest.fixture
def job(gallery: Gallery) -> ImportJob:
    """A job with the first bytes of its archive."""
    made = make_job(SYSTEM, gallery, {"kind": "archive"}, {"kind": "folders"})
    return append(SYSTEM, made, 0, b"PK\3\4 and so on")


def silent_for(job: ImportJob, days: float) -> None:
    then = timezone.now() - timedelta(days=days)
    ImportJob.objects.filter(pk=job.pk).update(updated_at=then)


def put(client: APIClient, job: ImportJob, offset: int, data: bytes) -> Any:
    url = f"{IMPORTS}/{job.public_id}/archive?offset={offset}"
    return client.put(url, data, content_type="application/octet-stream")


def test_an_archive_that_never_ends_is_given_up_and_removed(job: ImportJob) -> None:
    silent_for(job, 8)
    assert upload_path(job).exists()
    tidy()
    job.refresh_from_db()
    assert (job.state, job.code, job.uploaded) == ("failed", "upload_abandoned", 0)
    assert "7 days" in job.text
    assert job.finished_at is not None
    assert not upload_path(job).exists()
    entry = AuditEntry.objects.get(action="import.give_up")
    assert (entry.actor, entry.target) == ("system:tidy", f"import:{job.public_id}")
    assert (entry.gallery, entry.details) == (job.gallery.public_id, {"bytes": 14})
    tidy()
    assert AuditEntry.objects.filter(action="import.give_up").count() == 1


def test_one_that_is_still_sent_stays(job: ImportJob, settings: Any) -> None:
    silent_for(job, 6.9)
    assert (give_up_abandoned(), remove_old_uploads()) == (0, 0)
    settings.IMPORT_UPLOAD_DAYS = 3
    append(SYSTEM, job, 14, b"more")
    assert give_up_abandoned() == 0
    silent_for(job, 3.1)
    assert give_up_abandoned() == 1


def test_a_piece_of_the_manifest_is_a_sign_of_life(gallery: Gallery, tmp_path: Path) -> None:
    layout = {"kind": "manifest", "manifest": "sent"}
    job = make_job(SYSTEM, gallery, {"kind": "folder", "path": str(tmp_path)}, layout)
    silent_for(job, 8)
    append_manifest(SYSTEM, job, 0, b"file,external_id\n")
    assert give_up_abandoned() == 0
    silent_for(job, 8)
    assert (give_up_abandoned(), remove_old_uploads()) == (1, 1)
    assert not manifest_path(job).exists()


def test_jobs_that_wait_for_somebody_are_not_given_up(job: ImportJob) -> None:
    for state in ("planning", "planned", "running", "paused"):
        ImportJob.objects.filter(pk=job.pk).update(state=state)
        silent_for(job, 99)
        assert (give_up_abandoned(), remove_old_uploads()) == (0, 0)


def test_one_that_was_given_up_is_sent_from_its_beginning(
    job: ImportJob, operator: APIClient
) -> None:
    silent_for(job, 8)
    tidy()
    again = operator.post(f"{IMPORTS}/{job.public_id}/resume").json()
    assert (again["state"], again["code"], again["uploaded"]) == ("uploading", "", 0)
    assert put(operator, job, 14, b"more").json()["code"] == "wrong_offset"
    assert put(operator, job, 0, b"PK\3\4").json()["uploaded"] == 4
    assert (give_up_abandoned(), remove_old_uploads()) == (0, 0)


def test_what_is_gone_is_not_taken_for_zeros(job: ImportJob, operator: APIClient) -> None:
    """A cancelled job's part is removed after a week; and backups have none at all."""
    upload_path(job).unlink()
    answer = put(operator, job, 14, b"the rest")
    assert (answer.status_code, answer.json()["code"]) == (409, "wrong_offset")
    assert answer.json()["uploaded"] == 0
    ended = operator.post(f"{IMPORTS}/{job.public_id}/uploaded")
    assert (ended.status_code, ended.json()["code"]) == (409, "wrong_offset")
    operator.post(f"{IMPORTS}/{job.public_id}/cancel")
    again = operator.post(f"{IMPORTS}/{job.public_id}/resume").json()
    assert (again["state"], again["uploaded"]) == ("uploading", 0)
    assert put(operator, job, 0, b"PK\3\4").json()["uploaded"] == 4


def test_a_job_without_its_manifest_waits_for_it_again(
    operator: APIClient, gallery: Gallery, tmp_path: Path
) -> None:
    layout = {"kind": "manifest", "manifest": "sent"}
    job = make_job(SYSTEM, gallery, {"kind": "folder", "path": str(tmp_path)}, layout)
    for step in ("cancel", "resume"):
        operator.post(f"{IMPORTS}/{job.public_id}/{step}")
    job.refresh_from_db()
    assert job.state == "uploading"


def test_a_file_whose_job_nobody_sees_yet_stays(job: ImportJob) -> None:
    """A list that comes with its job is written before the job is committed."""
    ImportJob.objects.all().delete()
    assert remove_old_uploads() == 0
    assert [path.name for path in uploads_folder().iterdir()] == [upload_path(job).name]
