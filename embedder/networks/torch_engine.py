"""What runs a torch network that makes templates: in batches, and in bf16 where that is exact."""

from __future__ import annotations

import copy
from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from embedder.batches import padded
from embedder.device import Device, device

MAX_DRIFT = 1e-4
"""Greatest 1 - cosine to the fp32 template at which bf16 may be used."""

# Crops of a pass, unless there are fewer.
_MULTIPLE = 4
# Cells of smooth colour along each side of a crop that the drift is measured on.
_CELLS = 10

_Compute = Callable[[NDArray[np.uint8]], NDArray[np.float32]]


class TorchEngine:
    """Computes embeddings on this process's device; safe to call from several threads."""

    def __init__(
        self, module: nn.Module, size: int, dimension: int, *, bf16: bool | None = None
    ) -> None:
        """Take a module in eval mode from (N, 3, size, size) pixels to (N, dimension) floats.

        `bf16` None measures whether it may be used. `precision` is `bf16` or `fp32`.
        """
        self._dimension = dimension
        self._batch = device().batch
        self._compute, self.precision = _compile(module, device(), size, bf16=bf16)

    def run(self, crops: NDArray[np.uint8]) -> NDArray[np.float32]:
        """(N, dimension) of (N, size, size, 3) RGB crops, as the module gives them."""
        whole = padded(crops, _MULTIPLE) if len(crops) > _MULTIPLE else crops
        starts = range(0, len(whole), self._batch)
        parts = [self._compute(whole[at : at + self._batch]) for at in starts]
        if not parts:
            return np.empty((0, self._dimension), np.float32)
        return np.concatenate(parts)[: len(crops)]


def unit(raw: NDArray[np.float32]) -> NDArray[np.float32]:
    """(N, D) rows of unit length; what isn't finite stays so, quietly: the pipeline refuses it."""
    with np.errstate(divide="ignore", invalid="ignore"):
        scaled: NDArray[np.float32] = raw / np.linalg.norm(raw, axis=1, keepdims=True)
    return scaled


def _compile(
    module: nn.Module, where: Device, size: int, *, bf16: bool | None
) -> tuple[_Compute, str]:
    exact = _runner(module, where, torch.float32)
    if bf16 is False or (bf16 is None and not where.multiplies_bf16):
        return exact, "fp32"
    rounded = _runner(module, where, torch.bfloat16)
    # Not a number isn't below it either.
    if bf16 is None and not _drift(exact, rounded, size) < MAX_DRIFT:
        return exact, "fp32"
    return rounded, "bf16"


def _runner(module: nn.Module, where: Device, dtype: torch.dtype) -> _Compute:
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


def _drift(exact: _Compute, rounded: _Compute, size: int) -> float:
    """Greatest 1 - cosine between two runners on fixed crops of smooth random colour."""
    noise = np.random.default_rng(0).integers(0, 256, (4, _CELLS, _CELLS, 3), dtype=np.uint8)
    repeats = -(-size // _CELLS)
    crops = noise.repeat(repeats, axis=1).repeat(repeats, axis=2)[:, :size, :size]
    a, b = unit(exact(crops)), unit(rounded(crops))
    return float((1 - (a * b).sum(axis=1)).max())
