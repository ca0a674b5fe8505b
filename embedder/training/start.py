"""The network that a training begins with."""

from __future__ import annotations

from pathlib import Path

from torch import nn

from embedder.catalogue import EMBEDDING, Catalogue
from embedder.errors import TrainingError
from embedder.networks.architectures import ARCHITECTURES
from embedder.networks.torch_network import read_module
from embedder.training import checkpoints
from embedder.training.configuration import NetworkOptions


def seen_before(options: NetworkOptions) -> frozenset[str]:
    """Whom the weights of a checkpoint that a training begins with were trained on, by name.

    Empty for a network of the catalogue, which doesn't say.
    """
    if Path(options.start).suffix != checkpoints.SUFFIX:
        return frozenset()
    return frozenset(checkpoints.load(Path(options.start)).seen)


def make_network(options: NetworkOptions) -> nn.Module:
    """A network with the weights that it is to begin with.

    Raises TrainingError when they are those of another network; UnknownModelError,
    NotInstalledError, WeightsError or DimensionError for a network of the catalogue that isn't
    there or doesn't fit.
    """
    known = ARCHITECTURES[options.architecture]
    if not options.start:
        return known.build(dimension=options.dimension, dropout=options.dropout)
    path = Path(options.start)
    if path.suffix != checkpoints.SUFFIX:
        return _of_catalogue(options)
    network = known.build(dimension=options.dimension, dropout=options.dropout)
    try:
        network.load_state_dict(checkpoints.load(path).network().state_dict())
    except RuntimeError as error:
        raise TrainingError(
            f"network.start: {path} holds no {options.architecture} of {options.dimension} numbers."
        ) from error
    return network


def _of_catalogue(options: NetworkOptions) -> nn.Module:
    """A network of the catalogue that was trained here once, by name."""
    catalogue = Catalogue()
    manifest = catalogue.manifest(options.start, EMBEDDING)
    if manifest.engine != "torch":
        trainable = "network.architecture dlib-resnet without network.start"
        raise TrainingError(
            f"network.start: {options.start} runs in {manifest.engine}, and can't be trained. Name "
            f"a network of the engine torch, or a checkpoint; for dlib's say {trainable}."
        )
    (path,) = catalogue.locate(manifest)
    return read_module(path, options.architecture, options.dimension, dropout=options.dropout)
