"""The index in the admin: how far it is behind, and rebuilding."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from accounts.actors import actor_of
from accounts.models import User
from common.errors import Forbidden
from people.models import Gallery, Person, Role
from tests import factories
from tests.fixtures import rows
from tests.pages import acts, queries, signed_in, told
from vectors.admin import rebuild, standing
from vectors.generations import drop, switch
from vectors.models import (
    ActiveIndex,
    GenerationState,
    IndexGeneration,
    IndexSpan,
    Placement,
    VectorOutbox,
)

pytestmark = pytest.mark.django_db

LIST = "/admin/vectors/indexgeneration/"


@pytest.fixture(autouse=True)
def embedded(settings: Any) -> None:
    """These pages ask the database alone, on every set of services."""
    settings.MILVUS_URI = ""


@pytest.fixture
def browser(site_admin: User) -> Client:
    return signed_in(site_admin)


@pytest.fixture
def generation(gallery: Gallery) -> IndexGeneration:
    made = IndexGeneration.objects.create(
        model=gallery.model, server="embedded", state=GenerationState.READY
    )
    Placement.objects.create(generation=made, gallery=gallery)
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


def test_ranges_of_templates_count_as_pending(browser: Client, generation: IndexGeneration) -> None:
    IndexSpan.objects.create(generation=generation, next_id=1, last_id=1_000_000)
    IndexSpan.objects.update(dirty_since=timezone.now() - timedelta(hours=7))

    page = browser.get(LIST).content.decode()

    assert "1 range, for 7\xa0hours" in page


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({}, "searched"),
        ({"state": "retired"}, "to be dropped"),
        ({"problem": "Two photos lack faces."}, "stuck"),
        ({"state": "building", "expected": 2000, "written": 500}, "being built"),
    ],
)
def test_what_an_index_is_there_for(
    fields: dict[str, Any], said: str, browser: Client, generation: IndexGeneration
) -> None:
    IndexGeneration.objects.filter(pk=generation.pk).update(**fields)

    page = browser.get(LIST)
    (row,) = page.context["cl"].result_list

    assert standing(row) == said
    assert said in page.content.decode()
    assert ("filling 500 of 2,000" in page.content.decode()) == (said == "being built")


def test_one_that_is_kept_and_its_galleries(
    browser: Client, generation: IndexGeneration, gallery: Gallery
) -> None:
    Placement.objects.update(recall=0.9995, width=64)
    kept = IndexGeneration.objects.create(
        model=gallery.model, server="embedded", state=GenerationState.READY
    )
    Placement.objects.create(generation=kept, gallery=gallery, recall=0.5)

    rows_ = {row.pk: row for row in browser.get(LIST).context["cl"].result_list}
    page = browser.get(f"{LIST}{generation.pk}/change/").content.decode()
    other = browser.get(f"{LIST}{kept.pk}/change/").content.decode()

    assert (rows_[generation.pk].least_recall, rows_[kept.pk].least_recall) == (0.9995, 0.5)
    assert all(each in page for each in (gallery.name, "searched here", "99.95%", ">64<"))
    assert ("50.00%" in other, "searched here" in other) == (True, False)


def test_rebuilding_after_a_question(
    browser: Client, site_admin: User, generation: IndexGeneration, gallery: Gallery
) -> None:
    """A new one is begun, and this one goes on."""
    address = f"{LIST}{generation.pk}/rebuild/"

    assert "Rebuild this index?" in browser.get(address).content.decode()
    assert IndexGeneration.objects.count() == 1
    browser.post(address, {"confirmed": "yes"})

    old, new = IndexGeneration.objects.order_by("pk")
    assert (old.state, new.state, new.takes_over, new.keeps_old) == (
        "ready", "building", True, True,
    )  # fmt: skip
    assert list(new.galleries.all()) == [gallery]
    assert ActiveIndex.objects.get().generation == old
    assert acts() == [(str(actor_of(site_admin)), "index.rebuild")]

    again = browser.post(address, {"confirmed": "yes"})
    assert IndexGeneration.objects.count() == 2
    assert "is being rebuilt already" in told(again)[-1]


def kept(gallery: Gallery, state: str = "ready") -> IndexGeneration:
    made = IndexGeneration.objects.create(model=gallery.model, server="embedded", state=state)
    Placement.objects.create(generation=made, gallery=gallery)
    return made


def test_going_back_to_one_that_was_kept(
    browser: Client, site_admin: User, generation: IndexGeneration, gallery: Gallery
) -> None:
    older = kept(gallery)
    IndexGeneration.objects.filter(pk=older.pk).update(model="another", problem="60 are missing.")

    asked = browser.get(f"{LIST}{older.pk}/search-here/").content.decode()
    IndexGeneration.objects.filter(pk=older.pk).update(model=gallery.model)
    browser.post(f"{LIST}{older.pk}/search-here/", {"confirmed": "yes"})

    assert "They are searched with another. 60 are missing." in asked
    assert f"{gallery.name}: its model was {gallery.model}" in asked

    assert ActiveIndex.objects.get().generation == older
    assert acts() == [(str(actor_of(site_admin)), "index.switch")]


def test_dropping_one_that_was_kept(
    browser: Client, site_admin: User, generation: IndexGeneration, gallery: Gallery
) -> None:
    older = kept(gallery)

    browser.post(f"{LIST}{older.pk}/drop/", {"confirmed": "yes"})

    older.refresh_from_db()
    assert older.state == "retired"
    assert acts() == [(str(actor_of(site_admin)), "index.drop")]


@pytest.mark.parametrize(
    ("what", "why"),
    [
        ("rebuild", "No gallery is searched in this index."),
        ("search-here", "This index is not complete"),
    ],
)
def test_what_is_refused_is_said(
    what: str,
    why: str,
    browser: Client,
    generation: IndexGeneration,
    gallery: Gallery,
) -> None:
    other = kept(gallery, "building")
    before = rows()

    answer = browser.post(f"{LIST}{other.pk}/{what}/", {"confirmed": "yes"})

    assert told(answer)[0].startswith(why)
    assert rows() == before


def test_what_is_searched_is_not_dropped(browser: Client, generation: IndexGeneration) -> None:
    before = rows()

    answer = browser.post(f"{LIST}{generation.pk}/drop/", {"confirmed": "yes"})

    assert told(answer) == [
        "Its galleries are searched in this index. Switch them to another one first."
    ]
    assert rows() == before


@pytest.mark.parametrize("what", ["rebuild", "search-here", "drop"])
@pytest.mark.parametrize("number", ["7", "retired"])
def test_what_is_not_there_can_not_be_changed(
    browser: Client, generation: IndexGeneration, number: str, what: str
) -> None:
    if number == "retired":
        IndexGeneration.objects.update(state=GenerationState.RETIRED)
        number = str(generation.pk)
    before = rows()

    answer = browser.post(f"{LIST}{number}/{what}/", {"confirmed": "yes"})

    assert answer.status_code == 302
    assert rows() == before


@pytest.mark.parametrize("act", [rebuild, switch, drop])
def test_members_change_nothing(
    act: Callable[..., object], gallery: Gallery, generation: IndexGeneration
) -> None:
    admin = factories.actor(gallery, Role.ADMIN)
    before = rows()

    with pytest.raises(Forbidden):
        act(admin, generation)

    assert rows() == before


def test_the_list_takes_as_many_queries_for_many(
    browser: Client, generation: IndexGeneration, gallery: Gallery
) -> None:
    few = queries(browser, LIST)
    for _ in range(10):
        kept(gallery)

    assert queries(browser, LIST) == few


@pytest.mark.parametrize("what", ["activeindex", "vectoroutbox", "indexspan"])
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

    for what in ("indexgeneration", "activeindex", "vectoroutbox", "indexspan"):
        assert browser.post(f"/admin/vectors/{what}/add/").status_code == 403
        changed = browser.post(f"/admin/vectors/{what}/{generation.pk}/change/", {})
        assert changed.status_code in (302, 403)

    assert rows() == before
