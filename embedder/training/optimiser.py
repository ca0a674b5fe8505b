"""Optimisers: stochastic gradient descent with momentum, and AdamW (arXiv 1711.05101)."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from embedder.training.configuration import SGD, OptimiserOptions

# The scale of a group's learning rate, beside the keys that torch knows.
_SCALE = "scale"


def make_optimiser(
    options: OptimiserOptions, network: nn.Module, loss: nn.Module
) -> torch.optim.Optimizer:
    """An optimiser of a network's weights and its loss's, whose learning rate is yet to be set."""
    groups = [*_groups(network, options, 1.0), *_groups(loss, options, options.loss_rate)]
    if options.kind == SGD:
        return torch.optim.SGD(groups, lr=0.0, momentum=options.momentum)
    return torch.optim.AdamW(groups, lr=0.0)


def _groups(module: nn.Module, options: OptimiserOptions, scale: float) -> list[dict[str, Any]]:
    """Matrices and filters, which decay, and the rest, for which 0 is no simpler than another."""
    parameters = [each for each in module.parameters() if each.requires_grad]
    decaying = [each for each in parameters if each.dim() > 1]
    others = [each for each in parameters if each.dim() <= 1]
    both = ((decaying, options.weight_decay), (others, 0.0))
    return [
        {"params": members, "weight_decay": decay, _SCALE: scale}
        for members, decay in both
        if members
    ]


def set_rate(optimiser: torch.optim.Optimizer, rate: float) -> None:
    """Set the learning rate of the next steps."""
    for group in optimiser.param_groups:
        group["lr"] = rate * group[_SCALE]
