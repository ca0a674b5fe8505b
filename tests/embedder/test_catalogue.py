"""The catalogue: manifests read strictly, files checked, models made of them."""

from __future__ import annotations

import math
import shutil
from hashlib import sha256
from pathlib import Path
from uuid import uuid4

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from embedder.calibration import MOST_PHOTOS, Calibration
from embedder.calibration.curves import RATES, SHARES
from embedder.catalogue import (
    DETECTION,
    EMBEDDING,
    Catalogue,
    record_calibration,
    record_evaluation,
)
from embedder.catalogue.catalogue import PACKAGED
from embedder.catalogue.manifest import read
from embedder.errors import (
    DimensionError,
    ManifestError,
    NotInstalledError,
    UnknownModelError,
    WeightsError,
)
from tests.embedder.shelf import ARCFACE, YUNET, Shelf, network, network_text, shared_network


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    return Shelf(tmp_path / "models")


def broken(shelf: Shelf) -> str:
    """Why the only broken manifest is so."""
    (found,) = shelf.catalogue.broken
    return found.reason


# What there is


def test_the_package_describes_its_own(shelf: Shelf) -> None:
    found = shelf.catalogue
    assert sorted(found.manifests) == ["dlib-resnet", "haar", "hog", "mtcnn", "sface", "yunet"]
    assert found.broken == []
    assert found.manifest("sface").dimension == 128
    assert found.manifest("yunet").dimension is None
    assert [each.name for each in found.installed(EMBEDDING)] == ["dlib-resnet"]
    assert [each.name for each in found.installed(DETECTION)] == ["haar", "hog", "mtcnn"]
    assert found.models() == ["haar-dlib-resnet", "hog-dlib-resnet", "mtcnn-dlib-resnet"]
    assert len(found.pairs()) == 4 * 2


def test_models_share_their_halves(shelf: Shelf) -> None:
    shelf.made()
    one = shelf.catalogue.load_pipeline("haar-net", threads=1)
    other = shelf.catalogue.load_pipeline("haar-net", threads=1)
    assert one is not other
    assert one._network is other._network
    assert one._aligner.detector is other._aligner.detector
    assert one.model == "haar-net"


def test_unknown_models_are_told_with_those_there_are(shelf: Shelf) -> None:
    found = shelf.catalogue
    with pytest.raises(UnknownModelError, match=r"no network 'x'\. There are: dlib-resnet, sface"):
        found.load_network("x")
    with pytest.raises(UnknownModelError, match="no detector 'sface'"):
        found.load_detector("sface")
    with pytest.raises(
        UnknownModelError, match=r"'mtcnn-x'\. Installed are: haar-dlib-resnet, hog"
    ):
        found.load_pipeline("mtcnn-x")
    with pytest.raises(NotInstalledError, match=r"Fetch it: manage\.py models pull yunet"):
        found.load_pipeline("yunet-dlib-resnet")


