"""A person's template: of their photos' faces, of what was brought ready-made, of both."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from enrolment.fusion import refresh_template, refresh_templates
from people.models import DEFAULT_MODEL, Person
from photos.models import Face
from tests.factories import PersonFactory, face, unit
from vectors.codec import decode, encode, fuse
from vectors.models import PersonTemplate

pytestmark = pytest.mark.django_db
OTHER = "yunet-mobilefacenet"


def given(person: Person, seed: int, faces: int, model: str = DEFAULT_MODEL) -> PersonTemplate:
    """A template that was brought ready-made."""
    return PersonTemplate.objects.create(
        person=person, model=model, vector=encode(unit(seed)), face_count=faces, given_faces=faces
    )


def mean(*vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    summed = np.sum([each.astype(np.float64) for each in vectors], axis=0)
    normalised: NDArray[np.float32] = (summed / np.linalg.norm(summed)).astype(np.float32)
    return normalised


def vector_of(template: PersonTemplate) -> NDArray[np.float32]:
    template.refresh_from_db()
    return decode(bytes(template.vector))


def test_templates_count_for_as_many_faces_as_they_stand_for() -> None:
    one, other = unit(1), unit(2)
    weighted = fuse(np.stack([one, other]), [3, 1])
    np.testing.assert_allclose(weighted, mean(one, one, one, other), atol=1e-7)
    assert (fuse(np.stack([one, other]), [1, 1]) == fuse(np.stack([one, other]))).all()


def test_photos_are_fused_with_what_was_brought_by_the_number_of_faces(person: Person) -> None:
    brought = given(person, 1, faces=3)
    faces = [face(person, seed) for seed in (2, 3)]

    made = refresh_template(person, DEFAULT_MODEL)

    assert made == brought
    np.testing.assert_allclose(
        vector_of(brought), mean(unit(1), unit(1), unit(1), unit(2), unit(3)), atol=1e-7
    )
    assert (brought.face_count, brought.given_faces, brought.version) == (5, 3, 2)
    assert bytes(brought.given_vector or b"") == encode(unit(1))
    assert {each.template for each in Face.objects.all()} == {brought}

    # Once more: it is not fused with itself.
    before = vector_of(brought)
    refresh_template(person, DEFAULT_MODEL)
    assert (vector_of(brought) == before).all()
    assert brought.face_count == 5

    faces[0].photo.delete()
    refresh_template(person, DEFAULT_MODEL)
    np.testing.assert_allclose(
        vector_of(brought), mean(unit(1), unit(1), unit(1), unit(3)), atol=1e-7
    )
    assert brought.face_count == 4


def test_with_the_last_photo_gone_what_was_brought_is_as_it_was(person: Person) -> None:
    brought = given(person, 1, faces=2)
    photo = face(person, 2).photo
    refresh_template(person, DEFAULT_MODEL)
    photo.delete()

    assert refresh_template(person, DEFAULT_MODEL) == brought

    assert (vector_of(brought) == unit(1)).all()
    assert (brought.face_count, brought.given_faces, brought.given_vector) == (2, 2, None)


def test_a_template_of_photos_alone_goes_with_the_last_of_them(person: Person) -> None:
    photo = face(person, 2).photo
    made = refresh_template(person, DEFAULT_MODEL)
    assert made is not None
    assert (made.face_count, made.given_faces, made.given_vector) == (1, 0, None)
    photo.delete()
    assert refresh_template(person, DEFAULT_MODEL) is None
    assert not PersonTemplate.objects.exists()


def test_each_model_has_a_template_of_its_own_faces(person: Person) -> None:
    brought = given(person, 9, faces=1, model=OTHER)
    face(person, 1)
    face(person, 2, OTHER)
    face(person, 3, unused_because="not_chosen")
    face(PersonFactory(gallery=person.gallery), 4)

    refresh_templates(person)

    plain = PersonTemplate.objects.get(person=person, model=DEFAULT_MODEL)
    assert (vector_of(plain) == unit(1)).all()
    np.testing.assert_allclose(vector_of(brought), mean(unit(9), unit(2)), atol=1e-7)
    assert (plain.face_count, brought.face_count) == (1, 2)
