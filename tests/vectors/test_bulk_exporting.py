"""Templates into a file, and from there into another gallery."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from audit.models import AuditEntry
from common.errors import Forbidden
from people.models import DEFAULT_MODEL, Gallery, Person, Role
from tests.factories import SYSTEM, GalleryFactory, PersonFactory, actor, template
from vectors.bulk import exporting
from vectors.bulk.errors import UnusableFile
from vectors.bulk.exporting import FileExists, export
from vectors.models import PersonTemplate

from .bulk_files import loaded, sums

pytestmark = pytest.mark.django_db


def facts(gallery: Gallery) -> dict[str, tuple[Any, ...]]:
    """What is known of everybody with a template, by what they are called in a file."""
    templates = PersonTemplate.objects.filter(person__gallery=gallery).select_related("person")
    return {
        each.person.external_id or str(each.person.public_id): (
            bytes(each.vector), each.model, each.face_count, each.person.name,
            each.person.metadata, each.person.active,
        )
        for each in templates
    }  # fmt: skip


@pytest.fixture
def full(gallery: Gallery) -> Gallery:
    """A gallery with everybody that there can be."""
    people = [
        PersonFactory(gallery=gallery, external_id="a", metadata={"k": ["é", None, 1.5]}),
        PersonFactory(gallery=gallery, external_id="=1+1", name="Ünï ,;\n\"'"),
        PersonFactory(gallery=gallery, name=""),
        PersonFactory(gallery=gallery, external_id="gone", active=False),
    ]
    for number, person in enumerate(people, 1):
        made = template(person, number)
        PersonTemplate.objects.filter(pk=made.pk).update(face_count=number)
    PersonFactory(gallery=gallery, external_id="without a template")
    template(PersonFactory(), 99)
    return gallery


def test_there_and_back(
    full: Gallery, indexed: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exporting, "PAGE", 3)
    path, steps = tmp_path / "out.parquet", []

    written = export(SYSTEM, full, path, progress=steps.append)

    assert (written.templates, written.model, steps) == (4, DEFAULT_MODEL, [3, 1])
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [each.name for each in tmp_path.iterdir()] == ["out.parquet"]
    assert pq.read_schema(path).metadata[b"likeness.model"] == DEFAULT_MODEL.encode()

    other = GalleryFactory()
    assert sums(loaded(SYSTEM, other, path)) == (4, 0, 0, 0)
    assert facts(other) == facts(full)
    assert len(facts(full)) == 4
    assert sums(loaded(SYSTEM, full, path)) == (0, 0, 4, 0)
    assert Person.objects.filter(gallery=full).count() == 5


def test_an_empty_gallery(gallery: Gallery, indexed: str, tmp_path: Path) -> None:
    assert export(SYSTEM, gallery, tmp_path / "out.parquet").templates == 0
    assert sums(loaded(SYSTEM, gallery, tmp_path / "out.parquet")) == (0, 0, 0, 0)


def test_a_file_that_is_there_is_kept(full: Gallery, tmp_path: Path) -> None:
    path = tmp_path / "out.parquet"
    path.write_text("mine")
    with pytest.raises(FileExists, match="--force") as caught:
        export(SYSTEM, full, path)
    assert (caught.value.code, path.read_text()) == ("file_exists", "mine")
    assert export(SYSTEM, full, path, force=True).templates == 4
    assert pq.read_metadata(path).num_rows == 4


def test_only_a_file_is_replaced(full: Gallery, tmp_path: Path) -> None:
    """A device would be one for all programs no more, and `force` is soon typed."""
    pipe = tmp_path / "out.parquet"
    os.mkfifo(pipe)
    for path in (pipe, tmp_path):
        with pytest.raises(UnusableFile, match="is no file"):
            export(SYSTEM, full, path, force=True)
    assert pipe.is_fifo()


def test_a_link_stays_one(full: Gallery, tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    (tmp_path / "out.parquet").symlink_to(tmp_path / "there" / "out.parquet")
    export(SYSTEM, full, tmp_path / "out.parquet")
    assert pq.read_metadata(tmp_path / "there" / "out.parquet").num_rows == 4


def test_a_name_that_is_too_long(full: Gallery, tmp_path: Path) -> None:
    with pytest.raises(UnusableFile, match="too long"):
        export(SYSTEM, full, tmp_path / ("x" * 300))


def test_an_export_that_fails_leaves_nothing(
    full: Gallery, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full_disk(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    path = tmp_path / "out.parquet"
    path.write_text("mine")
    monkeypatch.setattr(exporting, "_batch", full_disk)
    with pytest.raises(UnusableFile, match="No space left"):
        export(SYSTEM, full, path, force=True)
    assert [each.read_text() for each in tmp_path.iterdir()] == ["mine"]
    with pytest.raises(UnusableFile, match="No such file"):
        export(SYSTEM, full, tmp_path / "nowhere" / "out.parquet")


def test_only_administrators_take_templates_away(full: Gallery, tmp_path: Path) -> None:
    path = tmp_path / "out.parquet"
    with pytest.raises(Forbidden):
        export(actor(full, Role.REVIEWER), full, path)
    assert not path.exists()
    before = AuditEntry.objects.count()
    export(actor(full, Role.ADMIN), full, path)
    entry = AuditEntry.objects.latest("id")
    assert AuditEntry.objects.count() == before + 1
    assert (entry.action, entry.gallery, entry.details) == (
        "vectors.export", full.public_id, {"templates": 4},
    )  # fmt: skip
