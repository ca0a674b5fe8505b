"""What goes wrong after the commit must not undo what was committed."""

from __future__ import annotations

from pathlib import Path
from typing import NoReturn

import pytest
from django.db import transaction

from common import queue
from people.models import Person
from photos import services
from photos.intake import examine
from photos.models import Photo
from photos.services import receive
from tests.conftest import Lfw
from tests.factories import SYSTEM
from tests.fixtures import files

pytestmark = pytest.mark.django_db(transaction=True)


def refuse(*_: object, **__: object) -> NoReturn:
    raise RuntimeError("the broker's library has errors of its own")


def test_an_error_after_the_commit_leaves_the_file_of_the_photo(
    person: Person, lfw: Lfw, media: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(services, "enqueue_on_commit", lambda *_: transaction.on_commit(refuse))

    with pytest.raises(RuntimeError):
        receive(SYSTEM, person.gallery, person, examine(lfw.bytes("Donald_Rumsfeld")))

    photo = Photo.objects.get()
    assert files(media) == [Path(photo.original.file.path)]


def test_a_broker_that_refuses_costs_the_photo_nothing(
    person: Person, lfw: Lfw, media: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(queue.current_app, "send_task", refuse)

    photo, accepted = receive(SYSTEM, person.gallery, person, examine(lfw.bytes("Donald_Rumsfeld")))

    assert (accepted, photo.state, len(files(media))) == (True, "received", 1)
