"""Reader for dlib's shape predictors (`.dat`): regression trees that place landmarks.

The file is one stream of integers, each a length byte (low nibble: number of bytes; 0x80:
negative) and that many bytes, little-endian. A float is two of them, m and e: m * 2**e.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from embedder.errors import WeightsError

Integers = NDArray[np.int64]
Floats = NDArray[np.float32]

_VERSION = 1
# How many bytes an integer takes, its length byte included, by that byte.
_STEPS = bytes((byte & 0x0F) + 1 for byte in range(256))


@dataclass(frozen=True, slots=True)
class Level:
    """One level of the cascade: T trees of S splits and S + 1 leaves that look at P pixels.

    pixels are given in the shape's unit square, as `offsets` (P, 2) from landmark `anchors` (P,).
    A split sends the face to its left child where pixel `first` minus pixel `second` (both
    (T, S)) is above `thresholds` (T, S). leaves (T, S + 1, L, 2) move the L landmarks.
    """

    anchors: Integers
    offsets: Floats
    first: Integers
    second: Integers
    thresholds: Floats
    leaves: Floats


@dataclass(frozen=True, slots=True)
class ShapeModel:
    """The mean shape, (L, 2) in the unit square of a face's box, and the levels of the cascade."""

    mean: Floats
    levels: tuple[Level, ...]


class _Stream:
    """Reads forward through the integers."""

    def __init__(self, numbers: Integers) -> None:
        self.numbers = numbers
        self.at = 0

    def take(self, count: int) -> Integers:
        start, self.at = self.at, self.at + count
        if not start <= self.at <= len(self.numbers):
            raise ValueError("too short")
        return self.numbers[start : self.at]

    def integer(self) -> int:
        return int(self.take(1)[0])

    def floats(self, count: int) -> Floats:
        return _as_floats(self.take(2 * count))


def read_shape_model(data: bytes) -> ShapeModel:
    """The shape predictor in a file's bytes. Raises WeightsError when they hold none."""
    try:
        return _read(_Stream(_integers(data)))
    except (IndexError, ValueError) as error:
        raise WeightsError("Not a shape predictor that dlib wrote: it ends too early.") from error


def _read(stream: _Stream) -> ShapeModel:
    version, rows, columns = stream.take(3).tolist()
    if version != _VERSION or columns != -1:
        raise WeightsError("Not a shape predictor that dlib wrote: another version.")
    mean = stream.floats(-rows).reshape(-1, 2)
    forests = [_read_forest(stream, len(mean)) for _ in range(stream.integer())]
    anchors = [stream.take(stream.integer()) for _ in range(stream.integer())]
    offsets = [stream.floats(2 * stream.integer()).reshape(-1, 2) for _ in range(stream.integer())]
    levels = (
        Level(anchor, offset, *forest)
        for anchor, offset, forest in zip(anchors, offsets, forests, strict=True)
    )
    return ShapeModel(mean, tuple(levels))


def _read_forest(stream: _Stream, landmarks: int) -> tuple[Integers, Integers, Floats, Floats]:
    """first, second, thresholds and leaves of trees that all have the same depth."""
    trees = stream.integer()
    splits = int(stream.numbers[stream.at])
    # A split is two indices and a float, a leaf its shape (two integers) and its floats.
    leaf = 2 + 2 * 2 * landmarks
    length = 1 + 4 * splits + 1 + (splits + 1) * leaf
    block = stream.take(trees * length).reshape(trees, length)
    nodes = block[:, 1 : 1 + 4 * splits].reshape(trees, splits, 4)
    leaves = block[:, 2 + 4 * splits :].reshape(trees, splits + 1, leaf)[..., 2:]
    moves = _as_floats(leaves).reshape(trees, splits + 1, landmarks, 2)
    return nodes[..., 0], nodes[..., 1], _as_floats(nodes[..., 2:])[..., 0], moves


def _integers(data: bytes) -> Integers:
    """Every integer of the stream."""
    steps = data.translate(_STEPS)
    starts, at = [], 0
    while at < len(data):
        starts.append(at)
        at += steps[at]
    if at != len(data):
        raise ValueError("cut off within an integer")
    return _decoded(np.frombuffer(data, np.uint8), np.array(starts, np.intp))


def _decoded(data: NDArray[np.uint8], starts: NDArray[np.intp]) -> Integers:
    heads = data[starts]
    lengths = heads & 0x0F
    values = np.zeros(len(starts), np.int64)
    for place in range(int(lengths.max(initial=0))):
        has = lengths > place
        values[has] |= data[starts[has] + 1 + place].astype(np.int64) << 8 * place
    return np.where(heads & 0x80, -values, values)


def _as_floats(pairs: Integers) -> Floats:
    """(..., N) floats of (..., 2 N) integers."""
    return np.ldexp(pairs[..., ::2].astype(np.float64), pairs[..., 1::2]).astype(np.float32)
