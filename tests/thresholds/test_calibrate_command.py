"""`manage.py calibrate` as somebody uses it who has not read about it."""

from __future__ import annotations

import json
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from django.core.management import CommandError, call_command

from embedder.evaluation.faces import FaceReader
from people.models import Gallery
from tests.conftest import Lfw
from tests.factories import GalleryFactory
from thresholds import services
from thresholds.management.commands import calibrate
from thresholds.models import Calibration
from thresholds.sources import from_folder

from .test_policies import crowded

pytestmark = pytest.mark.django_db
FEW = "A calibration needs 50 people with two photos or more; here are "


def run(*arguments: Any) -> str:
    out = StringIO()
    call_command("calibrate", *map(str, arguments), stdout=out)
    return out.getvalue()


@pytest.fixture
def folder(tmp_path: Path, lfw: Lfw) -> Path:
    """Sixty people with two photos each, the second of which shows nothing in one case in two."""
    for number, name in enumerate(lfw.people(60)):
        person = tmp_path / "photos" / name
        person.mkdir(parents=True)
        (person / "1.jpg").write_bytes(lfw.bytes(name))
        (person / "2.jpg").write_bytes(b"no picture" if number % 2 else lfw.bytes(name) + b" ")
    return tmp_path / "photos"


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("--images", "nowhere"), "nowhere is not a folder. Name the folder the photos lie in."),
        (("--images", "."), "\\. has no photos \\("),
        (("--gallery", "nobody"), "There is no gallery with the slug 'nobody'."),
        (("--gallery", "g", "--model", "m"), "A gallery has its own model. Leave --model out."),
        (("--gallery", "g", "--cache", "c"), "templates are stored already. Leave --cache out."),
        (("--gallery", "g", "--write", "nowhere/c.json"), "There is no folder nowhere to write"),
        (("--gallery", "g"), f"^{FEW}0.$"),
        (("--images", ".", "--model", "m"), "There is no model 'm'."),
    ],
)
def test_what_cannot_work_is_said(
    arguments: tuple[str, ...], sentence: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    GalleryFactory(slug="g")
    with pytest.raises(CommandError, match=sentence):
        run(*arguments)
    assert not Calibration.objects.exists()


def test_too_few_people_are_said_before_a_photo_is_embedded(tmp_path: Path) -> None:
    for name, photos in (("one", 1), ("two", 2)):
        (tmp_path / name).mkdir()
        for number in range(photos):
            (tmp_path / name / f"{number}.jpg").write_bytes(b"no picture")

    def reader(_advance: object) -> FaceReader:
        raise AssertionError("nothing is to be read")

    with pytest.raises(CommandError, match=f"^{FEW}1.$"):
        run("--images", tmp_path)
    with pytest.raises(calibrate.TooFewError):
        from_folder(tmp_path, reader, lambda *_: None)


def test_photos_without_a_face_are_counted_and_can_be_too_many(folder: Path) -> None:
    with pytest.raises(CommandError, match=f"^{FEW}30.$"):
        run("--images", folder)
    assert not Calibration.objects.exists()


def test_a_photo_that_cannot_be_read_is_named(folder: Path) -> None:
    broken = next(folder.glob("*/2.jpg"))
    broken.unlink()
    broken.symlink_to("gone.jpg")
    with pytest.raises(CommandError, match=f"^{broken}: No such file or directory.$"):
        run("--images", folder)


def test_stopped_it_says_what_is_kept(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def stopped(*_: object) -> None:
        raise calibrate.EvaluationInterruptedError("Stopped: so far.")

    monkeypatch.setattr(calibrate, "from_folder", stopped)
    for cache, kept in (((), "--cache FOLDER would"), (("--cache", folder), "The cache keeps")):
        with pytest.raises(CommandError, match=rf"Stopped: so far\. {kept}.*Nothing is") as raised:
            run("--images", folder, *cache)
        assert raised.value.returncode == 130


def test_stopped_while_comparing_nothing_is_kept(
    gallery: Gallery, monkeypatch: pytest.MonkeyPatch
) -> None:
    crowded(gallery)

    def stopped(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(services, "measure", stopped)
        with pytest.raises(KeyboardInterrupt):
            run("--gallery", gallery.slug)
    assert not Calibration.objects.exists()


def test_a_gallery_is_calibrated_and_written_down(gallery: Gallery, tmp_path: Path) -> None:
    crowded(gallery)
    said = run("--gallery", gallery.slug, "--write", tmp_path / "figures.json")
    made = Calibration.objects.get()
    assert (made.gallery, made.people, made.photos) == (gallery, 60, 120)
    assert f"{made} from people of the gallery {gallery.slug}: 60 people, 120 photos." in said
    written = json.loads((tmp_path / "figures.json").read_text())
    assert (written["id"], written["people"]) == (str(made.public_id), 60)
    assert np.isfinite(written["curves"]["1"]["strangers"]).all()
