"""Photos kept without a person, until somebody says whose they are."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.files.storage import default_storage

from enrolment.processing import process_photos
from enrolment.services import delete_photo
from people.models import Gallery, Person, Role
from photos import services
from photos.intake import examine
from photos.models import Original, Photo, PhotoState
from photos.services import process_again, receive, release_expired
from tests.conftest import Lfw
from tests.embedder.pictures import saved, scene
from tests.factories import SYSTEM, GalleryFactory, actor
from tests.fixtures import files, process, rows, store
from vectors.models import PersonTemplate

pytestmark = pytest.mark.django_db
WHO = "Donald_Rumsfeld"


def test_a_face_without_a_person_waits_for_a_decision(
    gallery: Gallery, lfw: Lfw, media: Path, committed: Any
) -> None:
    photo, created = receive(SYSTEM, gallery, None, examine(lfw.bytes(WHO)))
    assert created
    assert receive(SYSTEM, gallery, None, examine(lfw.bytes(WHO))) == (photo, False)
    process()
    photo.refresh_from_db()
    assert (photo.state, photo.code) == ("review", "no_person")
    assert photo.text == "A face was found. Say whose it is."
    assert photo.faces.get().template is None
    assert PersonTemplate.objects.count() == 0

    with committed():
        delete_photo(SYSTEM, photo)
    assert (Photo.objects.count(), files(media)) == (0, [])


def test_two_uploads_at_the_same_time_are_one_photo(
    gallery: Gallery, person: Person, lfw: Lfw, media: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both asked before either had stored."""
    intake = examine(lfw.bytes(WHO))
    monkeypatch.setattr(services, "_known", lambda *_: None)
    for whose in (person, None):
        first, created = receive(SYSTEM, gallery, whose, intake)
        again, created_again = receive(SYSTEM, gallery, whose, intake)
        assert (first, created, created_again) == (again, True, False)
    assert len(files(media)) == 1


def test_services_ask_for_the_role_themselves(
    gallery: Gallery, person: Person, media: Path
) -> None:
    from common.errors import Forbidden, NotFound

    intake = examine(saved(scene(), "PNG"))
    photo = store(person, intake.data)
    process()
    photo.refresh_from_db()
    viewer, stranger = actor(gallery, Role.VIEWER), actor(GalleryFactory(), Role.ADMIN)
    before = rows()
    for who, expected in [(viewer, Forbidden), (stranger, NotFound)]:
        with pytest.raises(expected):
            receive(who, gallery, person, intake)
        with pytest.raises(expected):
            process_again(who, photo)
        with pytest.raises(expected):
            delete_photo(who, photo)
    assert rows() == before


def test_a_file_that_cannot_be_deleted_now_is_found_later(
    person: Person, media: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    (name,) = [store(person, saved(scene(), "PNG")).original.file.name]

    def refuse(_: str) -> None:
        raise PermissionError

    with monkeypatch.context() as patched:
        patched.setattr(default_storage, "delete", refuse)
        services.delete_files([name])
    assert "could not delete a file; it is tried again within the hour" in caplog.text
    assert len(files(media)) == 1
    Photo.objects.all().delete()
    Original.objects.all().delete()
    monkeypatch.setattr(services, "ORPHAN_AGE", timedelta(0))
    assert services.remove_orphan_files() == 1


def test_a_photo_whose_file_cannot_be_decoded_leaves_the_others_alone(
    person: Person, lfw: Lfw, media: Path
) -> None:
    one, two = store(person, lfw.bytes(WHO, 1)), store(person, lfw.bytes(WHO, 2))
    Path(one.original.file.path).write_bytes(b"not what it was")
    assert process_photos([]) == 2
    assert Photo.objects.get(pk=one.pk).code == "unsupported_format"
    assert Photo.objects.get(pk=two.pk).state == PhotoState.ENROLLED
    assert release_expired() == 0
