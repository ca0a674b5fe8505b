"""Fixtures and helpers that the tests of all apps share."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from django.apps import apps
from django.core.files.uploadedfile import SimpleUploadedFile
from rest_framework.test import APIClient

from accounts.models import User
from enrolment.processing import process_photos
from people.models import DEFAULT_MODEL, Gallery, Person, Role
from photos.intake import examine
from photos.models import Photo
from photos.services import receive
from tests import factories
from tests.factories import SYSTEM, GalleryFactory, PersonFactory, UserFactory
from vectors.applying import apply_outbox
from vectors.connection import Collection, server_label
from vectors.generations import ensure_active_index
from vectors.models import IndexGeneration
from vectors.selectors import generations_with_work

Client = Callable[..., APIClient]
HANDED_ON = uuid4()


@pytest.fixture
def media(tmp_path: Path, settings: Any) -> Path:
    """An empty folder for originals."""
    settings.MEDIA_ROOT = tmp_path / "media"
    return tmp_path / "media"


@pytest.fixture
def gallery(db: None) -> Gallery:
    return GalleryFactory()


@pytest.fixture
def person(gallery: Gallery) -> Person:
    return PersonFactory(gallery=gallery)


@pytest.fixture
def client_of() -> Client:
    """A machine's API client: `client_of(gallery, Role.VIEWER)`."""

    def make(gallery: Gallery, role: Role = Role.OPERATOR) -> APIClient:
        client = APIClient()
        client.credentials(HTTP_AUTHORIZATION=f"Api-Key {factories.api_key(gallery, role)}")
        return client

    return make


@pytest.fixture
def operator(gallery: Gallery, client_of: Client) -> APIClient:
    return client_of(gallery, Role.OPERATOR)


@pytest.fixture
def site_admin(db: None) -> User:
    return UserFactory(is_superuser=True, is_staff=True)


@pytest.fixture
def admin_api(site_admin: User) -> APIClient:
    client = APIClient()
    client.force_login(site_admin)
    return client


@pytest.fixture
def indexed(index: str, db: None) -> Iterator[str]:
    """Milvus, with nothing in it but what the test puts there.

    Making a collection takes half a second, so the tests hand one on to each other.
    """
    from vectors import milvus

    handed_on = IndexGeneration.objects.create(
        public_id=HANDED_ON, model=DEFAULT_MODEL, server=server_label()
    )
    if milvus.has_collection(handed_on.collection):
        milvus.delete(
            handed_on.collection, [pk for pk, _ in milvus.list_entries(handed_on.collection)]
        )
    yield index
    for generation in IndexGeneration.objects.exclude(public_id=HANDED_ON):
        milvus.drop_collection(Collection(server_label(), generation.name))


@pytest.fixture
def committed(django_capture_on_commit_callbacks: Any) -> Any:
    """`with committed():` does what the transaction promised for its commit."""
    return lambda: django_capture_on_commit_callbacks(execute=True)


def upload(data: bytes, name: str = "photo.jpg") -> SimpleUploadedFile:
    """A file as a form carries it."""
    return SimpleUploadedFile(name, data, content_type="image/jpeg")


def store(person: Person, data: bytes, **fields: Any) -> Photo:
    """A photo received for a person, not yet processed."""
    return receive(SYSTEM, person.gallery, person, examine(data), **fields)[0]


def enrol(person: Person, *photos: bytes) -> list[Photo]:
    """Photos of a person through the worker, whatever becomes of them."""
    stored = [store(person, each) for each in photos]
    process()
    return [Photo.objects.get(pk=each.pk) for each in stored]


def process() -> None:
    """Do what the photo workers would do, until nothing waits."""
    while process_photos([]):
        pass


def settle(*galleries: Gallery) -> None:
    """Do what the index worker would do, until nothing waits."""
    for each in galleries:
        ensure_active_index(each)
    for generation in generations_with_work():
        apply_outbox(generation)


def files(folder: Path) -> list[Path]:
    """Every file under a folder."""
    return sorted(path for path in folder.rglob("*") if path.is_file())


def rows() -> dict[str, list[tuple[Any, ...]]]:
    """Everything that the database holds of ours, to compare before and after."""
    ours = ("accounts", "audit", "people", "vectors", "photos", "enrolment", "common")
    return {
        model._meta.label: list(model._default_manager.order_by("pk").values_list())
        for app in ours
        for model in apps.get_app_config(app).get_models()
    }
