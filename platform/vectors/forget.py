"""Forgetting every index, after the database has been taken back to an earlier state.

Template ids given since then are given again, to others. So no collection that was filled before
may be searched again: new ones with new names are made, and filled from the database.
"""

from collections.abc import Iterable

from . import milvus
from .connection import at_hand, server_label
from .errors import IndexUnavailable
from .models import ActiveIndex, IndexGeneration, PersonTemplate, VectorOutbox


def collections_here() -> set[str]:
    """The names of all collections that the database knows on the present server."""
    here = IndexGeneration.objects.filter(server=server_label())
    return {generation.collection for generation in here}


def forget_indexes() -> None:
    """Remove every generation from the database, inside the caller's transaction."""
    VectorOutbox.objects.all().delete()
    ActiveIndex.objects.all().delete()
    IndexGeneration.objects.all().delete()
    PersonTemplate.objects.update(indexed_version=0)


def drop_collections(names: Iterable[str]) -> list[str]:
    """Drop these collections; returns the names of those that are still there."""
    left = sorted(names)
    if not left:
        return []
    try:
        with at_hand():
            while left:
                if milvus.has_collection(left[-1]):
                    milvus.drop_collection(left[-1])
                left.pop()
    except IndexUnavailable:
        pass
    return left
