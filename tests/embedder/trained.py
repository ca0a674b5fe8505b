"""Networks as a training leaves them: checkpoints, and weights with a manifest."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from torch import nn

from embedder.networks.architectures import ARCHITECTURES
from embedder.networks.torch_network import write_weights
from embedder.training.checkpoints import Checkpoint, save
from tests.embedder.shelf import Shelf

SMALL = "mobilefacenet-half"


def built(architecture: str = SMALL, dimension: int = 128) -> nn.Module:
    """The network with the weights that its training begins with, and norms that differ."""
    torch.manual_seed(5)
    module = ARCHITECTURES[architecture].build(dimension=dimension)
    for norm in module.modules():
        if isinstance(norm, nn.BatchNorm2d | nn.BatchNorm1d):
            nn.init.uniform_(norm.weight, 0.5, 1.5)
            nn.init.uniform_(norm.bias, -0.5, 0.5)
    return module.eval()


def checkpoint(
    folder: Path,
    architecture: str = SMALL,
    *,
    dimension: int = 128,
    people: Sequence[str] = ("A", "B"),
    averaged: bool = False,
    change: Callable[[nn.Module], None] = lambda _: None,
) -> Path:
    """A file that `train` could have written; `averaged` has other weights beside it."""
    module = built(architecture, dimension)
    change(module)
    model = module.state_dict()
    path = folder / "last.pt"
    held = Checkpoint(
        architecture=architecture,
        detector="mtcnn",
        dimension=dimension,
        dropout=0.0,
        configuration={},
        model={name: torch.zeros_like(each) for name, each in model.items()} if averaged else model,
        ema=model if averaged else None,
        loss={},
        optimiser={},
        schedule={},
        sampler={},
        random={},
        epoch=3,
        step=40,
        people=list(people),
        seen=list(people),
        curves={},
    )
    save(path, held)
    return path


def manifest_text(name: str, architecture: str = SMALL) -> str:
    return f"""
name = "{name}"
task = "embedding"
engine = "torch"
architecture = "{architecture}"
title = "A trained network"
licence = "MIT"
dimension = 128
mirrored = false
"""


def put(shelf: Shelf, name: str = "net", architecture: str = SMALL, dimension: int = 128) -> Path:
    """Weights and a manifest on the shelf; the path of the weights."""
    path = shelf.folder / f"{name}.safetensors"
    write_weights(path, built(architecture, dimension), architecture, dimension)
    shelf.put(name, manifest_text(name, architecture), path.read_bytes(), path.name)
    return path
