"""A network that was trained here: an architecture, and its weights in a safetensors file.

The file's header names the architecture and the dimension, so that weights never end up in another
network, and says nothing that runs: unlike a pickle it can be read from anybody.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from embedder.errors import DimensionError, TemplateError, WeightsError
from embedder.networks.architectures import ARCHITECTURES
from embedder.networks.base import check_crops
from embedder.networks.layers import fold_norms
from embedder.networks.torch_engine import TorchEngine, unit
from embedder.types import TEMPLATE_DIM

_ARCHITECTURE, _DIMENSION = "architecture", "dimension"


class TorchNetwork:
    """A trained network behind the `Network` protocol; safe to call from several threads."""

    def __init__(
        self,
        path: Path,
        architecture: str,
        *,
        name: str,
        mirrored: bool = False,
        bf16: bool | None = None,
    ) -> None:
        """Load the weights at `path` and try them on a blank crop.

        `bf16` None measures whether it may be used. Raises WeightsError for a file that is damaged,
        of another architecture or not finite, DimensionError when its templates aren't 128-d,
        TemplateError when that of a blank crop isn't finite.
        """
        self.name, self.mirrored = name, mirrored
        self._architecture = ARCHITECTURES[architecture]
        self.dimension, self.crop_size = TEMPLATE_DIM, self._architecture.crop_size
        module = fold_norms(read_module(path, architecture, TEMPLATE_DIM).eval())
        self._engine = TorchEngine(module, self.crop_size, self.dimension, bf16=bf16)
        self.embed(np.full((1, self.crop_size, self.crop_size, 3), 127, np.uint8))

    @property
    def precision(self) -> str:
        """What it computes in: `bf16` or `fp32`."""
        return self._engine.precision

    def landmark_template(self, detector: str) -> NDArray[np.float32]:
        """(5, 2): where the detector's five landmarks belong in the crop, in pixels."""
        return self._architecture.landmark_template(detector)

    def embed(self, crops: NDArray[np.uint8]) -> NDArray[np.float32]:
        """(N, 128) unit templates of (N, crop_size, crop_size, 3) RGB crops.

        Raises CropsError for anything else, TemplateError for an output that isn't finite or is all
        zeros.
        """
        check_crops(crops, self.crop_size)
        templates = unit(self._engine.run(crops))
        if not np.isfinite(templates).all():
            raise TemplateError(
                f"{self.name} gave a template that is not finite or is all zeros. Was its training "
                "stopped by a loss that diverged? Export an earlier checkpoint."
            )
        return templates


def write_weights(path: Path, module: nn.Module, architecture: str, dimension: int) -> None:
    """Write a module's weights in fp32, with what they are of. Raises OSError."""
    tensors = {
        name: tensor.detach().float().cpu().contiguous()
        for name, tensor in module.state_dict().items()
        if tensor.is_floating_point()  # not batch norm's count of batches: only training asks it
    }
    try:
        save_file(tensors, path, {_ARCHITECTURE: architecture, _DIMENSION: str(dimension)})
    except SafetensorError as error:
        # It has its own error even for a full disk.
        raise OSError(f"{path} can't be written: {error}") from error


def read_module(
    path: Path, architecture: str, dimension: int = TEMPLATE_DIM, *, dropout: float | None = None
) -> nn.Module:
    """The architecture with the weights at `path`, in fp32 on the processor; to serve or to train.

    Raises WeightsError when the file is damaged, of another architecture or holds numbers that
    aren't finite, DimensionError when it is of another dimension; OSError when it can't be read.
    """
    described, tensors = _read(path)
    written = described.get(_ARCHITECTURE, "")
    if written != architecture:
        raise WeightsError(
            f"{path.name} holds weights of {written or 'an unknown network'}, not of "
            f"{architecture}. Correct architecture in its manifest."
        )
    if described.get(_DIMENSION) != str(dimension):
        raise DimensionError(
            f"{path.name} gives {described.get(_DIMENSION, '?')} numbers a face, not {dimension}: "
            "train a network with that dimension."
        )
    options = {} if dropout is None else {"dropout": dropout}
    module = ARCHITECTURES[architecture].build(dimension=dimension, **options)
    _fill(module, tensors, path)
    return module


def _read(path: Path) -> tuple[Mapping[str, str], dict[str, Tensor]]:
    try:
        with safe_open(path, "pt") as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            return file.metadata() or {}, tensors
    except SafetensorError as error:
        raise WeightsError(
            f"{path.name} is damaged, or no safetensors file ({error}): fetch or export it again."
        ) from error


def _fill(module: nn.Module, tensors: dict[str, Tensor], path: Path) -> None:
    for name, tensor in tensors.items():
        if not tensor.isfinite().all():
            raise WeightsError(f"{path.name}: {name} holds NaN or infinity. Use other weights.")
    own = {name for name, tensor in module.state_dict().items() if tensor.is_floating_point()}
    try:
        module.load_state_dict(tensors, strict=False)
    except RuntimeError as error:  # torch's word for another shape
        raise WeightsError(f"{path.name}: weights of another shape. {error}") from error
    if own != tensors.keys():
        name = min(own ^ tensors.keys())
        found = "lacks" if name in own else "holds an unknown"
        raise WeightsError(f"{path.name} {found} {name}: it was made by another version.")
