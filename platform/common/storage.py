"""Where originals lie."""

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Any

from django.core.files.storage import FileSystemStorage

# What waits to be synced with others, within `synced_together`.
_waiting: ContextVar[list[Path] | None] = ContextVar("waiting", default=None)
SYNCS_AT_ONCE = 16


@contextmanager
def synced_together() -> Iterator[None]:
    """Files saved within are on the disk once this has ended, not at each `save`.

    A disk writes what many ask of it at once in little more than the time of one.

    Raises:
        OSError: not all of them are on the disk. The caller deletes those that it saved.
    """
    waiting: list[Path] = []
    token = _waiting.set(waiting)
    try:
        yield
    finally:
        _waiting.reset(token)
    folders = {path.parent for path in waiting}
    with ThreadPoolExecutor(SYNCS_AT_ONCE) as pool:
        list(pool.map(sync, [*waiting, *folders]))


class DurableFileSystemStorage(FileSystemStorage):
    """Files that are on the disk, not only in its cache, once `save` has returned.

    A photo is acknowledged when its row is committed; after a power cut the row must not point
    at an empty file.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(file_permissions_mode=0o600, directory_permissions_mode=0o700, **options)

    def _save(self, name: str, content: Any) -> str:
        try:
            saved: str = super()._save(name, content)  # type: ignore[misc]
        except OSError:
            # A disk that filled half-way must not keep the half.
            Path(self.path(name)).unlink(missing_ok=True)
            raise
        path = Path(self.path(saved))
        waiting = _waiting.get()
        if waiting is not None:
            waiting.append(path)
            return saved
        try:
            sync(path)
            sync(path.parent)
        except OSError:
            # Some file systems learn only now that there is no room.
            path.unlink(missing_ok=True)
            raise
        return saved


def sync(path: Path) -> None:
    """Return when a file, or a folder's list of names, is on the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