# Manifests


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ('title = "A network"', "", r"title is missing\. Write some text on one line"),
        ('licence = "MIT"', 'license = "MIT"', r"licence is missing"),
        ("mirrored = false", 'mirrored = "no"', r"mirrored is 'no'\. Write true or false"),
        ("mirrored = false", "mirrored = false\nflipped = 1", "flipped is an unknown field"),
        ("dimension = 128", "dimension = 512", r"dimension is 512\. .*use a network with 128"),
        ("dimension = 128", "dimension = true", "dimension is True"),
        ('task = "embedding"', 'task = "recognition"', "one of detection, embedding"),
        ('engine = "onnx"', 'engine = "keras"', "engine is 'keras'"),
        ('name = "net"', 'name = "Net"', "name is 'Net'"),
        ('name = "net"', 'name = "yunet"', "name is 'yunet', an engine's name"),
        ("size = 112", "size = 0", "size is 0"),
        ("size = 112", "size = 112\ndepth = 3", r"\[input\]: depth is an unknown field"),
        ('colour = "rgb"', 'colour = "grey"', r"colour is 'grey'\. Write one of rgb, bgr"),
        ("std = [128, 128, 128]", "std = [128, 0, 128]", "std holds a 0"),
        ("std = [128, 128, 128]", "std = [128, 128]", "a list of 3 numbers"),
        ("std = [128, 128, 128]", "std = [nan, 1, 1]", "a list of 3 numbers"),
        (ARCFACE, "[[1, 2], [3, 4]]", "a list of 5 points"),
        (ARCFACE, "[[1, 2], [1, 2], [3, 4], [5, 6], [7, 8]]", "not five different points"),
        (ARCFACE, "[[1, 2], [1, 3], [3, 4], [5, 6], [7, 113]]", "of a crop of 112 x 112"),
        ("[alignment]", "[alignment.detectors]\nmtcn = 1\n[alignment]", "a list of 5 points"),
        ("[input]", "[input", r"is no TOML"),
    ],
)
def test_a_manifest_is_read_strictly(shelf: Shelf, old: str, new: str, reason: str) -> None:
    assert old in network_text()
    shelf.put("net", network_text().replace(old, new), b"x")
    (found,) = shelf.catalogue.broken
    assert found.origin == shelf.folder / "net.toml"
    assert found.reason.startswith("net.toml")
    with pytest.raises(ManifestError, match=reason):
        read(found.origin)


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ('path = "net.onnx"', 'path = "../net.onnx"', "without folders"),
        ('path = "net.onnx"', 'path = "/etc/passwd"', "without folders"),
        ("bytes = 1", "bytes = 0", "bytes is 0"),
        ('url = "https://', 'url = "file://', "Write https://"),
        ('url = "https://h/net"', 'url = "https://"', "Write https://"),
        ('sha256 = "', 'sha256 = "x', "64 hexadecimal digits"),
    ],
)
def test_a_files_place_size_and_hash_are_read_strictly(
    shelf: Shelf, old: str, new: str, reason: str
) -> None:
    path = shelf.put("net", network_text(), b"x", url="https://h/net")
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new))
    with pytest.raises(ManifestError, match=reason):
        read(path)


def test_a_manifest_that_is_no_text_is_said(shelf: Shelf) -> None:
    (shelf.folder / "net.toml").write_bytes(b"\xff\xfe")
    assert broken(shelf) == "net.toml is not UTF-8 text. Save it as UTF-8."


def test_one_broken_manifest_takes_no_other_down(shelf: Shelf) -> None:
    shelf.made("good")
    shelf.put("bad", network_text("bad") + "\nunknown = 1\n")
    found = shelf.catalogue
    assert len(found.broken) == 1
    assert "mtcnn-good" in found.models()
    with pytest.raises(
        UnknownModelError, match=r"'mtcnn-bad'.*A manifest can't be used: bad\.toml"
    ):
        found.model("mtcnn-bad")


def test_names_clash_and_are_replaced_only_on_purpose(shelf: Shelf) -> None:
    shelf.put("sface", network_text("sface"), network())
    assert "sface.toml: name 'sface' is that of a model of Likeness itself" in broken(shelf)
    text = network_text("sface").replace("[input]", "replaces = true\n[input]")
    shelf.put("sface", text, network())
    found = shelf.catalogue
    assert found.broken == []
    assert found.manifest("sface").title == "A network"
    assert "mtcnn-sface" in found.models()

    shelf.put("twin", text, network(), file="sface.onnx")
    assert "name 'sface' is taken by sface.toml" in broken(shelf)
    shelf.put("twin", text.replace('"sface"', '"alone"'), network())
    assert "replaces is true, but nothing else is called 'alone'" in broken(shelf)


def test_yunet_in_the_packages_place(shelf: Shelf) -> None:
    shelf.yunet()
    detector = shelf.catalogue.load_detector("yunet")
    assert detector.name == "yunet"
    shelf.put("yunet", YUNET, b"no network")
    assert "can't use" in shelf.catalogue.problem("yunet")


# Files


def test_a_wrong_hash_is_named_with_the_remedy(shelf: Shelf) -> None:
    shelf.made()
    assert shelf.catalogue.missing(shelf.catalogue.manifest("net")) == ""
    (shelf.folder / "net.onnx").write_bytes(network(bias=1))
    with pytest.raises(NotInstalledError, match=r"net\.onnx has SHA-256 .* pull net --file PATH"):
        shelf.catalogue.load_network("net")
    assert "mtcnn-net" not in shelf.catalogue.models()


