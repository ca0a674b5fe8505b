from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from embedder.evaluation.verification import FMRS
from embedder.training.data import HeldOut, divide
from embedder.training.measure import CropReader, collection_of, embed, final, quick, spread, unit
from tests.embedder.training.folders import SIZE, drawn, people, told

CPU = torch.device("cpu")


class Colours(nn.Module):
    """The mean colours of four quarters of a crop, centred: enough to tell drawn people apart."""

    def forward(self, pixels: Tensor) -> Tensor:
        return nn.functional.adaptive_avg_pool2d(pixels.float() - 127.5, 2).flatten(1)


@pytest.fixture(scope="module")
def held_out(tmp_path_factory: pytest.TempPathFactory) -> HeldOut:
    """Nine people with four photos each."""
    cache = drawn(tmp_path_factory.mktemp("cache"), people(16, 4))
    return divide(cache, told(data={"share": 0.5}).data, size=SIZE).held_out


def test_the_spread_by_hand() -> None:
    points = np.array([[0, 1], [0, -1], [4, 3], [4, 3], [9, 9]], np.float32)
    found = spread(points, np.array([0, 0, 1, 1, 2]))
    # Means (0, 0) and (4, 3); the fifth is alone and doesn't count.
    assert (found.within, found.between, found.ratio) == (0.5, 5.0, 0.1)
    assert math.isnan(spread(points, np.array([0, 0, 1, 2, 3])).ratio)


def test_rows_of_unit_length() -> None:
    rows = np.array([[3, 4], [0, 0], [np.nan, 1], [np.inf, 1]], np.float32)
    assert unit(rows).tolist() == [[pytest.approx(0.6), pytest.approx(0.8)], [0, 0], [0, 0], [0, 0]]


def test_embeddings_are_those_of_the_network_alone(held_out: HeldOut) -> None:
    network = Colours().train()
    found = embed(network, held_out.crops, CPU, bf16=False)
    assert network.training, "as it was"
    pixels = torch.from_numpy(held_out.crops.read_all()).permute(0, 3, 1, 2)
    torch.testing.assert_close(torch.from_numpy(found), network(pixels))
    mirrored = unit(embed(network, held_out.crops, CPU, bf16=False, mirrored=True))
    both = unit(network(pixels).numpy()) + unit(network(pixels.flip(3)).numpy())
    np.testing.assert_allclose(mirrored, unit(both), atol=1e-6)


def test_colours_tell_drawn_people_apart(held_out: HeldOut) -> None:
    reader = CropReader("colours", Colours(), held_out, CPU)
    figures = quick(reader, held_out)
    assert figures["accuracy"] > 0.95
    assert figures["eer"] < 0.05
    assert figures["ratio"] < 0.6
    assert "tmr_1e-3" not in figures, "too few pairs to know"
    whole = final(reader, held_out)
    assert whole.verification.accuracy.mean == figures["accuracy"]
    assert (whole.verification.photos, whole.verification.people) == (36, 9)
    assert whole.verification.tmr[FMRS[-1]].value is None
    assert whole.identification is None
    assert "The folder has 9 people" in whole.why
    genuine, impostor = whole.scores()
    assert len(genuine) == len(impostor) == 9 * 6
    assert genuine.mean() > impostor.mean()


def test_a_photo_without_a_crop_is_a_failure(held_out: HeldOut) -> None:
    lost = held_out.photos[0]
    crops = replace(
        held_out.crops, paths=held_out.crops.paths[1:], labels=held_out.crops.labels[1:]
    )
    less = replace(held_out, crops=crops, photos=held_out.photos[1:], missing=(lost,))
    assert lost in collection_of(less).photos
    reader = CropReader("colours", Colours(), less, CPU)
    faces = reader.read([lost, less.photos[0]])
    assert faces.acquired.tolist() == [False, True]
    assert faces.failures == {lost: "no_crop"}
    assert not faces.templates[0].any()
    complete = CropReader("colours", Colours(), held_out, CPU)
    assert quick(reader, less)["accuracy"] <= quick(complete, held_out)["accuracy"]
    result = final(reader, less).verification
    assert result.failures == {lost: "no_crop"}
    assert Path(lost).parts[0] in collection_of(less).people
