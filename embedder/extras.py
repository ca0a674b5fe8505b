"""What is installed only on request: the extras of pyproject.toml."""

from __future__ import annotations


def remedy(extra: str) -> str:
    """How an extra is installed, as the end of a message.

    From the project's folder, never by the package's name: on PyPI it is somebody else's.
    """
    return f"Install it, in the project's folder: make extra-{extra}"
