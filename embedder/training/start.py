"""The network that a training begins with."""

from __future__ import annotations

from pathlib import Path

from torch import nn

from embedder.errors import TrainingError
from embedder.networks.architectures import ARCHITECTURES
from embedder.training import checkpoints
from embedder.training.configuration import NetworkOptions


def make_network(options: NetworkOptions) -> nn.Module:
    """A network with the weights that it is to begin with.

    Raises TrainingError when they are those of another network, WeightsError when a file that
    they come from is missing or damaged.
    """
    network = ARCHITECTURES[options.architecture].build(
        dimension=options.dimension, dropout=options.dropout
    )
    if options.start:
        _take(network, Path(options.start))
    return network


def _take(network: nn.Module, path: Path) -> None:
    """The weights of a checkpoint (its average where it has one), or of a safetensors file."""
    if path.suffix == ".safetensors":
        from safetensors import SafetensorError  # noqa: PLC0415 - only where it is needed
        from safetensors.torch import load_file  # noqa: PLC0415

        try:
            weights = load_file(path)
        except (SafetensorError, OSError) as error:
            raise TrainingError(f"{path} is no safetensors file, or damaged.") from error
    else:
        weights = checkpoints.load(path).network().state_dict()
    try:
        network.load_state_dict(weights)
    except RuntimeError as error:
        raise TrainingError(
            f"network.start: {path} holds the weights of another network."
        ) from error
