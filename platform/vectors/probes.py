"""Faces to try the index with: how well does it find people whose template is known?"""

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from people.models import Gallery

from .codec import DIMENSION, FloatArray, decode_many
from .exact import findable

FACES, TEMPLATES = "faces", "templates"
# With fewer a share says little.
FEWEST_FACES = 100
# How far two photos of a person are from each other, as a share of how far two people are: the
# ratio of the mean squared distances. Measured on 150 people of lfw-dev, first photo against
# second: 0.26 with mtcnn-dlib-resnet, 0.36 with yunet-mobilefacenet.
WITHIN_PERSON = 0.3
# For a covariance that says something of faces, though little.
FEWEST_NEEDED = 3
_SEED = 1

FaceSource = Callable[[Gallery, str, int], FloatArray]
# The photos are known in a room above this one, which puts its function here when it is loaded.
face_sources: list[FaceSource] = []


class Probes(NamedTuple):
    """Templates to look up, shape (n, 128), and what they were made of."""

    vectors: FloatArray
    of: str


def probes_for(gallery: Gallery, model: str, count: int) -> Probes:
    """At most `count` probes of a gallery, drawn at random.

    They are templates of single photos of people who have several (the template of somebody with
    one photo is that photo's, and any index finds a vector by itself). Where there are too few of
    these, the people's own templates are taken, with noise.
    """
    for source in face_sources:
        faces = source(gallery, model, count)
        if len(faces) >= min(FEWEST_FACES, count):
            return Probes(faces, FACES)
    return Probes(with_noise(_templates(gallery, model, count)), TEMPLATES)


def _templates(gallery: Gallery, model: str, count: int) -> FloatArray:
    drawn = findable(gallery, model).order_by("?").values_list("vector", flat=True)[:count]
    return decode_many(bytes(each) for each in drawn)


def with_noise(templates: FloatArray) -> FloatArray:
    """What other photos of the same people might give, shape (n, 128).

    The noise is Gaussian, with the covariance of these people's templates, so that it has the shape
    that faces have under this model, and as large as two photos of a person differ. On lfw-dev the
    scores of such probes are those of real photos: with mtcnn-dlib-resnet the median with their own
    people 0.954 for 0.959, with the best of the others 0.89 for 0.92; with yunet-mobilefacenet 0.71
    for 0.66, and 0.30 for 0.28. (The difference of two people as noise gave 0.51 for that 0.28.)
    """
    if len(templates) < FEWEST_NEEDED:
        return templates
    covariance = np.cov(templates.astype(np.float64), rowvar=False)
    noise = np.random.default_rng(_SEED).multivariate_normal(
        np.zeros(DIMENSION), covariance, len(templates), method="eigh", check_valid="ignore"
    )
    noisy = templates + _scale(float(np.trace(covariance))) * noise
    unit: FloatArray = (noisy / np.linalg.norm(noisy, axis=1, keepdims=True)).astype(np.float32)
    return unit


def _scale(variance: float) -> float:
    """What to multiply noise of this variance by, so that the angle is that between two photos.

    People's templates, of the same variance, are by twice that much apart.
    """
    cosine = 1 - WITHIN_PERSON * variance
    return math.sqrt((1 / cosine**2 - 1) / variance) if variance > 0 else 0.0
