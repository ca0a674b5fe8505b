"""Networks of the engine `torch`: weights in a safetensors file, behind the catalogue."""

from __future__ import annotations

import subprocess
import sys
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from embedder.catalogue.manifest import read
from embedder.errors import (
    CropsError,
    DimensionError,
    ManifestError,
    TemplateError,
    WeightsError,
)
from embedder.networks.architectures import ARCHITECTURES, Architecture
from embedder.networks.torch_network import TorchNetwork, read_module, write_weights
from embedder.pipeline import Pipeline
from tests.conftest import Lfw
from tests.embedder.shelf import Shelf
from tests.embedder.trained import SMALL, built, manifest_text, put


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    return Shelf(tmp_path / "models")


def weights_at(tmp_path: Path, architecture: str = SMALL, dimension: int = 128) -> Path:
    path = tmp_path / "net.safetensors"
    write_weights(path, built(architecture, dimension), architecture, dimension)
    return path


def some_crops(count: int, size: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (count, size, size, 3), dtype=np.uint8)


# What it computes


@pytest.mark.parametrize("architecture", sorted(ARCHITECTURES))
def test_it_serves_what_the_module_computes(tmp_path: Path, architecture: str) -> None:
    network = TorchNetwork(weights_at(tmp_path, architecture), architecture, name="net", bf16=False)
    size = ARCHITECTURES[architecture].crop_size
    assert (network.dimension, network.crop_size, network.precision) == (128, size, "fp32")
    crops = some_crops(6, size)
    with torch.inference_mode():
        raw = built(architecture)(torch.from_numpy(crops).permute(0, 3, 1, 2).float()).numpy()
    expected = raw / np.linalg.norm(raw, axis=1, keepdims=True)
    together = network.embed(crops)
    assert together.dtype == np.float32
    np.testing.assert_allclose(together, expected, atol=2e-5)
    alone = np.concatenate([network.embed(crop[None]) for crop in crops])
    np.testing.assert_allclose(alone, together, atol=1e-5)
    assert network.embed(crops[:0]).shape == (0, 128)
    for detector in ("mtcnn", "yunet", "haar", "hog"):
        np.testing.assert_array_equal(
            network.landmark_template(detector),
            ARCHITECTURES[architecture].landmark_template(detector),
        )


def test_bf16_is_measured_and_close(tmp_path: Path) -> None:
    path = weights_at(tmp_path, "dlib-resnet")
    rounded = TorchNetwork(path, "dlib-resnet", name="net", bf16=True)
    exact = TorchNetwork(path, "dlib-resnet", name="net", bf16=False)
    assert (rounded.precision, exact.precision) == ("bf16", "fp32")
    crops = some_crops(4, 150)
    cosines = (rounded.embed(crops) * exact.embed(crops)).sum(axis=1)
    assert 0.999 < cosines.min() < 1


def test_weights_come_back_as_they_were_to_train_on(tmp_path: Path) -> None:
    path = weights_at(tmp_path)
    again = read_module(path, SMALL, dropout=0.3)
    before = built().state_dict()
    after = again.state_dict()
    assert before.keys() == after.keys()
    for name, tensor in before.items():
        torch.testing.assert_close(after[name], tensor, rtol=0, atol=0)
    assert [m.p for m in again.modules() if isinstance(m, torch.nn.Dropout)] == [0.3]


# What it refuses


def changed(path: Path, **tensors: torch.Tensor | None) -> None:
    """Put tensors in the place of those of the file; None takes one out."""
    held = load_file(path) | {name.replace("__", "."): each for name, each in tensors.items()}
    kept = {name: each for name, each in held.items() if each is not None}
    save_file(kept, path, {"architecture": SMALL, "dimension": "128"})


def test_weights_of_another_architecture_are_refused(tmp_path: Path) -> None:
    path = weights_at(tmp_path)
    with pytest.raises(WeightsError, match=f"holds weights of {SMALL}, not of mobilefacenet"):
        TorchNetwork(path, "mobilefacenet", name="net")
    save_file(load_file(path), path, {"architecture": "mobilefacenet", "dimension": "128"})
    with pytest.raises(WeightsError, match="weights of another shape"):
        TorchNetwork(path, "mobilefacenet", name="net")
    save_file(load_file(path), path)
    with pytest.raises(WeightsError, match="weights of an unknown network, not of mobile"):
        TorchNetwork(path, "mobilefacenet", name="net")


def test_another_dimension_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DimensionError, match="gives 64 numbers a face, not 128"):
        TorchNetwork(weights_at(tmp_path, dimension=64), SMALL, name="net")


@pytest.mark.parametrize("keep", [0, 7, 5_000, 1_000_000])
def test_half_a_file_is_refused(tmp_path: Path, keep: int) -> None:
    path = weights_at(tmp_path)
    data = path.read_bytes()
    assert len(data) > keep
    path.write_bytes(data[:keep])
    with pytest.raises(WeightsError, match=r"net\.safetensors is damaged"):
        TorchNetwork(path, SMALL, name="net")


def test_a_pickle_is_refused_and_not_run(tmp_path: Path) -> None:
    path = tmp_path / "net.safetensors"
    torch.save(built().state_dict(), path)
    with pytest.raises(WeightsError, match="no safetensors file"):
        TorchNetwork(path, SMALL, name="net")


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_weights_that_are_not_finite_are_refused(tmp_path: Path, value: float) -> None:
    path = weights_at(tmp_path)
    weight = load_file(path)["bottleneck.linear.weight"]
    weight[3, 4] = value
    changed(path, bottleneck__linear__weight=weight)
    with pytest.raises(WeightsError, match=r"bottleneck\.linear\.weight holds NaN or infinity"):
        TorchNetwork(path, SMALL, name="net")


