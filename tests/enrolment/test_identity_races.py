"""Merges, reviews and erasures at the same moment, on a database with row locks."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Event
from typing import TypeVar

import pytest
from django.db import connections, transaction

from common.errors import Problem
from enrolment import adjudication, services
from enrolment.adjudication import decide
from enrolment.identities import merge, undo
from enrolment.services import erase
from people.locks import lock_people
from people.models import Gallery, Held, Person
from reviews.models import Kind, Review, Verdict
from reviews.services import Question, Resembling, open_review
from tests import sets
from tests.factories import SYSTEM, GalleryFactory

from .people import with_photos

T = TypeVar("T")

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(not sets.ON_POSTGRESQL, reason="SQLite has one writer at a time"),
]


def in_thread(act: Callable[[], T]) -> Callable[[], T]:
    def run() -> T:
        try:
            return act()
        finally:
            connections.close_all()

    return run


@transaction.atomic
def people(gallery: Gallery, *seeds: int) -> list[Person]:
    return [with_photos(gallery, seed) for seed in seeds]


def asked_about(person: Person, candidate: Person) -> Review:
    Person.objects.filter(pk=person.pk).update(active=False, held=Held.DUPLICATE)
    resembling = [Resembling(candidate.pk, 1.0, 0.1)]
    return open_review(
        Question(
            kind=Kind.DUPLICATE, gallery=person.gallery, model=person.gallery.model, searched=1,
            thresholds=None, reviewers=1, candidates=resembling, person=person,
        )
    )  # fmt: skip


def test_deciding_on_somebody_who_was_merged_waits_for_nobody_in_a_circle(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Whom the candidate turned out to be is locked with the others, in the order of keys."""
    low, middle, high = people(GalleryFactory(), 1, 2, 3)
    merge(SYSTEM, low, middle)
    review = asked_about(high, middle)
    decider_holds, other_holds = Event(), Event()
    lock_review = adjudication.lock_review

    def slowly(pk: int) -> Review:
        found = lock_review(pk)
        decider_holds.set()
        other_holds.wait(2)
        return found

    monkeypatch.setattr(adjudication, "lock_review", slowly)

    def erasing() -> None:
        decider_holds.wait(10)
        with transaction.atomic():
            lock_people([low.pk])
            other_holds.set()
            lock_people([low.pk, middle.pk])

    with ThreadPoolExecutor(2) as pool:
        deciding = pool.submit(in_thread(lambda: decide(SYSTEM, review, Verdict.SAME)))
        pool.submit(in_thread(erasing)).result(30)
        deciding.result(30)
    assert Person.objects.get(pk=high.pk).merged_into == low


def test_a_merge_is_undone_while_its_person_is_erased(monkeypatch: pytest.MonkeyPatch) -> None:
    person, other = people(GalleryFactory(), 1, 2)
    change = merge(SYSTEM, person, other)
    undone, read = Event(), Event()
    merged_into = services.merged_into

    def slowly(each: Person) -> list[Person]:
        family = merged_into(each)
        read.set()
        undone.wait(10)
        return family

    monkeypatch.setattr(services, "merged_into", slowly)

    def undoing() -> None:
        read.wait(10)
        undo(SYSTEM, change)
        undone.set()

    with ThreadPoolExecutor(2) as pool:
        erasing = pool.submit(in_thread(lambda: erase(SYSTEM, person)))
        pool.submit(in_thread(undoing)).result(30)
        with pytest.raises(Problem):
            erasing.result(30)
    assert Person.objects.filter(pk=other.pk).exists()
    assert Person.objects.filter(pk=person.pk).exists()
