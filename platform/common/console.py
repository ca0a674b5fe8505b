"""Tables and progress bars of commands."""

import sys
from typing import Any

from rich.console import Console

# Where nobody's terminal says how wide it is (a pipe, a file): enough for our tables.
PLAIN_WIDTH = 120


def console_of(stdout: Any) -> Console:
    """rich's console on a management command's `self.stdout`."""
    stream = getattr(stdout, "_out", sys.stdout)
    return Console(file=stream, width=None if stream.isatty() else PLAIN_WIDTH)
