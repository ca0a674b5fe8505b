"""dlib's face recognition ResNet in torch, read straight from dlib's file.

Davis King, "High Quality Face Recognition with Deep Metric Learning" (2017), a network of 29
convolutions after He et al., "Deep Residual Learning for Image Recognition" (arXiv 1512.03385),
trained with a metric loss. Weights: CC0.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from embedder import weights
from embedder.batches import padded
from embedder.device import Device, device
from embedder.errors import DimensionError, WeightsError
from embedder.networks.dlib_dat import Affine, Convolution, Layer, Linear, read_layers
from embedder.types import TEMPLATE_DIM

CROP_SIZE = 150
MAX_DRIFT = 1e-4
"""Greatest 1 - cosine to the fp32 template at which bf16 may be used."""

# Crops of a pass, unless there are fewer.
_MULTIPLE = 4
_RGB_MEAN = (122.782, 117.001, 104.298)
_RGB_SCALE = 256.0
_CONVOLUTIONS = 29

# Where a detector's five landmarks (left eye, right eye, nose, mouth corners) lie in the crops
# that dlib itself aligns, in pixels: medians over 642 faces of LFW (haar, hog: 818).
_TEMPLATES = {
    "mtcnn": ((48.8, 47.3), (102.3, 46.6), (75.5, 78.4), (52.3, 105.7), (99.3, 105.1)),
    "yunet": ((47.1, 46.6), (102.1, 46.5), (74.6, 78.6), (50.9, 103.9), (99.0, 103.7)),
    "haar": ((47.5, 46.9), (99.5, 46.8), (73.4, 77.2), (49.5, 104.2), (97.5, 104.2)),
    "hog": ((47.6, 46.9), (99.5, 46.8), (73.4, 77.1), (49.5, 104.2), (97.6, 104.2)),
}


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

    def __init__(self, layers: list[Layer]) -> None:
        super().__init__()
        if len(layers) != 2 * _CONVOLUTIONS + 1 or not isinstance(layers[-1], Linear):
            raise WeightsError("This is not dlib's face recognition ResNet: other layers.")
        stem, *rest = _fold(layers[:-1])
        pairs = zip(rest[::2], rest[1::2], strict=True)
        self.stem = stem
        self.blocks = nn.Sequential(*(_Block(first, second) for first, second in pairs))
        inputs, outputs = layers[-1].matrix.shape
        self.head = nn.Linear(inputs, outputs, bias=False)
        self.head.weight.data = torch.from_numpy(layers[-1].matrix.T.copy())
        # No buffer: it stays in fp32 whatever the weights become.
        self.mean = torch.tensor(_RGB_MEAN).reshape(1, 3, 1, 1)

    @property
    def dimension(self) -> int:
        """Length of a template."""
        return self.head.out_features

    def forward(self, crops: Tensor) -> Tensor:
        """Normalise in fp32, then compute in the precision of the weights."""
        x = ((crops.float() - self.mean.to(crops.device)) / _RGB_SCALE).to(self.head.weight.dtype)
        # Pooled before the ReLU, which gives the same with a quarter of the work.
        x = functional.relu(functional.max_pool2d(self.stem(x), 3, 2), inplace=True)
        x = self.blocks(x).mean(dim=(2, 3))
        template: Tensor = self.head(x).float()
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
    crop_size = CROP_SIZE
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
        self._batch = device().batch
        self._compute, self.precision = _compile(module, device(), bf16=bf16)

    def landmark_template(self, detector: str) -> NDArray[np.float32]:
        """(5, 2): where the detector's five landmarks belong in the crop, in pixels."""
        return np.array(_TEMPLATES[detector], dtype=np.float32)

    def embed(self, crops: NDArray[np.uint8]) -> NDArray[np.float32]:
        """(N, 128) unit templates of (N, 150, 150, 3) RGB crops."""
        raw = self.descriptors(crops)
        # What isn't finite stays so, quietly: the pipeline refuses it.
        with np.errstate(divide="ignore", invalid="ignore"):
            unit: NDArray[np.float32] = raw / np.linalg.norm(raw, axis=1, keepdims=True)
        return unit

    def descriptors(self, crops: NDArray[np.uint8]) -> NDArray[np.float32]:
        """(N, 128) as dlib gives them, not of unit length."""
        whole = padded(crops, _MULTIPLE) if len(crops) > _MULTIPLE else crops
        starts = range(0, len(whole), self._batch)
        parts = [self._compute(whole[at : at + self._batch]) for at in starts]
        if not parts:
            return np.empty((0, TEMPLATE_DIM), np.float32)
        return np.concatenate(parts)[: len(crops)]


_Compute = Callable[[NDArray[np.uint8]], NDArray[np.float32]]


def _compile(module: DlibResNetModule, where: Device, *, bf16: bool | None) -> tuple[_Compute, str]:
    exact = _runner(module, where, torch.float32)
    if bf16 is False or (bf16 is None and not where.multiplies_bf16):
        return exact, "fp32"
    rounded = _runner(module, where, torch.bfloat16)
    if bf16 is None and _drift(exact, rounded) >= MAX_DRIFT:
        return exact, "fp32"
    return rounded, "bf16"


def _runner(module: DlibResNetModule, where: Device, dtype: torch.dtype) -> _Compute:
    fast = copy.deepcopy(module).to(where.place, dtype)
    # Convolutions are fastest where the channels of a pixel lie side by side.
    for parameter in fast.parameters():
        if parameter.dim() == 4:  # noqa: PLR2004 - (outputs, inputs, height, width)
            parameter.data = parameter.contiguous(memory_format=torch.channels_last)

    def compute(crops: NDArray[np.uint8]) -> NDArray[np.float32]:
        with torch.inference_mode():
            output: NDArray[np.float32] = fast(where.take(crops)).cpu().numpy()
        return output

    return compute


def _drift(exact: _Compute, rounded: _Compute) -> float:
    """Greatest 1 - cosine between two runners on fixed crops of smooth random colour."""
    noise = np.random.default_rng(0).integers(0, 256, (4, 10, 10, 3), dtype=np.uint8)
    crops = noise.repeat(CROP_SIZE // 10, axis=1).repeat(CROP_SIZE // 10, axis=2)
    a, b = exact(crops), rounded(crops)
    norms = np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1)
    return float((1 - (a * b).sum(axis=1) / norms).max())


def load(*, bf16: bool | None = None) -> DlibResNet:
    """The network of the package `face_recognition_models`. Raises WeightsError."""
    return DlibResNet(weights.locate(weights.DLIB_RESNET), bf16=bf16)
