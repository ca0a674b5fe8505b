"""What training minimises: softmax or margin softmax with center loss, or triplet loss.

Symbols are the papers': x_i the embedding of photo i and y_i its person; W_j and b_j the weights
and bias of person j, c_j their centre; N photos in a batch. All is computed in fp32, whatever the
network computes in.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, distributed, nn
from torch.nn import functional

from embedder.errors import TrainingError

KINDS = ("softmax", "arcface", "cosface", "triplet")
# The papers' margins and scales, where an option gives none.
_MARGINS = {"arcface": 0.5, "cosface": 0.35, "triplet": 0.2}
_SCALES = {"arcface": 64.0, "cosface": 64.0}


@dataclass(frozen=True, slots=True)
class LossOptions:
    """Which loss, and its constants.

    kind: one of KINDS. center_weight: lambda of center loss, 0 without it. center_rate: alpha,
    how far a centre moves in a step, 0 to 1. margin: m of arcface (radians) and cosface, alpha of
    triplet; None is the paper's. scale: s of arcface and cosface; None is the paper's.
    """

    kind: str = "softmax"
    center_weight: float = 0.0
    center_rate: float = 0.5
    margin: float | None = None
    scale: float | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Losses:
    """What a loss makes of a batch.

    total: the scalar to minimise. parts: what it is made of, by name (`softmax`, `center`, ...),
    unweighted scalars without gradients. logits: (N, C) scores of each photo for each person, for
    the accuracy and without gradients; None where nobody is told apart.
    """

    total: Tensor
    parts: dict[str, Tensor]
    logits: Tensor | None


def make_loss(options: LossOptions, people: int, dimension: int) -> Loss:
    """The loss for so many people and numbers of an embedding.

    Raises TrainingError for options that are no loss.
    """
    _check(options, people)
    parts = [(options.kind, _main_part(options, people, dimension), 1.0)]
    if options.center_weight:
        center = CenterLoss(people, dimension, options.center_rate)
        parts.append(("center", center, options.center_weight))
    return Loss(parts)


def _check(options: LossOptions, people: int) -> None:
    if options.kind not in KINDS:
        raise TrainingError(f"There is no loss {options.kind!r}. There are: {', '.join(KINDS)}.")
    if people < 2:  # noqa: PLR2004 - somebody, and somebody else
        raise TrainingError(f"A loss tells people apart: {people} is too few. Give 2 or more.")
    numbers = {
        "center_weight": (options.center_weight, 0.0, math.inf),
        "center_rate": (options.center_rate, 0.0, 1.0),
        "margin": (options.margin, 0.0, math.pi if options.kind == "arcface" else math.inf),
        "scale": (options.scale, 1e-6, math.inf),
    }
    for name, (value, low, high) in numbers.items():
        if value is not None and not (math.isfinite(value) and low <= value <= high):
            raise TrainingError(f"{name} is {value}. Write a number from {low:g} to {high:g}.")


def _main_part(options: LossOptions, people: int, dimension: int) -> nn.Module:
    if options.kind == "softmax":
        return SoftmaxLoss(people, dimension)
    margin = _MARGINS[options.kind] if options.margin is None else options.margin
    if options.kind == "triplet":
        return TripletLoss(margin)
    scale = _SCALES[options.kind] if options.scale is None else options.scale
    kind = ArcFaceLoss if options.kind == "arcface" else CosFaceLoss
    return kind(people, dimension, margin, scale)


class Loss(nn.Module):
    """A weighted sum of parts, each with a name; the first gives the logits."""

    def __init__(self, parts: Sequence[tuple[str, nn.Module, float]]) -> None:
        super().__init__()
        self.parts = nn.ModuleDict({name: part for name, part, _ in parts})
        self.weights = {name: weight for name, _, weight in parts}

    def forward(self, embeddings: Tensor, labels: Tensor) -> Losses:
        """The loss of (N, D) embeddings, not of unit length, and (N,) labels from 0."""
        values: dict[str, Tensor] = {}
        logits = None
        # Automatic mixed precision would compute the logits in 8 bits of mantissa.
        with torch.autocast(embeddings.device.type, enabled=False):
            for name, part in self.parts.items():
                values[name], scores = part(embeddings.float(), labels)
                logits = scores if logits is None else logits
            total = torch.stack([self.weights[name] * each for name, each in values.items()]).sum()
        return Losses(total, {name: each.detach() for name, each in values.items()}, logits)


class SoftmaxLoss(nn.Module):
    """Softmax cross-entropy of a linear classifier.

    L_S = -1/N sum_i log(exp(W_yi . x_i + b_yi) / sum_j exp(W_j . x_i + b_j)).
    """

    def __init__(self, people: int, dimension: int) -> None:
        super().__init__()
        self.classifier = nn.Linear(dimension, people)

    def forward(self, embeddings: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """The scalar for (N, D) embeddings and (N,) labels, and the (N, C) logits."""
        logits: Tensor = self.classifier(embeddings)
        return functional.cross_entropy(logits, labels), logits.detach()


class _MarginLoss(nn.Module, ABC):
    """Softmax cross-entropy of s cos(theta_j), after the own person's cosine was made smaller.

    cos(theta_j) = W_j . x_i / (|W_j| |x_i|). The logits given for the accuracy have no margin: they
    are what the network would answer.
    """

    def __init__(self, people: int, dimension: int, margin: float, scale: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(people, dimension))
        nn.init.normal_(self.weight)  # only its direction counts
        self.margin, self.scale = margin, scale

    def forward(self, embeddings: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """The scalar for (N, D) embeddings and (N,) labels, and the (N, C) logits."""
        cosines = functional.linear(
            functional.normalize(embeddings), functional.normalize(self.weight)
        )
        own = functional.one_hot(labels, len(self.weight)).bool()
        logits = self.scale * torch.where(own, self.with_margin(cosines), cosines)
        return functional.cross_entropy(logits, labels), self.scale * cosines.detach()

    @abstractmethod
    def with_margin(self, cosines: Tensor) -> Tensor:
        """The (N, C) cosines as they count for the own person."""


class CosFaceLoss(_MarginLoss):
    """Large margin cosine loss: Wang et al., "CosFace" (arXiv 1801.09414), equation 4.

    L = -1/N sum_i log(exp(s (cos(theta_yi) - m)) /
    (exp(s (cos(theta_yi) - m)) + sum_{j != yi} exp(s cos(theta_j)))).
    """

    def with_margin(self, cosines: Tensor) -> Tensor:
        """cos(theta) - m."""
        return cosines - self.margin


class ArcFaceLoss(_MarginLoss):
    """Additive angular margin: Deng et al., "ArcFace" (arXiv 1801.07698), equation 3.

    L = -1/N sum_i log(exp(s cos(theta_yi + m)) /
    (exp(s cos(theta_yi + m)) + sum_{j != yi} exp(s cos(theta_j)))).
    """

    def with_margin(self, cosines: Tensor) -> Tensor:
        """cos(theta + m), without arccos, whose slope has no end at a cosine of 1 or -1.

        From theta = pi - m on, where cos(theta + m) would rise again, it goes on falling as
        cos(theta) - m sin(m), as the authors' code does.
        """
        # Half a unit in the last place of 1: below it the sine's slope is cut off.
        sines = (1 - cosines.square()).clamp(min=1e-7).sqrt()
        turned = cosines * math.cos(self.margin) - sines * math.sin(self.margin)
        falling = cosines - self.margin * math.sin(self.margin)
        return torch.where(cosines > math.cos(math.pi - self.margin), turned, falling)


class CenterLoss(nn.Module):
    """Draws the embeddings of a person together.

    Wen, Zhang, Li and Qiao, "A Discriminative Feature Learning Approach for Deep Face Recognition"
    (ECCV 2016), equations 2 to 4:

    L_C = 1/(2N) sum_i |x_i - c_yi|^2; the paper sums, but here softmax is a mean as well, so that
    lambda doesn't depend on the batch. The centres follow a rule of their own, after each batch in
    training mode:

    delta_c_j = sum_i [y_i = j] (c_j - x_i) / (1 + sum_i [y_i = j]); c_j <- c_j - alpha delta_c_j.

    They start at 0 and are part of the state dict. Several processes move them by the photos of
    all, so that each has the same.
    """

    centers: Tensor

    def __init__(self, people: int, dimension: int, rate: float) -> None:
        """`rate` is the paper's alpha."""
        super().__init__()
        self.register_buffer("centers", torch.zeros(people, dimension))
        self.rate = rate

    def forward(self, embeddings: Tensor, labels: Tensor) -> tuple[Tensor, None]:
        """The scalar for (N, D) embeddings and (N,) labels, by the centres before this batch."""
        loss = (embeddings - self.centers[labels]).square().sum(dim=1).mean() / 2
        if self.training:
            self._move(embeddings.detach(), labels)
        return loss, None

    @torch.no_grad()
    def _move(self, embeddings: Tensor, labels: Tensor) -> None:
        away = torch.zeros_like(self.centers)
        away.index_add_(0, labels, self.centers[labels] - embeddings)
        counts = torch.bincount(labels, minlength=len(self.centers)).to(away.dtype)
        if distributed.is_available() and distributed.is_initialized():
            # The sums of all processes, which may hold batches of different size.
            distributed.all_reduce(away)
            distributed.all_reduce(counts)
        self.centers -= self.rate * away / (1 + counts).unsqueeze(1)


