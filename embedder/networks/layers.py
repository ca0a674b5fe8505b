"""What the trainable networks are built of: a convolution or a linear layer, normalised.

Batch norm: Ioffe and Szegedy, "Batch Normalization: Accelerating Deep Network Training by Reducing
Internal Covariate Shift" (arXiv 1502.03167).
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn.utils import fusion

# TensorFlow's, which the FaceNet implementations were trained with; torch's own is 1e-5.
EPSILON = 1e-3


class ConvNorm(nn.Module):
    """A convolution without bias, its batch norm, and an activation unless it is left away."""

    def __init__(
        self,
        inputs: int,
        outputs: int,
        kernel: int | tuple[int, int],
        *,
        stride: int = 1,
        padding: int | tuple[int, int] = 0,
        groups: int = 1,
        activation: nn.Module | None = None,
    ) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, kernel, stride, padding, groups=groups, bias=False)
        self.norm: nn.Module = nn.BatchNorm2d(outputs, eps=EPSILON)
        self.activation = nn.Identity() if activation is None else activation

    def forward(self, x: Tensor) -> Tensor:
        """(N, inputs, H, W) to (N, outputs, H', W')."""
        y: Tensor = self.activation(self.norm(self.conv(x)))
        return y

    def fold(self) -> None:
        """Put the batch norm into the convolution: the same output, in eval mode alone."""
        if isinstance(self.norm, nn.BatchNorm2d):
            self.conv = fusion.fuse_conv_bn_eval(self.conv, self.norm)
            self.norm = nn.Identity()


class Bottleneck(nn.Module):
    """Dropout, a linear layer without bias down to the template, and its batch norm.

    After Schroff et al. (arXiv 1503.03832), who found 128 dimensions to be enough.
    """

    def __init__(self, inputs: int, outputs: int, dropout: float) -> None:
        super().__init__()
        self.dropout = nn.Dropout(dropout)
        self.linear = nn.Linear(inputs, outputs, bias=False)
        self.norm: nn.Module = nn.BatchNorm1d(outputs, eps=EPSILON)

    def forward(self, x: Tensor) -> Tensor:
        """(N, inputs) to (N, outputs)."""
        y: Tensor = self.norm(self.linear(self.dropout(x)))
        return y

    def fold(self) -> None:
        """Put the batch norm into the linear layer: the same output, in eval mode alone."""
        if isinstance(self.norm, nn.BatchNorm1d):
            self.linear = fusion.fuse_linear_bn_eval(self.linear, self.norm)
            self.norm = nn.Identity()


class Normalise(nn.Module):
    """(x - mean) / scale for each channel, in fp32 whatever the weights are in."""

    def __init__(self, mean: Sequence[float], scale: float) -> None:
        super().__init__()
        # No buffer: it stays in fp32 whatever the weights become, and in no state dict.
        self.mean = torch.tensor(mean).reshape(1, 3, 1, 1)
        self.scale = scale

    def forward(self, pixels: Tensor) -> Tensor:
        """(N, 3, H, W) pixels, 0 to 255, to the same in fp32 around 0."""
        return (pixels.float() - self.mean.to(pixels.device)) / self.scale


def fold_norms(module: nn.Module) -> nn.Module:
    """The module, which must be in eval mode, with each batch norm put into what it follows."""
    for part in list(module.modules()):
        if isinstance(part, ConvNorm | Bottleneck):
            part.fold()
    return module