def test_missing_and_unknown_weights_are_named(tmp_path: Path) -> None:
    path = weights_at(tmp_path)
    changed(path, pool__norm__bias=None)
    with pytest.raises(WeightsError, match=r"lacks pool\.norm\.bias"):
        TorchNetwork(path, SMALL, name="net")
    path = weights_at(tmp_path)
    changed(path, extra=torch.zeros(1))
    with pytest.raises(WeightsError, match="holds an unknown extra"):
        TorchNetwork(path, SMALL, name="net")


def test_templates_of_zeros_are_refused(tmp_path: Path) -> None:
    path = weights_at(tmp_path)
    zeros = torch.zeros(128)
    changed(path, bottleneck__norm__weight=zeros, bottleneck__norm__bias=zeros.clone())
    with pytest.raises(TemplateError, match="not finite or is all zeros"):
        TorchNetwork(path, SMALL, name="net")


def test_other_crops_are_refused(tmp_path: Path) -> None:
    network = TorchNetwork(weights_at(tmp_path), SMALL, name="net")
    with pytest.raises(CropsError, match="150, 150"):
        network.embed(some_crops(2, 150))
    with pytest.raises(CropsError, match="float32"):
        network.embed(some_crops(2, 112).astype(np.float32))


# In the catalogue


def test_the_catalogue_loads_it_and_finds_the_same_people(shelf: Shelf, lfw: Lfw) -> None:
    put(shelf, "ours", "dlib-resnet")
    model = shelf.catalogue.load_pipeline("mtcnn-ours", threads=1)
    assert model.model == "mtcnn-ours"
    plain: Pipeline = shelf.catalogue.load_pipeline("mtcnn-dlib-resnet", threads=1)
    image = lfw.image("Hans_Blix")
    (ours,), (theirs,) = model.process([image]), plain.process([image])
    # One is mirrored, the other not.
    assert 0.95 < float(ours[0].template @ theirs[0].template) < 0.9999
    crops = plain.crops(image, plain.detect([image])[0][:1])
    exact = shelf.catalogue.load_network("dlib-resnet").embed(crops)
    again = shelf.catalogue.load_network("ours").embed(crops)
    assert float((exact @ again.T).item()) > 0.9999


def test_a_folder_of_torch_networks_is_read_without_torch(shelf: Shelf) -> None:
    put(shelf)
    code = (
        "import sys; from pathlib import Path; from embedder.catalogue import Catalogue; "
        f"assert 'mtcnn-net' in Catalogue(Path({str(shelf.folder)!r})).models(); "
        "sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        (f'architecture = "{SMALL}"\n', "", r"architecture is missing\. Write one of inception"),
        (SMALL, "resnet-50", r"architecture is 'resnet-50'\. Write one of inception-resnet-v1"),
        ("mirrored = false", "", "mirrored is missing"),
        ("dimension = 128", "dimension = 512", "use a network with 128"),
        ('name = "net"', 'name = "torch"', "name is 'torch', an engine's name"),
        ("mirrored = false", "mirrored = false\n[input]\nsize = 112", "input is an unknown field"),
        ('engine = "torch"', 'engine = "onnx"', r"\[input\]|input is missing"),
    ],
)
def test_a_manifest_is_read_strictly(shelf: Shelf, old: str, new: str, reason: str) -> None:
    text = manifest_text("net")
    assert old in text
    path = shelf.put("net", text.replace(old, new), b"x", "net.safetensors")
    with pytest.raises(ManifestError, match=reason):
        read(path)


def test_a_manifest_names_one_file(shelf: Shelf) -> None:
    path = shelf.put("net", manifest_text("net"), b"x", "net.safetensors")
    path.write_text(
        path.read_text()
        + f'[[files]]\npath = "b"\nsha256 = "{sha256(b"").hexdigest()}"\nbytes = 1\n'
    )
    with pytest.raises(ManifestError, match=r"files are 2\. Name the one safetensors file"):
        read(path)


def test_a_fingerprint_covers_weights_architecture_and_alignment(
    shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fingerprint() -> str:
        return shelf.catalogue.manifest("net").fingerprint

    path = put(shelf)
    text, first = (shelf.folder / "net.toml").read_text(), fingerprint()
    found = {first}
    for old, new in (("mirrored = false", "mirrored = true"), (SMALL, "mobilefacenet")):
        (shelf.folder / "net.toml").write_text(text.replace(old, new))
        found.add(fingerprint())
    path.write_bytes(path.read_bytes() + b" ")
    shelf.put("net", manifest_text("net"), path.read_bytes(), path.name)
    found.add(fingerprint())
    (shelf.folder / "net.toml").write_text(text.replace("A trained network", "Another title"))
    assert fingerprint() == first
    known = ARCHITECTURES[SMALL]
    moved = dict.fromkeys(known.points, ((1, 1), (2, 1), (3, 3), (1, 4), (2, 4)))
    other = Architecture(known.name, known.crop_size, moved, known.note, known.build)
    monkeypatch.setitem(ARCHITECTURES, SMALL, other)
    found.add(fingerprint())
    assert len(found) == 5
