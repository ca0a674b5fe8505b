"""Faces to try the index with: how well does it find people whose template is known?"""

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from people.models import Gallery

from .codec import FloatArray, decode_many
from .exact import findable

FACES, TEMPLATES = "faces", "templates"
# With fewer a share says little.
FEWEST_FACES = 100
# How far two photos of a person are from each other, as a share of how far two people are: the
# ratio of the mean squared distances. Measured on 150 people of lfw-dev, first photo against
# second: 0.26 with mtcnn-dlib-resnet, 0.36 with yunet-mobilefacenet.
WITHIN_PERSON = 0.3
# The difference of two others takes three.
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

    The noise of each is the difference between two others, so that it has the shape that faces
    have under this model, made as small as two photos of a person differ. On lfw-dev the scores
    of such probes with their people are those of real photos: median 0.954 for 0.959 with
    mtcnn-dlib-resnet, 0.70 for 0.66 with yunet-mobilefacenet.
    """
    if len(templates) < FEWEST_NEEDED:
        return templates
    order = np.random.default_rng(_SEED).permutation(len(templates))
    differences = templates[order] - templates[np.roll(order, 1)]
    between = float(np.mean(np.sum(differences**2, axis=1)))
    noisy = templates + np.float32(_scale(between)) * differences
    lengths = np.linalg.norm(noisy, axis=1, keepdims=True)
    unit: FloatArray = (noisy / np.maximum(lengths, np.float32(1e-6))).astype(np.float32)
    return unit


def _scale(between: float) -> float:
    """What to multiply differences of this mean square by, so that the angle is as wanted."""
    cosine = 1 - WITHIN_PERSON * between / 2
    return math.sqrt((1 / cosine**2 - 1) / between) if between > 0 else 0.0
