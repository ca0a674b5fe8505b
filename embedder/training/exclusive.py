"""A folder that one process at a time writes into."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from embedder.errors import TrainingError


@contextmanager
def exclusive(folder: Path) -> Iterator[None]:
    """Hold a folder, until the process ends at the latest; nothing is left in it.

    Raises TrainingError while another process holds it.
    """
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        _hold(handle, folder)
        yield
    finally:
        os.close(handle)


def _hold(handle: int, folder: Path) -> None:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise TrainingError(
            f"Another process writes into {folder}. Wait until it has ended, or name another "
            "folder."
        ) from error