class TripletLoss(nn.Module):
    """FaceNet's loss with semi-hard negatives: Schroff et al. (arXiv 1503.03832), section 3.

    L = 1/P sum over the P pairs (a, p) of a person's photos in the batch, in both orders, of
    max(0, |a - p|^2 - |a - n|^2 + alpha), of embeddings of unit length. n is the photo of somebody
    else that is nearest to a among those further away than p; where none is further, the furthest
    of all, which is the least hard (the hardest let a network collapse to one point).

    The batch is that of one process; it must hold several photos of a person.
    """

    def __init__(self, margin: float) -> None:
        """`margin` is the paper's alpha."""
        super().__init__()
        self.margin = margin

    def forward(self, embeddings: Tensor, labels: Tensor) -> tuple[Tensor, None]:
        """The scalar for (N, D) embeddings and (N,) labels; 0 without a pair and a stranger."""
        unit = functional.normalize(embeddings)
        # |a - b|^2 of unit vectors, whose slope ends nowhere, unlike that of the distance.
        distances = 2 - 2 * unit @ unit.T
        anchors, positives = _pairs(labels)
        if not len(anchors):
            return embeddings.sum() * 0, None
        near = distances[anchors, positives]
        far = distances[anchors].gather(1, negatives(distances, labels, anchors, positives))
        return functional.relu(near - far.squeeze(1) + self.margin).mean(), None


def _pairs(labels: Tensor) -> tuple[Tensor, Tensor]:
    """(P,) anchors and (P,) positives: places of photos of one person, if others are there."""
    same = labels.unsqueeze(0) == labels.unsqueeze(1)
    others = ~same
    same.fill_diagonal_(fill_value=False)
    anchors, positives = (same & others.any(dim=1, keepdim=True)).nonzero(as_tuple=True)
    return anchors, positives


@torch.no_grad()
def negatives(distances: Tensor, labels: Tensor, anchors: Tensor, positives: Tensor) -> Tensor:
    """(P, 1): the place of the semi-hard negative of each pair, by (N, N) squared distances."""
    rows = distances[anchors]
    strangers = labels[anchors].unsqueeze(1) != labels.unsqueeze(0)
    further = strangers & (rows > distances[anchors, positives].unsqueeze(1))
    nearest = rows.masked_fill(~further, math.inf).argmin(dim=1, keepdim=True)
    furthest = rows.masked_fill(~strangers, -math.inf).argmax(dim=1, keepdim=True)
    return torch.where(further.any(dim=1, keepdim=True), nearest, furthest)
