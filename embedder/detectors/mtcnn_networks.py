"""The three networks of MTCNN in torch, with the weights of the `mtcnn` package.

Zhang et al., "Joint Face Detection and Alignment using Multi-task Cascaded Convolutional
Networks" (arXiv 1604.02878). The files hold lists of arrays in Keras order: convolutions as
(height, width, inputs, outputs), then bias, then the slopes of a PReLU.
"""

from __future__ import annotations

from collections.abc import Iterator

import joblib
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from embedder import weights
from embedder.device import device
from embedder.errors import WeightsError

_Arrays = Iterator[NDArray[np.float32]]


def _conv(arrays: _Arrays) -> nn.Conv2d:
    kernel, bias = next(arrays), next(arrays)
    height, width, inputs, outputs = kernel.shape
    layer = nn.Conv2d(inputs, outputs, (height, width))
    layer.weight.data = torch.from_numpy(kernel.transpose(3, 2, 0, 1).copy())
    layer.bias = nn.Parameter(torch.from_numpy(bias))
    return layer


def _prelu(arrays: _Arrays) -> nn.PReLU:
    slopes = next(arrays).ravel()
    layer = nn.PReLU(len(slopes))
    layer.weight.data = torch.from_numpy(slopes)
    return layer


def _linear(arrays: _Arrays) -> nn.Linear:
    matrix, bias = next(arrays), next(arrays)
    layer = nn.Linear(*matrix.shape)
    layer.weight.data = torch.from_numpy(matrix.T.copy())
    layer.bias = nn.Parameter(torch.from_numpy(bias))
    return layer


def _linear_after_maps(arrays: _Arrays, channels: int) -> nn.Linear:
    """A dense layer behind feature maps: Keras flattened them as (column, row, channel)."""
    layer = _linear(arrays)
    side = round((layer.in_features / channels) ** 0.5)
    weight = layer.weight.data.reshape(-1, side, side, channels)
    layer.weight.data = weight.permute(0, 3, 2, 1).reshape(len(weight), -1).contiguous()
    return layer


def _face_probability(two_classes: Tensor) -> Tensor:
    """Softmax of (N, 2, ...) scores for no face and face, the second part of it."""
    return torch.sigmoid(two_classes[:, 1] - two_classes[:, 0])


# Keras pads a pooling layer with "same" at the end only, which is what ceil_mode does.
def _pool(x: Tensor, size: int, *, same: bool) -> Tensor:
    return functional.max_pool2d(x, size, 2, ceil_mode=same)


class ProposalNet(nn.Module):
    """A 12-pixel window slid over (N, 3, H, W) with stride 2.

    Returns face probabilities (N, h, w) and box offsets (N, 4, h, w) as fractions of the window.
    """

    def __init__(self, arrays: _Arrays) -> None:
        super().__init__()
        self.conv1, self.prelu1 = _conv(arrays), _prelu(arrays)
        self.conv2, self.prelu2 = _conv(arrays), _prelu(arrays)
        self.conv3, self.prelu3 = _conv(arrays), _prelu(arrays)
        self.offsets, self.classes = _conv(arrays), _conv(arrays)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """(N, 3, H, W) in -1 to 1."""
        x = _pool(self.prelu1(self.conv1(x)), 2, same=True)
        x = self.prelu2(self.conv2(x))
        x = self.prelu3(self.conv3(x))
        return _face_probability(self.classes(x)), self.offsets(x)


class RefineNet(nn.Module):
    """Judges (N, 3, 24, 24) candidates: probabilities (N,) and box offsets (N, 4)."""

    def __init__(self, arrays: _Arrays) -> None:
        super().__init__()
        self.conv1, self.prelu1 = _conv(arrays), _prelu(arrays)
        self.conv2, self.prelu2 = _conv(arrays), _prelu(arrays)
        self.conv3, self.prelu3 = _conv(arrays), _prelu(arrays)
        self.dense, self.prelu4 = _linear_after_maps(arrays, channels=64), _prelu(arrays)
        self.offsets, self.classes = _linear(arrays), _linear(arrays)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """(N, 3, 24, 24) in -1 to 1."""
        x = _pool(self.prelu1(self.conv1(x)), 3, same=True)
        x = _pool(self.prelu2(self.conv2(x)), 3, same=False)
        x = self.prelu3(self.conv3(x))
        x = self.prelu4(self.dense(x.flatten(1)))
        return _face_probability(self.classes(x)), self.offsets(x)


class OutputNet(nn.Module):
    """Judges (N, 3, 48, 48) candidates and places the landmarks.

    Returns probabilities (N,), box offsets (N, 4) and landmarks (N, 10): five x, then five y, as
    fractions of the candidate.
    """

    def __init__(self, arrays: _Arrays) -> None:
        super().__init__()
        self.conv1, self.prelu1 = _conv(arrays), _prelu(arrays)
        self.conv2, self.prelu2 = _conv(arrays), _prelu(arrays)
        self.conv3, self.prelu3 = _conv(arrays), _prelu(arrays)
        self.conv4, self.prelu4 = _conv(arrays), _prelu(arrays)
        self.dense, self.prelu5 = _linear_after_maps(arrays, channels=128), _prelu(arrays)
        self.offsets, self.landmarks = _linear(arrays), _linear(arrays)
        self.classes = _linear(arrays)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """(N, 3, 48, 48) in -1 to 1."""
        x = _pool(self.prelu1(self.conv1(x)), 3, same=True)
        x = _pool(self.prelu2(self.conv2(x)), 3, same=False)
        x = _pool(self.prelu3(self.conv3(x)), 2, same=True)
        x = self.prelu4(self.conv4(x))
        x = self.prelu5(self.dense(x.flatten(1)))
        return _face_probability(self.classes(x)), self.offsets(x), self.landmarks(x)


def _arrays(file: weights.WeightsFile) -> _Arrays:
    # joblib unpickles, which can run code: `locate` has checked the SHA-256 before.
    return iter(joblib.load(weights.locate(file)))


def load() -> tuple[ProposalNet, RefineNet, OutputNet]:
    """The three networks, ready to run. Raises WeightsError."""
    try:
        networks = (
            ProposalNet(_arrays(weights.MTCNN_PNET)),
            RefineNet(_arrays(weights.MTCNN_RNET)),
            OutputNet(_arrays(weights.MTCNN_ONET)),
        )
    except StopIteration as error:
        raise WeightsError("A weights file of the package mtcnn has too few arrays.") from error
    for network in networks:
        network.eval().requires_grad_(requires_grad=False).to(device().place)
    return networks
