"""A trained network, exported, serves galleries: a new one, and one that had another model."""

from __future__ import annotations

from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from rest_framework.test import APIClient

from embedder.catalogue import Catalogue
from embedder.training.export import export
from enrolment.following import follow_generations
from enrolment.reembedding import reembed
from people.models import DEFAULT_MODEL, Gallery
from photos import pipeline
from photos.models import Face, Photo
from tests.conftest import Lfw
from tests.embedder.shelf import Shelf
from tests.embedder.trained import checkpoint
from tests.fixtures import process, rows, settle
from tests.identification.test_models import PEOPLE, enrol_all, identify, made_gallery
from vectors.models import PersonTemplate

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("media")]
OURS = "mtcnn-ours"


@pytest.fixture
def shelf(tmp_path: Path, settings: Any, monkeypatch: pytest.MonkeyPatch) -> Shelf:
    """A models folder with a network that was trained on from dlib's, and exported."""
    settings.MODELS_DIR = tmp_path / "models"
    kept = {name: each for name, each in pipeline._pipelines.items() if name == DEFAULT_MODEL}
    monkeypatch.setattr(pipeline, "_pipelines", kept)
    # One weight is another, as after a step: templates differ, but people are still found.
    path = checkpoint(
        tmp_path, "dlib-resnet", change=lambda module: module.head.weight.data[0].mul_(1.05)
    )
    export(path, "ours", Catalogue(settings.MODELS_DIR))
    return Shelf(settings.MODELS_DIR)


def use(*arguments: str) -> str:
    out = StringIO()
    call_command("models", "use", *arguments, stdout=out)
    return out.getvalue()


def all_are_found(client: APIClient, lfw: Lfw, gallery: str) -> None:
    for name in PEOPLE:
        answer = identify(client, lfw.bytes(name, 3), gallery).json()
        (face,) = answer["faces"]
        assert (answer["model"], answer["searched"]) == (OURS, 3)
        assert face["candidates"][0]["person"]["name"] == name


def embed_again() -> None:
    """What the sweeper and the photo workers do, until nothing is left."""
    while follow_generations():
        reembed()


def test_a_new_gallery_enrols_and_identifies_with_it(
    shelf: Shelf, admin_api: APIClient, lfw: Lfw, indexed: str
) -> None:
    said = use(OURS)
    assert said.startswith(f"New galleries get {OURS}. Those there are keep theirs.\n")
    assert f"There is no calibration of {OURS} yet: searches give scores" in said
    gallery = made_gallery(admin_api, "trained")
    assert Gallery.objects.get().model == OURS
    enrol_all(admin_api, gallery, lfw)
    process()
    settle(*Gallery.objects.all())
    assert set(Photo.objects.values_list("state", flat=True)) == {"enrolled"}
    all_are_found(admin_api, lfw, gallery)


def test_a_gallery_changes_to_it_with_one_command(
    shelf: Shelf, admin_api: APIClient, lfw: Lfw, indexed: str
) -> None:
    gallery = made_gallery(admin_api, "main")
    enrol_all(admin_api, gallery, lfw)
    process()
    settle(*Gallery.objects.all())
    said = use(OURS, "--gallery", "main", "--no-wait")
    assert "photos are embedded with mtcnn-ours first" in said
    # Until all are embedded it answers with the model that it had.
    assert Gallery.objects.get().model == DEFAULT_MODEL
    assert identify(admin_api, lfw.bytes(PEOPLE[0], 3), gallery).json()["model"] == DEFAULT_MODEL
    embed_again()
    settle()
    assert Gallery.objects.get().model == OURS
    assert Face.objects.filter(model=OURS, template__isnull=False).count() == 6
    assert PersonTemplate.objects.filter(model=OURS).count() == 3
    all_are_found(admin_api, lfw, gallery)

    with pytest.raises(CommandError, match="'main' has the model 'mtcnn-ours' already"):
        use(OURS, "--gallery", "main")


def test_it_waits_until_searches_use_it(
    shelf: Shelf,
    admin_api: APIClient,
    lfw: Lfw,
    indexed: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    gallery = made_gallery(admin_api, "main")
    enrol_all(admin_api, gallery, lfw)
    process()
    settle(*Gallery.objects.all())
    # Photo workers have their turn while the command waits.
    monkeypatch.setattr("vectors.cli.wait.time.sleep", lambda _seconds: embed_again())
    said = use(OURS, "--gallery", "main")
    assert "Searches of main use " in said
    all_are_found(admin_api, lfw, gallery)


def test_what_can_not_be_used_changes_nothing(
    shelf: Shelf, admin_api: APIClient, indexed: str
) -> None:
    made_gallery(admin_api, "main")
    use(OURS)
    before = rows()
    with pytest.raises(CommandError, match=r"There is no model 'mtcnn-none'\. Installed are: "):
        use("mtcnn-none", "--gallery", "main")
    path = shelf.folder / "ours.safetensors"
    whole = path.read_bytes()
    path.write_bytes(whole[:-1])
    with pytest.raises(CommandError, match=r"ours\.safetensors has SHA-256 .* it is damaged"):
        use(OURS, "--gallery", "main")
    path.write_bytes(whole)
    manifest = shelf.folder / "ours.toml"
    manifest.write_text(manifest.read_text().replace("mirrored = true", "mirrored = false"))
    with pytest.raises(CommandError, match="is not the one that had this name here before"):
        use(OURS, "--gallery", "main")
    path.unlink()
    with pytest.raises(CommandError, match=r"ours\.safetensors of ours is not there\. Fetch it"):
        use(OURS, "--gallery", "main")
    with pytest.raises(CommandError, match=r"no gallery with the slug 'none'\. There are: main"):
        use(DEFAULT_MODEL, "--gallery", "none")
    assert rows() == before
