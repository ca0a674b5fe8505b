"""Nobody erased comes back: the ledger is replayed before anything is served."""

import logging
from dataclasses import dataclass

from django.db import transaction

from accounts.actors import system
from common.errors import NotFound
from people.models import Person

from . import ledger_file
from .identities import take_back
from .ledger_file import LedgerError
from .models import Erasure, IdentityChange, IdentityKind
from .services import erase

logger = logging.getLogger(__name__)

ACTOR = system("ledger")
_ROWS = 1000


@dataclass(frozen=True, slots=True)
class Replay:
    """What had to be done again."""

    erased: int  # people who had come back
    learned: int  # erasures that only the file knew


def replay() -> Replay:
    """Bring database and file to the same state, and erase again who is in the ledger.

    Does nothing where nothing is to be done. To be called before anything is served, since the
    database may be an older one, restored by whatever means.

    Raises:
        LedgerError: the file cannot be read, so nobody knows who must not come back.
    """
    learned = _learn()
    sync()
    # Of all that the database knows: what it has just learned, and what it knew.
    back = Person.objects.filter(public_id__in=Erasure.objects.values("person"))
    erased = sum(_erase_again(person) for person in back.select_related("gallery"))
    return Replay(erased, learned)


def sync() -> int:
    """Write to the file what the database alone knows. Returns how many lines.

    A crash between the commit and the line, or a full disk, leaves a difference. One that remains
    is logged: the erasures themselves stand.
    """
    rows = Erasure.objects.order_by("pk").iterator(chunk_size=_ROWS)
    try:
        return ledger_file.append((ledger_file.line_of(row) for row in rows), ledger_file.path())
    except LedgerError as error:
        logger.error("%s The erasures stand; it is tried again.", error)
        return 0


def _learn() -> int:
    """Store the erasures that only the file knows. Returns how many."""
    lines = ledger_file.read(ledger_file.path())
    known = set(Erasure.objects.values_list("person", flat=True))
    fresh = {line.person: line for line in lines if line.person not in known}
    rows = [ledger_file.row_of(line) for line in fresh.values()]
    Erasure.objects.bulk_create(rows, batch_size=_ROWS, ignore_conflicts=True)
    return len(rows)


def _erase_again(person: Person) -> int:
    try:
        with transaction.atomic():
            erase(ACTOR, _by_themselves(person), replayed=True)
    except NotFound:
        return 0  # somebody else replays too
    logger.warning("person %s was back and is erased again", person.public_id)
    return 1


def _by_themselves(person: Person) -> Person:
    """Somebody as they are without the merges of an older backup: their photos are theirs again."""
    while True:
        person = Person.objects.select_related("gallery").get(pk=person.pk)
        if person.merged_into is None:
            return person
        merges = IdentityChange.objects.filter(kind=IdentityKind.MERGE, undone_at=None)
        outermost = person
        while (into := outermost.merged_into) is not None and into.merged_into is not None:
            outermost = into
        take_back(ACTOR, merges.get(other=outermost), "the ledger of erasures")
