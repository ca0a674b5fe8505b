"""`manage.py import_photos`, as an operator uses it."""

from __future__ import annotations

import shutil
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from imports.models import ImportJob, JobState
from people.models import Gallery
from photos.models import Photo
from tests.conftest import Lfw

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("media")]


@pytest.fixture
def folder(tmp_path: Path, lfw: Lfw, settings: Any, gallery: Gallery) -> Path:
    Gallery.objects.filter(pk=gallery.pk).update(several_faces="central", min_face=60)
    settings.IMPORT_ROOTS = [tmp_path]
    for name in ("Hans_Blix", "Vladimir_Putin"):
        (tmp_path / "people" / name).mkdir(parents=True)
        for number in (1, 2):
            shutil.copy(lfw.path(name, number), tmp_path / "people" / name)
    return tmp_path / "people"


def run(*arguments: object) -> str:
    out = StringIO()
    call_command("import_photos", *map(str, arguments), stdout=out)
    return out.getvalue()


def test_a_folder_is_imported_and_again_changes_nothing(folder: Path, gallery: Gallery) -> None:
    said = run(folder, "--gallery", gallery.slug, "--yes")
    assert "4 photos of 2 people, 2 of them new" in said
    assert "4 files: 4 enrolled, 0 duplicate, 0 review, 0 rejected, 0 failed." in said
    again = run(folder, "--gallery", gallery.slug, "--yes")
    assert "4 files: 0 enrolled, 4 duplicate" in again
    assert Photo.objects.count() == 4


def test_a_dry_run_does_nothing(folder: Path, gallery: Gallery) -> None:
    said = run(folder, "--gallery", gallery.slug, "--dry-run")
    assert "Hans_Blix" in said
    assert "4 photos of 2 people" in said
    assert not Photo.objects.exists()
    assert not ImportJob.objects.exists()


def test_a_job_goes_on_where_it_was(folder: Path, gallery: Gallery) -> None:
    run(folder, "--gallery", gallery.slug, "--yes")
    job = ImportJob.objects.get()
    job.items.filter(name__contains="Putin").update(state="waiting")
    ImportJob.objects.update(state=JobState.PAUSED)
    assert "4 files: 2 enrolled, 2 duplicate" in run("--resume", job.public_id)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "Name a source"),
        (["/nowhere", "--gallery", "none"], "no gallery with the slug"),
        (["--resume", "01a20735-cf10-74a5-9a7c-eb9dc35a0dcb"], "There is no import"),
    ],
)
def test_what_can_t_be_done_is_said(arguments: list[str], said: str) -> None:
    with pytest.raises(CommandError, match=said):
        run(*arguments)
