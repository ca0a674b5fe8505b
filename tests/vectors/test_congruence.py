"""Both engines answer as exact search in NumPy does, whatever happened before."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from people.models import Gallery, Person
from tests.factories import GalleryFactory, PersonFactory, template, unit
from tests.fixtures import settle
from vectors.codec import FloatArray, decode
from vectors.models import PersonTemplate
from vectors.reconcile import reconcile_all
from vectors.selectors import Match, search, searchable_count
from vectors.services import remove_templates, touch_templates

pytestmark = pytest.mark.django_db

PEOPLE = 6
TOP = 4
PROBES = np.stack([unit(seed) for seed in (1, 2, 3, 1001, 1002)])


class Change(NamedTuple):
    """What happens to one of the people: a template of this seed, or none, or (in)active."""

    person: int
    seed: int | None
    active: bool


changes = st.lists(
    st.builds(
        Change,
        st.integers(0, PEOPLE - 1),
        st.none() | st.integers(1, 12),
        st.sampled_from([True, True, False]),
    ),
    min_size=1,
    max_size=12,
)


@pytest.fixture
def people(indexed: str) -> list[Person]:
    galleries = [GalleryFactory(), GalleryFactory()]
    return [PersonFactory(gallery=galleries[number % 2]) for number in range(PEOPLE)]


def apply_change(people: list[Person], change: Change) -> None:
    person = people[change.person]
    Person.objects.filter(pk=person.pk).update(active=change.active)
    if change.seed is None:
        remove_templates(person)
    else:
        template(person, change.seed)
    touch_templates([person])


def exact(galleries: list[Gallery], probe: FloatArray) -> list[float]:
    """The best scores among the templates of active people, by the database and NumPy alone."""
    stored = PersonTemplate.objects.filter(person__gallery__in=galleries, person__active=True)
    scores = [float(decode(bytes(each.vector)) @ probe) for each in stored]
    return sorted(scores, reverse=True)[:TOP]


def of_its_own(match: Match, probe: FloatArray) -> float:
    stored = PersonTemplate.objects.get(pk=match.template_id, person_id=match.person_id)
    return float(decode(bytes(stored.vector)) @ probe)


@settings(
    max_examples=12,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(rounds=st.lists(changes, min_size=1, max_size=3))
def test_searches_equal_exact_search(people: list[Person], rounds: list[list[Change]]) -> None:
    both = [people[0].gallery, people[1].gallery]
    for several in rounds:
        for change in several:
            apply_change(people, change)
        settle(*both)
        for galleries in ([both[0]], [both[1]], both):
            found = search(galleries, PROBES, TOP)
            for probe, matches in zip(PROBES, found, strict=True):
                scores = [match.score for match in matches]
                assert scores == pytest.approx(exact(galleries, probe), abs=1e-6)
                # Twins may stand in any order, but each with its own score.
                assert scores == pytest.approx([of_its_own(m, probe) for m in matches], abs=1e-6)
                assert len({match.template_id for match in matches}) == len(matches)
    active = PersonTemplate.objects.filter(person__active=True).count()
    assert searchable_count(both) == active
    assert all(report.agrees for report in reconcile_all())


def test_hits_that_are_gone_leave_no_gaps(gallery: Gallery, indexed: str) -> None:
    """The index doesn't know yet that those at the top are gone: it is asked for more."""
    near = unit(1)
    people = PersonFactory.create_batch(40, gallery=gallery)
    for number, person in enumerate(people):
        mixed = near + 0.02 * (number + 1) * unit(number + 100)
        PersonTemplate.objects.filter(pk=template(person, 1).pk).update(
            vector=(mixed / np.linalg.norm(mixed)).astype("<f4").tobytes()
        )
    settle(gallery)
    Person.objects.filter(pk__in=[each.pk for each in people[:30]]).update(active=False)
    ((first, *rest),) = search([gallery], near[None], 5)
    assert len(rest) == 4
    assert {first.person_id, *(each.person_id for each in rest)} <= {p.pk for p in people[30:]}


def test_no_probe_is_no_question(gallery: Gallery) -> None:
    assert search([gallery], np.empty((0, 128), np.float32), 5) == []
