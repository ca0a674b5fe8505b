from __future__ import annotations

import dataclasses
from pathlib import Path

import dlib
import numpy as np
import pytest
import torch

from embedder import weights
from embedder.detectors import mtcnn_networks
from embedder.errors import DimensionError, TemplateError, WeightsError
from embedder.images import DecodedImage
from embedder.networks import dlib_resnet, torch_engine
from embedder.networks.dlib_dat import Affine, Convolution, Linear, read_layers
from embedder.networks.dlib_resnet import DlibResNet
from embedder.pipeline import Pipeline
from tests.conftest import Lfw


@pytest.fixture(scope="module")
def exact() -> DlibResNet:
    return dlib_resnet.load(bf16=False)


@pytest.fixture(scope="module")
def crops(lfw: Lfw, pipeline: Pipeline) -> np.ndarray:
    """(100, 150, 150, 3): real faces, aligned."""
    images = [lfw.image(person) for person in lfw.people(100)]
    faces = pipeline.detect(images)
    return np.concatenate(
        [pipeline.crops(image, found[:1]) for image, found in zip(images, faces, strict=True)]
    )


# The network


def test_it_computes_what_dlib_computes_on_100_faces(exact: DlibResNet, crops: np.ndarray) -> None:
    reference = dlib.face_recognition_model_v1(str(weights.locate(weights.DLIB_RESNET)))
    assert len(crops) == 100
    expected = np.array(reference.compute_face_descriptor(list(crops), 0))
    assert np.abs(exact.descriptors(crops) - expected).max() < 1e-5


def test_templates_have_unit_length_and_batches_change_nothing(
    exact: DlibResNet, crops: np.ndarray
) -> None:
    together = exact.embed(crops[:48])
    assert together.shape == (48, 128)
    assert together.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(together, axis=1), 1, atol=1e-6)
    alone = np.concatenate([exact.embed(crop[None]) for crop in crops[:16]])
    np.testing.assert_allclose(together[:16], alone, atol=1e-5)
    assert exact.embed(crops[:0]).shape == (0, 128)


def test_bf16_drifts_less_than_the_gate_on_real_faces(exact: DlibResNet, crops: np.ndarray) -> None:
    rounded = DlibResNet(weights.locate(weights.DLIB_RESNET), bf16=True)
    assert rounded.precision == "bf16"
    cosines = (exact.embed(crops[:32]) * rounded.embed(crops[:32])).sum(axis=1)
    assert (1 - cosines).max() < torch_engine.MAX_DRIFT


def test_bf16_that_drifts_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch_engine, "MAX_DRIFT", 0.0)
    assert dlib_resnet.load().precision == "fp32"


# Its file


def test_the_file_holds_the_layers_in_order() -> None:
    layers = read_layers(weights.locate(weights.DLIB_RESNET).read_bytes())
    kinds = [type(layer) for layer in layers]
    assert kinds == [Convolution, Affine] * 29 + [Linear]
    stem = layers[0]
    assert isinstance(stem, Convolution)
    assert stem.filters.shape == (32, 3, 7, 7)
    assert (stem.stride, stem.padding) == (2, 0)


def small_file(tmp_path: Path, change: tuple[bytes, bytes]) -> Path:
    """dlib's file with a change after its last layer's name."""
    data = weights.locate(weights.DLIB_RESNET).read_bytes()
    at = data.rindex(b"\x04fc_2")
    path = tmp_path / "other.dat"
    path.write_bytes(data[:at] + data[at:].replace(*change, 1))
    return path


def test_a_network_of_another_dimension_is_refused(tmp_path: Path) -> None:
    # fc_2's outputs and inputs, and its tensor's shape: 128 of 256 become 64 of 512.
    other = small_file(
        tmp_path,
        (
            b"\x01\x80\x02\x00\x01\x01\x02\x02\x00\x01\x01\x80",
            b"\x01\x40\x02\x00\x02\x01\x02\x02\x00\x02\x01\x40",
        ),
    )
    with pytest.raises(DimensionError, match="64 numbers"):
        DlibResNet(other)


@pytest.mark.parametrize("keep", [0, 100, 20_000, 22_400_000])
def test_half_a_file_is_refused(tmp_path: Path, keep: int) -> None:
    data = weights.locate(weights.DLIB_RESNET).read_bytes()
    path = tmp_path / "half.dat"
    path.write_bytes(data[:keep])
    with pytest.raises(WeightsError):
        DlibResNet(path)


def test_another_sha256_is_refused() -> None:
    changed = dataclasses.replace(weights.MTCNN_PNET, sha256="0" * 64)
    with pytest.raises(WeightsError, match=r"SHA-256.*pip install --force-reinstall mtcnn"):
        weights.locate(changed)


def test_missing_packages_and_files_are_named() -> None:
    with pytest.raises(WeightsError, match="no_such_package is not installed"):
        weights.locate(weights.WeightsFile("no_such_package", "x", ""))
    with pytest.raises(WeightsError, match=r"mtcnn/none.lz4 of the package mtcnn is missing"):
        weights.locate(weights.WeightsFile("mtcnn", "mtcnn/none.lz4", ""))


def test_mtcnns_networks_have_the_papers_shapes() -> None:
    proposal, refine, output = mtcnn_networks.load()
    with torch.inference_mode():
        assert [tuple(x.shape) for x in proposal(torch.zeros(2, 3, 12, 12))] == [
            (2, 1, 1), (2, 4, 1, 1),
        ]  # fmt: skip
        assert [tuple(x.shape) for x in refine(torch.zeros(2, 3, 24, 24))] == [(2,), (2, 4)]
        assert [tuple(x.shape) for x in output(torch.zeros(2, 3, 48, 48))] == [
            (2,), (2, 4), (2, 10),
        ]  # fmt: skip


# What the pipeline makes of a bad network


class FakeNetwork:
    name = "fake"
    crop_size = 150
    mirrored = False

    def __init__(self, dimension: int, value: float, *, declared: int | None = None) -> None:
        self.dimension = declared or dimension
        self.output = np.full(dimension, value, np.float32)

    def landmark_template(self, detector: str) -> np.ndarray:
        return np.array([[50, 50], [100, 50], [75, 80], [50, 105], [100, 105]], np.float32)

    def embed(self, crops: np.ndarray) -> np.ndarray:
        return np.repeat(self.output[None], len(crops), axis=0)


def test_the_pipeline_refuses_a_network_of_another_dimension(pipeline: Pipeline, lfw: Lfw) -> None:
    with pytest.raises(DimensionError, match="64 numbers"):
        Pipeline(pipeline._aligner.detector, FakeNetwork(64, 1.0))
    liar = Pipeline(pipeline._aligner.detector, FakeNetwork(64, 1.0, declared=128))
    with pytest.raises(DimensionError):
        liar.process([lfw.image(lfw.people(1)[0])])


@pytest.mark.parametrize("mirrored", [False, True])
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_template_that_is_not_finite_is_refused(
    pipeline: Pipeline, lfw: Lfw, value: float, *, mirrored: bool
) -> None:
    broken = Pipeline(pipeline._aligner.detector, FakeNetwork(128, value), mirrored=mirrored)
    image: DecodedImage = lfw.image(lfw.people(1)[0])
    with pytest.raises(TemplateError, match="not finite"):
        broken.process([image])