def test_loading_finds_what_the_manifest_can_not_know(shelf: Shelf) -> None:
    shelf.made("wide", data=network(512))
    shelf.made("damaged", data=network()[:-100])
    with pytest.raises(DimensionError, match="wide gives 512 numbers a face, not 128"):
        shelf.catalogue.load_network("wide")
    with pytest.raises(WeightsError, match=r"damaged\.onnx can't be opened"):
        shelf.catalogue.load_network("damaged")
    assert shelf.catalogue.problem("mtcnn") == ""


def test_the_folder_is_that_of_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LIKENESS_VAR_DIR", str(tmp_path / "data"))
    monkeypatch.delenv("LIKENESS_MODELS_DIR", raising=False)
    assert Catalogue().folder == tmp_path / "data" / "models"
    monkeypatch.setenv("LIKENESS_MODELS_DIR", str(tmp_path / "mine"))
    assert Catalogue().folder == tmp_path / "mine"


# What changes templates


def test_a_fingerprint_changes_with_what_changes_templates_only(shelf: Shelf) -> None:
    def fingerprint() -> str:
        return shelf.catalogue.model("mtcnn-net").fingerprint

    path = shelf.put("net", network_text(), network())
    text, first = path.read_text(), fingerprint()
    path.write_text(text.replace('title = "A network"', 'title = "Another title"'))
    assert fingerprint() == first
    for old, new in (
        ('"rgb"', '"bgr"'),
        ("mirrored = false", "mirrored = true"),
        ("51.6963", "51.6964"),
        ("mean = [127.5", "mean = [127"),
    ):
        path.write_text(text.replace(old, new))
        assert fingerprint() != first
    shelf.made(data=network(bias=1))
    assert fingerprint() != first
    assert shelf.catalogue.model("haar-net").fingerprint != fingerprint()


# Evaluations


@given(
    figures=st.dictionaries(
        st.from_regex(r"[A-Za-z0-9_-]{1,20}", fullmatch=True),
        st.floats(allow_nan=False, allow_infinity=False),
        min_size=1,
        max_size=5,
    ),
    again=st.floats(allow_nan=False, allow_infinity=False),
)
@settings(max_examples=30, deadline=None)
def test_figures_come_back_as_they_were_written(
    tmp_path_factory: pytest.TempPathFactory, figures: dict[str, float], again: float
) -> None:
    shelf = Shelf(tmp_path_factory.mktemp("models"))
    shelf.made()
    before = shelf.catalogue.manifest("net")
    for detector, measured in (("mtcnn", {"old": 1.0}), ("yunet", {"accuracy": again})):
        record_evaluation("net", detector, measured, catalogue=shelf.catalogue)
    path = record_evaluation("net", "mtcnn", figures, catalogue=shelf.catalogue)
    after = read(path)
    assert after.figures("mtcnn") == figures
    assert after.figures("yunet") == {"accuracy": again}
    assert after.figures("haar") == {}
    assert after.fingerprint == before.fingerprint
    assert (after.files, after.recipe, after.licence) == (
        before.files, before.recipe, before.licence,
    )  # fmt: skip


def test_figures_of_a_packaged_model_keep_its_comments(tmp_path: Path) -> None:
    shelf = Shelf(tmp_path)
    text = (PACKAGED / "mtcnn.toml").read_text()
    path = shutil.copy(PACKAGED / "mtcnn.toml", tmp_path / "mtcnn.toml")
    path.write_text(text.replace("[[files]]", "replaces = true\n\n[[files]]", 1))
    record_evaluation("mtcnn", "mtcnn", {"detection_rate": 1.0}, catalogue=shelf.catalogue)
    assert text.splitlines()[0] in path.read_text()
    assert read(path).figures("mtcnn") == {"detection_rate": 1.0}


def test_what_is_no_figure_changes_nothing(shelf: Shelf) -> None:
    shelf.made()
    before = (shelf.folder / "net.toml").read_text()
    for detector, figures in (
        ("mtcnn", {"accuracy": math.nan}),
        ("mtcnn", {"a b": 1.0}),
        ("none", {"accuracy": 1.0}),
    ):
        with pytest.raises(ManifestError):
            record_evaluation("net", detector, figures, catalogue=shelf.catalogue)
    assert (shelf.folder / "net.toml").read_text() == before


