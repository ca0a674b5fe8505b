"""Plots of a training, each as the bytes of a PNG, by matplotlib.

matplotlib is of the extra `training`.
"""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from embedder import extras
from embedder.errors import TrainingError
from embedder.evaluation.plots import name_axes
from embedder.training.curves import Curves

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from embedder.evaluation.metrics import Floats

_DPI = 90
_PANEL = (5.2, 3.6)
_BINS = 60
# Points of a curve: a picture has no room for more.
_POINTS = 1_000


def check() -> None:
    """Raise TrainingError where matplotlib isn't installed."""
    if find_spec("matplotlib") is None:
        raise TrainingError(f"Plots need matplotlib. {extras.remedy('training')}")


def losses(curves: Curves, center_weight: float) -> bytes:
    """The total loss and its parts by step, center loss by its weight."""
    from matplotlib.ticker import LogLocator  # noqa: PLC0415 - an optional extra

    figure, [axes] = _panels(1)
    known = {"step", "epoch", "rate", "accuracy"}
    for name in [name for name in curves.steps[0] if name not in known] if curves.steps else []:
        weight = center_weight if name == "center" else 1.0
        label = f"{name} x {weight:g}" if name == "center" else name
        steps, values = _smoothed(curves.column("step"), curves.column(name))
        axes.plot(steps, weight * values, label=label)
    axes.set_yscale("log")
    axes.yaxis.set_minor_locator(LogLocator(subs=(2, 5)))
    for set_formatter in (axes.yaxis.set_major_formatter, axes.yaxis.set_minor_formatter):
        set_formatter("{x:g}")
    name_axes(axes, "step", "loss")
    return _png(figure)


def rate(curves: Curves) -> bytes:
    """The learning rate by step."""
    figure, [axes] = _panels(1)
    axes.plot(curves.column("step"), curves.column("rate"))
    name_axes(axes, "step", "learning rate", legend=False)
    return _png(figure)


def accuracy(curves: Curves) -> bytes:
    """Accuracy and TMR of people held out, and the accuracy of the batches, by epoch."""
    from matplotlib.ticker import MaxNLocator  # noqa: PLC0415 - an optional extra

    figure, [axes, other] = _panels(2)
    rows = [row for row in curves.epochs if "accuracy" in row]
    axes.errorbar(
        [row["epoch"] for row in rows],
        [row["accuracy"] for row in rows],
        [row["accuracy_error"] for row in rows],
        marker="o",
        capsize=2,
        label="people held out, pairs",
    )
    trained = _by_epoch(curves, "accuracy")
    if trained:
        axes.plot(list(trained), list(trained.values()), "--", label="training photos, by name")
    name_axes(axes, "epoch", "accuracy")
    for name, label in (("tmr_1e-2", "FMR 1e-2"), ("tmr_1e-3", "FMR 1e-3")):
        known = [row for row in rows if name in row]
        other.plot([row["epoch"] for row in known], [row[name] for row in known], "o-", label=label)
    name_axes(other, "epoch", "TMR of people held out, at")
    for each in (axes, other):
        each.xaxis.set_major_locator(MaxNLocator(integer=True))
    return _png(figure)


def histograms(scores: Mapping[str, tuple[Floats, Floats]]) -> bytes:
    """Genuine and impostor scores of people held out, of each network by name."""
    figure, panels = _panels(len(scores))
    edges = np.linspace(-1, 1, _BINS + 1)
    for axes, (name, (genuine, impostor)) in zip(panels, scores.items(), strict=True):
        axes.sharey(panels[0])
        for values, label in ((genuine, "genuine"), (impostor, "impostor")):
            density, _ = np.histogram(values, edges, density=True)
            axes.stairs(density, edges, fill=True, alpha=0.5, label=label)
        axes.set_title(name)
        name_axes(axes, "score", "density")
    return _png(figure)


def picture(
    embeddings: Mapping[str, NDArray[np.float32]], labels: NDArray[np.intp], people: Sequence[str]
) -> bytes:
    """(N, 2) embeddings of photos of (N,) people, of each training by name."""
    figure, panels = _panels(len(embeddings), height=4.8)
    for axes, (name, points) in zip(panels, embeddings.items(), strict=True):
        for label, person in enumerate(people):
            theirs = points[labels == label]
            axes.scatter(
                theirs[:, 0], theirs[:, 1], s=9, color=f"C{label % 10}", label=_plain(person)
            )
        axes.set_title(name)
        axes.set_aspect("equal", "datalim")
        axes.set_xlabel("first number of the embedding")
        axes.set_ylabel("second")
        axes.grid(visible=True, alpha=0.3)
    figure.legend(
        *panels[0].get_legend_handles_labels(),
        loc="outside lower center",
        ncols=4,
        fontsize="x-small",
    )
    return _png(figure)


def _plain(name: str) -> str:
    """A name as it is: a dollar sign would begin a formula."""
    return name.replace("$", r"\$")


def _panels(count: int, *, height: float = _PANEL[1]) -> tuple[Figure, list[Axes]]:
    """A figure with panels side by side, without the state that pyplot keeps."""
    from matplotlib.figure import Figure  # noqa: PLC0415 - an optional extra

    figure = Figure(figsize=(_PANEL[0] * count, height), layout="constrained")
    return figure, [figure.add_subplot(1, count, place + 1) for place in range(count)]


def _smoothed(steps: Sequence[float], values: Sequence[float]) -> tuple[Floats, Floats]:
    """At most a thousand points, each the mean of its neighbourhood."""
    groups = min(_POINTS, len(steps))
    parts = [np.array_split(np.array(each, np.float64), groups) for each in (steps, values)]
    x, y = (np.array([part.mean() for part in each]) for each in parts)
    return x, y


def _by_epoch(curves: Curves, name: str) -> dict[float, float]:
    grouped: dict[float, list[float]] = {}
    for row in curves.steps:
        if name in row:
            grouped.setdefault(row["epoch"], []).append(row[name])
    return {epoch: float(np.mean(values)) for epoch, values in grouped.items()}


def _png(figure: Figure) -> bytes:
    drawn = io.BytesIO()
    figure.savefig(drawn, format="png", dpi=_DPI)
    return drawn.getvalue()
