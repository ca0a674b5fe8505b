"""Losses against cases computed by hand, and against other ways to compute the same."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, distributed, multiprocessing
from torch.nn import functional

from embedder.errors import TrainingError
from embedder.training.losses import (
    ArcFaceLoss,
    CenterLoss,
    CosFaceLoss,
    LossOptions,
    SoftmaxLoss,
    TripletLoss,
    make_loss,
    negatives,
)

# Softmax


def test_the_textbooks_scores_give_its_probabilities_and_its_loss() -> None:
    loss = SoftmaxLoss(people=3, dimension=3)
    with torch.no_grad():
        loss.classifier.weight.copy_(torch.eye(3))
        loss.classifier.bias.zero_()
    value, logits = loss(torch.tensor([[3.0, 1.0, -3.0]]), torch.tensor([0]))
    assert logits.tolist() == [[3.0, 1.0, -3.0]]
    shares = logits.softmax(dim=1)[0]
    assert [f"{share:.2f}" for share in shares] == ["0.88", "0.12", "0.00"]
    exact = math.exp(3) / (math.exp(3) + math.exp(1) + math.exp(-3))
    assert f"{exact:.2f}" == "0.88"
    assert value.item() == pytest.approx(-math.log(exact), abs=1e-6)
    assert f"{math.exp(-value.item()):.2f}" == "0.88"


# Center loss


def test_centers_move_by_the_papers_rule() -> None:
    loss = CenterLoss(people=3, dimension=2, rate=0.5)
    loss.centers.copy_(torch.tensor([[1.0, 1.0], [0.0, 2.0], [5.0, 5.0]]))
    embeddings = torch.tensor([[3.0, 1.0], [1.0, 5.0], [0.0, 0.0]], requires_grad=True)
    value, logits = loss(embeddings, torch.tensor([0, 0, 1]))
    assert logits is None
    # Squared distances 4, 16 and 4, half of their mean.
    assert value.item() == 4.0
    # Person 0: ((1 - 3) + (1 - 1), (1 - 1) + (1 - 5)) / 3 = (-2, -4) / 3, times 0.5; person 1:
    # (0, 2) / 2 times 0.5; person 2 has no photo and stays.
    expected = torch.tensor([[1 + 1 / 3, 1 + 2 / 3], [0.0, 1.5], [5.0, 5.0]])
    torch.testing.assert_close(loss.centers, expected)
    value.backward()
    # (x - c) / N, by the centres as they were.
    torch.testing.assert_close(
        embeddings.grad, torch.tensor([[2.0, 0.0], [0.0, 4.0], [0.0, -2.0]]) / 3
    )


def test_centers_stay_in_evaluation_and_are_saved_and_not_optimised() -> None:
    loss = CenterLoss(people=2, dimension=2, rate=0.5)
    assert list(loss.parameters()) == []
    loss.eval()(torch.ones(1, 2), torch.tensor([1]))
    assert loss.centers.tolist() == [[0, 0], [0, 0]]
    loss.train()(torch.ones(1, 2), torch.tensor([1]))
    again = CenterLoss(people=2, dimension=2, rate=0.5)
    again.load_state_dict(loss.state_dict())
    assert again.centers.tolist() == [[0, 0], [0.25, 0.25]]


def moved_in_a_process(rank: int, folder: Path) -> None:
    """Two of three photos in one process, the third in another."""
    distributed.init_process_group(
        "gloo", init_method=f"file://{folder / 'meeting'}", rank=rank, world_size=2
    )
    embeddings, labels = a_batch()
    mine = slice(0, 2) if rank == 0 else slice(2, 3)
    loss = CenterLoss(people=3, dimension=4, rate=0.5)
    loss(embeddings[mine], labels[mine])
    np.save(folder / f"{rank}.npy", loss.centers.numpy())
    distributed.destroy_process_group()


def a_batch() -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(3)
    return torch.randn(3, 4, generator=generator), torch.tensor([0, 1, 1])


def test_two_processes_move_the_same_centers_as_one(tmp_path: Path) -> None:
    multiprocessing.spawn(moved_in_a_process, (tmp_path,), nprocs=2)
    alone = CenterLoss(people=3, dimension=4, rate=0.5)
    alone(*a_batch())
    first, second = (np.load(tmp_path / f"{rank}.npy") for rank in (0, 1))
    np.testing.assert_array_equal(first, second)
    np.testing.assert_allclose(first, alone.centers.numpy(), atol=1e-7)


# Margins


def cosines_of_60_and_30_degrees() -> tuple[Tensor, Tensor]:
    """An embedding of length 2, and the two people's weights, at 60 and 30 degrees from it."""
    angles = torch.tensor([math.pi / 3, -math.pi / 6])
    weights = torch.stack([3 * torch.cos(angles), 3 * torch.sin(angles)], dim=1)
    return torch.tensor([[2.0, 0.0]]), weights