def test_a_network_of_one_detector_goes_with_no_other(shelf: Shelf) -> None:
    text = network_text().replace('engine = "onnx"', 'engine = "onnx"\ndetector = "mtcnn"')
    shelf.put("net", text, network())
    found = shelf.catalogue
    assert [name for name in found.models() if name.endswith("-net")] == ["mtcnn-net"]
    assert [each.name for each in found.pairs() if each.network.name == "net"] == ["mtcnn-net"]
    assert found.model("mtcnn-net").network.detector == "mtcnn"
    with pytest.raises(UnknownModelError, match=r"goes with one detector alone\. Use mtcnn-net"):
        found.model("haar-net")
    shelf.put("net", text.replace('"mtcnn"', '"eyes"'), network())
    assert "detector is 'eyes'" in broken(shelf)


def a_calibration(source: str = "somebody's photos") -> Calibration:
    return Calibration(
        id=uuid4(),
        source=source,
        people=60,
        photos=150,
        comparisons=tuple((60, 90 + k, 7_000) for k in range(MOST_PHOTOS)),
        strangers=(tuple(np.linspace(-1, 1.2, len(RATES)).round(6).tolist()),) * MOST_PHOTOS,
        genuine=(tuple(np.linspace(0.5, 1, len(SHARES)).round(6).tolist()),) * MOST_PHOTOS,
    )


@pytest.mark.parametrize("source", ["ours", 'a "quoted" \\ one', "José, 2026 😀"])
def test_a_calibration_comes_back_as_it_was_written(shelf: Shelf, source: str) -> None:
    shelf.made()
    before = shelf.catalogue.manifest("net")
    record_evaluation("net", "yunet", {"accuracy": 0.9}, catalogue=shelf.catalogue)
    kept, replaced = a_calibration(), a_calibration(source)
    for model, calibration in (
        ("mtcnn-net", a_calibration()),
        ("yunet-net", kept),
        ("mtcnn-net", replaced),
    ):
        record_calibration(model, calibration, catalogue=shelf.catalogue)
    after = shelf.catalogue.manifest("net")
    assert dict(after.calibrations) == {"mtcnn": replaced, "yunet": kept}
    assert after.figures("yunet") == {"accuracy": 0.9}
    assert after.fingerprint == before.fingerprint
    assert shelf.catalogue.model("haar-net").calibration is None


@pytest.mark.parametrize(
    ("field", "value", "reason"),
    [
        ("id", '"ours"', "id is 'ours'. Write a UUID."),
        ("source", f'"{"x" * 201}"', "source has 201 letters. Use at most 200."),
        ("people", "0", "people is 0. Write a whole number from 1"),
        ("comparisons", "[[1, 2, 3]]", "comparisons is a list of 1. Write 4 lists of 3 numbers"),
        ("strangers", "[1, 2, 3, 4]", "strangers is a list of 4. Write 4 lists of 113 numbers"),
        ("genuine", "[[0.5], [], [], []]", "genuine is [0.5]. Write 4 lists of 201 numbers each."),
        ("more", "1", "more is an unknown field."),
    ],
)
def test_what_is_no_calibration_is_refused(
    shelf: Shelf, field: str, value: str, reason: str
) -> None:
    shelf.made()
    path = record_calibration("mtcnn-net", a_calibration(), catalogue=shelf.catalogue)
    lines = [line for line in path.read_text().splitlines() if not line.startswith(f"{field} =")]
    path.write_text("\n".join([*lines, f"{field} = {value}", ""]))
    assert broken(shelf).startswith(f"net.toml [calibration] [mtcnn]: {reason}")


def test_the_guides_manifest_is_one(shelf: Shelf) -> None:
    guide = (Path(__file__).resolve().parents[2] / "docs" / "guide.md").read_text("utf-8")
    text = guide.split("```toml\n")[1].split("```")[0]
    data = shared_network("mobilefacenet_128.onnx")
    text = text.replace('sha256 = "..."', f'sha256 = "{sha256(data).hexdigest()}"')
    (shelf.folder / "mobilefacenet.toml").write_text(text)
    (shelf.folder / "mobilefacenet.onnx").write_bytes(data)
    assert shelf.catalogue.broken == []
    assert shelf.catalogue.problem("mobilefacenet") == ""
    shelf.mobilefacenet()
    ours = shelf.catalogue.manifest("mobilefacenet")
    (shelf.folder / "mobilefacenet.toml").write_text(text)
    assert shelf.catalogue.manifest("mobilefacenet").fingerprint == ours.fingerprint
