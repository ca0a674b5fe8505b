"""Numbers that people write as options of commands."""

from __future__ import annotations

import argparse
import math


def positive(text: str) -> int:
    """A whole number of 1 or more."""
    return _whole(text, low=1, high=2**31 - 1)


def seed(text: str) -> int:
    """What random numbers can begin with."""
    return _whole(text, low=0, high=2**63 - 1)


def pixels(text: str) -> float:
    """A length in a photo, more than nothing."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 < value <= 1e5:  # noqa: PLR2004 - wider than any photo
        raise argparse.ArgumentTypeError(f"{text!r} is no number of pixels above 0, such as 40")
    return value


def add_min_face(parser: argparse.ArgumentParser) -> None:
    """The option `--min-face` of commands that look for faces."""
    parser.add_argument(
        "--min-face",
        type=pixels,
        default=40.0,
        metavar="PIXELS",
        help="smallest face width (40)",
    )


def _whole(text: str, *, low: int, high: int) -> int:
    try:
        value = int(text)
    except ValueError:
        value = low - 1
    if not low <= value <= high:
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number from {low} to {high}")
    return value
