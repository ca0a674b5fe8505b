"""Photos as they are shown and saved."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

import pytest
from django.core.files.storage import default_storage
from PIL import Image
from rest_framework.test import APIClient

from people.models import Person, Role
from photos.intake import examine
from photos.models import Photo
from photos.services import receive
from tests.conftest import Lfw
from tests.factories import SYSTEM
from tests.fixtures import Client

pytestmark = pytest.mark.django_db


@pytest.fixture
def photo(person: Person, lfw: Lfw, media: Path) -> Photo:
    return receive(SYSTEM, person.gallery, person, examine(lfw.bytes(lfw.people(1)[0])))[0]


@pytest.fixture
def client(person: Person, client_of: Client) -> APIClient:
    return client_of(person.gallery, Role.OPERATOR)


def test_a_photo_is_shown_encoded_anew(client: APIClient, photo: Photo) -> None:
    answer = client.get(f"/api/v1/photos/{photo.public_id}/image")

    assert answer.status_code == 200
    assert answer["Content-Type"] == "image/jpeg"
    with Image.open(BytesIO(answer.content)) as shown:
        assert (shown.format, shown.size) == ("JPEG", (250, 250))
        assert not shown.getexif()


def test_an_original_is_saved_as_it_came_and_never_shown(
    client: APIClient, photo: Photo, lfw: Lfw
) -> None:
    answer = client.get(f"/api/v1/photos/{photo.public_id}/original")

    assert answer["Content-Type"] == "application/octet-stream"
    assert answer["Content-Disposition"] == f'attachment; filename="{photo.public_id}.jpg"'
    assert b"".join(answer.streaming_content) == lfw.bytes(lfw.people(1)[0])


@pytest.mark.parametrize("what", ["image", "original"])
def test_a_file_that_is_gone_is_said_to_be_gone(client: APIClient, photo: Photo, what: str) -> None:
    default_storage.delete(photo.original.file.name)

    answer = client.get(f"/api/v1/photos/{photo.public_id}/{what}")

    assert (answer.status_code, answer.json()["code"]) == (404, "file_missing")
