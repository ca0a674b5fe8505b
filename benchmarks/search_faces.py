"""Templates by the million that lie as those of real faces do: the generator of `search.py`.

Real photos are few, and random unit vectors are no test: they have no neighbours. So a model is
fitted to the templates of real photos, and people are drawn from it:

- an *identity* is the people's mean and a deviation: in the 24 directions in which the people's
  means differ most (their covariance, less the noise that the means still have), stretched to hold
  all of the variance;
- a *photo* is its identity and a deviation in the directions in which photos of one person differ,
  taken from people with two or more; then it is normalised;
- how long a deviation is, is drawn from the lengths of the real ones: their tails are longer than
  a Gaussian's.

What is enrolled is one photo, and a probe is another of the same identity. The quantiles of genuine
and impostor scores are printed beside the real ones. A block of rows depends on the seed and the
block's number alone, so a smaller gallery is the beginning of a larger one.

Why 24: scores of drawn and real photos agree for any number, but with all directions a drawn
gallery of LFW's size is harder to search for an HNSW than the real one, and its people are told
apart more easily; the stage `faces` measures both.

Without photos the same model stands on round figures in place of fitted ones (`_rounded`).
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

DIMENSION = 128
DIRECTIONS = 24
BLOCK = 50_000
SAMPLE = 5_000  # identities behind the drawn quantiles: 25 million impostor pairs
GENUINE = (0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99)
IMPOSTOR = (0.01, 0.25, 0.5, 0.75, 0.99, 0.999, 0.9999, 0.99999)

Floats = NDArray[np.float32]
Wide = NDArray[np.float64]
Rows = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Sample:
    """A small gallery, probes whose people are in it at `answers`, and scores of many pairs."""

    gallery: Floats
    probes: Floats
    answers: Rows
    genuine: Wide
    impostor: Wide


@dataclass(frozen=True, eq=False)
class Population:
    """What identities and photos are drawn from; the lengths are those to choose from.

    mean: (128,). identity: (24, 128) and photo: (128, 128) turn unit vectors into deviations.
    """

    mean: Floats
    identity: Floats
    photo: Floats
    identity_lengths: Floats
    photo_lengths: Floats
    real: Sample | None = None

    def templates(self, count: int, seed: int) -> Floats:
        """(count, 128): one photo each of so many people."""
        made = np.empty((count, DIMENSION), np.float32)
        for block, rows in _blocks(count):
            photos = self._photos(
                self._identities(block, seed), np.random.default_rng((seed, 1, block))
            )
            made[rows] = photos[: rows.stop - rows.start]
        return made

    def probes(self, rows: Rows, seed: int) -> Floats:
        """(len(rows), 128): another photo of each of these people."""
        identities = np.empty((len(rows), DIMENSION), np.float32)
        for block in np.unique(rows // BLOCK):
            here = rows // BLOCK == block
            identities[here] = self._identities(int(block), seed)[rows[here] % BLOCK]
        return self._photos(identities, np.random.default_rng((seed, 2)))

    def sample(self, people: int, probes: int, seed: int = 0) -> Sample:
        """A drawn gallery of this size; its scores come from SAMPLE people with two photos."""
        answers = np.random.default_rng((seed, 3)).choice(people, probes)
        every = np.arange(SAMPLE)
        scores = self.probes(every, seed) @ self.templates(SAMPLE, seed).T
        return Sample(
            gallery=self.templates(people, seed),
            probes=self.probes(answers, seed),
            answers=answers,
            genuine=np.diag(scores).astype(np.float64),
            impostor=scores[~np.eye(SAMPLE, dtype=bool)].astype(np.float64),
        )

    def _identities(self, block: int, seed: int) -> Floats:
        source = np.random.default_rng((seed, 0, block))
        return self.mean + _deviations(source, BLOCK, self.identity, self.identity_lengths)

    def _photos(self, identities: Floats, source: np.random.Generator) -> Floats:
        around = _deviations(source, len(identities), self.photo, self.photo_lengths)
        return _unit(identities + around)


def _deviations(source: np.random.Generator, count: int, axes: Floats, lengths: Floats) -> Floats:
    """(count, 128): any direction, of one of these lengths, in the space of these axes."""
    directions = _unit(source.standard_normal((count, len(axes)), np.float32))
    deviations: Floats = source.choice(lengths, (count, 1)) * (directions @ axes)
    return deviations


def _unit(vectors: Floats) -> Floats:
    unit: Floats = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    return unit


def _blocks(count: int) -> Iterator[tuple[int, slice]]:
    for block, begin in enumerate(range(0, count, BLOCK)):
        yield block, slice(begin, min(begin + BLOCK, count))


# --- Fitting it ---------------------------------------------------------------------------------


def population(images: Path, cache: Path) -> Population:
    """Fitted to the photos under `images`, whose templates are kept in `cache`."""
    if not images.is_dir():
        print(f"no photos in {images}: templates are drawn from round figures instead")
        return _rounded()
    return fitted(*_embedded(images, cache))


def _embedded(images: Path, cache: Path) -> tuple[Floats, Rows]:
    """Templates (n, 128) of all photos, and whose each is, made by the default model."""
    from embedder.catalogue import load_pipeline
    from embedder.evaluation.collection import read_people
    from embedder.evaluation.faces import FaceReader
    from embedder.evaluation.models import DEFAULT

    people = read_people(images)
    reader = FaceReader(load_pipeline(DEFAULT, threads=os.cpu_count()), cache=cache)
    faces = reader.read(people.photos)
    return faces.templates[faces.acquired], people.person_indexes()[faces.acquired]


def fitted(templates: Floats, people: Rows) -> Population:
    """A population like the one that these templates (n, 128) of people (n,) come from."""
    vectors = templates.astype(np.float64)
    photos = np.bincount(people)
    means = np.zeros((len(photos), DIMENSION))
    np.add.at(means, people, vectors)
    means /= photos[:, None]
    several = photos[people] > 1
    rest = (vectors - means[people])[several]
    within = rest.T @ rest / (photos[photos > 1] - 1).sum()
    # A mean of n photos still has one n-th of their noise.
    left = within * (1 / photos).mean()
    values, directions = _largest(np.cov(means.T) - left)
    spread = values + np.diag(directions.T @ left @ directions)
    photo = np.linalg.cholesky(within + 1e-9 * np.eye(DIMENSION)).T
    # A photo pulls its person's mean towards itself, by one n-th.
    pulled = np.sqrt(photos[people] / np.maximum(photos[people] - 1, 1))[several]
    stretched = values * np.trace(np.cov(means.T) - left) / values.sum()
    return Population(
        mean=means.mean(axis=0).astype(np.float32),
        identity=(directions * np.sqrt(stretched)).T.astype(np.float32),
        photo=photo.astype(np.float32),
        identity_lengths=_lengths(((means - means.mean(axis=0)) @ directions) / np.sqrt(spread)),
        photo_lengths=_lengths(np.linalg.solve(photo.T, rest.T).T * pulled[:, None]),
        real=_real(templates, people),
    )


def _largest(covariance: Wide) -> tuple[Wide, Wide]:
    """The largest eigenvalues, and their directions as columns."""
    values, directions = np.linalg.eigh(covariance)
    return values[::-1][:DIRECTIONS].clip(1e-12), directions[:, ::-1][:, :DIRECTIONS]


def _lengths(whitened: NDArray[np.floating]) -> Floats:
    """How long each deviation (n, d) is in the space where all directions are alike."""
    lengths: Floats = np.linalg.norm(whitened, axis=1).astype(np.float32)
    return lengths


def _real(templates: Floats, people: Rows) -> Sample:
    """Everybody's first photo as the gallery, all others as probes, all pairs as scores."""
    first = np.unique(people, return_index=True)[1]
    others = np.setdiff1d(np.arange(len(people)), first)
    scores = templates @ templates.T
    same = people[:, None] == people
    pairs = np.triu(np.ones_like(same), 1)
    return Sample(
        gallery=templates[first],
        probes=templates[others],
        answers=people[others],
        genuine=scores[same & pairs].astype(np.float64),
        impostor=scores[~same & pairs].astype(np.float64),
    )


