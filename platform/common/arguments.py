"""Types of command line arguments, which refuse in a sentence."""

import argparse
from collections.abc import Callable

_LAST_PORT = 65_535
_MOST_WORKERS = 256  # more is a slip of the hand


def port(text: str) -> int:
    """A TCP port."""
    if text.isdecimal() and 0 < int(text) <= _LAST_PORT:
        return int(text)
    raise argparse.ArgumentTypeError(f"{text} is not a port; give a number from 1 to {_LAST_PORT}")


def count(text: str) -> int:
    """How many processes."""
    if text.isdecimal() and 0 < int(text) <= _MOST_WORKERS:
        return int(text)
    raise argparse.ArgumentTypeError(f"{text} is not a number from 1 to {_MOST_WORKERS}")


def at_least(lowest: int) -> Callable[[str], int]:
    """A whole number from `lowest`, which is not negative, on."""

    def number(text: str) -> int:
        if text.isascii() and text.isdecimal() and int(text) >= lowest:
            return int(text)
        raise argparse.ArgumentTypeError(f"{text} is not a whole number from {lowest} on")

    return number
