"""From the database to Milvus: repeats are harmless, nothing is lost, nothing is overtaken."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from django.db import IntegrityError, transaction
from django.utils import timezone
from numpy.typing import NDArray

from people.models import Gallery, Person
from tests.factories import GalleryFactory, PersonFactory, template, unit
from tests.fixtures import settle
from tests.sets import about_the_embedded
from vectors import applying, lease, milvus
from vectors.applying import apply_outbox
from vectors.codec import InvalidTemplate
from vectors.connection import Collection, server_label
from vectors.errors import CollectionMissing, IndexUnavailable, NotAnId
from vectors.generations import ensure_active_index, refill
from vectors.milvus import Entries
from vectors.models import GenerationState, IndexGeneration, PersonTemplate, VectorOutbox
from vectors.outbox import mark_dirty
from vectors.selectors import generations_with_work, lag, search, searchable_count
from vectors.services import remove_templates, store_template, touch_templates

pytestmark = pytest.mark.django_db


@pytest.fixture
def generation(gallery: Gallery, indexed: str) -> IndexGeneration:
    settle(gallery)
    return IndexGeneration.objects.get()


def held(generation: IndexGeneration) -> dict[int, int]:
    """What Milvus holds: gallery by template."""
    return dict(milvus.list_entries(generation.collection))


def vector(generation: IndexGeneration, stored: PersonTemplate) -> NDArray[np.float32]:
    """The one vector that Milvus holds for a template."""
    (found,) = milvus.get(generation.collection, [stored.pk]).vectors
    return found


def during_the_upsert(monkeypatch: pytest.MonkeyPatch, act: Callable[[], object]) -> None:
    """Let something happen once, after the worker has read the templates."""
    real, acts = milvus.upsert, [act]

    def upsert(collection: Collection, entries: Entries) -> None:
        real(collection, entries)
        if acts:
            acts.pop()()

    monkeypatch.setattr(milvus, "upsert", upsert)


def test_a_template_reaches_milvus(generation: IndexGeneration, person: Person) -> None:
    stored = template(person, 1)
    assert (stored.version, stored.searchable) == (1, False)
    assert generations_with_work() == [generation.public_id]
    assert lag().pending == 1
    assert lag().seconds >= 0

    assert apply_outbox(generation.public_id) == 1

    stored.refresh_from_db()
    assert stored.searchable
    assert held(generation) == {stored.pk: person.gallery_id}
    assert np.array_equal(vector(generation, stored), unit(1))
    assert (generations_with_work(), lag().pending, lag().seconds) == ([], 0, 0.0)


def test_applying_again_changes_nothing(generation: IndexGeneration, person: Person) -> None:
    stored = template(person)
    apply_outbox(generation.public_id)
    for _ in range(3):
        mark_dirty(person.gallery_id, stored.model, [stored.pk])
        mark_dirty(person.gallery_id, stored.model, [stored.pk])
        assert apply_outbox(generation.public_id) == 1
    assert apply_outbox(generation.public_id) == 0
    assert held(generation) == {stored.pk: person.gallery_id}


def test_a_change_replaces_the_entry(generation: IndexGeneration, person: Person) -> None:
    template(person, 1)
    apply_outbox(generation.public_id)
    stored = template(person, 2)
    assert (stored.version, PersonTemplate.objects.count()) == (2, 1)
    assert not stored.searchable
    apply_outbox(generation.public_id)
    assert np.array_equal(vector(generation, stored), unit(2))
    assert len(held(generation)) == 1


def test_a_deleted_template_is_deleted_there(generation: IndexGeneration, person: Person) -> None:
    template(person)
    apply_outbox(generation.public_id)
    assert remove_templates(person) == 1
    assert held(generation) != {}
    assert apply_outbox(generation.public_id) == 1
    assert held(generation) == {}


def test_who_is_inactive_is_not_in_the_index(generation: IndexGeneration, person: Person) -> None:
    stored = template(person)
    apply_outbox(generation.public_id)
    for active, expected in [(False, {}), (True, {stored.pk: person.gallery_id})]:
        Person.objects.filter(pk=person.pk).update(active=active)
        touch_templates([person])
        assert not stored.searchable
        apply_outbox(generation.public_id)
        assert stored.searchable is active
        assert held(generation) == expected


def test_a_change_during_the_write_is_written_by_the_same_run(
    generation: IndexGeneration, person: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    stored = template(person, 1)
    during_the_upsert(monkeypatch, lambda: template(person, 2))
    assert apply_outbox(generation.public_id) == 2
    assert np.array_equal(vector(generation, stored), unit(2))


def test_who_is_erased_during_the_write_does_not_come_back(
    generation: IndexGeneration, person: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    template(person, 1)
    during_the_upsert(monkeypatch, lambda: remove_templates(person))
    apply_outbox(generation.public_id)
    assert held(generation) == {}
    assert VectorOutbox.objects.count() == 0


def test_one_process_writes_at_a_time_until_it_is_dead(
    generation: IndexGeneration, person: Person
) -> None:
    template(person)
    with lease.held(generation, "index@here") as mine:
        assert mine is not None
        assert apply_outbox(generation.public_id) == 0
        IndexGeneration.objects.update(held_until=timezone.now() - timedelta(seconds=1))
        assert apply_outbox(generation.public_id) == 1
        with pytest.raises(lease.LeaseLostError):
            mine.renew()
    template(person, 2)
    with lease.held(generation, "index@here"):
        assert lease.release_held_by("index@here") == 1
        assert apply_outbox(generation.public_id) == 1


def test_more_than_a_batch_is_written_in_one_run(
    generation: IndexGeneration, gallery: Gallery, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(applying, "ROWS_A_STEP", 3)
    stored = [template(PersonFactory(gallery=gallery)) for _ in range(7)]
    assert apply_outbox(generation.public_id) == 7
    assert held(generation).keys() == {each.pk for each in stored}


@about_the_embedded
def test_without_milvus_the_rows_stay(
    generation: IndexGeneration, person: Person, settings: Any, tmp_path: Path
) -> None:
    stored = template(person)
    here, settings.VAR_DIR = settings.VAR_DIR, tmp_path
    with pytest.raises(IndexUnavailable, match=r"^Milvus Lite is not running\. Start everything"):
        apply_outbox(generation.public_id)
    stored.refresh_from_db()
    assert (stored.searchable, VectorOutbox.objects.count()) == (False, 1)

    settings.VAR_DIR = here
    assert apply_outbox(generation.public_id) == 1


def test_milvus_failing_during_the_write_leaves_rows_and_no_lease(
    generation: IndexGeneration, person: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    template(person)
    during_the_upsert(monkeypatch, lambda: milvus.drop_collection(generation.collection))
    # The collection goes after the upsert, so the deletion of this one meets an index that is gone.
    mark_dirty(person.gallery_id, generation.model, [10**9])
    with pytest.raises(IndexUnavailable):
        apply_outbox(generation.public_id)
    assert VectorOutbox.objects.count() == 2
    generation.refresh_from_db()
    assert (generation.held_by, generation.held_until) == ("", None)


def test_an_address_where_nobody_answers_is_an_error_in_time(
    gallery: Gallery, settings: Any
) -> None:
    settings.MILVUS_URI, settings.MILVUS_TIMEOUT_SECONDS = "http://127.0.0.1:1", 1
    with pytest.raises(IndexUnavailable, match=r"^The search index does not answer\. Nothing was"):
        milvus.ping()


def test_a_lost_collection_is_filled_again(generation: IndexGeneration, person: Person) -> None:
    stored = template(person)
    apply_outbox(generation.public_id)
    milvus.drop_collection(generation.collection)

    assert apply_outbox(generation.public_id) == 1

    generation.refresh_from_db()
    assert generation.state == GenerationState.READY
    assert held(generation) == {stored.pk: person.gallery_id}


def test_a_collection_lost_before_it_was_ready_is_filled_whole(
    generation: IndexGeneration, person: Person
) -> None:
    applied = template(person, 1)
    apply_outbox(generation.public_id)
    IndexGeneration.objects.update(state=GenerationState.BUILDING)
    milvus.drop_collection(generation.collection)
    apply_outbox(generation.public_id)
    assert set(held(generation)) == {applied.pk}
    generation.refresh_from_db()
    assert generation.state == GenerationState.READY


def test_a_search_that_finds_the_collection_lost_has_it_filled_again(
    generation: IndexGeneration, person: Person
) -> None:
    stored = template(person, 1)
    apply_outbox(generation.public_id)
    milvus.drop_collection(generation.collection)

    for _ in range(2):
        with pytest.raises(CollectionMissing):
            search([person.gallery], unit(1)[None], 5)
    apply_outbox(generation.public_id)
    ((hit,),) = search([person.gallery], unit(1)[None], 5)
    assert hit.template_id == stored.pk
    assert hit.score == pytest.approx(1, abs=1e-5)


def test_while_it_is_built_a_search_is_refused_and_never_empty(
    gallery: Gallery, person: Person, indexed: str
) -> None:
    template(person)
    with pytest.raises(CollectionMissing) as caught:
        search([gallery], unit(1)[None], 5)
    assert (caught.value.http_status, caught.value.code, caught.value.retry_after) == (
        503, "index_not_ready", 2,
    )  # fmt: skip
    settle()
    refill(IndexGeneration.objects.get().pk)
    with pytest.raises(CollectionMissing):
        search([gallery], unit(1)[None], 5)


def test_an_empty_gallery_is_ready_and_empty(gallery: Gallery, indexed: str) -> None:
    settle(gallery)
    assert search([gallery], unit(1)[None], 5) == [[]]
    assert searchable_count([gallery]) == 0


def test_a_search_stays_in_the_galleries_asked(
    gallery: Gallery, generation: IndexGeneration
) -> None:
    other = GalleryFactory()
    here = template(PersonFactory(gallery=gallery), 1)
    there = template(PersonFactory(gallery=other), 2)
    settle(other)

    def found(galleries: list[Gallery]) -> list[list[int]]:
        probes = np.stack([unit(1), unit(2)])
        return [[hit.template_id for hit in hits] for hits in search(galleries, probes, 5)]

    assert IndexGeneration.objects.count() == 1
    assert found([gallery]) == [[here.pk], [here.pk]]
    assert found([other]) == [[there.pk], [there.pk]]
    assert found([gallery, other]) == [[here.pk, there.pk], [there.pk, here.pk]]
    assert searchable_count([gallery]) == 1
    assert searchable_count([gallery, other]) == 2


@about_the_embedded
def test_generations_of_another_server_wait_for_that_server(
    generation: IndexGeneration, person: Person, settings: Any, index: str
) -> None:
    """After a move to another Milvus the old index is not made there too, nor taken for current."""
    stored = template(person)
    apply_outbox(generation.public_id)
    # The same Milvus under its address is another server to us.
    settings.MILVUS_URI = index
    assert ensure_active_index(person.gallery) != generation
    moved = IndexGeneration.objects.exclude(pk=generation.pk).get()
    assert moved.server == index
    assert generations_with_work() == [moved.public_id]
    template(person, 2)
    assert generations_with_work() == [moved.public_id]
    assert apply_outbox(generation.public_id) == 0
    assert apply_outbox(moved.public_id) == 1
    assert lag().pending == 0
    assert milvus.has_collection(moved.collection)

    settings.MILVUS_URI = ""
    assert ensure_active_index(person.gallery) == generation
    assert lag().pending == 1
    assert apply_outbox(generation.public_id) == 1
    assert np.array_equal(vector(generation, stored), unit(2))


def test_what_is_no_template_is_never_stored(generation: IndexGeneration, person: Person) -> None:
    for wrong in (np.zeros(128, np.float32), unit(1)[:64], np.full(128, np.nan, np.float32)):
        with pytest.raises(InvalidTemplate):
            store_template(person, wrong, 1)
    assert (PersonTemplate.objects.count(), VectorOutbox.objects.count()) == (0, 0)


@pytest.mark.parametrize(
    "wrong",
    [{"vector": b"short"}, {"given_vector": b"short"}, {"face_count": 0}, {"given_faces": 2}],
    ids=str,
)
def test_the_database_itself_refuses_a_wrong_row(person: Person, wrong: dict[str, Any]) -> None:
    stored = template(person)
    with pytest.raises(IntegrityError), transaction.atomic():
        PersonTemplate.objects.filter(pk=stored.pk).update(**wrong)


def test_entries_and_generations_have_names_that_say_what_they_are(
    generation: IndexGeneration, person: Person
) -> None:
    stored = template(person)
    assert str(stored) == f"template {stored.pk} v1"
    assert str(generation) == f"likeness_{generation.public_id.hex} (ready)"
    assert str(VectorOutbox.objects.get()) == f"template {stored.pk} in {generation.pk}"
    assert str(person.gallery.active_index).startswith(f"{person.gallery}: likeness_")


@pytest.mark.parametrize(
    ("uri", "label"),
    [
        ("", "embedded"),
        ("http://user:secret@milvus.example.org", "http://milvus.example.org:19530"),
        ("https://m.example.org:443/db", "https://m.example.org:443/db"),
    ],
)
def test_a_server_s_label_holds_no_credentials(settings: Any, uri: str, label: str) -> None:
    settings.MILVUS_URI = uri
    assert server_label() == label


def test_a_filter_is_made_of_whole_numbers_alone(generation: IndexGeneration) -> None:
    where: Any = ["1] or gallery_id > 0 or gallery_id in [1"]
    for ask in (
        lambda: milvus.search(generation.collection, unit(1)[None], where, 5),
        lambda: milvus.get(generation.collection, where),
        lambda: milvus.delete(generation.collection, where),
        lambda: milvus.entries_between(generation.collection, 0, where[0]),
    ):
        with pytest.raises(NotAnId, match="str instead of a whole number"):
            ask()
