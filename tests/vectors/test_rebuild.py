"""A new index beside the old one: filled, proved, taken over, gone back from, dropped."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from io import StringIO
from types import ModuleType
from typing import Any

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError
from django.utils import timezone

from audit.models import AuditEntry
from common.errors import Conflict, Forbidden
from people.models import Gallery, Person, Role
from tests import factories
from tests.factories import SYSTEM, GalleryFactory, PersonFactory, entries, template, unit
from tests.fixtures import settle
from tests.sets import about_the_embedded
from vectors import applying, indexes, milvus, takeover
from vectors.applying import apply_outbox, work
from vectors.errors import CollectionMissing
from vectors.generations import (
    drop,
    ensure_active_index,
    make_generation,
    short_name,
    start_rebuild,
    switch,
)
from vectors.growth import grow, outgrown
from vectors.models import (
    ActiveIndex,
    GenerationState,
    IndexGeneration,
    IndexSpan,
    IndexType,
    PersonTemplate,
    VectorOutbox,
)
from vectors.reconcile import reconcile_all
from vectors.selectors import generations_with_work, lag, models_of, search
from vectors.services import remove_templates

pytestmark = pytest.mark.django_db


@pytest.fixture
def stored(gallery: Gallery, indexed: str) -> list[PersonTemplate]:
    made = [template(PersonFactory(gallery=gallery), seed) for seed in range(6)]
    settle(gallery)
    return made


@pytest.fixture
def old(stored: list[PersonTemplate]) -> IndexGeneration:
    return IndexGeneration.objects.get()


def rebuilt(gallery: Gallery, **options: Any) -> IndexGeneration:
    (new,) = start_rebuild(SYSTEM, [gallery], **options)
    apply_outbox(new.public_id)
    new.refresh_from_db()
    return new


def active(gallery: Gallery) -> IndexGeneration:
    return ActiveIndex.objects.get(gallery=gallery).generation


def held(generation: IndexGeneration) -> set[int]:
    return {pk for pk, _ in milvus.list_entries(generation.collection)}


def found(gallery: Gallery, seed: int) -> list[int]:
    (matches,) = search([gallery], unit(seed)[None], 1)
    return [each.template_id for each in matches]


def test_searches_go_on_in_the_old_one_until_the_new_one_is_proved(
    gallery: Gallery, stored: list[PersonTemplate], old: IndexGeneration
) -> None:
    (new,) = start_rebuild(SYSTEM, [gallery])
    assert (new.state, new.expected, new.takes_over) == (GenerationState.BUILDING, 6, True)
    for _ in range(20):
        assert found(gallery, 3) == [stored[3].pk]
        if not work(new.public_id, seconds=0).more:
            break
    assert active(gallery) == new
    new.refresh_from_db()
    assert (new.state, new.takes_over, new.written) == (GenerationState.READY, False, 6)
    assert found(gallery, 3) == [stored[3].pk]
    assert held(new) == held(old) == {each.pk for each in stored}
    switched = AuditEntry.objects.filter(action__startswith="index.").order_by("pk")
    assert [each.action for each in switched] == ["index.rebuild", "index.switch"]


def test_changes_reach_both_while_the_new_one_is_built_and_after(
    gallery: Gallery, stored: list[PersonTemplate], old: IndexGeneration
) -> None:
    (new,) = start_rebuild(SYSTEM, [gallery])
    late = template(PersonFactory(gallery=gallery), 50)
    template(stored[1].person, 51)
    remove_templates(stored[0].person)
    settle()
    assert active(gallery) == new
    remove_templates(stored[2].person)
    settle()
    expected = {late.pk, *(each.pk for each in stored)} - {stored[0].pk, stored[2].pk}
    assert held(new) == held(old) == expected
    assert found(gallery, 51) == [stored[1].pk]
    assert all(report.agrees for report in reconcile_all())


def test_back_to_the_old_one_and_on_again(
    gallery: Gallery, stored: list[PersonTemplate], old: IndexGeneration
) -> None:
    new = rebuilt(gallery)
    switch(SYSTEM, old)
    assert active(gallery) == old
    settle()
    assert active(gallery) == old  # the new one does not take over a second time by itself
    switch(SYSTEM, new)
    assert found(gallery, 1) == [stored[1].pk]


def test_what_is_searched_is_not_dropped_and_what_is_not_goes_whole(
    gallery: Gallery, stored: list[PersonTemplate], old: IndexGeneration
) -> None:
    new = rebuilt(gallery)
    with pytest.raises(Conflict) as caught:
        drop(SYSTEM, new)
    assert caught.value.code == "generation_in_use"

    template(stored[0].person, 60)
    drop(SYSTEM, old)
    old.refresh_from_db()
    assert old.state == GenerationState.RETIRED
    assert not VectorOutbox.objects.filter(generation=old).exists()
    template(stored[1].person, 61)
    assert not VectorOutbox.objects.filter(generation=old).exists()
    settle()
    assert not IndexGeneration.objects.filter(pk=old.pk).exists()
    assert not milvus.has_collection(old.collection)
    assert found(gallery, 61) == [stored[1].pk]
    assert generations_with_work() == []


def test_a_rebuild_can_be_given_up(
    gallery: Gallery, stored: list[PersonTemplate], old: IndexGeneration
) -> None:
    (new,) = start_rebuild(SYSTEM, [gallery])
    with pytest.raises(Conflict) as caught:
        start_rebuild(SYSTEM, [gallery])
    assert caught.value.code == "rebuild_under_way"
    assert short_name(new) in caught.value.detail
    drop(SYSTEM, new)
    settle()
    assert list(IndexGeneration.objects.all()) == [old]
    assert rebuilt(gallery).state == GenerationState.READY


@pytest.mark.parametrize(
    "moment",
    [
        (applying, "ensure_collection", "before"),
        (applying, "ensure_collection", "after"),
        (applying, "_apply_span", "before"),
        (applying, "_apply_span", "after"),
        (takeover, "_update", "before"),
        (takeover, "_update", "after"),
        (takeover, "_prove", "before"),
        (takeover, "_prove", "after"),
        (takeover, "_take_over", "before"),
        (takeover, "_missing", "before"),
    ],
)
def test_one_that_is_given_up_while_it_is_worked_on_stays_so(
    gallery: Gallery,
    old: IndexGeneration,
    monkeypatch: pytest.MonkeyPatch,
    moment: tuple[ModuleType, str, str],
) -> None:
    room, step, comes = moment
    (new,) = start_rebuild(SYSTEM, [gallery])
    work_on = getattr(room, step)

    def given_up(*arguments: Any, **options: Any) -> Any:
        monkeypatch.undo()
        if comes == "before":
            drop(SYSTEM, new)
        done = work_on(*arguments, **options)
        if comes == "after":
            drop(SYSTEM, new)
        return done

    monkeypatch.setattr(room, step, given_up)
    apply_outbox(new.public_id)
    settle()
    assert list(IndexGeneration.objects.all()) == [old]
    assert not milvus.has_collection(new.collection)
    assert active(gallery) == old


def test_the_old_one_goes_at_once_when_it_is_not_to_be_kept(
    gallery: Gallery, stored: list[PersonTemplate], old: IndexGeneration
) -> None:
    new = rebuilt(gallery, keeps_old=False)
    settle()
    assert list(IndexGeneration.objects.all()) == [new]
    assert not milvus.has_collection(old.collection)


def test_one_gallery_of_several_gets_an_index_of_its_own(
    gallery: Gallery, stored: list[PersonTemplate], old: IndexGeneration
) -> None:
    other = GalleryFactory()
    neighbour = template(PersonFactory(gallery=other), 70)
    settle(other)
    new = rebuilt(gallery)
    assert (active(gallery), active(other)) == (new, old)
    both = [
        [each.template_id for each in one] for one in search([gallery, other], unit(70)[None], 1)
    ]
    assert both == [[neighbour.pk]]

    drop(SYSTEM, old)  # what is left of the gallery that moved, not the neighbour
    settle()
    assert held(old) == {neighbour.pk}
    assert held(new) == {each.pk for each in stored}
    assert (found(gallery, 2), found(other, 70)) == ([stored[2].pk], [neighbour.pk])


def test_those_who_share_an_index_go_on_sharing(
    gallery: Gallery, stored: list[PersonTemplate], old: IndexGeneration
) -> None:
    other = GalleryFactory()
    template(PersonFactory(gallery=other), 70)
    settle(other)
    (new,) = start_rebuild(SYSTEM, [gallery, other])
    settle()
    assert active(gallery) == active(other) == new


def test_one_gallery_goes_back_without_the_others(
    gallery: Gallery, stored: list[PersonTemplate], old: IndexGeneration
) -> None:
    other = GalleryFactory()
    neighbour = template(PersonFactory(gallery=other), 70)
    settle(other)
    (new,) = start_rebuild(SYSTEM, [gallery, other])
    settle()

    call_command("vectors", "switch", short_name(old), "--gallery", other.slug, stdout=StringIO())

    assert (active(gallery), active(other)) == (new, old)
    assert (found(gallery, 2), found(other, 70)) == ([stored[2].pk], [neighbour.pk])
    stranger = GalleryFactory()
    with pytest.raises(Conflict) as refusal:
        switch(SYSTEM, old, [stranger])
    assert refusal.value.code == "gallery_not_in_index"


def test_no_search_goes_to_an_index_that_missed_changes_or_is_out_of_reach(
    gallery: Gallery, stored: list[PersonTemplate], old: IndexGeneration
) -> None:
    new = rebuilt(gallery)
    template(stored[1].person, 51)
    VectorOutbox.objects.filter(generation=old).update(
        dirty_since=timezone.now() - timedelta(minutes=2)
    )
    with pytest.raises(Conflict) as refusal:
        switch(SYSTEM, old)
    assert refusal.value.code == "generation_behind"
    settle()
    IndexGeneration.objects.filter(pk=old.pk).update(server="http://elsewhere:19530")
    with pytest.raises(Conflict) as refusal:
        switch(SYSTEM, old)
    assert refusal.value.code == "generation_out_of_reach"
    assert active(gallery) == new


@pytest.mark.parametrize("act", [switch, drop])
def test_an_index_that_is_just_gone(
    gallery: Gallery, stored: list[PersonTemplate], old: IndexGeneration, act: Any
) -> None:
    rebuilt(gallery)
    IndexGeneration.objects.filter(pk=old.pk).delete()
    with pytest.raises(Conflict) as refusal:
        act(SYSTEM, old)
    assert refusal.value.code == "generation_gone"


def test_entries_that_another_program_changed_are_mended_before_it_takes_over(
    gallery: Gallery, stored: list[PersonTemplate], monkeypatch: pytest.MonkeyPatch
) -> None:
    (new,) = start_rebuild(SYSTEM, [gallery])
    meddle_while_verifying(new, lambda: milvus.delete(new.collection, [stored[4].pk]), monkeypatch)
    apply_outbox(new.public_id)
    new.refresh_from_db()
    assert (active(gallery), new.verifications) == (new, 1)
    assert held(new) == {each.pk for each in stored}


def test_an_index_that_differs_again_and_again_never_takes_over(
    gallery: Gallery,
    stored: list[PersonTemplate],
    old: IndexGeneration,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (new,) = start_rebuild(SYSTEM, [gallery])
    stranger = entries((10**9, gallery.pk, 99))
    meddle_while_verifying(
        new, lambda: milvus.upsert(new.collection, stranger), monkeypatch, always=True
    )
    apply_outbox(new.public_id)
    new.refresh_from_db()
    assert active(gallery) == old
    assert new.state == GenerationState.BUILDING
    assert new.problem.startswith("Its entries differ again and again")
    with pytest.raises(Conflict) as caught:
        switch(SYSTEM, new)
    assert caught.value.code == "generation_not_ready"


def meddle_while_verifying(
    generation: IndexGeneration,
    act: Callable[[], object],
    monkeypatch: pytest.MonkeyPatch,
    *,
    always: bool = False,
) -> None:
    """Let another program write to the collection after it was filled: once, or each time."""
    real, left = takeover.compare, [act]

    def compare(*args: Any, **options: Any) -> Any:
        if left:
            (left[0] if always else left.pop())()
            milvus.await_visible(generation.collection)
        return real(*args, **options)

    monkeypatch.setattr(takeover, "compare", compare)


def test_it_waits_for_what_other_rooms_ask(
    gallery: Gallery,
    stored: list[PersonTemplate],
    old: IndexGeneration,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    missing = ["3 people have no template yet."]
    monkeypatch.setattr(takeover, "conditions", [lambda _: missing[0] if missing else ""])
    new = rebuilt(gallery)
    assert (active(gallery), new.state, new.problem) == (old, GenerationState.READY, missing[0])
    assert generations_with_work() == [new.public_id]
    missing.clear()
    apply_outbox(new.public_id)
    new.refresh_from_db()
    assert (active(gallery), new.problem) == (new, "")


def test_another_network_changes_the_gallery_with_the_index(
    gallery: Gallery,
    stored: list[PersonTemplate],
    old: IndexGeneration,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Only the index's part of it: the templates, and who must have one, come from elsewhere."""
    monkeypatch.setattr(takeover, "conditions", [])
    new = make_generation("yunet-other", [gallery], takes_over=True)
    assert models_of(gallery) == [gallery.model, "yunet-other"]
    made = PersonTemplate.objects.create(
        person=stored[0].person,
        model="yunet-other",
        vector=bytes(stored[0].vector),
        face_count=1,
    )
    start = Gallery.objects.get(pk=gallery.pk)
    settle_span(new, made)
    apply_outbox(new.public_id)
    assert active(gallery) == new
    assert Gallery.objects.get(pk=gallery.pk).model == "yunet-other"
    # A request that read the gallery a moment ago is answered by the kept index of its model.
    assert found(start, 3) == [stored[3].pk]
    assert found(Gallery.objects.get(pk=gallery.pk), 0) == [made.pk]


