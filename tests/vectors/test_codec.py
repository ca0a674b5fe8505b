"""Templates as bytes, and one template from several."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from tests.factories import unit
from vectors.codec import BYTES, DIMENSION, InvalidTemplate, decode, decode_many, encode, fuse

Vector = NDArray[np.float32]
numbers = st.floats(-1, 1, width=32, allow_subnormal=False)


def normalised(vector: Vector) -> Vector:
    return (vector / np.linalg.norm(vector)).astype(np.float32)


units = (
    arrays(np.float32, DIMENSION, elements=numbers)
    .filter(lambda vector: np.linalg.norm(vector) > 0.1)
    .map(normalised)
)


@given(units)
def test_a_template_survives_its_bytes(vector: Vector) -> None:
    data = encode(vector)
    assert len(data) == BYTES == 512
    assert decode(data).dtype == np.float32
    assert np.array_equal(decode(data), vector)


def test_bytes_are_little_endian_whatever_the_machine() -> None:
    vector = unit(1)
    assert encode(vector) == encode(vector.astype(">f4"))
    assert encode(vector)[:4] == np.float32(vector[0]).astype("<f4").tobytes()


@given(st.lists(units, min_size=0, max_size=5))
def test_many_are_decoded_as_each(vectors: list[Vector]) -> None:
    together = decode_many(encode(vector) for vector in vectors)
    assert together.shape == (len(vectors), DIMENSION)
    assert all(np.array_equal(row, vector) for row, vector in zip(together, vectors, strict=True))


@pytest.mark.parametrize("shape", [(0,), (127,), (129,), (1, 128), (128, 1), ()])
def test_another_shape_is_no_template(shape: tuple[int, ...]) -> None:
    with pytest.raises(InvalidTemplate, match=r"^A template has 128 numbers; this has \("):
        encode(np.ones(shape, np.float32))


@given(st.integers(0, 127), st.sampled_from([np.nan, np.inf, -np.inf]))
def test_a_number_that_is_none_is_refused(position: int, value: float) -> None:
    vector = unit(2)
    vector[position] = value
    with pytest.raises(InvalidTemplate, match=r"^A template's numbers must all be finite\.$"):
        encode(vector)


@pytest.mark.parametrize("length", [0, 0.5, 0.998, 1.002, 2, 1e30])
def test_another_length_than_one_is_refused(length: float) -> None:
    with pytest.raises(InvalidTemplate, match=r"^A template has length 1; this has length \d"):
        encode(unit(3) * np.float32(length))


def test_the_refusal_is_a_422() -> None:
    with pytest.raises(InvalidTemplate) as caught:
        encode(np.zeros(DIMENSION, np.float32))
    assert (caught.value.http_status, caught.value.code) == (422, "invalid_template")


@given(st.lists(st.integers(0, 10_000), min_size=1, max_size=8, unique=True), st.randoms())
def test_fusing_ignores_the_order_and_gives_a_template(seeds: list[int], random: object) -> None:
    vectors = np.stack([unit(seed) for seed in seeds])
    fused = fuse(vectors)
    shuffled = list(seeds)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert abs(np.linalg.norm(fused) - 1) < 1e-6
    assert encode(fused) == encode(fuse(np.stack([unit(seed) for seed in shuffled])))
    mean = vectors.astype(np.float64).mean(axis=0)
    assert np.abs(fused - mean / np.linalg.norm(mean)).max() < 1e-7


def test_one_face_alone_is_the_template() -> None:
    assert np.abs(fuse(unit(4)[None]) - unit(4)).max() < 1e-7


def test_nothing_and_opposites_fuse_to_nothing() -> None:
    with pytest.raises(InvalidTemplate, match="no face"):
        fuse(np.empty((0, DIMENSION), np.float32))
    with pytest.raises(InvalidTemplate, match="cancel out"):
        fuse(np.stack([unit(5), -unit(5)]))
