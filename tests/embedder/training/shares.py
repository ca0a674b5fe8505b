"""Run by torchrun: the gradients of each loss on this process's share of a batch.

    torchrun --nproc-per-node=2 -m tests.embedder.training.shares FILE

The first process writes gradients and centres; so does a process alone, of the whole batch.
"""

from __future__ import annotations

import sys

import torch
from torch import nn

from embedder.training.distributed import joined
from embedder.training.loop import Objective
from embedder.training.losses import LossOptions, make_loss

OPTIONS = {
    "softmax": LossOptions(),
    "center": LossOptions(center_weight=0.3, center_rate=0.5),
    "arcface": LossOptions("arcface", scale=8.0),
    "cosface": LossOptions("cosface", center_weight=0.1, scale=8.0),
}
BATCH, STEPS, PEOPLE = 8, 3, 5


def network() -> nn.Module:
    """Small, and without batch norm, whose statistics on processors are those of a share."""
    return nn.Sequential(nn.Flatten(), nn.Linear(27, 16), nn.PReLU(16), nn.Linear(16, 4))


def main(path: str) -> None:
    found = {}
    with joined() as processes:
        share = processes.share(BATCH)
        for name, options in OPTIONS.items():
            torch.manual_seed(3)
            objective = Objective(network(), make_loss(options, PEOPLE, 4))
            wrapped = processes.wrap(objective)
            optimiser = torch.optim.SGD(objective.parameters(), lr=0.1, momentum=0.9)
            for _ in range(STEPS):
                pixels = torch.rand(BATCH, 3, 3, 3)
                labels = torch.randint(0, PEOPLE, (BATCH,))
                optimiser.zero_grad()
                wrapped(pixels[share], labels[share]).total.backward()
                optimiser.step()
            for key, parameter in objective.named_parameters():
                found[f"{name} {key}"] = parameter.grad
            for key, buffer in objective.named_buffers():
                found[f"{name} {key}"] = buffer
        if processes.is_first:
            torch.save(found, path)
        processes.wait()


if __name__ == "__main__":
    main(sys.argv[1])
