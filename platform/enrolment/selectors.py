"""Reading who turned out to be whom."""

from __future__ import annotations

from collections.abc import Iterable

from django.db.models import Q, QuerySet

from people.models import Person
from people.selectors import root_of

from .fusion import merged_into
from .models import IdentityChange, IdentityKind


def changes_of(person: Person) -> QuerySet[IdentityChange]:
    """What was found out of somebody, the newest first."""
    about = Q(person=person) | Q(other=person)
    found = IdentityChange.objects.filter(about).select_related("person", "other", "review")
    return found.order_by("-pk")


def kept_apart_from(person: Person) -> set[int]:
    """The keys of those who are somebody else, as a person has decided.

    What was decided of somebody counts for whoever they were merged into.
    """
    own = _family(person)
    found = _keeping_apart().filter(Q(person__in=own) | Q(other__in=own))
    sides = [each for change in found for each in (change.person, change.other)]
    return {root_of(each).pk for each in sides} - {person.pk}


def most_kept_apart(person_ids: Iterable[int]) -> int:
    """How many decisions of one of these people there are at most; nearly always none."""
    ids = list(person_ids)
    counts: dict[int, int] = {}
    pairs = _keeping_apart().filter(Q(person__in=ids) | Q(other__in=ids))
    for pair in pairs.values_list("person", "other"):
        for each in pair:
            counts[each] = counts.get(each, 0) + 1
    return max((counts.get(each, 0) for each in ids), default=0)


def keeping_apart(person: Person, other: Person) -> IdentityChange | None:
    """The decision that two people, or any who were merged into them, are two."""
    one, two = _family(person), _family(other)
    either = Q(person__in=one, other__in=two) | Q(person__in=two, other__in=one)
    return _keeping_apart().filter(either).order_by("pk").first()


def _family(person: Person) -> list[Person]:
    return [person, *merged_into(person)]


def _keeping_apart() -> QuerySet[IdentityChange]:
    kinds = [IdentityKind.APART, IdentityKind.SPLIT]
    found = IdentityChange.objects.filter(kind__in=kinds, undone_at=None)
    return found.select_related("person__merged_into", "other__merged_into")
