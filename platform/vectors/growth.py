"""An index that its galleries have outgrown is made anew with the type that suits their size."""

import logging

from accounts.actors import system
from common.errors import Conflict
from people.models import Gallery

from . import indexes, milvus
from .connection import server_labels
from .generations import start_rebuild
from .models import GenerationState, IndexGeneration
from .outbox import live
from .wanted import wanted

logger = logging.getLogger(__name__)

ACTOR = system("growth")


def outgrown() -> list[IndexGeneration]:
    """The generations that are searched and hold far more than their index type suits."""
    searched = live().filter(
        state=GenerationState.READY, server__in=server_labels(), activeindex__isnull=False
    )
    return [each for each in searched.distinct() if is_outgrown(each)]


def is_outgrown(generation: IndexGeneration, more: int = 0) -> bool:
    """Whether it holds too much for its type, or would with so many `more`.

    Raises:
        IndexUnavailable: Milvus is away, and it depends on what that can.
    """
    count = wanted(generation).count() + more
    if not indexes.outgrown(generation.index_type, count, embedded=False):
        return False
    return milvus.server_version(generation.server) is not None


def grow(generation: IndexGeneration, more: int = 0) -> list[IndexGeneration]:
    """Begin to build its successor, for so many `more` than there are; none if one is on its way.

    What it takes over from is not kept: it holds the same, only slower to search.
    """
    galleries = list(Gallery.objects.filter(active_index__generation=generation))
    expected = wanted(generation).count() + more
    try:
        made = start_rebuild(ACTOR, galleries, expected=expected, keeps_old=False)
    except Conflict:
        return []
    for each in made:
        logger.info("%s outgrew %s; %s follows", generation.name, generation.index_type, each.name)
    return made
