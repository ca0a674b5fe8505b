"""`manage.py calibrate` as somebody uses it who has not read about it."""

from __future__ import annotations

from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from embedder.errors import TooFewPeopleError
from embedder.evaluation.faces import FaceReader
from people.models import Gallery
from tests.conftest import Lfw
from tests.embedder.shelf import Shelf
from tests.factories import GalleryFactory
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
        (("--gallery", "g", "--record"), "what counts for all. --record goes with --images."),
        (("--recorded", "--record"), "--record goes with --images."),
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
    with pytest.raises(TooFewPeopleError):
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
        patch.setattr("embedder.calibration.calibration.measure", stopped)
        with pytest.raises(KeyboardInterrupt):
            run("--gallery", gallery.slug)
    assert not Calibration.objects.exists()


def test_a_gallery_is_calibrated(gallery: Gallery) -> None:
    crowded(gallery)
    said = run("--gallery", gallery.slug)
    made = Calibration.objects.get()
    assert (made.gallery, made.people, made.photos) == (gallery, 60, 120)
    assert f"{made} from people of the gallery {gallery.slug}: 60 people, 120 photos." in said


def test_a_manifest_carries_it_wherever_it_goes(tmp_path: Path, lfw: Lfw, settings: Any) -> None:
    shelf = Shelf(tmp_path / "models")
    shelf.mobilefacenet()
    settings.MODELS_DIR = shelf.folder
    photos = tmp_path / "photos"
    for name in lfw.people(60):
        (photos / name).mkdir(parents=True)
        for number in (1, 2):
            (photos / name / f"{number}.jpg").write_bytes(lfw.bytes(name) + b" " * number)
    said = run("--images", photos, "--model", "mtcnn-mobilefacenet", "--record")
    made = Calibration.objects.get()
    assert f"{made} from labelled photos, folder photos: 60 people, 120 photos." in said
    carried = shelf.catalogue.model("mtcnn-mobilefacenet").calibration
    assert carried is not None
    assert (carried.id, carried.people, carried.photos) == (made.public_id, 60, 120)
    assert run("--recorded").count("mtcnn-dlib-resnet v1 from LFW") == 1

    Calibration.objects.all().delete()  # another installation, with the same manifest
    assert "mtcnn-mobilefacenet v1 from labelled photos" in run("--recorded")
    brought = Calibration.objects.get(model="mtcnn-mobilefacenet")
    assert (brought.public_id, brought.curves) == (made.public_id, made.curves)
    assert run("--recorded", "--model", "mtcnn-mobilefacenet") == ""
    said = run("--recorded", "--model", "haar-mobilefacenet")
    assert "no calibration of haar-mobilefacenet yet: searches give scores and decide" in said
