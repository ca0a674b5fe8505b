"""The exponential moving average of a network's weights, which serves better than the last ones.

Polyak and Juditsky, "Acceleration of Stochastic Approximation by Averaging" (1992), with weights
that fall exponentially.
"""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn


class Average:
    """A copy of a network whose floating-point state follows the network's slowly."""

    def __init__(self, network: nn.Module, keep: float) -> None:
        """`keep` of the average stays at each step; at first less, (1 + t) / (10 + t) at step t."""
        self.network = copy.deepcopy(network).requires_grad_(requires_grad=False).eval()
        self._keep = keep

    @torch.no_grad()
    def update(self, network: nn.Module, step: int) -> None:
        """Follow the network after step `step`, counted from 0."""
        keep = min(self._keep, (1 + step) / (10 + step))
        theirs: dict[str, Tensor] = network.state_dict()
        for name, ours in self.network.state_dict().items():
            # The statistics of batch norms too; what counts is copied.
            if ours.is_floating_point():
                ours.lerp_(theirs[name], 1 - keep)
            else:
                ours.copy_(theirs[name])
