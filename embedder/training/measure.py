"""How well a network tells people apart whom it wasn't trained on, from the crops of a cache.

The protocols are those of `python -m embedder evaluate`; only the photos' way to templates is
shorter here, since they are aligned already.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from embedder.errors import EvaluationError
from embedder.evaluation import identification, metrics, verification
from embedder.evaluation.collection import Collection
from embedder.evaluation.comparisons import Comparisons, compare
from embedder.evaluation.faces import Faces
from embedder.evaluation.identification import Identification
from embedder.evaluation.metrics import Floats
from embedder.evaluation.verification import Verification
from embedder.training.data import Crops, HeldOut

BATCH = 64
FMR, HIGH_FMR = 1e-3, 1e-2
NO_CROP = "no_crop"


@dataclass(frozen=True, slots=True, eq=False)
class Spread:
    """How far photos of a person lie apart, and people from each other, among unit templates.

    within: mean distance of a photo from the mean of its person's; between: mean distance of two
    people's means. Of people with two photos or more.
    """

    within: float
    between: float

    @property
    def ratio(self) -> float:
        """Within over between: what center loss is to make smaller. NaN if people are one point."""
        return self.within / self.between if self.between > 0 else float("nan")


def spread(templates: NDArray[np.float32], labels: NDArray[np.intp]) -> Spread:
    """The spread of (N, D) templates with (N,) labels. NaN where nobody, or one, has two photos."""
    members = [templates[labels == label] for label in np.unique(labels)]
    several = [theirs.astype(np.float64) for theirs in members if len(theirs) > 1]
    if len(several) < 2:  # noqa: PLR2004 - two people, to lie apart
        return Spread(float("nan"), float("nan"))
    means = np.array([theirs.mean(axis=0) for theirs in several])
    distances = [
        np.linalg.norm(theirs - mean, axis=1) for theirs, mean in zip(several, means, strict=True)
    ]
    # A mean against those behind it: all pairs at once of ten thousand people fill a memory.
    between = sum(
        float(np.linalg.norm(means[place + 1 :] - mean, axis=1).sum())
        for place, mean in enumerate(means)
    )
    pairs = len(means) * (len(means) - 1) / 2
    return Spread(float(np.concatenate(distances).mean()), between / pairs)


def embed(
    network: nn.Module, crops: Crops, place: torch.device, *, bf16: bool, mirrored: bool = False
) -> NDArray[np.float32]:
    """(N, D) embeddings of all crops, not of unit length; read a batch at a time.

    With `mirrored` the sum of the unit embeddings of a crop and of its mirror image.
    """
    was_training = network.training
    network.eval()
    parts = []
    with torch.inference_mode(), torch.autocast(place.type, torch.bfloat16, enabled=bf16):
        for begin in range(0, len(crops.paths), BATCH):
            pixels = crops.read_all(range(begin, min(begin + BATCH, len(crops.paths))))
            batch = torch.from_numpy(pixels).permute(0, 3, 1, 2).to(place)
            found = network(batch).float()
            if mirrored:
                other = network(batch.flip(3)).float()
                found = nn.functional.normalize(found) + nn.functional.normalize(other)
            parts.append(found.cpu().numpy())
    network.train(was_training)
    return np.concatenate(parts)


def unit(embeddings: NDArray[np.float32]) -> NDArray[np.float32]:
    """(N, D) rows of unit length; a row that isn't finite, or is all zeros, becomes zeros."""
    norms = np.linalg.norm(embeddings, axis=1, keepdims=True)
    good = np.isfinite(norms) & (norms > 0)
    scaled: NDArray[np.float32] = np.where(good, embeddings / np.where(good, norms, 1), 0)
    return scaled


class CropReader:
    """A network that reads photos from the crops of people held out."""

    def __init__(
        self,
        name: str,
        network: nn.Module,
        held_out: HeldOut,
        place: torch.device,
        *,
        bf16: bool = False,
        mirrored: bool = False,
    ) -> None:
        """Embed all crops."""
        embeddings = embed(network, held_out.crops, place, bf16=bf16, mirrored=mirrored)
        self.model = name
        self.templates = unit(embeddings)
        self._places = {photo: at for at, photo in enumerate(held_out.photos)}

    def read(self, photos: Sequence[Path]) -> Faces:
        """The faces of photos, by name; those without a crop are failures to acquire."""
        found = [self._places.get(photo) for photo in photos]
        acquired = np.array([place is not None for place in found], np.bool_)
        templates = np.zeros((len(photos), self.templates.shape[1]), np.float32)
        templates[acquired] = self.templates[[place for place in found if place is not None]]
        missing = {
            photo: NO_CROP for photo, place in zip(photos, found, strict=True) if place is None
        }
        return Faces(templates, acquired, np.full(len(photos), np.nan), {}, missing)


def collection_of(held_out: HeldOut) -> Collection:
    """The people held out, with the photos that have no crop: they count as failures."""
    photos = sorted([*held_out.photos, *held_out.missing])
    return Collection(photos, [photo.parts[0] for photo in photos])


def quick(reader: CropReader, held_out: HeldOut) -> dict[str, float]:
    """The main figures, after each epoch; one that too few photos tell is left out."""
    photos = sorted({photo for pair in held_out.pairs for photo in (pair.first, pair.second)})
    faces = reader.read(photos)
    places = {photo: place for place, photo in enumerate(photos)}
    accuracy = verification.accuracy(faces, places, held_out.pairs)
    curve = _comparisons(reader, held_out).curve()
    figures = {
        "accuracy": accuracy.mean,
        "accuracy_error": accuracy.error,
        "tmr_1e-2": metrics.tmr_at_fmr(curve, HIGH_FMR),
        "tmr_1e-3": metrics.tmr_at_fmr(curve, FMR),
        "eer": metrics.eer(curve),
        "ratio": spread(reader.templates, held_out.crops.labels).ratio,
    }
    known = {name: float(value) for name, value in figures.items() if value is not None}
    return {name: value for name, value in known.items() if math.isfinite(value)}


def _comparisons(reader: CropReader, held_out: HeldOut) -> Comparisons:
    collection = collection_of(held_out)
    faces = reader.read(collection.photos)
    return compare(faces.templates, faces.acquired, collection.person_indexes(), kept=0)


@dataclass(frozen=True, slots=True, eq=False)
class Final:
    """All figures of a network; identification is None where the people are too few, and `why`."""

    verification: Verification
    identification: Identification | None
    spread: Spread
    why: str = ""

    def record(self) -> dict[str, object]:
        """All figures, ready for JSON."""
        return {
            "verification": self.verification.record(),
            "identification": self.identification and self.identification.record(),
            **{
                name: figure if math.isfinite(figure) else None
                for name, figure in (
                    ("within", self.spread.within),
                    ("between", self.spread.between),
                    ("ratio", self.spread.ratio),
                )
            },
        }

    def scores(self) -> tuple[Floats, Floats]:
        """(G,) genuine and (I,) impostor scores of the protocol's pairs."""
        accuracy = self.verification.accuracy
        return accuracy.scores[accuracy.genuine], accuracy.scores[~accuracy.genuine]


def final(reader: CropReader, held_out: HeldOut, *, seed: int = 0) -> Final:
    """Verification with intervals, identification, and the spread."""
    collection = collection_of(held_out)
    verified = verification.evaluate(reader, collection, held_out.pairs, seed=seed)
    distances = spread(reader.templates, held_out.crops.labels)
    try:
        identified = identification.evaluate(reader, collection, seed=seed)
    except EvaluationError as error:
        return Final(verified, None, distances, str(error))
    return Final(verified, identified, distances)
