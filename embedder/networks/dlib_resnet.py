"""dlib's face recognition ResNet in torch, read straight from dlib's file.

Davis King, "High Quality Face Recognition with Deep Metric Learning" (2017), a network of 29
convolutions after He et al., "Deep Residual Learning for Image Recognition" (arXiv 1512.03385),
trained with a metric loss. Weights: CC0.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from embedder import weights
from embedder.errors import DimensionError, WeightsError
from embedder.networks.architectures import ARCHITECTURES
from embedder.networks.dlib_dat import Affine, Convolution, Layer, Linear, read_layers
from embedder.networks.layers import Normalise
from embedder.networks.torch_engine import TorchEngine, unit
from embedder.types import TEMPLATE_DIM

_RGB_MEAN = (122.782, 117.001, 104.298)
_RGB_SCALE = 256.0
_CONVOLUTIONS = 29


class _Block(nn.Module):
    """Two 3x3 convolutions around a shortcut; with stride 2 the shortcut is average-pooled."""

    def __init__(self, first: nn.Conv2d, second: nn.Conv2d) -> None:
        super().__init__()
        self.first, self.second = first, second
        self.narrows = first.stride[0] > 1

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to (N, C', H', W')."""
        main = self.second(functional.relu(self.first(x), inplace=True))
        shortcut = functional.avg_pool2d(x, 2) if self.narrows else x
        if main.shape != shortcut.shape:
            main, shortcut = _pad_alike(main, shortcut)
        return functional.relu(main + shortcut, inplace=True)


def _pad_alike(a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    """Zero-pad both at the end of channels, rows and columns to their common largest shape."""
    shape = [max(m, n) for m, n in zip(a.shape, b.shape, strict=True)]
    return _pad_to(a, shape), _pad_to(b, shape)


def _pad_to(x: Tensor, shape: list[int]) -> Tensor:
    missing = [want - have for want, have in zip(shape[1:], x.shape[1:], strict=True)]
    # torch counts from the last dimension: columns, rows, channels.
    return functional.pad(x, (0, missing[2], 0, missing[1], 0, missing[0]))


class DlibResNetModule(nn.Module):
    """(N, 3, 150, 150) RGB crops, 0 to 255, to (N, 128) templates of dlib's own length."""

    def __init__(self, layers: list[Layer], dropout: float = 0.0) -> None:
        """Take the weights of `layers`; `dropout` is what training leaves out before the head."""
        super().__init__()
        if len(layers) != 2 * _CONVOLUTIONS + 1 or not isinstance(layers[-1], Linear):
            raise WeightsError("This is not dlib's face recognition ResNet: other layers.")
        stem, *rest = _fold(layers[:-1])
        pairs = zip(rest[::2], rest[1::2], strict=True)
        self.stem = stem
        self.blocks = nn.Sequential(*(_Block(first, second) for first, second in pairs))
        self.dropout = nn.Dropout(dropout)
        inputs, outputs = layers[-1].matrix.shape
        self.head = nn.Linear(inputs, outputs, bias=False)
        self.head.weight.data = torch.from_numpy(layers[-1].matrix.T.copy())
        self.normalise = Normalise(_RGB_MEAN, _RGB_SCALE)

    @property
    def dimension(self) -> int:
        """Length of a template."""
        return self.head.out_features

    def forward(self, crops: Tensor) -> Tensor:
        """Normalise in fp32, then compute in the precision of the weights."""
        x = self.normalise(crops).to(self.head.weight.dtype)
        # Pooled before the ReLU, which gives the same with a quarter of the work.
        x = functional.relu(functional.max_pool2d(self.stem(x), 3, 2), inplace=True)
        x = self.blocks(x).mean(dim=(2, 3))
        template: Tensor = self.head(self.dropout(x)).float()
        return template


def _fold(layers: list[Layer]) -> Iterator[nn.Conv2d]:
    """One convolution for each convolution and the affine layer behind it."""
    for convolution, affine in zip(layers[::2], layers[1::2], strict=True):
        if not (isinstance(convolution, Convolution) and isinstance(affine, Affine)):
            raise WeightsError("This is not dlib's face recognition ResNet: other layers.")
        yield _conv2d(convolution, affine)


def _conv2d(convolution: Convolution, affine: Affine) -> nn.Conv2d:
    outputs, inputs, height, _ = convolution.filters.shape
    folded = nn.Conv2d(inputs, outputs, height, convolution.stride, convolution.padding)
    filters = convolution.filters * affine.gamma[:, None, None, None]
    folded.weight.data = torch.from_numpy(filters)
    folded.bias = nn.Parameter(torch.from_numpy(convolution.bias * affine.gamma + affine.beta))
    return folded


class DlibResNet:
    """The network behind the `Network` protocol; safe to call from several threads."""

    name = "dlib-resnet"
    crop_size = ARCHITECTURES["dlib-resnet"].crop_size
    # It halves what is missed in large galleries (docs/adr/0003-embedder.md).
    mirrored = True

    def __init__(self, path: Path, *, bf16: bool | None = None) -> None:
        """Read the network at `path`; `bf16` None measures whether it may be used.

        Raises WeightsError for another file, DimensionError when its templates aren't 128-d.
        """
        module = DlibResNetModule(read_layers(path.read_bytes())).eval()
        if module.dimension != TEMPLATE_DIM:
            raise DimensionError(f"{path.name} gives {module.dimension} numbers a face, not 128")
        self.dimension = module.dimension
        self._engine = TorchEngine(module, self.crop_size, self.dimension, bf16=bf16)

    @property
    def precision(self) -> str:
        """What it computes in: `bf16` or `fp32`."""
        return self._engine.precision

    def landmark_template(self, detector: str) -> NDArray[np.float32]:
        """(5, 2): where the detector's five landmarks belong in the crop, in pixels."""
        return ARCHITECTURES[self.name].landmark_template(detector)

    def embed(self, crops: NDArray[np.uint8]) -> NDArray[np.float32]:
        """(N, 128) unit templates of (N, 150, 150, 3) RGB crops."""
        return unit(self.descriptors(crops))

    def descriptors(self, crops: NDArray[np.uint8]) -> NDArray[np.float32]:
        """(N, 128) as dlib gives them, not of unit length."""
        return self._engine.run(crops)


def load(*, bf16: bool | None = None) -> DlibResNet:
    """The network of the package `face_recognition_models`. Raises WeightsError."""
    return DlibResNet(weights.locate(weights.DLIB_RESNET), bf16=bf16)


def trainable(dimension: int = TEMPLATE_DIM, dropout: float = 0.0) -> DlibResNetModule:
    """The module with dlib's own weights, to be trained on.

    In dlib's file each batch norm is already an affine layer, and folded here: it is trained as
    convolutions with biases. Another `dimension` than dlib's 128 gets a new, random last layer.
    Raises WeightsError when the package `face_recognition_models` or its file isn't there.
    """
    path = weights.locate(weights.DLIB_RESNET)
    module = DlibResNetModule(read_layers(path.read_bytes()), dropout)
    if dimension != module.dimension:
        module.head = nn.Linear(module.head.in_features, dimension, bias=False)
    return module
