"""MTCNN: a cascade of three small networks that finds faces and their five landmarks.

Zhang et al., "Joint Face Detection and Alignment using Multi-task Cascaded Convolutional
Networks" (arXiv 1604.02878). All images of a batch go through each stage together.

Candidates are rows of arrays: `boxes` (N, 4) as x1, y1, x2, y2 in pixels of their image, and
`image` (N,), the index of that image in the batch.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from embedder.batches import padded
from embedder.detectors import inputs, mtcnn_networks
from embedder.detectors.mipmaps import Mipmaps
from embedder.detectors.nms import Floats, Indices, suppress
from embedder.detectors.rows import detections
from embedder.device import device
from embedder.types import Detection, RgbImage

_WINDOW = 12
_STRIDE = 2
_NMS_LEVEL, _NMS_PROPOSALS, _NMS_REFINED, _NMS_OUTPUT = 0.5, 0.7, 0.7, 0.7
# Candidates that the refining and the output network see at once: as many as the processor's cache
# holds, which is twice as fast as 512. Fewer are filled up to a multiple.
_CHUNK, _MULTIPLE = 64, 8
# Pixels of a pyramid level, over all its images, that go through at once: what lies between the
# proposal network's layers then stays in the processor's cache, which halves the time.
_PIXELS_AT_ONCE = 250_000


@dataclass(frozen=True, slots=True)
class _Candidates:
    image: Indices
    boxes: Floats
    scores: Floats

    def __getitem__(self, rows: NDArray[np.intp] | NDArray[np.bool_]) -> _Candidates:
        return _Candidates(self.image[rows], self.boxes[rows], self.scores[rows])

    def __len__(self) -> int:
        return len(self.image)


class Mtcnn:
    """MTCNN behind the `Detector` protocol; safe to call from several threads."""

    name = "mtcnn"

    def __init__(
        self,
        *,
        thresholds: tuple[float, float, float] = (0.6, 0.7, 0.8),
        pyramid_factor: float = 0.709,
    ) -> None:
        """Load the networks. Raises WeightsError.

        `thresholds`: above which probability a candidate passes the proposal, the refining and
        the output network. `pyramid_factor`: size of each level of the image pyramid over that of
        the one before, above 0 and below 1, else ValueError.
        """
        if not 0 < pyramid_factor < 1:
            raise ValueError(f"pyramid_factor is {pyramid_factor}; it lies between 0 and 1")
        self._proposal, self._refine, self._output = mtcnn_networks.load()
        self._thresholds, self._pyramid_factor = thresholds, pyramid_factor

    def detect(self, images: Sequence[RgbImage], min_face: float) -> list[list[Detection]]:
        """Faces at least `min_face` pixels wide, a list a picture, in pixels of that picture.

        Raises PixelsError.
        """
        inputs.check(images, min_face)
        with torch.inference_mode():
            pictures = Mipmaps(images)
            proposals = self._propose(pictures, max(min_face, _WINDOW))
            return self._settle(pictures, self._refined(pictures, proposals), min_face)

    def _propose(self, pictures: Mipmaps, min_face: float) -> _Candidates:
        """Run the proposal network over an image pyramid; keep the best of each cluster."""
        levels = [
            self._level(pictures, members, scale)
            for shape, members in _by_shape(pictures.images).items()
            for scale in self._pyramid(shape, min_face)
        ]
        found = _concatenate(levels)
        level = np.repeat(np.arange(len(levels)), [len(each) for each in levels])
        level_of_image = level * len(pictures.images) + found.image
        found = found[suppress(found.boxes, found.scores, level_of_image, _NMS_LEVEL)]
        return found[suppress(found.boxes, found.scores, found.image, _NMS_PROPOSALS)]

    def _pyramid(self, shape: tuple[int, int], min_face: float) -> Iterator[float]:
        """Scales at which faces of `min_face` pixels, and ever larger ones, fill the window."""
        scale = _WINDOW / min_face
        while min(shape) * scale >= _WINDOW:
            yield scale
            scale *= self._pyramid_factor

    def _level(self, pictures: Mipmaps, members: Sequence[int], scale: float) -> _Candidates:
        """Candidates of one level of the pyramid, of pictures that share a shape."""
        height, width = pictures.images[members[0]].shape[:2]
        at_once = max(1, int(_PIXELS_AT_ONCE / (height * width * scale**2)))
        return _concatenate(
            [
                self._windows(pictures, np.array(members[start : start + at_once]), scale)
                for start in range(0, len(members), at_once)
            ]
        )

    def _windows(self, pictures: Mipmaps, members: Indices, scale: float) -> _Candidates:
        """Windows above the threshold, moved by their offsets, in pixels of the full picture."""
        small, ratios = zip(*(pictures.resized(int(i), scale) for i in members), strict=True)
        scores, offsets = _in_strips(self._proposal, np.stack(small))
        found, row, column = torch.nonzero(scores > self._thresholds[0], as_tuple=True)
        corner = torch.stack((column, row), dim=1).float() * _STRIDE
        windows = torch.cat((corner, corner + _WINDOW), dim=1)
        boxes = (windows + offsets[found, :, row, column] * _WINDOW).numpy()
        in_full = (boxes * np.tile(ratios[0], 2)).astype(np.float32)
        return _Candidates(members[found.numpy()], in_full, scores[found, row, column].numpy())

    def _refined(self, pictures: Mipmaps, proposals: _Candidates) -> _Candidates:
        squares = _squared(proposals.boxes)
        scores, offsets = _in_chunks(self._refine, pictures, proposals.image, squares, 24)
        found = _Candidates(proposals.image, _moved(squares, offsets), scores)
        found = found[scores > self._thresholds[1]]
        return found[suppress(found.boxes, found.scores, found.image, _NMS_REFINED)]

    def _settle(
        self, pictures: Mipmaps, refined: _Candidates, min_face: float
    ) -> list[list[Detection]]:
        """Detections of each image, from the output network."""
        squares = _squared(refined.boxes)
        outputs = _in_chunks(self._output, pictures, refined.image, squares, 48)
        scores, offsets, marks = outputs
        found = _Candidates(refined.image, _moved(squares, offsets), scores)
        points = _points(squares, marks)
        sure = np.flatnonzero(
            (scores > self._thresholds[2]) & (found.boxes[:, 2] - found.boxes[:, 0] >= min_face)
        )
        found, points = found[sure], points[sure]
        keep = suppress(found.boxes, found.scores, found.image, _NMS_OUTPUT, overlap="min")
        found, points = found[keep], points[keep]
        return detections(len(pictures.images), found.image, found.boxes, points, found.scores)


def _by_shape(images: Sequence[RgbImage]) -> dict[tuple[int, int], list[int]]:
    """Indices of the images by (height, width)."""
    shapes: dict[tuple[int, int], list[int]] = defaultdict(list)
    for index, image in enumerate(images):
        shapes[image.shape[0], image.shape[1]].append(index)
    return shapes


def _in_strips(
    network: Callable[[Tensor], tuple[Tensor, ...]], batch: NDArray[np.uint8]
) -> tuple[Tensor, ...]:
    """What the proposal network makes of (N, H, W, 3) pictures, in strips of their rows."""
    height, width = batch.shape[1:3]
    # A whole number of strides, so that the windows of the strips are those of the picture.
    rows = max(_WINDOW, _PIXELS_AT_ONCE // (len(batch) * width) // _STRIDE * _STRIDE)
    strips = [
        network(_normalised(batch[:, top : top + rows + _WINDOW - _STRIDE]))
        for top in range(0, height - _WINDOW + 1, rows)
    ]
    # Rows are the last but one dimension of the scores (N, h, w) and of the offsets (N, 4, h, w).
    return tuple(torch.cat(parts, dim=-2).cpu() for parts in zip(*strips, strict=True))


def _normalised(batch: NDArray[np.uint8]) -> Tensor:
    """(N, H, W, 3) bytes to (N, 3, H, W) in -1 to 1."""
    return (device().take(batch).float() - 127.5) / 128


def _concatenate(parts: Sequence[_Candidates]) -> _Candidates:
    if not parts:
        return _Candidates(
            np.empty(0, np.intp), np.empty((0, 4), np.float32), np.empty(0, np.float32)
        )
    return _Candidates(
        np.concatenate([part.image for part in parts]),
        np.concatenate([part.boxes for part in parts]),
        np.concatenate([part.scores for part in parts]),
    )


def _squared(boxes: Floats) -> Floats:
    """The smallest squares around the boxes, with the same centres."""
    centre = (boxes[:, :2] + boxes[:, 2:]) / 2
    half = (boxes[:, 2:] - boxes[:, :2]).max(axis=1, keepdims=True) / 2
    return np.concatenate((centre - half, centre + half), axis=1)


def _moved(boxes: Floats, offsets: Floats) -> Floats:
    """Boxes moved by offsets that count in widths and heights of the box."""
    # The networks were trained with boxes that include their last pixel, hence + 1.
    size = boxes[:, 2:] - boxes[:, :2] + 1
    return boxes + offsets * np.concatenate((size, size), axis=1)


def _points(squares: Floats, marks: Floats) -> Floats:
    """(N, 5, 2) landmarks in pixels, from (N, 10) fractions: five x, then five y."""
    size = squares[:, 2:] - squares[:, :2] + 1
    fractions = marks.reshape(-1, 2, 5).transpose(0, 2, 1)
    moved: Floats = fractions * size[:, None] + squares[:, None, :2] - 1
    return moved


def _in_chunks(
    network: Callable[[Tensor], tuple[Tensor, ...]],
    pictures: Mipmaps,
    image: Indices,
    squares: Floats,
    side: int,
) -> tuple[Floats, ...]:
    """Outputs of a network for all squares, cut out at `side` pixels."""
    parts = []
    for start in range(0, max(len(squares), 1), _CHUNK):
        rows = slice(start, start + _CHUNK)
        patches = pictures.patches(image[rows], squares[rows], side)
        outputs = network(_normalised(padded(patches, _MULTIPLE)))
        parts.append([output.cpu().numpy()[: len(patches)] for output in outputs])
    return tuple(np.concatenate(columns) for columns in zip(*parts, strict=True))
