"""From a checkpoint to a network of the catalogue."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from embedder.__main__ import main
from embedder.catalogue import Catalogue
from embedder.errors import DimensionError, EmbedderError, TrainingError, WeightsError
from embedder.evaluation.collection import Collection, Pair
from embedder.evaluation.report import python
from embedder.training.export import export, held_out_of
from tests.conftest import ROOT, Lfw
from tests.embedder.trained import SMALL, built, checkpoint


@pytest.fixture
def models(tmp_path: Path) -> Path:
    return tmp_path / "models"


def left_in(folder: Path) -> list[str]:
    return sorted(each.name for each in folder.iterdir()) if folder.exists() else []


@pytest.mark.parametrize("averaged", [False, True])
def test_an_exported_network_serves_as_it_was_trained(
    tmp_path: Path, models: Path, *, averaged: bool
) -> None:
    path = checkpoint(tmp_path, people=["A", "B", "C"], averaged=averaged)
    manifest = export(path, "ours-1", Catalogue(models))
    assert left_in(models) == ["ours-1.safetensors", "ours-1.toml"]
    assert (manifest.name, manifest.engine, manifest.architecture) == ("ours-1", "torch", SMALL)
    assert (manifest.title, manifest.licence) == (f"{SMALL}, trained on 3 people", "private")
    assert manifest.mirrored
    assert manifest.detector == "mtcnn"
    (file,) = manifest.files
    data = (models / file.path).read_bytes()
    assert (file.sha256, file.bytes) == (sha256(data).hexdigest(), len(data))
    assert {oct(each.stat().st_mode & 0o777) for each in models.iterdir()} == {"0o644"}

    network = Catalogue(models).load_network("ours-1")
    crops = np.random.default_rng(0).integers(0, 256, (3, 112, 112, 3), dtype=np.uint8)
    with torch.inference_mode():
        raw = built()(torch.from_numpy(crops).permute(0, 3, 1, 2).float()).numpy()
    cosines = (network.embed(crops) * raw).sum(axis=1) / np.linalg.norm(raw, axis=1)
    assert cosines.min() > 0.999


def test_what_it_is_called_is_written_as_it_is(tmp_path: Path, models: Path) -> None:
    title = 'Ours, "second" try \\ José'
    path = checkpoint(tmp_path)
    manifest = export(path, "ours", Catalogue(models), title=title, licence="MIT", mirrored=False)
    assert (manifest.title, manifest.licence, manifest.mirrored) == (title, "MIT", False)


def poison(module: nn.Module) -> None:
    weight = module.bottleneck.linear.weight
    weight.data[0, 0] = float("nan")


def test_what_can_not_serve_leaves_nothing_behind(tmp_path: Path, models: Path) -> None:
    catalogue = Catalogue(models)
    with pytest.raises(DimensionError, match="gives 2 numbers a face, not 128"):
        export(checkpoint(tmp_path, dimension=2), "ours", catalogue)
    with pytest.raises(WeightsError, match="holds NaN or infinity"):
        export(checkpoint(tmp_path, change=poison), "ours", catalogue)
    path = checkpoint(tmp_path)
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(TrainingError, match=r"last\.pt is no checkpoint, or damaged"):
        export(path, "ours", catalogue)
    with pytest.raises(TrainingError, match="no checkpoint"):
        export(tmp_path / "none.pt", "ours", catalogue)
    path = checkpoint(tmp_path)
    with pytest.raises(EmbedderError, match="title is"):
        export(path, "ours", catalogue, title="two\nlines")
    assert left_in(models) == []


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("Ours", r"--name: name is 'Ours'\. Write small letters"),
        ("../ours", r"--name: name is '\.\./ours'"),
        ("x" * 61, "has 61 letters"),
        ("dlib-resnet", "The name 'dlib-resnet' is taken"),
        ("torch", "The name 'torch' is taken"),
        ("there", "The name 'there' is taken, and templates stay under the name"),
    ],
)
def test_a_name_stands_for_one_network_for_good(
    tmp_path: Path, models: Path, name: str, reason: str
) -> None:
    path = checkpoint(tmp_path)
    export(path, "there", Catalogue(models))
    before = {each: each.read_bytes() for each in models.iterdir()}
    with pytest.raises(EmbedderError, match=reason):
        export(path, name, Catalogue(models))
    assert {each: each.read_bytes() for each in models.iterdir()} == before


def test_a_folder_that_can_not_be_written_is_named(
    tmp_path: Path, models: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    if os.geteuid() == 0:
        models.write_text("a file where the folder should be")
    else:
        models.mkdir(mode=0o500)
    arguments = ["export", str(checkpoint(tmp_path)), "--name", "ours", "--models", str(models)]
    assert main(arguments) == 2
    assert str(models) in capsys.readouterr().err


def test_a_disk_without_room_leaves_nothing_behind(tmp_path: Path, models: Path) -> None:
    path = checkpoint(tmp_path)

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (500_000, 500_000))

    ended = subprocess.run(
        [sys.executable, "-m", "embedder", "export", path, "--name", "ours", "--models", models],
        cwd=ROOT,
        preexec_fn=limit,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 2
    assert ended.stderr.startswith("error: ")
    assert len(ended.stderr.splitlines()) == 1
    assert left_in(models) == []


# Measuring


def a_pair(first: str, second: str, fold: int) -> Pair:
    return Pair(Path(first) / "1.jpg", Path(second) / "2.jpg", first == second, fold)


def test_only_people_that_were_not_trained_on_are_measured() -> None:
    people = ["A", "B", "C", "D", "E"]
    collection = Collection(
        [Path(name) / f"{number}.jpg" for name in people for number in (1, 2)],
        [name for name in people for _ in (1, 2)],
    )
    pairs = [a_pair("A", "A", 0), a_pair("B", "C", 0), a_pair("C", "C", 2), a_pair("D", "E", 4)]
    photos, kept = held_out_of(collection, pairs, ["A", "B", "Z"])
    assert photos.people == ["C", "C", "D", "D", "E", "E"]
    assert photos.photos[:2] == [Path("C/1.jpg"), Path("C/2.jpg")]
    assert kept == [a_pair("C", "C", 0), a_pair("D", "E", 1)]
    with pytest.raises(TrainingError, match=r"Of 4 pairs 1 show only people .* in 1 folds"):
        held_out_of(collection, pairs, ["A", "B", "D"])
    genuine = [a_pair(name, name, fold) for fold, name in enumerate(people)]
    with pytest.raises(TrainingError, match="genuine and impostor ones, in two folds or more"):
        held_out_of(collection, genuine, [])
    single = Collection(collection.photos[::2], people)
    with pytest.raises(TrainingError, match="have one photo each, or are one"):
        held_out_of(single, pairs, [])


@pytest.fixture
def small(tmp_path: Path, lfw: Lfw) -> tuple[Path, Path]:
    """Two photos of three people in each of three folds, and their pairs."""
    lines, people = ["3\t3"], [n for n in lfw.people(900) if lfw.path(n, 2).is_file()][:9]
    for name in people:
        (tmp_path / "images" / name).mkdir(parents=True)
        for number in (1, 2):
            photo = lfw.path(name, number)
            (tmp_path / "images" / name / photo.name).write_bytes(photo.read_bytes())
    for fold in range(3):
        a, b, c = people[3 * fold : 3 * fold + 3]
        lines += [f"{name}\t1\t2" for name in (a, b, c)]
        lines += [f"{one}\t1\t{other}\t2" for one, other in ((a, b), (b, c), (c, a))]
    (tmp_path / "pairs.txt").write_text("\n".join(lines) + "\n")
    return tmp_path / "images", tmp_path / "pairs.txt"


def test_the_command_exports_measures_and_says_what_comes_next(
    tmp_path: Path,
    models: Path,
    small: tuple[Path, Path],
    capsys: pytest.CaptureFixture[str],
) -> None:
    images, pairs = small
    trained_on = sorted(each.name for each in images.iterdir())[:3]
    path = checkpoint(tmp_path, "dlib-resnet", people=trained_on)
    arguments = ["export", str(path), "--name", "ours", "--models", str(models)]
    arguments += ["--images", str(images), "--pairs", str(pairs)]
    assert main(arguments) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == f"ours.safetensors and ours.toml are in {models}."
    figures = Catalogue(models).manifest("ours").figures("mtcnn")
    assert {"accuracy", "accuracy_stderr", "fta"} <= figures.keys()
    assert figures["accuracy"] > 0.8
    assert lines[1].startswith(
        f"On 6 people that it was not trained on: accuracy {figures['accuracy']:.4f} +- "
    )
    assert lines[2].startswith("It has no calibration yet. A calibration needs 50 people")
    use = f"  {python()} manage.py models use mtcnn-ours --gallery SLUG   # in a gallery there is"
    assert use in lines
    # The same again: the name is taken, and nothing changes.
    before = (models / "ours.toml").read_bytes()
    assert main(arguments) == 2
    assert "The name 'ours' is taken" in capsys.readouterr().err
    assert (models / "ours.toml").read_bytes() == before


def test_a_calibration_goes_along_where_there_are_people_for_it(
    tmp_path: Path, models: Path, lfw: Lfw, capsys: pytest.CaptureFixture[str]
) -> None:
    people = [name for name in lfw.people(900) if lfw.path(name, 2).is_file()][:60]
    for name in people:
        (tmp_path / "photos" / name).mkdir(parents=True)
        for number in (1, 2):
            photo = lfw.path(name, number)
            (tmp_path / "photos" / name / photo.name).write_bytes(photo.read_bytes())
    path = checkpoint(tmp_path, "dlib-resnet", people=people[:4])
    # Without pairs some are drawn.
    arguments = ["export", str(path), "--name", "ours", "--models", str(models)]
    assert main([*arguments, "--images", str(tmp_path / "photos")]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[1].startswith("On 56 people that it was not trained on: accuracy ")
    assert lines[2] == "Its calibration, on the same people, goes along with it."
    assert not any("calibrate" in line for line in lines)
    carried = Catalogue(models).model("mtcnn-ours").calibration
    assert carried is not None
    assert (carried.people, carried.photos) == (56, 112)
    assert carried.source == "people it was not trained on, folder photos"
    assert Catalogue(models).broken == []


def test_what_can_not_be_measured_on_is_said_before_anything_is_written(
    tmp_path: Path,
    models: Path,
    small: tuple[Path, Path],
    capsys: pytest.CaptureFixture[str],
) -> None:
    images, pairs = small
    path = checkpoint(tmp_path, people=[each.name for each in images.iterdir()])
    arguments = ["export", str(path), "--name", "ours", "--models", str(models)]
    assert main([*arguments, "--pairs", str(pairs)]) == 2
    assert "Give --images, where they lie, too." in capsys.readouterr().err
    assert main([*arguments, "--images", str(images), "--pairs", str(pairs)]) == 2
    assert "Of 18 pairs 0 show only people" in capsys.readouterr().err
    assert left_in(models) == []
