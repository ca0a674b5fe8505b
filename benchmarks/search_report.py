"""The tables and the plot of `search.py`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

Row = dict[str, Any]


def show(title: str, rows: Sequence[Row]) -> None:
    """Print rows as a table, with the columns of all of them."""
    columns = list(dict.fromkeys(name for row in rows for name in row))
    print(f"\n{title}\n")
    print("| " + " | ".join(columns) + " |")
    print("|" + "---|" * len(columns))
    for row in rows:
        print("| " + " | ".join(_text(row.get(name)) for name in columns) + " |")
    print(flush=True)


def _text(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    return str(value)


def plot(growth: Sequence[Row], path: Path) -> None:
    """Median milliseconds of a search, by size of the gallery, each contender a line."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(figsize=(6.4, 3.8), layout="constrained")
    for name in dict.fromkeys(row["contender"] for row in growth):
        points = sorted((row["n"], row["p50"]) for row in growth if row["contender"] == name)
        axes.plot(*zip(*points, strict=True), marker="o", label=name)
    axes.set(xscale="log", yscale="log", xlabel="templates", ylabel="one search, p50 (ms)")
    axes.grid(visible=True, which="both", linewidth=0.3)
    axes.legend(fontsize="small")
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)
    plt.close(figure)
