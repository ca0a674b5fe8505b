"""A database that goes away in the middle of a task costs nobody a lease's minute."""

from __future__ import annotations

import pytest
from django.db import OperationalError, transaction

from people.models import Gallery, Person
from photos.models import PhotoState
from photos.services import claim
from tests.conftest import Lfw
from tests.factories import template
from tests.fixtures import store
from vectors.lease import held
from vectors.models import IndexGeneration
from workers import giving_back, photos, vectors

# Committed, since whoever waits for the database closes its connections.
pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("media")]


def lost(*_args: object) -> None:
    raise OperationalError("server closed the connection unexpectedly")


def test_photos_in_hand_wait_for_the_next_worker(
    person: Person, lfw: Lfw, monkeypatch: pytest.MonkeyPatch
) -> None:
    photo = store(person, lfw.bytes("Donald_Rumsfeld", 1))

    def take_and_lose(_ids: object, worker: str) -> None:
        assert [each.pk for each in claim([], 16, worker)[1]] == [photo.pk]
        lost()

    monkeypatch.setattr(photos, "process_photos", take_and_lose)
    with pytest.raises(OperationalError):
        photos.process.apply(args=[[]], throw=True)
    photo.refresh_from_db()
    assert (photo.state, photo.leased_until) == (PhotoState.RECEIVED, None)


def test_an_index_is_free_for_the_next_turn(
    gallery: Gallery, person: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    with transaction.atomic():
        template(person)
    generation = IndexGeneration.objects.get()

    def take_and_lose(*_: object, holder: str, **__: object) -> None:
        IndexGeneration.objects.filter(pk=generation.pk).update(held_by=holder)
        lost()

    monkeypatch.setattr(vectors, "work", take_and_lose)
    with pytest.raises(OperationalError):
        vectors.apply.apply(args=[str(generation.public_id)], throw=True)
    with held(generation, "another") as lease:
        assert lease is not None


def test_a_database_that_stays_away_is_waited_for_and_no_longer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[str] = []

    def release(worker: str) -> int:
        asked.append(worker)
        if len(asked) == 3:
            return 1
        raise OperationalError("the database system is starting up")

    monkeypatch.setattr(giving_back, "_EVERY", 0.0)
    with (
        pytest.raises(OperationalError, match="unexpectedly"),
        giving_back.given_back(release, "w"),
    ):
        lost()
    assert asked == ["w"] * 3
    monkeypatch.setattr(giving_back, "PATIENCE", 0.0)
    with pytest.raises(OperationalError), giving_back.given_back(release, "w"):
        lost()
    assert asked == ["w"] * 3
