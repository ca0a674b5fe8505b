"""The networks that can be trained, and served from weights in a safetensors file.

Each is built by name and says where a detector's landmarks belong in its crops. Importing this
imports no torch: manifests that name an architecture are read without it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from embedder.types import TEMPLATE_DIM, Point

if TYPE_CHECKING:
    from torch import nn

Points = tuple[Point, Point, Point, Point, Point]

# Where a detector's five landmarks (left eye, right eye, nose, mouth corners) lie in the crops of
# 150 x 150 that dlib itself aligns, in pixels: medians over 642 faces of LFW (haar, hog: 818).
_DLIB: dict[str, Points] = {
    "mtcnn": ((48.8, 47.3), (102.3, 46.6), (75.5, 78.4), (52.3, 105.7), (99.3, 105.1)),
    "yunet": ((47.1, 46.6), (102.1, 46.5), (74.6, 78.6), (50.9, 103.9), (99.0, 103.7)),
    "haar": ((47.5, 46.9), (99.5, 46.8), (73.4, 77.2), (49.5, 104.2), (97.5, 104.2)),
    "hog": ((47.6, 46.9), (99.5, 46.8), (73.4, 77.1), (49.5, 104.2), (97.6, 104.2)),
}
# The five points of ArcFace (arXiv 1801.07698) in 112 x 112, which most public networks share.
_ARCFACE: Points = (
    (38.2946, 51.6963),
    (73.5318, 51.5014),
    (56.0252, 71.7366),
    (41.5493, 92.3655),
    (70.7299, 92.2041),
)
_ARCFACE_SIZE = 112


def _arcface(size: int) -> dict[str, Points]:
    """ArcFace's points in square crops of another side, the same for each detector.

    A network that is trained on the crops of one detector learns its habits: only crops that some
    other network was trained on need points for each.
    """
    a, b, c, d, e = ((x * size / _ARCFACE_SIZE, y * size / _ARCFACE_SIZE) for x, y in _ARCFACE)
    return dict.fromkeys(_DLIB, (a, b, c, d, e))


@dataclass(frozen=True, slots=True, eq=False)
class Architecture:
    """A network without its weights.

    crop_size: side of its square crops, in pixels. points: five landmarks (left eye, right eye,
    nose, left and right mouth corner) in pixels of the crop, by detector. note: what it is.
    build: makes the module, of keyword arguments `dimension` (numbers of an embedding, 128 unless
    told) and `dropout`. The module takes (N, 3, crop_size, crop_size) RGB crops, 0 to 255, which it
    normalises itself, and gives (N, dimension) embeddings in fp32, not of unit length.
    """

    name: str
    crop_size: int
    points: MappingProxyType[str, Points]
    note: str
    build: Callable[..., nn.Module]

    def landmark_template(self, detector: str) -> NDArray[np.float32]:
        """(5, 2): where that detector's five landmarks belong in the crop, in pixels."""
        return np.array(self.points[detector], dtype=np.float32)


def _inception_resnet_v1(dimension: int = TEMPLATE_DIM, dropout: float = 0.2) -> nn.Module:
    from embedder.networks.inception_resnet_v1 import InceptionResNetV1  # noqa: PLC0415 - torch

    return InceptionResNetV1(dimension, dropout)


def _mobilefacenet(dimension: int = TEMPLATE_DIM, dropout: float = 0.0) -> nn.Module:
    from embedder.networks.mobilefacenet import MobileFaceNet  # noqa: PLC0415 - torch

    return MobileFaceNet(dimension, dropout)


def _mobilefacenet_half(dimension: int = TEMPLATE_DIM, dropout: float = 0.0) -> nn.Module:
    from embedder.networks.mobilefacenet import MobileFaceNet  # noqa: PLC0415 - torch

    return MobileFaceNet(dimension, dropout, width=0.5)


def _dlib_resnet(dimension: int = TEMPLATE_DIM, dropout: float = 0.0) -> nn.Module:
    from embedder.networks.dlib_resnet import trainable  # noqa: PLC0415 - torch

    return trainable(dimension, dropout)


def _known(*architectures: Architecture) -> dict[str, Architecture]:
    return {each.name: each for each in architectures}


ARCHITECTURES: dict[str, Architecture] = _known(
    Architecture(
        "inception-resnet-v1",
        160,
        MappingProxyType(_arcface(160)),
        "Inception-ResNet-v1, 22.8 million weights: for large sets of photos and a GPU",
        _inception_resnet_v1,
    ),
    Architecture(
        "mobilefacenet",
        112,
        MappingProxyType(_arcface(112)),
        "MobileFaceNet, 1 million weights: for small sets of photos",
        _mobilefacenet,
    ),
    Architecture(
        "mobilefacenet-half",
        112,
        MappingProxyType(_arcface(112)),
        "MobileFaceNet with half the channels: trains on processors alone",
        _mobilefacenet_half,
    ),
    Architecture(
        "dlib-resnet",
        150,
        MappingProxyType(_DLIB),
        "dlib's face recognition ResNet, which starts with dlib's own weights",
        _dlib_resnet,
    ),
)
"""By name. `mirrored` and all else that is no part of the network stands in its manifest."""
