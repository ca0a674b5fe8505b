"""Rows for tests, made as the services make them."""

from __future__ import annotations

from typing import Any

import factory
import numpy as np
from django.db import transaction
from numpy.typing import NDArray

from accounts.actors import Actor, actor_of, system
from accounts.models import User
from people.models import DEFAULT_MODEL, Gallery, Membership, Person, Role
from people.services import issue_api_key
from photos.models import Face, Original, Photo, PhotoState
from vectors.codec import encode
from vectors.milvus import Entries
from vectors.models import PersonTemplate
from vectors.services import store_template

SYSTEM: Actor = system("tests")


class UserFactory(factory.django.DjangoModelFactory[User]):
    class Meta:
        model = User

    username = factory.Sequence(lambda number: f"user{number}")


class GalleryFactory(factory.django.DjangoModelFactory[Gallery]):
    """A gallery that takes the faces of LFW, which are 85 to 115 pixels wide."""

    class Meta:
        model = Gallery

    name = factory.Sequence(lambda number: f"Gallery {number}")
    slug = factory.Sequence(lambda number: f"gallery-{number}")
    min_face = 70


class MembershipFactory(factory.django.DjangoModelFactory[Membership]):
    class Meta:
        model = Membership

    gallery = factory.SubFactory(GalleryFactory)
    user = factory.SubFactory(UserFactory)
    role = Role.VIEWER


class PersonFactory(factory.django.DjangoModelFactory[Person]):
    class Meta:
        model = Person

    gallery = factory.SubFactory(GalleryFactory)
    name = factory.Sequence(lambda number: f"Person {number}")


def actor(gallery: Gallery, role: Role) -> Actor:
    """A user with this role in the gallery."""
    return actor_of(MembershipFactory(gallery=gallery, role=role).user)


def api_key(gallery: Gallery, role: Role) -> str:
    """The secret of a new key with this role in the gallery."""
    return issue_api_key(SYSTEM, gallery, role, "test")


def unit(seed: int) -> NDArray[np.float32]:
    """A random unit vector of 128 numbers, the same for the same seed."""
    vector = np.random.default_rng(seed).standard_normal(128).astype(np.float32)
    normalised: NDArray[np.float32] = vector / np.linalg.norm(vector)
    return normalised


def entries(*rows: tuple[int, int, int]) -> Entries:
    """Index entries of (template id, gallery id, seed of the vector)."""
    ids, galleries, seeds = zip(*rows, strict=True)
    return Entries(
        np.array(ids, np.int64), np.array(galleries, np.int64), np.stack([unit(s) for s in seeds])
    )


def template(person: Person, seed: int | None = None, **fields: Any) -> PersonTemplate:
    """A template that no photo stands behind."""
    with transaction.atomic():
        return store_template(person, unit(person.pk if seed is None else seed), 1, **fields)


def bulk_templates(gallery: Gallery, vectors: NDArray[np.float32]) -> list[PersonTemplate]:
    """A person for each vector, shape (n, 128), as a load of ready-made templates makes them."""
    people = Person.objects.bulk_create([Person(gallery=gallery) for _ in vectors])
    return PersonTemplate.objects.bulk_create(
        [
            PersonTemplate(
                person=person, model=gallery.model, vector=encode(vector), face_count=1,
                given_faces=1,
            )
            for person, vector in zip(people, vectors, strict=True)
        ]
    )  # fmt: skip


def face(person: Person, seed: int, model: str = DEFAULT_MODEL, **fields: object) -> Face:
    """A face of an enrolled photo, of which there is no file."""
    original = Original.objects.create(
        gallery=person.gallery, sha256=f"{seed:064}", file=f"{seed}.jpg", bytes=1,
        media_type="image/jpeg", extension=".jpg", width=9, height=9,
    )  # fmt: skip
    photo = Photo.objects.create(
        gallery=person.gallery, person=person, original=original, state=PhotoState.ENROLLED
    )
    return Face.objects.create(
        photo=photo, x=0, y=0, width=9, height=9, landmarks=[], detector_score=1,
        vector=encode(unit(seed)), model=model, **fields,
    )  # fmt: skip
