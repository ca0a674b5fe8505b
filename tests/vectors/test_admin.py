"""The index in the admin: how far it is behind, and rebuilding."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from accounts.actors import actor_of
from accounts.models import User
from common.errors import Forbidden
from people.models import Gallery, Person, Role
from tests import factories
from tests.fixtures import rows
from tests.pages import acts, queries, signed_in
from vectors.admin import rebuild_index
from vectors.models import ActiveIndex, GenerationState, IndexGeneration, VectorOutbox

pytestmark = pytest.mark.django_db

LIST = "/admin/vectors/indexgeneration/"


@pytest.fixture
def browser(site_admin: User) -> Client:
    return signed_in(site_admin)


@pytest.fixture
def generation(gallery: Gallery) -> IndexGeneration:
    made = IndexGeneration.objects.create(
        model=gallery.model, server="embedded", state=GenerationState.READY
    )
    ActiveIndex.objects.create(gallery=gallery, generation=made)
    return made


def test_generations_say_how_far_they_are_behind(
    browser: Client, generation: IndexGeneration, person: Person
) -> None:
    factories.template(person)
    VectorOutbox.objects.update(dirty_since=timezone.now() - timedelta(minutes=5))

    page = browser.get(LIST)
    (row,) = page.context["cl"].result_list

    assert (row.pending_rows, "5\xa0minutes" in page.content.decode()) == (1, True)


def test_rebuilding_after_a_question(
    browser: Client, site_admin: User, generation: IndexGeneration, person: Person
) -> None:
    template = factories.template(person)
    VectorOutbox.objects.all().delete()
    address = f"{LIST}{generation.pk}/rebuild/"

    browser.get(address)
    generation.refresh_from_db()
    assert generation.state == "ready"
    browser.post(address, {"confirmed": "yes"})

    generation.refresh_from_db()
    assert generation.state == "building"
    assert VectorOutbox.objects.get().template_id == template.pk
    assert acts() == [(str(actor_of(site_admin)), "index.rebuild")]


@pytest.mark.parametrize("number", ["7", "retired"])
def test_what_can_not_be_rebuilt(browser: Client, generation: IndexGeneration, number: str) -> None:
    if number == "retired":
        IndexGeneration.objects.update(state=GenerationState.RETIRED)
        number = str(generation.pk)
    before = rows()

    answer = browser.post(f"{LIST}{number}/rebuild/", {"confirmed": "yes"})

    assert answer.status_code == 302
    assert rows() == before


def test_members_rebuild_nothing(gallery: Gallery, generation: IndexGeneration) -> None:
    admin = factories.actor(gallery, Role.ADMIN)
    before = rows()

    with pytest.raises(Forbidden):
        rebuild_index(admin, generation)

    assert rows() == before


@pytest.mark.parametrize("what", ["activeindex", "vectoroutbox"])
def test_lists_take_as_many_queries_for_many(
    browser: Client, generation: IndexGeneration, what: str
) -> None:
    def add(number: int) -> None:
        for person in factories.PersonFactory.create_batch(number):
            ActiveIndex.objects.create(gallery=person.gallery, generation=generation)
            factories.template(person)

    page = f"/admin/vectors/{what}/"
    add(3)
    few = queries(browser, page)
    add(27)

    assert queries(browser, page) == few


def test_nothing_is_written_by_hand(browser: Client, generation: IndexGeneration) -> None:
    before = rows()

    for what in ("indexgeneration", "activeindex", "vectoroutbox"):
        assert browser.post(f"/admin/vectors/{what}/add/").status_code == 403
        changed = browser.post(f"/admin/vectors/{what}/{generation.pk}/change/", {})
        assert changed.status_code in (302, 403)

    assert rows() == before
