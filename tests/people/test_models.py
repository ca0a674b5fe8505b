"""`manage.py models`, and what new galleries get."""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import sha256
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from rest_framework.test import APIClient

from audit.models import AuditEntry
from common.errors import Forbidden
from people.models import DEFAULT_MODEL, Gallery, KnownModel, Role
from people.services import create_gallery, use_model
from tests import factories
from tests.embedder.shelf import Shelf, network, network_text
from tests.embedder.web import Site, serving
from tests.factories import SYSTEM
from tests.fixtures import rows

pytestmark = pytest.mark.django_db


@pytest.fixture
def shelf(tmp_path: Path, settings: Any) -> Shelf:
    settings.MODELS_DIR = tmp_path / "models"
    return Shelf(settings.MODELS_DIR)


@pytest.fixture
def site() -> Iterator[Site]:
    with serving() as made:
        yield made


def models(*arguments: str) -> str:
    """What the command says."""
    out = StringIO()
    call_command("models", *arguments, stdout=out)
    return out.getvalue()


def checked() -> tuple[int, str]:
    out = StringIO()
    with pytest.raises(SystemExit) as ended:
        call_command("models", "check", stdout=out)
    return int(ended.value.code or 0), out.getvalue()


def table_row(said: str, name: str) -> list[str]:
    (row,) = (line for line in said.splitlines() if line.startswith(f"│ {name} "))
    return [cell.strip() for cell in row.strip("│").split("│")]


def remote(shelf: Shelf, site: Site, data: bytes) -> None:
    """A manifest whose file is on a server."""
    site.files["/net.onnx"] = data
    shelf.put("net", network_text(), data, url=f"{site.url}/net.onnx")
    (shelf.folder / "net.onnx").unlink()


# list


def test_the_list_says_what_there_is_and_why_not(shelf: Shelf) -> None:
    shelf.made("good")
    shelf.put("away", network_text("away"))
    shelf.put("broken", network_text("broken").replace('"rgb"', '"red"'))
    path = shelf.folder / "good.toml"
    path.write_text(path.read_text() + "[evaluation.mtcnn]\naccuracy = 0.98765\n")

    said = models("list")
    assert table_row(said, "mtcnn")[:2] == ["mtcnn", "detection"]
    assert table_row(said, "dlib-resnet")[2:4] == ["128", "CC0-1.0"]
    assert table_row(said, "good") == [
        "good", "embedding", "128", "MIT", "mtcnn: accuracy 0.9877", "yes",
    ]  # fmt: skip
    assert table_row(said, "away")[-1] == "no"
    lines = said.splitlines()
    assert "  mtcnn-dlib-resnet  (for new galleries)" in lines
    assert "  mtcnn-good" in lines
    assert "  mtcnn-away" not in lines
    assert (
        "away.onnx of away is not there. Fetch it: manage.py models pull away --file PATH" in lines
    )
    assert "broken.toml [input]: colour is 'red'. Write one of rgb, bgr." in lines
    assert lines[-1] == f"Manifests and files of your own: {shelf.folder}"


# pull


def test_pull_fetches_and_loads(shelf: Shelf, site: Site) -> None:
    data = network()
    remote(shelf, site, data)
    assert models("pull", "net") == "net is installed.\n"
    assert (shelf.folder / "net.onnx").read_bytes() == data
    assert models("pull", "mtcnn-net") == "mtcnn is installed.\nnet is installed.\n"
    assert site.asked == [""]


def test_pull_of_another_file_ends_with_a_sentence_and_leaves_nothing(
    shelf: Shelf, site: Site
) -> None:
    remote(shelf, site, network())
    site.files["/net.onnx"] = network(bias=1)
    with pytest.raises(CommandError, match="another SHA-256 than its manifest says"):
        models("pull", "net")
    assert [path.name for path in shelf.folder.iterdir()] == ["net.toml"]


def test_pull_of_a_file_brought_by_hand(shelf: Shelf, tmp_path: Path) -> None:
    shelf.made()
    brought = (shelf.folder / "net.onnx").rename(tmp_path / "from a stick")
    with pytest.raises(CommandError, match="has no address in its manifest"):
        models("pull", "net")
    with pytest.raises(CommandError, match="Say whose file it is: mtcnn or net"):
        models("pull", "mtcnn-net", "--file", str(brought))
    said = models("pull", "net", "--file", str(brought))
    assert said == f"Copied to {shelf.folder / 'net.onnx'}.\nnet is installed.\n"


