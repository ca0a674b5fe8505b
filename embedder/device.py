"""Where networks compute: on the GPU if there is one, else on the processor.

`CUDA_VISIBLE_DEVICES=` (empty) in the environment hides a GPU.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor


@dataclass(frozen=True, slots=True)
class Device:
    """A processor or GPU, and how it is used best.

    multiplies_bf16: whether it does so itself; elsewhere bf16 is emulated, and slower than fp32.
    batch: crops a pass; more are no faster and need more memory.
    """

    place: torch.device
    multiplies_bf16: bool
    batch: int

    def take(self, pixels: NDArray[np.uint8]) -> Tensor:
        """The (N, H, W, 3) pixels as an (N, 3, H, W) tensor there, still 8 bits."""
        tensor = torch.from_numpy(np.ascontiguousarray(pixels)).permute(0, 3, 1, 2)
        if self.place.type == "cuda":
            # From pinned memory the copy runs while the next batch is made ready.
            tensor = tensor.pin_memory()
        return tensor.to(self.place, non_blocking=True)


@cache
def device() -> Device:
    """The device of this process."""
    if torch.cuda.is_available():
        return Device(torch.device("cuda"), torch.cuda.is_bf16_supported(), batch=256)
    able = torch.cpu.get_capabilities()
    return Device(
        torch.device("cpu"), bool(able.get("avx512_bf16") or able.get("amx_bf16")), batch=32
    )
