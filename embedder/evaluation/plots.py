"""Plots of evaluations as files of matplotlib's formats, PNG or SVG by the name's ending.

matplotlib is of the extra `evaluation`; without it everything else works.
"""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from embedder import extras
from embedder.errors import EvaluationError
from embedder.evaluation import identification
from embedder.evaluation.comparisons import Comparisons, scores
from embedder.evaluation.detection import Detection
from embedder.evaluation.identification import Identification
from embedder.evaluation.metrics import Curve, Floats
from embedder.evaluation.quality import ErrorVersusReject
from embedder.evaluation.resolution import Resolution
from embedder.evaluation.verification import Verification

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_DPI = 80
_PANEL = (5.2, 4.2)
_COLUMNS = 3
_LOWEST_FMR = 1e-6
_LOWEST_FPIR = 1e-3
_LOWEST_MISSES = 1e-3
_BINS = 200
_POINTS = 400


def check(path: Path) -> None:
    """Raise EvaluationError where matplotlib isn't installed, or knows no such files."""
    if find_spec("matplotlib") is None:
        raise EvaluationError(f"Plots need matplotlib. {extras.remedy('evaluation')}")
    from matplotlib.backend_bases import FigureCanvasBase  # noqa: PLC0415 - an optional extra

    if path.suffix.lstrip(".") not in FigureCanvasBase.filetypes:
        raise EvaluationError(f"{path}: plots are .png or .svg files. Give it such a name.")


def verification(path: Path, results: Sequence[Verification]) -> None:
    """DET curves of all models, and the scores' histogram of each."""
    figure, (det, *histograms) = _panels(1 + len(results))
    _logarithmic(det, _LOWEST_FMR)
    for result in results:
        fmr, fnmr = _thinned(result.curve)
        det.plot(fmr, fnmr, label=result.model)
    name_axes(det, "FMR", "FNMR")
    det.set_title(f"All pairs of {results[0].photos:,} photos")
    for axes, result in zip(histograms, results, strict=True):
        _histogram(axes, result.comparisons)
        axes.set_title(result.model)
    _save(figure, path)


def identification_curves(path: Path, results: Sequence[Identification]) -> None:
    """FNIR against FPIR of each model, a line for each gallery size and way of enrolling."""
    figure, panels = _panels(len(results))
    styles = {identification.ONE: ":", identification.BEST: "--", identification.FUSED: "-"}
    for axes, result in zip(panels, results, strict=True):
        _logarithmic(axes, _LOWEST_FPIR)
        sizes = sorted({size for size, _ in result.searches})
        for (size, way), searches in result.searches.items():
            fpir, fnir = _thinned(searches.curve())
            colour = f"C{sizes.index(size)}"
            axes.plot(fpir, fnir, styles[way], color=colour, label=f"{size:,} people, {way}")
        name_axes(axes, "FPIR", "FNIR", legend=False)
        axes.set_title(result.model)
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside right center")
    _save(figure, path)


def resolution(path: Path, results: Sequence[Resolution]) -> None:
    """Accuracy, and TMR at FMR 1e-3, against the width of the faces."""
    figure, (accuracy, tmr) = _panels(2)
    for result in results:
        rows = [(row.width, row) for row in result.widths if row.width is not None]
        widths = [width for width, _ in rows]
        values, errors = zip(*((r.accuracy, r.accuracy_stderr) for _, r in rows), strict=True)
        accuracy.errorbar(widths, values, errors, marker="o", label=result.model)
        known = [(width, row.tmr) for width, row in rows if row.tmr is not None]
        tmr.plot([w for w, _ in known], [t for _, t in known], marker="o", label=result.model)
    for axes, name in ((accuracy, "accuracy"), (tmr, "TMR at FMR 1e-3")):
        name_axes(axes, "width of the face, pixels", name)
    _save(figure, path)


