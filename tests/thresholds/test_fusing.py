"""Laws of templates that thresholds rest on."""

from __future__ import annotations

import random

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from enrolment.fusion import makeups, store_makeups
from people.models import DEFAULT_MODEL, Gallery, Person
from photos.models import Face
from tests.factories import PersonFactory, face, unit
from vectors.codec import FloatArray, InvalidTemplate, encode, fuse
from vectors.models import PersonTemplate

# Next to nothing among ones that cancel out: where sums in another order differ most.
numbers = st.sampled_from([1.0, -1.0, 2.0**-60]) | st.floats(-1, 1, width=32)
rows = st.integers(1, 7).flatmap(
    lambda count: arrays(np.float32, (count, 4), elements=numbers, fill=st.nothing())
)
weights = st.lists(st.integers(1, 1_000), min_size=7, max_size=7)


def fused(templates: FloatArray, counts: list[int] | None = None) -> bytes:
    """The bytes of what they fuse to; none where they cancel out."""
    try:
        return fuse(templates, counts).tobytes()
    except InvalidTemplate:
        assume(condition=False)
        raise


@given(rows, weights, st.randoms(use_true_random=False))
def test_a_fused_template_is_the_same_in_any_order_of_photos(
    templates: FloatArray, counts: list[int], chance: random.Random
) -> None:
    order = list(range(len(templates)))
    chance.shuffle(order)
    shuffled = [counts[each] for each in order]
    assert fused(templates[order], shuffled) == fused(templates, counts[: len(templates)])
    assert fused(templates[order]) == fused(templates)


@given(rows, st.lists(st.integers(1, 5), min_size=7, max_size=7))
def test_a_template_of_several_faces_counts_as_each_of_them(
    templates: FloatArray, counts: list[int]
) -> None:
    counts = counts[: len(templates)]
    assert fused(np.repeat(templates, counts, axis=0)) == fused(templates, counts)


@pytest.mark.django_db
@settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    st.lists(st.integers(0, 10**6), min_size=1, max_size=6, unique=True),
    st.none() | st.tuples(st.integers(0, 10**6), st.integers(1, 9)),
    st.randoms(use_true_random=False),
)
def test_a_person_has_the_same_template_in_whatever_order_photos_came(
    gallery: Gallery, seeds: list[int], brought: tuple[int, int] | None, chance: random.Random
) -> None:
    """One after the other, the last as the worker does it: before its photo is enrolled."""
    made = set()
    for _ in range(3):
        person = PersonFactory(gallery=gallery)
        if brought:
            seed, count = brought
            PersonTemplate.objects.create(
                person=person, model=DEFAULT_MODEL, vector=encode(unit(seed)), face_count=count,
                given_faces=count,
            )  # fmt: skip
        for seed in seeds:
            added = face_of(person, seed)
            makeup = makeups([person], DEFAULT_MODEL)[person.pk]
            makeup.add(bytes(added.vector))
            store_makeups([makeup])
            template = makeup.template
            added.template = template
            added.save()
            added.photo.state = "enrolled"
            added.photo.save()
        assert template is not None
        made.add((bytes(template.vector), template.face_count))
        person.photos.all().delete()
        gallery.originals.all().delete()
        chance.shuffle(seeds)
    assert len(made) == 1


def face_of(person: Person, seed: int) -> Face:
    """The face of a photo that is still being processed."""
    found = face(person, seed)
    found.photo.state = "received"
    found.photo.save()
    return found