@pytest.mark.parametrize(
    ("kind", "own"),
    [(ArcFaceLoss, math.cos(math.pi / 3 + 0.5)), (CosFaceLoss, math.cos(math.pi / 3) - 0.5)],
)
def test_a_margin_makes_the_own_cosine_smaller(
    kind: type[ArcFaceLoss | CosFaceLoss], own: float
) -> None:
    embedding, weights = cosines_of_60_and_30_degrees()
    loss = kind(people=2, dimension=2, margin=0.5, scale=4.0)
    with torch.no_grad():
        loss.weight.copy_(weights)
    value, logits = loss(embedding, torch.tensor([0]))
    other = math.cos(math.pi / 6)
    expected = -math.log(math.exp(4 * own) / (math.exp(4 * own) + math.exp(4 * other)))
    assert value.item() == pytest.approx(expected, abs=1e-5)
    # Without the margin: what the network answers.
    assert logits[0].tolist() == pytest.approx([4 * 0.5, 4 * other], abs=1e-5)


@pytest.mark.parametrize("kind", [ArcFaceLoss, CosFaceLoss])
def test_without_a_margin_it_is_softmax_of_scaled_cosines(
    kind: type[ArcFaceLoss | CosFaceLoss],
) -> None:
    torch.manual_seed(0)
    loss = kind(people=7, dimension=5, margin=0.0, scale=16.0)
    embeddings, labels = torch.randn(20, 5), torch.arange(20) % 7
    value, logits = loss(embeddings, labels)
    cosines = functional.cosine_similarity(embeddings.unsqueeze(1), loss.weight.unsqueeze(0), dim=2)
    torch.testing.assert_close(logits, 16 * cosines.detach(), atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(value, functional.cross_entropy(16 * cosines, labels))


def test_arcface_falls_with_the_angle_from_0_to_180_degrees() -> None:
    loss = ArcFaceLoss(people=2, dimension=2, margin=0.5, scale=1.0)
    angles = torch.linspace(0, math.pi, 181)
    counted = loss.with_margin(torch.cos(angles))
    assert (counted.diff() < 1e-6).all()
    # From 180 degrees less the margin on cos(theta + m) itself would rise.
    assert counted[-1] < -1


@pytest.mark.parametrize("kind", ["arcface", "cosface"])
@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_gradients_are_finite_at_cosines_of_1_and_minus_1(kind: str, sign: float) -> None:
    loss = make_loss(LossOptions(kind=kind), people=2, dimension=3)
    with torch.no_grad():
        loss.parts[kind].weight.copy_(torch.eye(3)[:2])
    embeddings = torch.tensor([[sign, 0.0, 0.0], [0.0, sign, 0.0]], requires_grad=True)
    loss(embeddings, torch.tensor([0, 1])).total.backward()
    assert embeddings.grad is not None
    assert embeddings.grad.isfinite().all()
    assert all(each.grad.isfinite().all() for each in loss.parameters())


# Triplets


def by_hand(embeddings: Tensor, labels: list[int], margin: float) -> tuple[float, list[int]]:
    """The loss and each pair's negative, one after the other."""
    points = functional.normalize(embeddings.double()).numpy()
    squared = ((points[:, None] - points[None]) ** 2).sum(axis=2)
    losses, chosen = [], []
    for a, own in enumerate(labels):
        strangers = [n for n, other in enumerate(labels) if other != own]
        for p in range(len(labels)):
            if p == a or labels[p] != own or not strangers:
                continue
            further = [n for n in strangers if squared[a, n] > squared[a, p]]
            n = (
                min(further, key=lambda n: squared[a, n])
                if further
                else max(strangers, key=lambda n: squared[a, n])
            )
            chosen.append(n)
            losses.append(max(0.0, squared[a, p] - squared[a, n] + margin))
    return (sum(losses) / len(losses) if losses else 0.0), chosen


@settings(max_examples=150, deadline=None)
@given(labels=st.lists(st.integers(0, 3), min_size=1, max_size=12), seed=st.integers(0, 10**6))
def test_semi_hard_negatives_are_those_found_one_by_one(labels: list[int], seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    embeddings = torch.randn(len(labels), 4, generator=generator, dtype=torch.float64)
    expected, chosen = by_hand(embeddings, labels, 0.2)
    value, _ = TripletLoss(0.2)(embeddings, torch.tensor(labels))
    assert value.item() == pytest.approx(expected, abs=1e-9)
    unit = functional.normalize(embeddings)
    pairs = [
        (a, p)
        for a in range(len(labels))
        for p in range(len(labels))
        if a != p and labels[a] == labels[p] and len(set(labels)) > 1
    ]
    if pairs:
        anchors, positives = torch.tensor(pairs).T
        found = negatives(2 - 2 * unit @ unit.T, torch.tensor(labels), anchors, positives)
        assert found.squeeze(1).tolist() == chosen


def test_a_batch_without_pairs_gives_nothing_to_learn() -> None:
    embeddings = torch.randn(3, 4, requires_grad=True)
    value, _ = TripletLoss(0.2)(embeddings, torch.tensor([0, 1, 2]))
    value.backward()
    assert value.item() == 0
    assert embeddings.grad is not None
    assert not embeddings.grad.any()


def test_photos_embedded_alike_have_finite_gradients() -> None:
    embeddings = torch.ones(4, 3, requires_grad=True)
    value, _ = TripletLoss(0.2)(embeddings, torch.tensor([0, 0, 1, 1]))
    value.backward()
    assert value.item() == pytest.approx(0.2, abs=1e-6)
    assert embeddings.grad is not None
    assert embeddings.grad.isfinite().all()


# All behind one protocol


@pytest.mark.parametrize("kind", ["softmax", "arcface", "cosface", "triplet"])
def test_every_loss_adds_center_loss_by_its_weight(kind: str) -> None:
    torch.manual_seed(1)
    loss = make_loss(LossOptions(kind=kind, center_weight=0.25), people=4, dimension=6)
    embeddings, labels = torch.randn(8, 6, requires_grad=True), torch.arange(8) % 4
    found = loss(embeddings, labels)
    assert set(found.parts) == {kind, "center"}
    assert found.total.item() == pytest.approx(
        float(found.parts[kind]) + 0.25 * float(found.parts["center"]), rel=1e-6
    )
    assert not any(part.requires_grad for part in found.parts.values())
    assert (found.logits is None) == (kind == "triplet")
    if found.logits is not None:
        assert found.logits.shape == (8, 4)
        assert not found.logits.requires_grad
    assert "parts.center.centers" in loss.state_dict()


def test_mixed_precision_leaves_the_loss_in_fp32() -> None:
    loss = make_loss(LossOptions(kind="cosface"), people=4, dimension=6)
    embeddings, labels = torch.randn(8, 6), torch.arange(8) % 4
    exact = loss(embeddings, labels).total
    with torch.autocast("cpu", torch.bfloat16):
        mixed = loss(embeddings, labels).total
    assert mixed.dtype == torch.float32
    assert float(mixed.detach()) == float(exact.detach())


@pytest.mark.parametrize(
    ("options", "people", "reason"),
    [
        (LossOptions(kind="hinge"), 5, r"no loss 'hinge'\. There are: softmax, arcface"),
        (LossOptions(center_rate=1.5), 5, r"center_rate is 1\.5\. Write a number from 0 to 1"),
        (LossOptions(center_weight=-1), 5, "center_weight is -1"),
        (LossOptions(kind="cosface", scale=0.0), 5, "scale is 0"),
        (LossOptions(kind="arcface", margin=4.0), 5, "margin is 4"),
        (LossOptions(margin=math.nan), 5, "margin is nan"),
        (LossOptions(), 1, "1 is too few"),
    ],
)
def test_what_is_no_loss_is_refused(options: LossOptions, people: int, reason: str) -> None:
    with pytest.raises(TrainingError, match=reason):
        make_loss(options, people, 8)
