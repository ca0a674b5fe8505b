"""What the index is tried with: photos of people who have several, else templates with noise."""

from __future__ import annotations

import numpy as np
import pytest

from people.models import Gallery
from tests.conftest import Lfw
from tests.factories import PersonFactory, bulk_templates
from tests.fixtures import enrol
from vectors import probes
from vectors.codec import decode
from vectors.probes import FACES, TEMPLATES, probes_for, with_noise

from .test_exact import units


@pytest.mark.django_db
@pytest.mark.usefixtures("media")
def test_probes_are_photos_of_people_who_have_several(
    gallery: Gallery, lfw: Lfw, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(probes, "FEWEST_FACES", 3)
    gallery.several_faces = "central"
    gallery.save()
    twice, once = PersonFactory(gallery=gallery), PersonFactory(gallery=gallery)
    photos = enrol(twice, *(lfw.bytes("Hans_Blix", number) for number in (1, 2, 3)))
    enrol(once, lfw.bytes("Vladimir_Putin"))
    (gone,) = enrol(PersonFactory(gallery=gallery), lfw.bytes("Donald_Rumsfeld"))
    assert gone.state == "enrolled"

    found = probes_for(gallery, gallery.model, 100)

    faces = [face for photo in photos for face in photo.faces.filter(template__isnull=False)]
    assert found.of == FACES
    assert sorted(map(bytes, found.vectors)) == sorted(bytes(face.vector) for face in faces)
    assert len(probes_for(gallery, gallery.model, 2).vectors) == 2
    assert probes_for(gallery, "another", 100).vectors.shape == (0, 128)


@pytest.mark.django_db
def test_too_few_photos_are_replaced_by_templates_with_noise(gallery: Gallery) -> None:
    stored = bulk_templates(gallery, units(1, 40))

    found = probes_for(gallery, gallery.model, 30)

    known = {bytes(each.vector) for each in stored}
    assert (found.of, found.vectors.shape) == (TEMPLATES, (30, 128))
    assert not known & {bytes(each) for each in found.vectors}


def test_noise_is_as_large_as_between_two_photos_of_a_person() -> None:
    """Random units are at right angles, two photos 0.3 of that squared distance apart."""
    templates = units(1, 2000)

    noisy = with_noise(templates)

    assert np.allclose(np.linalg.norm(noisy, axis=1), 1, atol=1e-5)
    assert np.sum(noisy * templates, axis=1).mean() == pytest.approx(0.7, abs=0.01)


@pytest.mark.parametrize("count", [0, 1, 2])
def test_of_two_people_no_noise_can_be_told(count: int) -> None:
    templates = units(1, count)
    assert np.array_equal(with_noise(templates), templates)


def test_the_same_template_for_all_gives_no_noise() -> None:
    same = np.repeat(units(1, 1), 5, axis=0)
    assert np.allclose(with_noise(same), same, atol=1e-6)


@pytest.mark.django_db
def test_the_bytes_are_read_as_they_were_written(gallery: Gallery) -> None:
    (stored,) = bulk_templates(gallery, units(3, 1))
    (probe,) = probes_for(gallery, gallery.model, 5).vectors
    assert np.array_equal(probe, decode(bytes(stored.vector)))
