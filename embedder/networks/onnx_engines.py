"""What runs an ONNX file: onnxruntime, or OpenCV where that isn't installed."""

from __future__ import annotations

import os
import threading
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from embedder import extras
from embedder.errors import DimensionError, WeightsError
from embedder.opencv import cv2

Floats = NDArray[np.float32]

_DAMAGED = "It is damaged, or no ONNX network: fetch it again."
_RANK = 4


class Engine(Protocol):
    """Computes a network's only output; safe to call from several threads."""

    name: str
    batch: int | None
    """How many pictures each run must have; None leaves it open."""

    def run(self, pictures: Floats) -> Floats:
        """The output for (N, ...) prepared pictures. Raises DimensionError if it refuses them."""
        ...


def has_onnxruntime() -> bool:
    """Whether the extra `onnx` is installed."""
    return find_spec("onnxruntime") is not None


def open_engine(path: Path, shape: tuple[int, int, int], threads: int, runtime: str = "") -> Engine:
    """An engine on the file for pictures of `shape`, with `threads` for each run.

    Raises WeightsError when the file can't be read or wants another input.
    """
    chosen = runtime or ("onnxruntime" if has_onnxruntime() else "opencv")
    if chosen == "opencv":
        return OpenCvEngine(path)
    return OnnxRuntimeEngine(path, shape, threads)


class OnnxRuntimeEngine:
    """onnxruntime on the processor."""

    name = "onnxruntime"

    def __init__(self, path: Path, shape: tuple[int, int, int], threads: int) -> None:
        """Raise WeightsError for a file that is damaged or wants another input than `shape`."""
        self._session = _session(path, threads)
        inputs = self._session.get_inputs()
        if len(inputs) != 1:
            raise WeightsError(f"{path.name} wants {len(inputs)} inputs; a network here has one.")
        self._input, wanted = inputs[0].name, inputs[0].shape
        _check_input(path, wanted, inputs[0].type, shape)
        self._output = self._session.get_outputs()[0].name
        self.batch: int | None = wanted[0] if isinstance(wanted[0], int) else None

    def run(self, pictures: Floats) -> Floats:
        """The first output; onnxruntime's own errors become DimensionError."""
        try:
            (output,) = self._session.run([self._output], {self._input: pictures})
        except Exception as error:
            raise DimensionError(f"onnxruntime can't compute this network: {error}") from error
        return np.asarray(output, dtype=np.float32)


def _session(path: Path, threads: int) -> Any:
    # Read while onnxruntime is imported.
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
    import onnxruntime  # noqa: PLC0415 - an extra, and slow to import

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    # Threads that spin while they wait take the cores from the other networks.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.log_severity_level = 3
    try:
        return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:
        raise WeightsError(f"{path.name} can't be opened by onnxruntime. {_DAMAGED}") from error


def _check_input(path: Path, wanted: list[Any], kind: str, shape: tuple[int, int, int]) -> None:
    """Raise WeightsError where the file fixes something else than the manifest says."""
    if kind != "tensor(float)":
        raise WeightsError(f"{path.name} wants {kind}, not 32-bit floats: it can't be used here.")
    fixed = [side for side in wanted[1:] if isinstance(side, int)]
    ours = [have for have, side in zip(shape, wanted[1:], strict=False) if isinstance(side, int)]
    if len(wanted) != _RANK or fixed != ours:
        raise WeightsError(
            f"{path.name} wants pictures of the shape {wanted[1:]}, the manifest says "
            f"{list(shape)}. Correct size or layout in the manifest's [input]."
        )


class OpenCvEngine:
    """OpenCV's reader of ONNX: one picture a run, and one run at a time."""

    name = "opencv"
    # A file made for one picture, given two, answers with one long row.
    batch: int | None = 1

    def __init__(self, path: Path) -> None:
        """Raise WeightsError for a file that OpenCV can't read."""
        try:
            self._network = cv2.dnn.readNetFromONNX(str(path))
        except cv2.error as error:
            raise WeightsError(
                f"{path.name} can't be opened by OpenCV. {_DAMAGED} If it is whole, OpenCV doesn't "
                f"know an operator of it; onnxruntime does. {extras.remedy('onnx')}"
            ) from error
        self._lock = threading.Lock()

    def run(self, pictures: Floats) -> Floats:
        """The output; OpenCV's own errors become DimensionError."""
        with self._lock:
            try:
                self._network.setInput(pictures)
                output = self._network.forward()
            except cv2.error as error:
                raise DimensionError(
                    f"OpenCV can't compute this network on pictures of {pictures.shape[1:]}. Check "
                    "size and layout in its manifest, or take onnxruntime. "
                    f"{extras.remedy('onnx')}"
                ) from error
        return np.array(output, dtype=np.float32)
