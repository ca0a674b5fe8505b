"""The trainable networks: their shapes, their sizes, and dlib's own weights."""

from __future__ import annotations

import copy
import subprocess
import sys

import numpy as np
import pytest
import torch
from torch import nn

from embedder.networks import dlib_resnet
from embedder.networks.architectures import ARCHITECTURES
from embedder.networks.inception_resnet_v1 import InceptionResNetV1
from embedder.networks.layers import Bottleneck, ConvNorm, fold_norms
from embedder.networks.mobilefacenet import MobileFaceNet
from embedder.pipeline import Pipeline
from tests.conftest import Lfw

NAMES = sorted(ARCHITECTURES)


def pixels(size: int, count: int = 4) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randint(0, 256, (count, 3, size, size), generator=generator).float()


def weights_of(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def test_the_registry_is_read_without_torch() -> None:
    code = (
        "import sys; from embedder.networks.architectures import ARCHITECTURES; "
        "assert len(ARCHITECTURES) == 4; sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("dimension", [128, 2])
def test_every_architecture_gives_embeddings_and_gradients(name: str, dimension: int) -> None:
    architecture = ARCHITECTURES[name]
    torch.manual_seed(0)
    module = architecture.build(dimension=dimension, dropout=0.1).train()
    embeddings = module(pixels(architecture.crop_size))
    assert embeddings.shape == (4, dimension)
    assert embeddings.dtype == torch.float32
    embeddings.square().sum().backward()
    without = [n for n, each in module.named_parameters() if each.grad is None]
    assert without == []


@pytest.mark.parametrize("name", NAMES)
def test_a_detectors_landmarks_lie_inside_the_crop(name: str) -> None:
    architecture = ARCHITECTURES[name]
    for detector in ("mtcnn", "yunet", "haar", "hog"):
        points = architecture.landmark_template(detector)
        assert points.shape == (5, 2)
        assert (points > 0.25 * architecture.crop_size).all()
        assert (points < 0.85 * architecture.crop_size).all()
        left, right, nose, *mouth = points
        assert left[0] < nose[0] < right[0]
        assert nose[1] < mouth[0][1]


def test_inception_resnet_v1_is_as_large_as_facenets() -> None:
    """Keras's FaceNet says 22,779,312 trainable weights for 128 dimensions.

    Its norms have no gamma, those here have: one for each of 14,416 channels, which is half of the
    28,832 moving means and variances that Keras counts as not trainable.
    """
    module = InceptionResNetV1(128)
    norms = [each for each in module.modules() if isinstance(each, nn.BatchNorm2d | nn.BatchNorm1d)]
    assert sum(norm.num_features for norm in norms) == 28_832 // 2
    assert weights_of(module) == 22_779_312 + 28_832 // 2


def test_inception_resnet_v1_has_the_papers_sizes_at_every_stage() -> None:
    module = InceptionResNetV1().eval()
    with torch.inference_mode():
        x = module.stem(module.normalise(pixels(160, 1)))
        assert x.shape == (1, 256, 17, 17)
        x = module.reduction_a(module.blocks_a(x))
        assert x.shape == (1, 896, 8, 8)
        x = module.reduction_b(module.blocks_b(x))
        assert x.shape == (1, 1792, 3, 3)
    assert [len(module.blocks_a), len(module.blocks_b), len(module.blocks_c)] == [5, 10, 6]
    blocks = [*module.blocks_a, *module.blocks_b, *module.blocks_c]
    assert [block.scale for block in blocks] == [0.17] * 5 + [0.10] * 10 + [0.20] * 5 + [1.0]
    # Only the last has no ReLU, so that a template has negative numbers as well.
    assert [isinstance(block.activation, nn.Identity) for block in blocks] == [False] * 20 + [True]


def test_mobilefacenet_is_as_large_as_the_papers_table_1() -> None:
    """Counted row by row: a norm and a PReLU are 3 weights a channel, a linear norm 2."""

    def block(inputs: int, outputs: int, t: int) -> int:
        wide = inputs * t
        return inputs * wide + 9 * wide + wide * outputs + 2 * 3 * wide + 2 * outputs

    rows = [
        3 * 64 * 9 + 3 * 64,
        64 * 9 + 3 * 64,
        5 * block(64, 64, 2),
        block(64, 128, 4),
        6 * block(128, 128, 2),
        block(128, 128, 4),
        2 * block(128, 128, 2),
        128 * 512 + 3 * 512,
        512 * 49 + 2 * 512,
        512 * 128 + 2 * 128,
    ]
    assert weights_of(MobileFaceNet(128)) == sum(rows) == 1_003_136
    # The paper says 0.99 million.
    assert weights_of(MobileFaceNet(128)) == pytest.approx(0.99e6, rel=0.015)


def test_half_the_width_is_a_third_of_the_weights() -> None:
    assert 0.25 < weights_of(MobileFaceNet(width=0.5)) / weights_of(MobileFaceNet()) < 0.34


@pytest.mark.parametrize("name", NAMES)
def test_folded_norms_change_nothing(name: str) -> None:
    architecture = ARCHITECTURES[name]
    torch.manual_seed(0)
    module = architecture.build()
    crops = pixels(architecture.crop_size, 2)
    for norm in module.modules():
        if isinstance(norm, nn.BatchNorm2d | nn.BatchNorm1d):
            nn.init.uniform_(norm.running_mean, -0.5, 0.5)
            nn.init.uniform_(norm.running_var, 0.5, 2.0)
            nn.init.uniform_(norm.weight, 0.5, 1.5)
            nn.init.uniform_(norm.bias, -0.5, 0.5)
    module.eval()
    folded = fold_norms(copy.deepcopy(module))
    left = [
        each for each in folded.modules()
        if isinstance(each, ConvNorm | Bottleneck) and not isinstance(each.norm, nn.Identity)
    ]  # fmt: skip
    assert left == []
    with torch.inference_mode():
        exact, fast = module(crops), folded(crops)
    assert float(exact.norm(dim=1).min()) > 0.1
    assert float((exact - fast).abs().max()) < 1e-4 * float(exact.abs().max())


def test_dlibs_network_starts_with_exactly_the_templates_that_are_served(
    lfw: Lfw, pipeline: Pipeline
) -> None:
    images = [lfw.image(person) for person in lfw.people(8)]
    faces = pipeline.detect(images)
    crops = np.concatenate(
        [pipeline.crops(image, found[:1]) for image, found in zip(images, faces, strict=True)]
    )
    serving = dlib_resnet.load(bf16=False)
    module = ARCHITECTURES["dlib-resnet"].build().eval()
    with torch.inference_mode():
        given = module(torch.from_numpy(crops).permute(0, 3, 1, 2).float()).numpy()
    np.testing.assert_allclose(given, serving.descriptors(crops), atol=1e-6)