def error_versus_reject(path: Path, results: Sequence[ErrorVersusReject]) -> None:
    """FNMR at FMR 1e-3 against the share of photos left out."""
    figure, (axes,) = _panels(1)
    for place, result in enumerate(results):
        shares = [100 * row.share for row in result.rows]
        colour = f"C{place}"
        worst = [row.worst for row in result.rows]
        axes.plot(shares, worst, "o-", color=colour, label=f"{result.model}, worst {result.figure}")
        axes.errorbar(
            shares,
            [row.at_random for row in result.rows],
            [row.at_random_deviation for row in result.rows],
            color=colour,
            linestyle=":",
            label=f"{result.model}, at random",
        )
    axes.set_ylim(bottom=0)
    name_axes(axes, "photos left out, per cent", "FNMR at FMR 1e-3")
    _save(figure, path)


def detection(path: Path, results: Sequence[Detection]) -> None:
    """Miss rate and false detection rate of each detector, and its time."""
    figure, (rates, times) = _panels(2)
    names = [result.detector for result in results]
    at = np.arange(len(names))
    rates.bar(at - 0.2, [100 * (1 - r.faces.rate) for r in results], 0.4, label="missed")
    rates.bar(at + 0.2, [100 * r.none.rate for r in results], 0.4, label="falsely detected")
    rates.set_xticks(at, names)
    name_axes(rates, "detector", "pictures, per cent")
    times.bar(at, [1000 * r.faces.seconds / len(r.faces.pictures) for r in results])
    times.set_xticks(at, names)
    times.set_ylabel("ms an image")
    _save(figure, path)


def _panels(count: int) -> tuple[Figure, Sequence[Axes]]:
    """A figure with panels, three in a row, without the state that pyplot keeps."""
    from matplotlib.figure import Figure  # noqa: PLC0415 - an optional extra

    rows, columns = math.ceil(count / _COLUMNS), min(count, _COLUMNS)
    width, height = _PANEL
    figure = Figure(figsize=(width * columns, height * rows), layout="constrained")
    panels = [figure.add_subplot(rows, columns, place + 1) for place in range(count)]
    return figure, panels


def _thinned(curve: Curve) -> tuple[Floats, Floats]:
    """(FMR, FNMR) at a few hundred places even in the FMR's logarithm: a file stays small."""
    rising = curve.fmr[::-1]
    least = max(_LOWEST_FMR, 1 / curve.impostors)
    # Not quite to 1: at the threshold that even failures reach, everything matches.
    wanted = np.logspace(np.log10(least), 0, _POINTS, endpoint=False)
    place = np.unique(np.searchsorted(rising, wanted, side="right") - 1)
    return rising[place], curve.fnmr[::-1][place]


def _logarithmic(axes: Axes, lowest: float) -> None:
    """Logarithmic axes with the same ends in every plot, so that plots can be compared."""
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlim(lowest, 1)
    axes.set_ylim(_LOWEST_MISSES, 1)


def name_axes(axes: Axes, x: str, y: str, *, legend: bool = True) -> None:
    """Name the axes, and draw a grid and a legend, as in every plot."""
    axes.set_xlabel(x)
    axes.set_ylabel(y)
    axes.grid(visible=True, which="major", alpha=0.4)
    if legend:
        axes.legend(fontsize="small")


def _histogram(axes: Axes, comparisons: Comparisons) -> None:
    """Density of genuine and impostor scores, without failures to acquire far below them."""
    used = np.flatnonzero(comparisons.impostors)
    used = used[used > 0]
    impostor, counts = scores(used), comparisons.impostors[used]
    genuine = scores(comparisons.genuine[comparisons.genuine[:, 0] > 0, 0])
    both = np.concatenate((impostor, genuine))
    if not len(both):
        return
    edges = np.linspace(both.min(), both.max(), _BINS + 1)
    for values, weights, label in ((genuine, None, "genuine"), (impostor, counts, "impostor")):
        density, _ = np.histogram(values, edges, weights=weights, density=True)
        axes.stairs(density, edges, fill=True, alpha=0.5, label=label)
    name_axes(axes, "score", "density")


def _save(figure: Figure, path: Path) -> None:
    """Write the figure in the format that the name of the file ends in."""
    if path.suffix != ".png":
        figure.savefig(path)
        return
    drawn = io.BytesIO()
    figure.savefig(drawn, format="png", dpi=_DPI)
    # A third of the bytes: lines and text need few colours, and this method keeps those there are.
    colours = Image.open(drawn).convert("RGB")
    few = colours.quantize(255, Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE)
    few.save(path, optimize=True)
