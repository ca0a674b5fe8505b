"""Any network in an ONNX file that makes templates of aligned crops.

How its input wants to look is told by a `Recipe`, which stands in the network's manifest. It runs
in onnxruntime (the extra `onnx`), or without that in OpenCV's own reader of ONNX, which is slower
and doesn't know every operator.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from embedder.errors import DimensionError, TemplateError
from embedder.networks.base import check_crops
from embedder.networks.onnx_engines import Floats, open_engine
from embedder.types import TEMPLATE_DIM, Point

BATCH = 32
"""Crops a run, where the file leaves their number open."""

Points = tuple[Point, ...]


@dataclass(frozen=True, slots=True)
class Recipe:
    """How a network's input is made of aligned crops.

    The input is (crop - mean) / std for each channel, in the order `colour`: `rgb` or `bgr`;
    `layout` is `nchw` or `nhwc`. `points` are the five landmarks (left eye, right eye, nose, left
    and right mouth corner) in pixels of the crop, `points_of` those for detectors
    that place their landmarks differently, by name.
    """

    size: int
    points: Points
    colour: str = "rgb"
    mean: tuple[float, ...] = (127.5, 127.5, 127.5)
    std: tuple[float, ...] = (128.0, 128.0, 128.0)
    layout: str = "nchw"
    points_of: tuple[tuple[str, Points], ...] = ()


class OnnxNetwork:
    """An ONNX network behind the `Network` protocol; safe to call from several threads."""

    def __init__(
        self,
        path: Path,
        recipe: Recipe,
        *,
        name: str,
        mirrored: bool = False,
        threads: int = 1,
        runtime: str = "",
    ) -> None:
        """Load the network at `path` and try it on a blank crop.

        `threads` compute one run. `runtime` is `onnxruntime` or `opencv`; without it the first
        of them that is installed. Raises WeightsError for a file that is damaged or no network of
        one picture, DimensionError when its templates aren't 128-d, TemplateError when they
        aren't finite.
        """
        self.name, self.mirrored = name, mirrored
        self.dimension, self.crop_size = TEMPLATE_DIM, recipe.size
        self._recipe = recipe
        self._engine = open_engine(path, self._input_shape(), threads, runtime)
        self._batch = self._batch_that_works()

    @property
    def runtime(self) -> str:
        """What computes: `onnxruntime` or `opencv`."""
        return self._engine.name

    def landmark_template(self, detector: str) -> NDArray[np.float32]:
        """(5, 2): where the detector's five landmarks belong in the crop, in pixels."""
        points = dict(self._recipe.points_of).get(detector, self._recipe.points)
        return np.array(points, dtype=np.float32)

    def embed(self, crops: NDArray[np.uint8]) -> NDArray[np.float32]:
        """(N, 128) unit templates of (N, crop_size, crop_size, 3) RGB crops.

        Raises CropsError for anything else, DimensionError when the network gives another shape,
        TemplateError for an output that isn't finite or is all zeros.
        """
        check_crops(crops, self.crop_size)
        starts = range(0, len(crops), self._batch)
        parts = [self._outputs(crops[at : at + self._batch]) for at in starts]
        raw = np.concatenate(parts) if parts else np.empty((0, self.dimension), np.float32)
        norms = np.linalg.norm(raw, axis=1, keepdims=True)
        if not (np.isfinite(norms) & (norms > 0)).all():
            raise TemplateError(
                f"{self.name} gave a template that is not finite or is all zeros. Check mean, std, "
                "colour and layout in its manifest."
            )
        unit: NDArray[np.float32] = raw / norms
        return unit

    def _input_shape(self) -> tuple[int, int, int]:
        size = self._recipe.size
        return (3, size, size) if self._recipe.layout == "nchw" else (size, size, 3)

    def _batch_that_works(self) -> int:
        """How many crops to give at once.

        A file may leave their number open and still reshape everything to one row inside, so that
        two crops come out wrong: one by one, then.
        """
        blank = np.full((2, self.crop_size, self.crop_size, 3), 127, np.uint8)
        blank[1, : self.crop_size // 2] = 0
        first = self._outputs(blank[:1])
        if not np.isfinite(first).all():
            raise TemplateError(f"{self.name} gives templates of a blank crop that aren't finite.")
        if self._engine.batch is not None:
            return self._engine.batch
        alone = np.concatenate([first, self._outputs(blank[1:])])
        return BATCH if self._gives(blank, alone) else 1

    def _gives(self, crops: NDArray[np.uint8], expected: Floats) -> bool:
        """Whether the network computes these crops together as it does one by one."""
        try:
            together = self._engine.run(self._prepared(crops))
        except DimensionError:
            return False
        return together.shape == expected.shape and np.allclose(
            together, expected, atol=1e-3, rtol=1e-3
        )

    def _outputs(self, crops: NDArray[np.uint8]) -> Floats:
        """(N, dimension) as the network gives them, of at most a batch of crops."""
        fixed = self._engine.batch or len(crops)
        # A file made for batches of n gets n: what is missing is filled up and cut off again.
        padded = np.concatenate([crops, np.repeat(crops[-1:], fixed - len(crops), axis=0)])
        raw = self._engine.run(self._prepared(padded))
        if raw.shape != (fixed, self.dimension):
            if raw.shape[:1] == (fixed,) and raw.ndim == 2:  # noqa: PLR2004 - rows of templates
                raise _wrong_dimension(self.name, raw.shape[1])
            raise DimensionError(
                f"{self.name} gives an output of the shape {raw.shape} for {fixed} crops, not "
                f"({fixed}, {self.dimension}): it is no network that makes templates."
            )
        return raw[: len(crops)]

    def _prepared(self, crops: NDArray[np.uint8]) -> Floats:
        """The network's input of (N, S, S, 3) RGB crops."""
        recipe = self._recipe
        ordered = crops if recipe.colour == "rgb" else crops[..., ::-1]
        mean, std = (np.array(each, np.float32) for each in (recipe.mean, recipe.std))
        scaled = (ordered.astype(np.float32) - mean) / std
        moved = scaled.transpose(0, 3, 1, 2) if recipe.layout == "nchw" else scaled
        return np.ascontiguousarray(moved, dtype=np.float32)


def _wrong_dimension(name: str, dimension: int) -> DimensionError:
    return DimensionError(
        f"{name} gives {dimension} numbers a face, not {TEMPLATE_DIM}: the index and every stored "
        f"template have {TEMPLATE_DIM}. Use a network with {TEMPLATE_DIM} outputs."
    )
