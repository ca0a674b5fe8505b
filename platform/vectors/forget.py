"""Forgetting every index, after the database has been taken back to an earlier state.

Template ids given since then are given again, to others. So no collection that was filled before
may be searched again: new ones with new names are made, and filled from the database.
"""

from collections.abc import Iterable

from . import milvus
from .connection import Collection, at_hand, server_labels
from .errors import IndexUnavailable
from .models import ActiveIndex, IndexGeneration


def collections_here() -> set[str]:
    """The names of all collections that the database knows."""
    return {generation.name for generation in IndexGeneration.objects.all()}


def forget_indexes() -> None:
    """Remove every generation from the database, inside the caller's transaction."""
    ActiveIndex.objects.all().delete()
    IndexGeneration.objects.all().delete()  # and with them outbox, spans and placements


def drop_collections(names: Iterable[str]) -> list[str]:
    """Drop these collections wherever we reach them; returns the names of those still there."""
    left = sorted(names)
    if not left:
        return []
    try:
        with at_hand():
            while left:
                for label in server_labels():
                    _drop(Collection(label, left[-1]))
                left.pop()
    except IndexUnavailable:
        pass
    return left


def _drop(collection: Collection) -> None:
    if milvus.has_collection(collection):
        milvus.drop_collection(collection)