def test_pull_of_what_is_there_but_of_no_use(shelf: Shelf) -> None:
    shelf.made(data=network(64))
    with pytest.raises(CommandError, match=r"net can't be used\. .*64 numbers a face, not 128"):
        models("pull", "net")
    with pytest.raises(CommandError, match="There is no detector or network 'nett'"):
        models("pull", "nett")


# check


def test_check_says_what_is_wrong_by_its_exit_code(shelf: Shelf) -> None:
    shelf.made("good")
    shelf.put("away", network_text("away"))
    code, said = checked()
    assert code == 0
    assert [line.split()[:2] for line in said.splitlines()] == [
        ["ok", name] for name in ("dlib-resnet", "good", "haar", "hog", "mtcnn")
    ]

    shelf.made("wide", data=network(512))
    code, said = checked()
    assert code == 1
    (line,) = (line for line in said.splitlines() if line.startswith("wrong"))
    assert line.split()[:2] == ["wrong", "wide"]
    assert "gives 512 numbers a face, not 128" in line


def test_check_reads_what_it_loaded_before(shelf: Shelf) -> None:
    shelf.made("good")
    assert checked()[0] == 0
    data = (shelf.folder / "good.onnx").read_bytes()
    (shelf.folder / "good.onnx").write_bytes(data[:-1] + b"x")
    code, said = checked()
    assert code == 1
    assert f"good: good.onnx has SHA-256 {sha256(data[:-1] + b'x').hexdigest()}, expected" in said


def test_check_finds_broken_manifests_and_models_that_are_others_than_before(shelf: Shelf) -> None:
    shelf.made()
    use_model(SYSTEM, "mtcnn-net")
    shelf.made(data=network(bias=1))
    shelf.put("broken", "name = 1")
    code, said = checked()
    assert code == 1
    wrong = [line for line in said.splitlines() if line.startswith("wrong")]
    assert len(wrong) == 2
    assert "broken.toml: name is 1. Write small letters" in wrong[0]
    assert "The model 'mtcnn-net' is not the one that had this name here before" in wrong[1]


# use


def test_use_is_for_new_galleries_and_audited(shelf: Shelf, admin_api: APIClient) -> None:
    shelf.made()
    before = create_gallery(SYSTEM, name="a", slug="a")
    said = models("use", "mtcnn-net")
    first, second = said.splitlines()
    assert first == "New galleries get mtcnn-net. Those there are keep theirs."
    assert second.startswith("There is no calibration of mtcnn-net yet: searches give scores")
    entry = AuditEntry.objects.get(action="model.use")
    assert (entry.actor, entry.target) == ("system:command-line", "model:mtcnn-net")

    body = {"name": "b", "slug": "b"}
    assert admin_api.post("/api/v1/galleries", body, format="json").json()["model"] == "mtcnn-net"
    before.refresh_from_db()
    assert before.model == DEFAULT_MODEL
    assert "  mtcnn-net  (for new galleries)" in models("list").splitlines()

    models("use", DEFAULT_MODEL)
    body = {"name": "c", "slug": "c"}
    assert admin_api.post("/api/v1/galleries", body, format="json").json()["model"] == DEFAULT_MODEL
    chosen = KnownModel.objects.filter(for_new_galleries=True)
    assert [each.name for each in chosen] == [DEFAULT_MODEL]


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("mtcnn-none", "There is no model 'mtcnn-none'. Installed are: "),
        ("mtcnn-wide", "gives 512 numbers a face, not 128"),
        ("mtcnn-away", "away.onnx of away is not there"),
        ("mtcnn-damaged", "It is damaged, or no ONNX network"),
    ],
)
def test_use_refuses_with_the_reason(shelf: Shelf, name: str, reason: str) -> None:
    shelf.made("wide", data=network(512))
    shelf.made("damaged", data=b"damaged")
    shelf.put("away", network_text("away"))
    before = rows()
    with pytest.raises(CommandError, match=reason):
        models("use", name)
    assert rows() == before


def test_use_is_for_site_administrators(gallery: Gallery) -> None:
    actor = factories.actor(gallery, Role.ADMIN)
    before = rows()
    with pytest.raises(Forbidden):
        use_model(actor, DEFAULT_MODEL)
    assert rows() == before
