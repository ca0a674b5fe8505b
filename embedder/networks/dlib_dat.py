"""Reader for the weights in dlib's serialised networks (`.dat`).

Layers stand in the file in the order in which the data flows, each after its name in the clear.
An integer is one length byte (low nibble: number of bytes; 0x80: negative) and that many bytes,
little-endian. A tensor is its version (2), four dimensions, then raw little-endian float32.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from embedder.errors import WeightsError

_TENSOR_VERSION = 2
# A name is preceded by its length as an integer, and the weights of all three begin with
# integers, which never start with 0x00.
_LAYER = re.compile(rb"\x01\x05con_4(?=\x01)|\x01\x07affine_(?=\x01)|\x01\x04fc_2(?=\x01)")


@dataclass(frozen=True, slots=True)
class Convolution:
    """filters (outputs, inputs, height, width), bias (outputs,), the same stride both ways."""

    filters: NDArray[np.float32]
    bias: NDArray[np.float32]
    stride: int
    padding: int


@dataclass(frozen=True, slots=True)
class Affine:
    """y = gamma x + beta for each channel: batch normalisation at test time."""

    gamma: NDArray[np.float32]
    beta: NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Linear:
    """y = x matrix, without bias; matrix (inputs, outputs)."""

    matrix: NDArray[np.float32]


Layer = Convolution | Affine | Linear


class _Cursor:
    """Reads forward through the file."""

    def __init__(self, data: bytes, at: int) -> None:
        self.data = data
        self.at = at

    def integer(self) -> int:
        head = self.data[self.at]
        start, self.at = self.at + 1, self.at + 1 + (head & 0x0F)
        value = int.from_bytes(self.data[start : self.at], "little")
        return -value if head & 0x80 else value

    def integers(self, count: int) -> list[int]:
        return [self.integer() for _ in range(count)]

    def tensor(self) -> NDArray[np.float32]:
        version, *shape = self.integers(5)
        count = int(np.prod(shape))
        start, self.at = self.at, self.at + 4 * count
        if version != _TENSOR_VERSION or self.at > len(self.data):
            raise WeightsError("Not a network that dlib wrote: a tensor is malformed.")
        return np.frombuffer(self.data, "<f4", count, start).reshape(shape)


def read_layers(data: bytes) -> list[Layer]:
    """All layers with weights, in the order in which the data flows.

    Raises WeightsError when the bytes are no network of dlib's.
    """
    layers: list[Layer] = []
    channels, cursor = 3, _Cursor(data, 0)
    try:
        while match := _LAYER.search(data, cursor.at):
            cursor.at = match.end()
            layer = _read_layer(match[0], cursor, channels)
            channels = len(layer.bias) if isinstance(layer, Convolution) else channels
            layers.append(layer)
    except (IndexError, ValueError) as error:
        raise WeightsError("Not a network that dlib wrote: it ends too early.") from error
    return layers


def _read_layer(name: bytes, cursor: _Cursor, channels: int) -> Layer:
    if name.endswith(b"con_4"):
        return _read_convolution(cursor, channels)
    if name.endswith(b"affine_"):
        gamma, beta = cursor.tensor().reshape(2, -1)
        return Affine(gamma, beta)
    outputs, inputs = cursor.integers(2)
    return Linear(cursor.tensor().reshape(inputs, outputs))


def _read_convolution(cursor: _Cursor, channels: int) -> Convolution:
    """One flat tensor holds the filters and after them the biases; the geometry follows it."""
    flat = cursor.tensor().ravel()
    outputs, height, width, stride, _, padding, _ = cursor.integers(7)
    filters = flat[:-outputs].reshape(outputs, channels, height, width)
    return Convolution(filters, flat[-outputs:], stride, padding)
