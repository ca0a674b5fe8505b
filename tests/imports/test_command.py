"""`manage.py import_photos`, as an operator uses it."""

from __future__ import annotations

import logging
import shutil
from io import StringIO
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest
from django.core.management import CommandError, call_command
from openpyxl import load_workbook
from rich.console import Console

from imports.management.commands import import_photos
from imports.models import ImportJob, JobState
from people.models import Gallery
from photos.models import Photo
from tests.conftest import Lfw
from tests.factories import GalleryFactory

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
    assert "4 files: 4 enrolled." in said
    again = run(folder, "--gallery", gallery.slug, "--yes")
    assert "4 files: 4 duplicate." in again
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


def test_a_dry_run_leaves_no_job_that_failed_and_deletes_none_that_is_there(
    folder: Path, gallery: Gallery, tmp_path: Path
) -> None:
    (tmp_path / "no.zip").write_text("no archive")
    with pytest.raises(CommandError, match="no ZIP or TAR archive"):
        run(tmp_path / "no.zip", "--gallery", gallery.slug, "--dry-run")
    assert not ImportJob.objects.exists()
    run(folder, "--gallery", gallery.slug, "--yes")
    with pytest.raises(CommandError, match="not with --resume"):
        run("--resume", ImportJob.objects.get().public_id, "--dry-run")
    assert ImportJob.objects.get().items.count() == 4


def test_a_job_that_failed_goes_on_once_its_source_is_there_again(
    folder: Path, gallery: Gallery
) -> None:
    run(folder, "--gallery", gallery.slug, "--yes")
    job = ImportJob.objects.get()
    job.items.filter(name__contains="Putin").update(state="waiting")
    ImportJob.objects.update(state=JobState.FAILED, code="storage_full", text="full")
    assert "4 files: 2 enrolled, 2 duplicate." in run("--resume", job.public_id)


def test_all_that_a_plan_found_adds_up_and_has_an_example(
    folder: Path, gallery: Gallery, tmp_path: Path
) -> None:
    (folder / "Hans_Blix/note.jpg").write_text("no photo at all")
    (folder / "loose[red].jpg").write_bytes(b"x")
    said = run(folder, "--gallery", gallery.slug, "--dry-run")
    assert "The first 6 files" in said
    assert "4 photos of 2 people, 2 of them new" in said
    assert "2 files can't be used:" in said
    assert "1 no_folder, such as loose[red].jpg: It lies in no person's folder." in said
    assert "1 unsupported_format, such as Hans_Blix/note.jpg: This is not a photo" in said
    end = run(folder, "--gallery", gallery.slug, "--yes")
    assert "6 files: 4 enrolled, 2 rejected." in end
    assert "rejected: 1 no_folder, 1 unsupported_format" in end


def test_a_table_s_columns_and_its_lines_without_a_photo_are_told(
    folder: Path, gallery: Gallery
) -> None:
    """And the table itself, where it lies among the photos, is no photo that was forgotten."""
    table = folder / "people.csv"
    table.write_text(
        "file;External ID;team\nHans_Blix/Hans_Blix_0001.jpg;7;UN\nno.jpg;8;\n", "utf-8"
    )
    said = run(folder, "--gallery", gallery.slug, "--manifest", table, "--dry-run")
    assert "team: UN" in said
    assert "Its columns: file, External ID (external_id), team (metadata)." in said
    assert "1 photos of 1 people" in said
    assert "3 files can't be used:\n  3 not_in_manifest, such as Hans_Blix/Hans_Blix_0002" in said
    assert "1 lines of the table stand for no photo:\n  1 missing_file, such as no.jpg" in said


def test_where_nothing_can_be_imported_nothing_begins(folder: Path, gallery: Gallery) -> None:
    for path in list(folder.rglob("*.jpg")):
        path.rename(folder / path.name)
    with pytest.raises(CommandError, match=r"nothing to import.*--layout names"):
        run(folder, "--gallery", gallery.slug, "--yes")
    assert ImportJob.objects.get().state == JobState.CANCELLED


@pytest.mark.parametrize("ending", ["csv", "XLSX"])
def test_a_report_of_each_file(folder: Path, gallery: Gallery, tmp_path: Path, ending: str) -> None:
    run(folder, "--gallery", gallery.slug, "--yes")
    file = tmp_path / f"report.{ending}"
    job = ImportJob.objects.get()
    assert str(file) in run("--resume", job.public_id, "--report", file)
    if ending == "csv":
        assert file.read_text("utf-8").count("enrolled") == 4
    else:
        assert len(list(load_workbook(file)["files"].values)) == 5
    with pytest.raises(CommandError, match="can't be written: No such file"):
        run("--resume", job.public_id, "--report", tmp_path / "none/x.csv")


@pytest.mark.parametrize("verbosity", [1, 2])
def test_only_warnings_are_logged_beside_the_bar(
    folder: Path, gallery: Gallery, verbosity: int
) -> None:
    seen: list[str] = []
    handler = logging.Handler()
    handler.emit = lambda record: seen.append(record.getMessage())  # type: ignore[method-assign]
    logging.getLogger().addHandler(handler)
    try:
        run(folder, "--gallery", gallery.slug, "--yes", "-v", verbosity)
    finally:
        logging.getLogger().removeHandler(handler)
    assert any("import stages" in each for each in seen) == (verbosity > 1)
    assert handler.level == logging.NOTSET


def test_a_table_is_no_source(folder: Path, gallery: Gallery) -> None:
    (folder / "people.csv").write_text("file;external_id")
    with pytest.raises(CommandError, match=r"people\.csv is a table.*--manifest"):
        run(folder / "people.csv", "--gallery", gallery.slug)


def test_what_isn_t_wanted_or_is_broken_off_before_it_starts_is_cancelled(
    folder: Path, gallery: Gallery, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(import_photos, "console_of", lambda _: Console(force_terminal=True))
    for answer in ("n", EOFError, KeyboardInterrupt):
        monkeypatch.setattr("builtins.input", Mock(side_effect=[answer]))
        run(folder, "--gallery", gallery.slug)
        assert ImportJob.objects.latest("pk").state == JobState.CANCELLED
    assert not Photo.objects.exists()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "Name a source"),
        (["/nowhere", "--gallery", "none"], "no gallery with the slug 'none'. There are: main"),
        (["/nowhere", "--gallery", "main"], "There is no file or folder /nowhere"),
        (["pyproject.toml", "--gallery", "main"], "pyproject.toml is no ZIP or TAR archive"),
        (["people.csv", "--gallery", "main", "--report", "x.pdf"], "--report writes .csv or .xlsx"),
        (["--resume", "01a20735-cf10-74a5-9a7c-eb9dc35a0dcb"], "There is no import"),
    ],
)
def test_what_can_t_be_done_is_said(arguments: list[str], said: str) -> None:
    GalleryFactory(slug="main")
    with pytest.raises(CommandError, match=said):
        run(*arguments)
