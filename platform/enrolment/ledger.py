"""Nobody erased comes back: the ledger is replayed before anything is served."""

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

from django.db import transaction

from accounts.actors import system
from audit.services import record
from common.errors import NotFound
from people.locks import lock_people
from people.models import Person
from photos.models import Photo
from photos.services import remove

from . import ledger_file
from .fusion import refresh_templates
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
    photos: int = 0  # of people erased, which had come back with somebody else


def replay() -> Replay:
    """Bring database and file to the same state, and erase again who is in the ledger.

    Does nothing where nothing is to be done. To be called before anything is served, since the
    database may be an older one, restored by whatever means.

    Raises:
        LedgerError: the file cannot be read, so nobody knows who must not come back; or somebody
            could not be erased. All others were.
    """
    learned = _learn()
    sync()
    # Of all that the database knows: what it has just learned, and what it knew.
    back = Person.objects.filter(public_id__in=Erasure.objects.values("person"))
    erased = sum(_erase_again(person) for person in back.select_related("gallery"))
    photos = _remove_photos()
    left = back.count()
    if left:
        raise LedgerError(
            f"{left} of the people in the ledger of erasures are back and could not be erased: the "
            "log says why. Nothing is served until they are. Start again; if it fails again, take "
            "another backup, or ask for help with what the log says."
        )
    return Replay(erased, learned, photos)


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
    """Erase somebody who was back; 0 if they are gone, or if it fails, which stops no other."""
    try:
        with transaction.atomic():
            erase(ACTOR, _by_themselves(person), replayed=True)
    except NotFound:
        return 0  # somebody else replays too, or they went with whom they were merged into
    except Exception:
        logger.exception("person %s is back and could not be erased", person.public_id)
        return 0
    logger.warning("person %s was back and is erased again", person.public_id)
    return 1


def _by_themselves(person: Person) -> Person:
    """Somebody as they are without the merges of an older backup: their photos are theirs again.

    Raises:
        NotFound: they are gone.
    """
    while True:
        found = Person.objects.select_related("gallery").filter(pk=person.pk).first()
        if found is None:
            raise NotFound("person")
        if found.merged_into is None:
            return found
        merges = IdentityChange.objects.filter(kind=IdentityKind.MERGE, undone_at=None)
        outermost = found
        while (into := outermost.merged_into) is not None and into.merged_into is not None:
            outermost = into
        merge = merges.get(other=outermost)
        take_back(ACTOR, merge, "the ledger of erasures", whatever_since=True)


def _remove_photos() -> int:
    """Remove the photos of people erased that somebody else has in an older backup.

    From before a split, or before a merge was undone: the photo was not yet theirs, or no more.
    """
    removed = 0
    erased = _erased_photos()
    while ids := list(islice(erased, _ROWS)):
        back = Photo.objects.filter(public_id__in=ids)
        holders = back.order_by("person").values_list("person", flat=True).distinct()
        removed += sum(_remove_from(holder, ids) for holder in list(holders))
    return removed


def _erased_photos() -> Iterator[str]:
    known = Erasure.objects.exclude(photo_ids=[]).order_by("pk").values_list("photo_ids", flat=True)
    for photo_ids in known.iterator(chunk_size=_ROWS):
        yield from photo_ids


@transaction.atomic
def _remove_from(holder: int | None, ids: Sequence[str]) -> int:
    """Remove those of these photos that somebody has, or that nobody has."""
    people = lock_people([] if holder is None else [holder])
    found = Photo.objects.filter(public_id__in=ids, person=holder).select_related("gallery")
    photos = list(found.select_for_update(of=("self",)).order_by("pk"))
    remove(photos)
    for person in people.values():
        refresh_templates(person)
    for each in photos:
        target = f"photo:{each.public_id}"
        record(ACTOR, "photo.delete", target, each.gallery.public_id, replayed=True)
    if photos:
        logger.warning("%d photos of somebody erased were back and are removed", len(photos))
    return len(photos)
