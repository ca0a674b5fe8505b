"""Networks in ONNX files, in both engines."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from embedder.detectors.mtcnn import Mtcnn
from embedder.errors import CropsError, DimensionError, TemplateError, WeightsError
from embedder.networks.onnx import BATCH, OnnxNetwork, Recipe
from embedder.pipeline import Pipeline
from tests.conftest import Lfw
from tests.embedder.shelf import network, shared_network

POINTS = (
    (38.2946, 51.6963), (73.5318, 51.5014), (56.0252, 71.7366), (41.5493, 92.3655),
    (70.7299, 92.2041),
)  # fmt: skip
RECIPE = Recipe(size=112, points=POINTS)
RUNTIMES = ("onnxruntime", "opencv")


def opened(folder: Path, data: bytes, recipe: Recipe = RECIPE, **options: str) -> OnnxNetwork:
    path = folder / "net.onnx"
    path.write_bytes(data)
    return OnnxNetwork(path, recipe, name="net", **options)  # type: ignore[arg-type]


def noise(count: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (count, 112, 112, 3), np.uint8)


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> dict[str, OnnxNetwork]:
    """MobileFaceNet in each engine."""
    data, folder = shared_network("mobilefacenet_128.onnx"), tmp_path_factory.mktemp("onnx")
    return {name: opened(folder, data, runtime=name) for name in RUNTIMES}


@pytest.fixture(scope="module")
def crops(lfw: Lfw, real: dict[str, OnnxNetwork]) -> np.ndarray:
    """(20, 112, 112, 3): aligned faces, two of each of ten people."""
    pipeline = Pipeline(Mtcnn(), real["onnxruntime"])
    people = [name for name in lfw.people(200) if lfw.path(name, 2).is_file()][:10]
    images = [lfw.image(name, number) for name in people for number in (1, 2)]
    found = pipeline.detect(images)
    return np.concatenate(
        [pipeline.crops(image, faces[:1]) for image, faces in zip(images, found, strict=True)]
    )


# The real network


def test_both_engines_give_the_same_templates(
    real: dict[str, OnnxNetwork], crops: np.ndarray
) -> None:
    assert [each.runtime for each in real.values()] == list(RUNTIMES)
    one, other = (each.embed(crops) for each in real.values())
    assert one.shape == (20, 128)
    assert one.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(one, axis=1), 1, atol=1e-6)
    np.testing.assert_allclose(one, other, atol=1e-4)


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_one_by_one_and_together_are_the_same(
    real: dict[str, OnnxNetwork], crops: np.ndarray, runtime: str
) -> None:
    together = real[runtime].embed(crops)
    alone = np.concatenate([real[runtime].embed(crop[None]) for crop in crops])
    np.testing.assert_allclose(together, alone, atol=1e-5)
    assert real[runtime].embed(crops[:0]).shape == (0, 128)


def test_it_tells_people_apart(real: dict[str, OnnxNetwork], crops: np.ndarray) -> None:
    templates = real["onnxruntime"].embed(crops)
    scores = templates @ templates.T
    genuine = scores[np.arange(0, 20, 2), np.arange(1, 20, 2)]
    same = np.arange(20)[:, None] // 2 == np.arange(20)[None, :] // 2
    assert genuine.min() > scores[~same].max()


# Batches


@pytest.mark.parametrize("runtime", RUNTIMES)
@pytest.mark.parametrize("count", [1, 3, BATCH, BATCH + 5])
def test_however_many_come_each_has_its_own_template(
    tmp_path: Path, runtime: str, count: int
) -> None:
    net = opened(tmp_path, network(), runtime=runtime)
    pictures = noise(count)
    together = net.embed(pictures)
    alone = np.concatenate([net.embed(each[None]) for each in pictures])
    np.testing.assert_allclose(together, alone, atol=1e-5)


@pytest.mark.parametrize("batch", [1, 4])
def test_a_file_for_batches_of_a_fixed_size_gets_them(tmp_path: Path, batch: int) -> None:
    free = opened(tmp_path, network()).embed(noise(7))
    fixed = opened(tmp_path, network(batch=batch), runtime="onnxruntime").embed(noise(7))
    np.testing.assert_allclose(free, fixed, atol=1e-5)


@pytest.mark.parametrize("how", ["one_row", "only_one"])
def test_a_file_that_takes_none_together_gets_one_by_one(tmp_path: Path, how: str) -> None:
    net = opened(tmp_path, network(one_row=how == "one_row", only_one=how == "only_one"))
    assert net.runtime == "onnxruntime"
    pure = opened(tmp_path, network(), runtime="onnxruntime")
    np.testing.assert_allclose(net.embed(noise(5)), pure.embed(noise(5)), atol=1e-5)


# The recipe


def test_the_recipe_makes_the_input(tmp_path: Path) -> None:
    pictures = noise(3)
    plain = opened(tmp_path, network()).embed(pictures)
    swapped = opened(tmp_path, network(), replace(RECIPE, colour="bgr"))
    np.testing.assert_allclose(swapped.embed(pictures[..., ::-1]), plain, atol=1e-6)
    assert np.abs(swapped.embed(pictures) - plain).max() > 1e-3
    # Twice the standard deviation halves the input; unit templates of a linear network stay.
    wide = replace(RECIPE, std=(256.0, 256.0, 256.0))
    np.testing.assert_allclose(opened(tmp_path, network(), wide).embed(pictures), plain, atol=1e-5)
    dark = replace(RECIPE, mean=(0.0, 0.0, 0.0))
    assert np.abs(opened(tmp_path, network(), dark).embed(pictures) - plain).max() > 1e-3


def test_points_may_differ_by_detector(tmp_path: Path) -> None:
    moved = tuple((x + 1, y) for x, y in POINTS)
    net = opened(tmp_path, network(), replace(RECIPE, points_of=(("haar", moved),)))
    np.testing.assert_allclose(net.landmark_template("mtcnn"), POINTS)
    np.testing.assert_allclose(net.landmark_template("haar"), moved)


# What is refused


@pytest.mark.parametrize("runtime", RUNTIMES)
@pytest.mark.parametrize("data", [b"", b"no network", network()[:-200], network()[200:]])
def test_a_damaged_file_is_said(tmp_path: Path, runtime: str, data: bytes) -> None:
    with pytest.raises(WeightsError, match=r"net\.onnx can't be opened by .* fetch it again"):
        opened(tmp_path, data, runtime=runtime)


@pytest.mark.parametrize("runtime", RUNTIMES)
@pytest.mark.parametrize("dimension", [1, 64, 129, 512])
def test_another_dimension_is_refused_with_the_reason(
    tmp_path: Path, runtime: str, dimension: int
) -> None:
    with pytest.raises(DimensionError, match=rf"net gives {dimension} numbers a face, not 128: "):
        opened(tmp_path, network(dimension), runtime=runtime)


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_a_network_that_finds_faces_makes_no_templates(tmp_path: Path, runtime: str) -> None:
    data = shared_network("yunet_n_640_640.onnx")
    with pytest.raises((DimensionError, WeightsError)):
        opened(tmp_path, data, runtime=runtime)


@pytest.mark.parametrize(
    "recipe", [replace(RECIPE, size=96), replace(RECIPE, layout="nhwc")], ids=["size", "layout"]
)
def test_another_input_than_the_files_is_said(tmp_path: Path, recipe: Recipe) -> None:
    with pytest.raises(WeightsError, match=r"wants pictures of .* Correct size or layout"):
        opened(tmp_path, network(), recipe, runtime="onnxruntime")
    with pytest.raises(DimensionError):
        opened(tmp_path, network(), recipe, runtime="opencv")


@pytest.mark.parametrize("runtime", RUNTIMES)
@pytest.mark.parametrize("bias", [float("nan"), float("inf")])
def test_what_is_not_finite_is_refused(tmp_path: Path, runtime: str, bias: float) -> None:
    with pytest.raises(TemplateError, match="aren't finite"):
        opened(tmp_path, network(bias=bias), runtime=runtime)


def test_crops_of_another_kind_are_refused(tmp_path: Path) -> None:
    net = opened(tmp_path, network())
    for crops in (noise(1)[0], noise(1)[:, :96], noise(1).astype(np.float32), [1]):
        with pytest.raises(CropsError):
            net.embed(crops)  # type: ignore[arg-type]
