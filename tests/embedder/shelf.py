"""A models folder of a test's own: manifests, and networks real and made on the spot."""

from __future__ import annotations

import os
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

from embedder.catalogue import Catalogue

MODELS = Path(__file__).resolve().parents[2] / "../shared/models"
ARCFACE = (
    "[[38.2946, 51.6963], [73.5318, 51.5014], [56.0252, 71.7366], "
    "[41.5493, 92.3655], [70.7299, 92.2041]]"
)
YUNET = """
name = "yunet"
task = "detection"
engine = "yunet"
title = "YuNet of fixed shape"
licence = "MIT"
replaces = true
"""
NETWORK = f"""
name = "NAME"
task = "embedding"
engine = "onnx"
title = "A network"
licence = "MIT"
dimension = 128
mirrored = false
[input]
size = 112
colour = "rgb"
mean = [127.5, 127.5, 127.5]
std = [128, 128, 128]
layout = "nchw"
[alignment]
points = {ARCFACE}
"""


def network_text(name: str = "net") -> str:
    return NETWORK.replace("NAME", name)


def shared_network(name: str) -> bytes:
    """A real network; its absence is a failure in CI."""
    path = MODELS / name
    if path.is_file():
        return path.read_bytes()
    message = f"NO NETWORKS TO TEST WITH: {path} is missing"
    if os.environ.get("CI") == "true":
        pytest.fail(message)
    pytest.skip(message)


class Shelf:
    """The folder, and putting things on it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(exist_ok=True)

    @property
    def catalogue(self) -> Catalogue:
        return Catalogue(self.folder)

    def put(self, name: str, text: str, data: bytes = b"", file: str = "", url: str = "") -> Path:
        """A manifest, and its file if there is any data."""
        file = file or f"{name}.onnx"
        if data:
            (self.folder / file).write_bytes(data)
        digest = sha256(data).hexdigest()
        path = self.folder / f"{name}.toml"
        path.write_text(
            f'{text}\n[[files]]\npath = "{file}"\nsha256 = "{digest}"\nbytes = {len(data) or 1}\n'
            + (f'url = "{url}"\n' if url else "")
        )
        return path

    def yunet(self) -> None:
        self.put("yunet", YUNET, shared_network("yunet_n_640_640.onnx"))

    def mobilefacenet(self) -> None:
        data = shared_network("mobilefacenet_128.onnx")
        self.put("mobilefacenet", network_text("mobilefacenet"), data)

    def made(self, name: str = "net", *, data: bytes | None = None) -> None:
        """A network that was made on the spot."""
        self.put(name, network_text(name), network() if data is None else data)


def network(
    dimension: int = 128,
    *,
    batch: int | str = "n",
    one_row: bool = False,
    only_one: bool = False,
    bias: float = 0.0,
) -> bytes:
    """An ONNX file: means of a grid of 4 x 4 cells, and a linear layer of random weights.

    With `one_row` its output is one row, however many pictures come. With `only_one` it fails on
    more than one picture, whatever its input says.
    """
    weights = np.random.default_rng(1).standard_normal((48, dimension)).astype(np.float32)
    nodes = [
        helper.make_node("AveragePool", ["x"], ["cells"], kernel_shape=[28, 28], strides=[28, 28]),
        helper.make_node("Flatten", ["cells"], ["flat"], axis=1),
        helper.make_node("Gemm", ["flat", "weights", "bias"], ["y"]),
    ]
    if one_row:
        nodes[1:1] = [helper.make_node("ReduceMean", ["cells"], ["mean"], axes=[0], keepdims=1)]
        nodes[2] = helper.make_node("Flatten", ["mean"], ["flat"], axis=1)
    if only_one:
        nodes[1] = helper.make_node("Reshape", ["cells", "one"], ["flat"])
    graph = helper.make_graph(
        nodes,
        "net",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [batch, 3, 112, 112])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["rows", dimension])],
        [
            numpy_helper.from_array(weights, "weights"),
            numpy_helper.from_array(np.array([1, 48], np.int64), "one"),
            numpy_helper.from_array(np.full(dimension, bias, np.float32), "bias"),
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    return bytes(model.SerializeToString())
