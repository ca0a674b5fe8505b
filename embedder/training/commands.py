"""What `python -m embedder align|train|picture` do: work, write files, give lines to print."""

from __future__ import annotations

import argparse

from embedder.evaluation.collection import read_people
from embedder.evaluation.report import progress
from embedder.training import alignment
from embedder.training.cache import SKIPPED


def run_align(options: argparse.Namespace) -> list[str]:
    """The table of `align`."""
    recipe = alignment.recipe_for(
        options.architecture, options.detector, size=options.size, min_face=options.min_face
    )
    photos = len(read_people(options.source).photos)
    with progress("align", photos) as advance:
        cache = alignment.align(options.source, options.folder, recipe, advance=advance)
    lines = alignment.summary(cache)
    if cache.skipped():
        lines += ["", f"Why each was skipped: {options.folder / SKIPPED}"]
    return lines