def _rounded() -> Population:
    """What the default model gives on LFW, in round figures: variances fall off as 1 / place."""
    place = np.arange(1, DIMENSION + 1)
    axes = np.linalg.qr(np.random.default_rng(7).standard_normal((DIMENSION, DIMENSION)))[0]
    identity = np.sqrt(0.118 / place[:DIRECTIONS] / (1 / place[:DIRECTIONS]).sum())
    photo = np.sqrt(0.044 / place / (1 / place).sum())
    factors = np.linspace(0.7, 1.3, 101, dtype=np.float32)
    return Population(
        mean=(0.916 * axes[-1]).astype(np.float32),
        identity=(identity[:, None] * axes[:DIRECTIONS]).astype(np.float32),
        photo=(photo[:, None] * axes).astype(np.float32),
        identity_lengths=np.sqrt(np.float32(DIRECTIONS)) * factors,
        photo_lengths=np.sqrt(np.float32(DIMENSION)) * factors,
    )


# --- Is it like the real one? -------------------------------------------------------------------


def samples(people: Population) -> dict[str, Sample]:
    """The real sample, if there is one, and a drawn one of the same size."""
    real = people.real
    if real is None:
        return {"drawn": people.sample(1_500, 2_000)}
    return {"real": real, "drawn": people.sample(len(real.gallery), len(real.probes))}


def quantiles(samples: dict[str, Sample]) -> list[dict[str, Any]]:
    """Rows of a table: quantiles of genuine and impostor scores."""
    return [
        {"pairs": pairs, "templates": name}
        | {f"{at:g}": round(float(np.quantile(getattr(sample, pairs), at)), 4) for at in places}
        for pairs, places in (("genuine", GENUINE), ("impostor", IMPOSTOR))
        for name, sample in samples.items()
    ]
