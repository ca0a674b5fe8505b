"""What a training leaves to be read: one HTML file with all pictures in it, and figures in JSON."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from html import escape

from embedder.evaluation.identification import Identification, Searches, fnir_at_fpir
from embedder.evaluation.report import number, table
from embedder.evaluation.verification import Figure, Verification
from embedder.training import plots
from embedder.training.configuration import Configuration
from embedder.training.curves import Curves
from embedder.training.measure import FMR, HIGH_FMR, Final

_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; max-width: 72rem; margin: 2rem auto; padding: 0 1rem;
       color: #1c2024; background: #fff }
img { max-width: 100%; height: auto }
table { border-collapse: collapse; margin: 1rem 0 }
th, td { border-bottom: 1px solid #d0d5da; padding: .3rem .8rem; text-align: left }
pre { background: #f3f5f7; padding: 1rem; overflow-x: auto }
"""

HEADINGS = (
    "network", "accuracy", f"TMR at FMR {HIGH_FMR:g}", f"TMR at FMR {FMR:g}", "EER",
    "within / between",
)  # fmt: skip


SEARCH_FPIRS = (0.1, 0.03, 0.01)
SEARCH_HEADINGS = (
    "network", "people enrolled", "by", "rank 1", *(f"FNIR at FPIR {f:g}" for f in SEARCH_FPIRS),
)  # fmt: skip


def rows(finals: Mapping[str, Final]) -> list[list[str]]:
    """The main figures of each network, by name."""
    return [
        [
            name,
            f"{final.verification.accuracy.mean:.4f} +- {final.verification.accuracy.error:.4f}",
            _figure(final.verification.tmr[HIGH_FMR]),
            _figure(final.verification.tmr[FMR]),
            _figure(final.verification.eer),
            number(final.spread.ratio, 3),
        ]
        for name, final in finals.items()
    ]


def search_rows(finals: Mapping[str, Final]) -> list[list[str]]:
    """How many are found among all who can be enrolled, of each network and way of enrolling."""
    return [
        [
            name,
            f"{size:,}",
            way,
            number(searches.rank(1), 3),
            *(number(fnir_at_fpir(searches.curve(), fpir), 3) for fpir in SEARCH_FPIRS),
        ]
        for name, final in finals.items()
        for size, way, searches in _largest(final.identification)
    ]


def _largest(found: Identification | None) -> list[tuple[int, str, Searches]]:
    if found is None:
        return []
    largest = max(size for size, _ in found.searches)
    return [(size, way, each) for (size, way), each in found.searches.items() if size == largest]


def lines(finals: Mapping[str, Final]) -> list[str]:
    """The tables of `rows` and `search_rows`, to print."""
    searched = search_rows(finals)
    return [
        *table(HEADINGS, rows(finals)),
        "",
        *(table(SEARCH_HEADINGS, searched) if searched else [_why(finals)]),
    ]


def _why(finals: Mapping[str, Final]) -> str:
    return f"Nobody is searched 1:N. {next(iter(finals.values())).why}"


def html(
    title: str,
    configuration: Configuration,
    curves: Curves,
    finals: Mapping[str, Final],
    *,
    picture: bytes | None = None,
    about: str = "",
) -> str:
    """The report, with the picture in two dimensions if there is one.

    `about`: a sentence on what was trained on. Nothing in it is fetched from anywhere.
    """
    scores = {name: final.scores() for name, final in finals.items()}
    parts = [
        _heading("People held out"),
        _about(next(iter(finals.values())).verification),
        _html_table(HEADINGS, rows(finals)),
        _searched(finals),
        _image("Accuracy and TMR by epoch", plots.accuracy(curves)),
        _image("Scores of genuine and impostor pairs", plots.histograms(scores)),
        _heading("Training"),
        f"<p>{escape(about)}</p>",
        _image("Loss", plots.losses(curves, configuration.loss.center_weight)),
        _image("Learning rate", plots.rate(curves)),
        *([_image("Embeddings in two dimensions", picture)] if picture else []),
        _heading("Configuration"),
        f"<pre>{escape(_told(configuration))}</pre>",
    ]
    return _page(title, parts)


def _about(some: Verification) -> str:
    return (
        f"<p>{some.photos:,} photos of {some.people:,} people whom this training never saw, "
        f"{len(some.accuracy.scores):,} pairs in folds, {some.curve.impostors:,.0f} impostor pairs "
        "in all, each photo looked at once, without its mirror image. FMR: share of impostor pairs "
        "(two people) that match; TMR: share of genuine pairs (one person) that do; EER: where FMR "
        "and 1 - TMR meet. In brackets 95 % intervals, by bootstrap of people; +- is the standard "
        "error over folds. Within / between: mean distance of a photo from its person's mean, over "
        "that of two people's means.</p>"
    )


def _searched(finals: Mapping[str, Final]) -> str:
    found = search_rows(finals)
    if not found:
        return f"<p>{escape(_why(finals))}</p>"
    return (
        "<p>Searched 1:N among them, a quarter or more of whom are strangers and never enrolled. "
        "FNIR: share of searches of the enrolled that miss, at the threshold where a stranger's "
        f"search ends in a match as often as FPIR says.</p>{_html_table(SEARCH_HEADINGS, found)}"
    )


def _page(title: str, parts: Sequence[str]) -> str:
    return (
        f'<!doctype html>\n<html lang="en">\n<meta charset="utf-8">\n<title>{escape(title)}</title>'
        f"\n<style>{_STYLE}</style>\n<h1>{escape(title)}</h1>\n" + "\n".join(parts) + "\n</html>\n"
    )


def _heading(text: str) -> str:
    return f"<h2>{escape(text)}</h2>"


def _image(caption: str, png: bytes) -> str:
    data = base64.b64encode(png).decode("ascii")
    return (
        f"<h3>{escape(caption)}</h3>\n"
        f'<img alt="{escape(caption)}" src="data:image/png;base64,{data}">'
    )


def _html_table(headings: Sequence[str], cells: Sequence[Sequence[str]]) -> str:
    head = "".join(f"<th>{escape(each)}</th>" for each in headings)
    body = "\n".join(
        "<tr>" + "".join(f"<td>{escape(each)}</td>" for each in row) + "</tr>" for row in cells
    )
    return f"<table>\n<tr>{head}</tr>\n{body}\n</table>"


def _figure(figure: Figure) -> str:
    if figure.interval is None:
        return number(figure.value, 3)
    low, high = figure.interval
    return f"{number(figure.value, 3)} ({low:.3f} to {high:.3f})"


def _toml(value: object) -> str:
    return repr(value) if isinstance(value, float) else json.dumps(value, ensure_ascii=False)


def _told(configuration: Configuration) -> str:
    tables = configuration.as_dict()
    return "\n".join(
        "\n".join([f"[{name}]", *(f"{key} = {_toml(value)}" for key, value in given.items()), ""])
        for name, table in tables.items()
        # What isn't told has no value in TOML.
        if (given := {key: value for key, value in table.items() if value not in {None, "", ()}})
    )
