"""Templates as bytes: 128 little-endian float32, 512 bytes."""

import math
from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from common.errors import Unprocessable

DIMENSION = 128
BYTES = DIMENSION * 4
# How far from length 1 a template may be before it is taken for something else.
UNIT_TOLERANCE = 1e-3

FloatArray = NDArray[np.float32]


class InvalidTemplate(Unprocessable):
    """Numbers that are no template. They are never stored and never indexed."""

    code = "invalid_template"


def encode(template: FloatArray) -> bytes:
    """The bytes of a unit vector of shape (128,).

    Raises:
        InvalidTemplate: wrong shape, NaN or infinity, or not of length 1.
    """
    if template.shape != (DIMENSION,):
        raise InvalidTemplate(f"A template has {DIMENSION} numbers; this has {template.shape}.")
    if not np.isfinite(template).all():
        raise InvalidTemplate("A template's numbers must all be finite.")
    length = float(np.linalg.norm(template.astype(np.float64)))
    if abs(length - 1) > UNIT_TOLERANCE:
        raise InvalidTemplate(f"A template has length 1; this has length {length:.4f}.")
    return np.asarray(template, dtype="<f4").tobytes()


def decode(data: bytes) -> FloatArray:
    """The vector of shape (128,) that `encode` wrote."""
    return np.frombuffer(data, dtype="<f4").astype(np.float32, copy=False)


def decode_many(rows: Iterable[bytes]) -> FloatArray:
    """Vectors of shape (n, 128)."""
    joined = b"".join(rows)
    return np.frombuffer(joined, dtype="<f4").reshape(-1, DIMENSION)


def fuse(templates: FloatArray, counts: Sequence[int] | None = None) -> FloatArray:
    """One template from those of a person's faces, shape (n, 128): their mean, normalised.

    `counts` says for how many faces each stands, if not for one.

    It misses fewer people in a large gallery than the best score of each face does
    (docs/adr/0005-domain.md).

    Raises:
        InvalidTemplate: there is none, or they cancel out.
    """
    if not len(templates):
        raise InvalidTemplate("There is no face to make a template of.")
    # Summed exactly, so that the order of the faces doesn't matter, not even in the last bit.
    weights = np.ones(len(templates)) if counts is None else np.asarray(counts, np.float64)
    weighted = templates.astype(np.float64) * weights[:, None]
    mean = np.array([math.fsum(column) for column in weighted.T.tolist()]) / weights.sum()
    length = float(np.linalg.norm(mean))
    if length < UNIT_TOLERANCE:
        raise InvalidTemplate("The faces' templates cancel out.")
    fused: FloatArray = (mean / length).astype(np.float32)
    return fused


def scores(templates: FloatArray, probes: FloatArray) -> FloatArray:
    """(p, n) cosines of (p, 128) probes with (n, 128) templates.

    Each is the same to the last bit whatever stands beside it. A product of matrices is not: BLAS
    sums in an order that depends on how many rows there are, so that the hits of one index would
    score otherwise than those of another, and a decision at a threshold hang on it.
    """
    found: FloatArray = np.einsum("nd,pd->pn", templates, probes)
    return found