def settle_span(generation: IndexGeneration, stored: PersonTemplate) -> None:
    IndexSpan.objects.create(generation=generation, next_id=stored.pk, last_id=stored.pk)


def test_a_search_that_meets_the_switch_is_answered_by_the_new_one(
    gallery: Gallery,
    stored: list[PersonTemplate],
    old: IndexGeneration,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (new,) = start_rebuild(SYSTEM, [gallery])
    real, first = milvus.search, []

    def switched_meanwhile(collection: Any, *args: Any, **options: Any) -> Any:
        if not first:
            first.append(collection)
            apply_outbox(new.public_id)
            drop(SYSTEM, old)
            settle()
        return real(collection, *args, **options)

    monkeypatch.setattr(milvus, "search", switched_meanwhile)
    assert found(gallery, 2) == [stored[2].pk]
    assert first[0] == old.collection


def test_what_is_noted_is_nobodys_lag_but_the_searched_one_s(
    gallery: Gallery, stored: list[PersonTemplate]
) -> None:
    start_rebuild(SYSTEM, [gallery])
    assert lag().pending == 0
    template(stored[0].person, 80)
    assert lag().pending == 1


def test_only_site_administrators(gallery: Gallery, stored: list[PersonTemplate]) -> None:
    actor = factories.actor(gallery, Role.ADMIN)
    generation = active(gallery)
    for act in (
        lambda: start_rebuild(actor, [gallery]),
        lambda: switch(actor, generation),
        lambda: drop(actor, generation),
    ):
        with pytest.raises(Forbidden):
            act()
    assert list(IndexGeneration.objects.all()) == [generation]


@pytest.mark.parametrize("index_type", IndexType.values)
def test_every_index_type_finds_the_same(gallery: Gallery, indexed: str, index_type: str) -> None:
    if milvus.server_version() is None and index_type != IndexType.FLAT:
        pytest.skip("Milvus Lite has no such index that can be trusted")
    stored = [template(PersonFactory(gallery=gallery), seed) for seed in range(300)]
    settle(gallery)
    new = rebuilt(gallery, index_type=index_type)
    assert (active(gallery), new.index_type) == (new, index_type)
    for seed in (0, 150, 299):
        (matches,) = search([gallery], unit(seed)[None], 3)
        assert matches[0].template_id == stored[seed].pk
        assert matches[0].score == pytest.approx(1, abs=1e-6)


@about_the_embedded
def test_a_move_to_another_milvus_without_downtime(
    gallery: Gallery, stored: list[PersonTemplate], settings: Any, index: str
) -> None:
    """The same Milvus under its address is another server to us."""
    settings.MILVUS_NEXT_URI = index
    new = rebuilt(gallery, server=index)
    assert (new.server, active(gallery)) == (index, new)
    assert found(gallery, 4) == [stored[4].pk]
    settings.MILVUS_URI, settings.MILVUS_NEXT_URI = index, ""
    assert ensure_active_index(gallery) == new
    assert found(gallery, 4) == [stored[4].pk]
    milvus.drop_collection(new.collection)
    settings.MILVUS_URI = ""  # and back: the one that was kept there answers
    assert found(gallery, 4) == [stored[4].pk]


def test_the_command_rebuilds_switches_back_and_drops(
    gallery: Gallery, stored: list[PersonTemplate], old: IndexGeneration
) -> None:
    def vectors(*arguments: str) -> str:
        out = StringIO()
        call_command("vectors", *arguments, stdout=out)
        return out.getvalue()

    said = vectors("rebuild", "--gallery", gallery.slug)
    new = active(gallery)
    assert new != old
    assert "is ready." in said
    assert f"Searches of {gallery.slug} use {short_name(new)} now." in said
    assert f"`vectors switch {short_name(old)}` goes back" in said
    listing = vectors("list")
    assert "searched" in listing
    assert "kept" in listing
    assert f"({gallery.slug})" in listing  # in the old one
    assert vectors("wait") == "Nothing is being built.\n"
    vectors("switch", short_name(old))
    assert active(gallery) == old
    vectors("drop", short_name(new))
    assert "is dropped." in vectors("wait")
    assert list(IndexGeneration.objects.all()) == [old]
    with pytest.raises(CommandError, match=r"^No index ends with 'nonsense'\. There are: "):
        vectors("switch", "nonsense")
    with pytest.raises(CommandError, match=r"^No index ends with ''"):
        vectors("switch", "")
    with pytest.raises(CommandError, match=r"^There is no gallery with the slug 'nobody'"):
        vectors("rebuild", "--gallery", "nobody")


def test_an_inactive_person_is_in_neither(gallery: Gallery, stored: list[PersonTemplate]) -> None:
    Person.objects.filter(pk=stored[5].person_id).update(active=False)
    new = rebuilt(gallery)
    assert held(new) == {each.pk for each in stored[:5]}


def test_a_lost_index_answers_503_until_it_is_whole(
    gallery: Gallery, stored: list[PersonTemplate], old: IndexGeneration, monkeypatch: Any
) -> None:
    monkeypatch.setattr("vectors.applying.SPAN_STEP", 2)
    milvus.drop_collection(old.collection)
    more = True
    while more:
        old.refresh_from_db()
        with pytest.raises(CollectionMissing):
            found(gallery, 1)
        more = work(old.public_id, seconds=0).more
    assert found(gallery, 1) == [stored[1].pk]
    assert all(report.agrees for report in reconcile_all())


def test_an_outgrown_index_is_followed_by_one_that_suits(
    gallery: Gallery, stored: list[PersonTemplate], old: IndexGeneration, monkeypatch: Any
) -> None:
    flat, graph, _ = indexes.KINDS
    monkeypatch.setattr(indexes, "KINDS", (replace(flat, up_to=4), graph, indexes.KINDS[2]))
    if milvus.server_version() is None:  # Milvus Lite has no other that can be trusted
        assert outgrown() == []
        return
    assert outgrown() == [old]
    (new,) = grow(old)
    assert (new.index_type, grow(old)) == (IndexType.HNSW, [])
    settle()  # the new one takes over
    settle()  # the old one goes
    assert (active(gallery), outgrown()) == (new, [])
    assert list(IndexGeneration.objects.all()) == [new]
