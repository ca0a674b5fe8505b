"""Lookups in galleries with next to nobody in them."""

from __future__ import annotations

import pytest
from rest_framework.test import APIClient

from people.models import Gallery, Person
from tests.conftest import Lfw
from tests.factories import template
from tests.fixtures import settle
from tests.identification.test_identify import PEOPLE, identify, names

pytestmark = pytest.mark.django_db


def test_no_one_enrolled_gives_no_candidates(
    operator: APIClient, gallery: Gallery, lfw: Lfw, indexed: str
) -> None:
    settle(gallery)
    assert names(identify(operator, lfw.bytes(PEOPLE[0]), gallery)) == [[]]


def test_a_candidate_without_photos_has_no_evidence(
    operator: APIClient, gallery: Gallery, person: Person, lfw: Lfw, indexed: str
) -> None:
    template(person)
    settle(gallery)
    (face,) = identify(operator, lfw.bytes(PEOPLE[0]), gallery).json()["faces"]
    assert [each["evidence"] for each in face["candidates"]] == [None]
