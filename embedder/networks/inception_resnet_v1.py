"""Inception-ResNet-v1: the network that FaceNet's open implementations train.

Szegedy, Ioffe, Vanhoucke and Alemi, "Inception-v4, Inception-ResNet and the Impact of Residual
Connections on Learning" (arXiv 1602.07261), figures 10 to 15. As FaceNet's implementations have it,
it takes 160 x 160 pixels instead of 299 and ends in a bottleneck of 128 numbers (FaceNet: Schroff,
Kalenichenko and Philbin, arXiv 1503.03832) in place of the classifier.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from embedder.networks.layers import Bottleneck, ConvNorm, Normalise

_WIDTHS = {"stem": 256, "reduced_a": 896, "reduced_b": 1792}


def _conv(
    inputs: int,
    outputs: int,
    kernel: int | tuple[int, int],
    *,
    stride: int = 1,
    padding: int | tuple[int, int] = 0,
) -> ConvNorm:
    return ConvNorm(
        inputs, outputs, kernel, stride=stride, padding=padding, activation=nn.ReLU(inplace=True)
    )


class _Residual(nn.Module):
    """x + scale * up(concatenated branches of x), and a ReLU unless it is the last block.

    The scale keeps the sum from growing through many blocks (section 3.3 of the paper); `up` is a
    plain 1 x 1 convolution, with a bias and without a norm.
    """

    def __init__(
        self, width: int, branches: list[nn.Module], joined: int, scale: float, *, last: bool
    ) -> None:
        super().__init__()
        self.branches = nn.ModuleList(branches)
        self.up = nn.Conv2d(joined, width, 1)
        self.scale = scale
        self.activation = nn.Identity() if last else nn.ReLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        """(N, width, H, W) to the same shape."""
        joined = torch.cat([branch(x) for branch in self.branches], dim=1)
        y: Tensor = self.activation(x + self.scale * self.up(joined))
        return y


def _block_a() -> _Residual:
    """The paper's block A, 35 x 35 there (17 x 17 of a crop of 160)."""
    width = _WIDTHS["stem"]
    branches = [
        _conv(width, 32, 1),
        nn.Sequential(_conv(width, 32, 1), _conv(32, 32, 3, padding=1)),
        nn.Sequential(
            _conv(width, 32, 1), _conv(32, 32, 3, padding=1), _conv(32, 32, 3, padding=1)
        ),
    ]
    return _Residual(width, branches, 96, 0.17, last=False)


def _block_b() -> _Residual:
    """The paper's block B, 17 x 17 there (8 x 8 of a crop of 160)."""
    width = _WIDTHS["reduced_a"]
    branches = [
        _conv(width, 128, 1),
        nn.Sequential(
            _conv(width, 128, 1),
            _conv(128, 128, (1, 7), padding=(0, 3)),
            _conv(128, 128, (7, 1), padding=(3, 0)),
        ),
    ]
    return _Residual(width, branches, 256, 0.10, last=False)


def _block_c(*, last: bool) -> _Residual:
    """The paper's block C, 8 x 8 there (3 x 3 of a crop of 160); the last adds unscaled."""
    width = _WIDTHS["reduced_b"]
    branches = [
        _conv(width, 192, 1),
        nn.Sequential(
            _conv(width, 192, 1),
            _conv(192, 192, (1, 3), padding=(0, 1)),
            _conv(192, 192, (3, 1), padding=(1, 0)),
        ),
    ]
    return _Residual(width, branches, 384, 1.0 if last else 0.20, last=last)


class _Reduction(nn.Module):
    """Branches of stride 2 beside a max-pooling, one after the other in the channels."""

    def __init__(self, branches: list[nn.Module]) -> None:
        super().__init__()
        self.branches = nn.ModuleList(branches)
        self.pool = nn.MaxPool2d(3, 2)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to (N, C', (H - 1) // 2, (W - 1) // 2)."""
        return torch.cat([*(branch(x) for branch in self.branches), self.pool(x)], dim=1)


def _reduction_a() -> _Reduction:
    """k = 192, l = 192, m = 256, n = 384 in the paper's table 1."""
    width = _WIDTHS["stem"]
    narrow = nn.Sequential(
        _conv(width, 192, 1), _conv(192, 192, 3, padding=1), _conv(192, 256, 3, stride=2)
    )
    return _Reduction([_conv(width, 384, 3, stride=2), narrow])


def _reduction_b() -> _Reduction:
    width = _WIDTHS["reduced_a"]
    return _Reduction(
        [
            nn.Sequential(_conv(width, 256, 1), _conv(256, 384, 3, stride=2)),
            nn.Sequential(_conv(width, 256, 1), _conv(256, 256, 3, stride=2)),
            nn.Sequential(
                _conv(width, 256, 1), _conv(256, 256, 3, padding=1), _conv(256, 256, 3, stride=2)
            ),
        ]
    )


def _stem() -> nn.Sequential:
    """160 x 160 x 3 to 17 x 17 x 256."""
    return nn.Sequential(
        _conv(3, 32, 3, stride=2),
        _conv(32, 32, 3),
        _conv(32, 64, 3, padding=1),
        nn.MaxPool2d(3, 2),
        _conv(64, 80, 1),
        _conv(80, 192, 3),
        _conv(192, _WIDTHS["stem"], 3, stride=2),
    )


class InceptionResNetV1(nn.Module):
    """(N, 3, 160, 160) RGB crops, 0 to 255, to (N, dimension) embeddings of any length."""

    def __init__(self, dimension: int = 128, dropout: float = 0.2) -> None:
        """`dropout` is the share of the pooled 1,792 numbers that training leaves out."""
        super().__init__()
        self.normalise = Normalise((127.5, 127.5, 127.5), 128.0)
        self.stem = _stem()
        self.blocks_a = nn.Sequential(*(_block_a() for _ in range(5)))
        self.reduction_a = _reduction_a()
        self.blocks_b = nn.Sequential(*(_block_b() for _ in range(10)))
        self.reduction_b = _reduction_b()
        self.blocks_c = nn.Sequential(
            *(_block_c(last=False) for _ in range(5)), _block_c(last=True)
        )
        self.bottleneck = Bottleneck(_WIDTHS["reduced_b"], dimension, dropout)

    def forward(self, crops: Tensor) -> Tensor:
        """Normalise in fp32, then compute in the precision of the weights."""
        x = self.normalise(crops).to(self.bottleneck.linear.weight.dtype)
        x = self.reduction_a(self.blocks_a(self.stem(x)))
        x = self.reduction_b(self.blocks_b(x))
        x = self.blocks_c(x).mean(dim=(2, 3))
        embeddings: Tensor = self.bottleneck(x).float()
        return embeddings
