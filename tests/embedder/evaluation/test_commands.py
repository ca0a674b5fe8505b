from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from embedder.__main__ import main
from embedder.catalogue import Catalogue
from tests.conftest import ROOT, Lfw
from tests.embedder.pictures import scene


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Templates that the tests of this module share."""
    return str(tmp_path_factory.mktemp("cache"))


@pytest.fixture
def small(tmp_path: Path, lfw: Lfw) -> Path:
    """A folder with five photos of 18 people."""
    folder = tmp_path / "images"
    people = [name for name in lfw.people(800) if lfw.path(name, 5).is_file()][:18]
    for name in people:
        (folder / name).mkdir(parents=True)
        for number in range(1, 6):
            photo = lfw.path(name, number)
            (folder / name / photo.name).write_bytes(photo.read_bytes())
    return folder


def evaluated(tmp_path: Path, *arguments: str) -> Any:
    """The JSON of a command that also draws a plot."""
    record, plot = tmp_path / "out.json", tmp_path / "out.png"
    assert main(["evaluate", *arguments, "--json", str(record), "--plot", str(plot)]) == 0
    with Image.open(plot) as picture:
        assert picture.format == "PNG"
        assert min(picture.size) > 200
    assert plot.stat().st_size < 100_000
    return json.loads(record.read_text("utf-8"))


def test_verification(
    tmp_path: Path, lfw: Lfw, cache: str, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["verification", "--images", f"{lfw.folder}/images", "--limit", "2"]
    arguments += ["--pairs", f"{lfw.folder}/pairs.txt", "--cache", cache]
    record = evaluated(tmp_path, *arguments)
    assert record["model"] == "mtcnn-dlib-resnet"
    assert record["pairs"] == 40
    assert len(record["fold_accuracies"]) == 10
    assert record["accuracy"] == pytest.approx(sum(record["fold_accuracies"]) / 10)
    assert record["accuracy"] > 0.9
    assert 0 < record["accuracy_stderr"] < 0.1 or record["accuracy"] == 1
    low, high = record["tmr_at_fmr"]["0.01"]["interval"]
    assert low <= record["tmr_at_fmr"]["0.01"]["tmr"] <= high
    assert record["tmr_at_fmr"]["1e-05"] == {"tmr": None, "interval": None}
    assert record["failures"] == {}
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("40 pairs in folds; all pairs of ")
    assert f"{record['accuracy']:.4f} +- {record['accuracy_stderr']:.4f}" in lines[-1]
    # The same seed and the same photos, this time out of the cache.
    assert evaluated(tmp_path, *arguments) == record


def test_the_main_figures_go_into_the_manifest(
    tmp_path: Path, lfw: Lfw, cache: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The package's own manifest stays as it is: one of ours stands in its place.
    monkeypatch.setenv("LIKENESS_MODELS_DIR", str(tmp_path))
    for name in ("dlib-resnet", "mtcnn"):
        packaged = Catalogue().manifest(name).origin.read_text("utf-8")
        text = packaged.replace("[[files]]", "replaces = true\n\n[[files]]", 1)
        (tmp_path / f"{name}.toml").write_text(text, "utf-8")
    record = evaluated(
        tmp_path,
        *["verification", "--images", f"{lfw.folder}/images", "--limit", "2", "--cache", cache],
        *["--pairs", f"{lfw.folder}/pairs.txt", "--record"],
    )
    written = Catalogue().manifest("dlib-resnet")
    assert written.origin.parent == tmp_path
    figures = written.figures("mtcnn")
    assert figures["accuracy"] == round(record["accuracy"], 4)
    assert figures["tmr_1e-2"] == round(record["tmr_at_fmr"]["0.01"]["tmr"], 4)
    assert "tmr_1e-5" not in figures, "too few pairs to know"
    arguments = ["--faces", f"{lfw.folder}/images", "--none", "skimage", "--limit", "8"]
    evaluated(tmp_path, "detection", *arguments, "--detector", "mtcnn", "--record")
    found = Catalogue().manifest("mtcnn").figures("mtcnn")
    assert found == {"detection_rate": 1, "false_detection_rate": 0}


def test_identification_and_quality(
    tmp_path: Path, small: Path, cache: str, capsys: pytest.CaptureFixture[str]
) -> None:
    common = ["--images", str(small), "--cache", cache]
    record = evaluated(
        tmp_path, "identification", *common, "--sizes", "8", "14", "--enrol", "2", "--draws", "4"
    )
    ways = [(gallery["size"], gallery["enrolment"]) for gallery in record["galleries"]]
    assert ways == [(size, way) for size in (8, 14) for way in ("one photo", "best", "fused")]
    for gallery in record["galleries"]:
        assert gallery["searches"] == 4 * 3 * gallery["size"]
        assert gallery["stranger_searches"] == 4 * 4 * 5
        assert 0.8 < gallery["rank_1"] <= gallery["rank_10"] <= 1
        fnir = gallery["fnir_at_fpir"]
        assert fnir["0.003"] is None
    assert "fused of 2" in capsys.readouterr().out
    assert main(["evaluate", "quality", *common, "--figure", "beauty"]) == 2
    assert "'beauty' is no figure" in capsys.readouterr().err
    assert main(["evaluate", "quality", *common]) == 2
    assert "more impostor pairs" in capsys.readouterr().err


def test_quality(tmp_path: Path, lfw: Lfw, cache: str) -> None:
    # One photo of most people is enough for the impostors.
    record = evaluated(
        tmp_path, "quality", "--images", f"{lfw.folder}/images", "--limit", "110", "--cache", cache
    )
    assert record["figure"] == "score"
    assert [row["share"] for row in record["rejected"]] == [0, 0.05, 0.1, 0.2]
    first = record["rejected"][0]
    assert first["worst"] == pytest.approx(first["at_random"])
    assert first["at_random_deviation"] == 0


def test_resolution(tmp_path: Path, lfw: Lfw, cache: str) -> None:
    record = evaluated(
        tmp_path,
        *["resolution", "--images", f"{lfw.folder}/images", "--widths", "28", "--limit", "1"],
        *["--pairs", f"{lfw.folder}/pairs.txt", "--cache", cache],
    )
    assert [row["width"] for row in record["widths"]] == [None, 28]
    assert record["widths"][1]["reduced"] == 1


def test_detection(tmp_path: Path, lfw: Lfw, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["--faces", f"{lfw.folder}/images", "--none", "skimage", "--limit", "8"]
    record = evaluated(tmp_path, "detection", *arguments, "--detector", "mtcnn")
    assert record["detector"] == "mtcnn"
    assert (record["detection_rate"], record["miss_rate"]) == (1, 0)
    assert record["false_detection_rate"] == 0
    assert (record["with_face"], record["without_face"]) == (8, 7)
    assert "| mtcnn    | 1.0000         | 0.0000    | 0.0000 " in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["--json", "missing/out.json"], "missing is not a folder. Make it"),
        (["--images", "missing"], "pairs.txt, line 2: "),
        (["--pairs", "missing.txt"], "missing.txt"),
        (["--model", "mtcnn-unheard-of"], "unheard-of"),
    ],
)
def test_errors_come_before_the_work(
    lfw: Lfw, capsys: pytest.CaptureFixture[str], arguments: list[str], text: str
) -> None:
    given = ["--images", f"{lfw.folder}/images", "--pairs", f"{lfw.folder}/pairs.txt"]
    assert main(["evaluate", "verification", *given, *arguments]) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ")
    assert text in error


def test_plots_need_an_extra(
    lfw: Lfw, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    # What Python itself does for a module that must not be found.
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    arguments = ["--faces", f"{lfw.folder}/images", "--none", "skimage", "--plot", "out.png"]
    assert main(["evaluate", "detection", *arguments]) == 2
    assert "make extra-evaluation" in capsys.readouterr().err


def test_a_plot_of_an_unknown_kind(
    tmp_path: Path, lfw: Lfw, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["--faces", f"{lfw.folder}/images", "--none", "skimage", "--limit", "1"]
    plot = tmp_path / "out.doc"
    assert main(["evaluate", "detection", *arguments, "--plot", str(plot)]) == 2
    assert not plot.exists()
    assert "out.doc: plots are .png or .svg files" in capsys.readouterr().err


def test_help_needs_no_torch() -> None:
    code = (
        "import sys, embedder.__main__ as m\n"
        "try: m.main(['evaluate', 'verification', '--help'])\n"
        "finally: assert not {'torch', 'matplotlib', 'rich'} & set(sys.modules)"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert (result.returncode, result.stderr) == (0, "")
    assert "--pairs" in result.stdout


def test_a_folder_in_which_no_face_is_found(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Failures to acquire are misses; nothing is left out, and nothing breaks."""
    for person in ("Ann", "Bob", "Cy", "Dee"):
        (tmp_path / person).mkdir()
        for number, shift in ((1, 0), (2, 40)):
            picture = scene(160 + shift + 10 * ord(person[0]) % 70, 120)
            picture.save(tmp_path / person / f"{person}_{number:04d}.jpg")
    pairs = tmp_path / "pairs.txt"
    pairs.write_text("2\t1\nAnn\t1\t2\nAnn\t1\tBob\t1\nCy\t1\t2\nCy\t1\tDee\t1\n", "utf-8")
    record = evaluated(tmp_path, "verification", "--images", str(tmp_path), "--pairs", str(pairs))
    assert record["accuracy"] == 0.5
    assert record["fta"] == 1
    assert set(record["failures"].values()) == {"no_face"}
    assert len(record["failures"]) == 8
    assert "| 1.0000 |" in capsys.readouterr().out
