"""What a dead worker held, when its successor begins."""

import logging
from datetime import timedelta

import pytest
from django.utils import timezone

from identification import batches
from identification.models import BatchItem
from people.models import Person, Role
from photos.models import Photo, PhotoState
from photos.services import claim, locked_if_leased, release_expired
from tests.conftest import Lfw
from tests.factories import actor
from tests.fixtures import store
from workers.photos import take_over

pytestmark = pytest.mark.usefixtures("media")


@pytest.fixture
def photo(person: Person, lfw: Lfw) -> Photo:
    return store(person, lfw.bytes("Bill_Clinton", 1))


def test_its_photos_go_back_at_once(photo: Photo, caplog: pytest.LogCaptureFixture) -> None:
    lease, _ = claim([], 16, "photos@here")

    with caplog.at_level(logging.WARNING):
        take_over("photos@here")

    photo.refresh_from_db()
    assert (photo.state, photo.attempts) == (PhotoState.RECEIVED, 1)
    assert locked_if_leased(photo, lease) is None
    assert "photos@here died with 1 photos" in caplog.text


def test_those_of_batches_too(photo: Photo, lfw: Lfw, caplog: pytest.LogCaptureFixture) -> None:
    asking = actor(photo.gallery, Role.VIEWER)
    batches.receive(asking, [photo.gallery], [lfw.bytes("Bill_Clinton", 1)])
    batches.claim(16, "photos@here")

    take_over("photos@here")

    item = BatchItem.objects.get()
    assert (item.state, item.attempts) == ("waiting", 1)
    assert "photos@here died with 1 photos" in caplog.text


def test_those_of_others_stay(photo: Photo) -> None:
    lease, _ = claim([], 16, "photos-2@here")

    take_over("photos@here")

    assert locked_if_leased(photo, lease) == photo


def test_a_photo_that_killed_three_workers_is_quarantined(photo: Photo) -> None:
    for _ in range(3):
        claim([], 16, "photos@here")
        take_over("photos@here")

    photo.refresh_from_db()
    assert (photo.state, photo.attempts) == (PhotoState.QUARANTINED, 3)
    assert claim([], 16, "photos@here")[1] == []


def test_after_the_last_attempt_nobody_takes_it_but_the_sweeper(photo: Photo) -> None:
    claim([], 16, "photos@elsewhere")
    Photo.objects.update(attempts=3, leased_until=timezone.now() - timedelta(seconds=1))

    assert claim([], 16, "photos@here")[1] == []
    release_expired()

    photo.refresh_from_db()
    assert photo.state == PhotoState.QUARANTINED
