"""MobileFaceNet: a small network for faces, for processors and for small sets of photos.

Chen, Liu, Gao and Han, "MobileFaceNets: Efficient CNNs for Accurate Real-time Face Verification on
Mobile Devices" (arXiv 1804.07573), table 1. Its blocks are MobileNetV2's inverted residuals
(Sandler et al., arXiv 1801.04381), with PReLU and narrower; a depth-wise convolution as large as
the picture takes the place of global pooling, since the middle of a face tells more than its
corners.
"""

from __future__ import annotations

from torch import Tensor, nn

from embedder.networks.layers import Bottleneck, ConvNorm, Normalise

# Expansion t, channels c, repetitions n, stride s of the first: the paper's table 1.
_BLOCKS = ((2, 64, 5, 2), (4, 128, 1, 2), (2, 128, 6, 1), (4, 128, 1, 2), (2, 128, 2, 1))
_STEM, _LAST = 64, 512
# What is left of 112 pixels after four halvings.
_FINAL_SIDE = 7
# Channels come in eights, which processors compute at once.
_STEP = 8


def _conv(inputs: int, outputs: int, kernel: int, *, stride: int = 1, groups: int = 1) -> ConvNorm:
    return ConvNorm(
        inputs,
        outputs,
        kernel,
        stride=stride,
        padding=kernel // 2,
        groups=groups,
        activation=nn.PReLU(outputs),
    )


class _InvertedResidual(nn.Module):
    """Widen, a 3 x 3 convolution of each channel alone, narrow; added to x if the shape allows."""

    def __init__(self, inputs: int, outputs: int, expansion: int, stride: int) -> None:
        super().__init__()
        wide = inputs * expansion
        self.layers = nn.Sequential(
            _conv(inputs, wide, 1),
            _conv(wide, wide, 3, stride=stride, groups=wide),
            # Linear: an activation of so few channels would lose too much of them.
            ConvNorm(wide, outputs, 1),
        )
        self.adds = stride == 1 and inputs == outputs

    def forward(self, x: Tensor) -> Tensor:
        """(N, inputs, H, W) to (N, outputs, H', W')."""
        y: Tensor = self.layers(x)
        return x + y if self.adds else y


def _blocks(inputs: int, width: float) -> nn.Sequential:
    blocks = []
    for expansion, channels, repetitions, stride in _BLOCKS:
        outputs = _scaled(channels, width)
        for place in range(repetitions):
            blocks.append(
                _InvertedResidual(inputs, outputs, expansion, stride if place == 0 else 1)
            )
            inputs = outputs
    return nn.Sequential(*blocks)


def _scaled(channels: int, width: float) -> int:
    return max(_STEP, round(channels * width / _STEP) * _STEP)


class MobileFaceNet(nn.Module):
    """(N, 3, 112, 112) RGB crops, 0 to 255, to (N, dimension) embeddings of any length."""

    def __init__(self, dimension: int = 128, dropout: float = 0.0, width: float = 1.0) -> None:
        """`width` multiplies the channels of every layer: 0.5 computes about a third as much."""
        super().__init__()
        stem, last = _scaled(_STEM, width), _scaled(_LAST, width)
        self.normalise = Normalise((127.5, 127.5, 127.5), 128.0)
        self.stem = nn.Sequential(_conv(3, stem, 3, stride=2), _conv(stem, stem, 3, groups=stem))
        self.blocks = _blocks(stem, width)
        self.widen = _conv(_scaled(_BLOCKS[-1][1], width), last, 1)
        self.pool = ConvNorm(last, last, _FINAL_SIDE, groups=last)
        self.bottleneck = Bottleneck(last, dimension, dropout)

    def forward(self, crops: Tensor) -> Tensor:
        """Normalise in fp32, then compute in the precision of the weights."""
        x = self.normalise(crops).to(self.bottleneck.linear.weight.dtype)
        x = self.pool(self.widen(self.blocks(self.stem(x))))
        embeddings: Tensor = self.bottleneck(x.flatten(1)).float()
        return embeddings
