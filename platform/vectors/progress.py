"""How far a generation is on its way, in words and figures."""

from dataclasses import dataclass

from .errors import IndexUnavailable
from .milvus import LAST_ID, unindexed
from .models import GenerationState, IndexGeneration
from .takeover import unprepared
from .wanted import wanted


@dataclass(frozen=True, slots=True)
class Progress:
    """A stage, and how many of how many templates (or photos) it is through with."""

    stage: str
    done: int
    total: int

    def __str__(self) -> str:
        return f"{self.stage} {self.done:,} of {self.total:,}" if self.total else self.stage


def progress_of(generation: IndexGeneration) -> Progress:
    """Where it is: to be dropped, filled, verified, indexed by the server, waiting, ready."""
    total = generation.expected
    if generation.state == GenerationState.RETIRED:
        return Progress("to be dropped", 0, 0)
    if generation.state == GenerationState.READY:
        return Progress("waiting to take over" if generation.takes_over else "ready", 0, 0)
    if generation.filled_at is None:
        return Progress("filling", min(generation.written, total), total)
    if not generation.takes_over:
        return Progress("ready in a moment", 0, 0)
    return _proving(generation, total)


def _proving(generation: IndexGeneration, total: int) -> Progress:
    if generation.verified_to is None and (prepared := unprepared(generation)):
        return Progress("embedding photos", *prepared)
    if generation.verified_to != LAST_ID:
        return Progress("verifying", _verified(generation), total)
    return _indexing(generation, total)


def _verified(generation: IndexGeneration) -> int:
    if generation.verified_to is None:
        return 0
    return wanted(generation).filter(pk__lte=generation.verified_to).count()


def _indexing(generation: IndexGeneration, total: int) -> Progress:
    """What Milvus itself is still busy with."""
    try:
        left = unindexed(generation.collection)
    except IndexUnavailable:
        return Progress("waiting for Milvus", 0, 0)
    return Progress("indexing", max(0, total - left), total)
