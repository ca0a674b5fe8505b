"""A worker that computes several batches at once."""

from __future__ import annotations

import numpy as np
import pytest

from enrolment.processing import process_photos
from people.models import Gallery
from photos import pipeline
from photos.models import Face, Photo
from tests.conftest import Lfw
from tests.factories import PersonFactory
from tests.fixtures import store
from vectors.codec import decode

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("media")]
WHO = "Donald_Rumsfeld"


@pytest.fixture
def bulk(monkeypatch: pytest.MonkeyPatch) -> None:
    """A photo worker's process on two cores."""
    fresh = pipeline._Computing(2, pipeline._computing.batches)
    monkeypatch.setattr(pipeline, "_computing", fresh)
    pipeline.work_in_bulk()


def enrolled(gallery: Gallery, lfw: Lfw) -> dict[str, np.ndarray]:
    """The templates of twelve photos, by the SHA-256 of their files."""
    person = PersonFactory(gallery=gallery)
    for number in range(1, 13):
        store(person, lfw.bytes(WHO, number))
    while process_photos([]):
        pass
    used = Face.objects.filter(photo__gallery=gallery, unused_because="")
    return {face.photo.original.sha256: decode(bytes(face.vector)) for face in used}


@pytest.mark.usefixtures("bulk")
def test_a_chunk_keeps_every_core_busy(gallery: Gallery, lfw: Lfw) -> None:
    assert (pipeline._computing.runs, pipeline._computing.threads) == (2, 1)
    assert pipeline.stream_length() == 16
    person = PersonFactory(gallery=gallery)
    for number in range(1, 21):
        store(person, lfw.bytes(WHO, number))
    assert [process_photos([]), process_photos([]), process_photos([])] == [16, 4, 0]
    assert Photo.objects.filter(state="received").count() == 0


def test_templates_are_those_of_one_batch_at_a_time(
    gallery: Gallery, lfw: Lfw, request: pytest.FixtureRequest
) -> None:
    alone = enrolled(gallery, lfw)
    Photo.objects.all().delete()
    request.getfixturevalue("bulk")
    together = enrolled(gallery, lfw)
    assert len(alone) == 12
    assert together.keys() == alone.keys()
    for sha256, template in alone.items():
        assert float(template @ together[sha256]) > 0.9999
