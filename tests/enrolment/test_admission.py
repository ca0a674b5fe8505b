"""Somebody new is looked for among those enrolled before searches find them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from audit.models import AuditEntry
from common.errors import Conflict
from enrolment import admitting
from enrolment.adjudication import undo
from enrolment.admitting import admit, due
from enrolment.models import Admission, Stage
from enrolment.services import erase, set_active
from people.models import Gallery, Held, Person
from reviews.models import Kind, Review, State
from tests.conftest import Lfw
from tests.enrolment.people import admitted, alike, let_in
from tests.factories import SYSTEM, GalleryFactory, PersonFactory, unit
from tests.fixtures import enrol, settle
from thresholds.selectors import limits
from thresholds.services import bring_recorded, update_policy
from vectors.errors import IndexUnavailable
from vectors.models import PersonTemplate
from vectors.services import store_template, touch_templates

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("media", "indexed")]
WHO, OTHER = "Donald_Rumsfeld", "Vladimir_Putin"


@pytest.fixture
def gallery(gallery: Gallery) -> Gallery:
    """One in which photos of one person are always seen to be alike."""
    Gallery.objects.filter(pk=gallery.pk).update(several_faces="central", min_face=60)
    gallery.refresh_from_db()
    bring_recorded(SYSTEM)
    update_policy(SYSTEM, gallery, review_fpir=0.5, match_fpir=0.1)
    return gallery


def new_person(gallery: Gallery, *photos: bytes, **fields: Any) -> Person:
    person = PersonFactory(gallery=gallery, **fields)
    enrol(person, *photos)
    person.refresh_from_db()
    return person


def test_nobody_is_found_before_they_have_been_looked_for(gallery: Gallery, lfw: Lfw) -> None:
    person = new_person(gallery, lfw.bytes(WHO, 1))
    assert (person.active, person.held) == (False, Held.CHECKING)
    settle(gallery)
    assert not PersonTemplate.objects.searchable().exists()

    let_in(gallery)

    person.refresh_from_db()
    assert (person.active, person.held) == (True, "")
    assert person.admitted_at is not None
    assert PersonTemplate.objects.searchable().get().person == person
    assert not Admission.objects.exists()
    assert AuditEntry.objects.filter(action="person.admit").count() == 1


def test_whoever_is_enrolled_already_comes_before_a_reviewer(gallery: Gallery, lfw: Lfw) -> None:
    first = new_person(gallery, lfw.bytes(WHO, 1), lfw.bytes(WHO, 3))
    stranger = new_person(gallery, lfw.bytes(OTHER, 1))
    let_in(gallery)
    again = new_person(gallery, lfw.bytes(WHO, 4), name="Somebody Else")
    let_in(gallery)

    again.refresh_from_db()
    assert (again.active, again.held) == (False, Held.DUPLICATE)
    review = Review.objects.get()
    assert (review.kind, review.state, review.person) == (Kind.DUPLICATE, State.OPEN, again)
    assert (review.searched, review.thresholds["tier"]) == (2, 1_000)
    (candidate,) = review.candidates.all()
    assert candidate.person == first
    assert candidate.score >= review.thresholds["review"]
    assert 0 < candidate.stranger_rate <= 0.5
    assert set(gallery.people.filter(active=True)) == {first, stranger}
    (entry,) = AuditEntry.objects.filter(action="person.hold")
    assert entry.details == {"held": "duplicate", "review": str(review.public_id)}


def test_a_gallery_can_refuse_duplicates_or_let_them_in(gallery: Gallery, lfw: Lfw) -> None:
    new_person(gallery, lfw.bytes(WHO, 1))
    let_in(gallery)
    update_policy(SYSTEM, gallery, duplicates="block")
    refused = new_person(gallery, lfw.bytes(WHO, 3))
    let_in(gallery)
    refused.refresh_from_db()
    assert (refused.active, refused.held) == (False, Held.REFUSED)
    review = Review.objects.get()
    assert (review.state, review.verdict) == (State.DECIDED, "same")
    # The machine's decision is undone like a person's.
    undo(SYSTEM, review)
    refused.refresh_from_db()
    review.refresh_from_db()
    assert (refused.held, review.state) == (Held.DUPLICATE, State.OPEN)

    update_policy(SYSTEM, gallery, duplicates="allow")
    let_in_at_once = new_person(gallery, lfw.bytes(WHO, 4))
    assert (let_in_at_once.active, let_in_at_once.held) == (True, "")
    assert not Admission.objects.filter(person=let_in_at_once).exists()


def test_without_a_calibration_nobody_is_judged(gallery: Gallery, lfw: Lfw) -> None:
    Gallery.objects.filter(pk=gallery.pk).update(model="another")
    gallery.refresh_from_db()
    person = admitted(gallery, unit(1))
    assert (person.active, person.held) == (True, "")


def test_whoever_comes_with_several_photos_is_judged_as_such(gallery: Gallery) -> None:
    """Fused templates score higher with strangers, too."""
    admitted(gallery, unit(1))
    let_in(gallery)
    thresholds = []
    for photos in (1, 3):
        person = PersonFactory(gallery=gallery)
        store_template(person, alike(1), photos)
        admitting.begin_admission([person])
        let_in(gallery)
        thresholds.append(Review.objects.get(person=person).thresholds["review"])
        candidate = Review.objects.get(person=person).candidates.get()
        asked = limits([gallery])
        assert asked is not None
        rate = asked.for_probe_of(photos).stranger_rate(candidate.score)
        assert candidate.stranger_rate == pytest.approx(rate)
    assert thresholds[0] + 0.001 < thresholds[1] < thresholds[0] + 0.05


def test_two_who_come_at_the_same_moment_find_each_other_when_both_are_indexed(
    gallery: Gallery,
) -> None:
    settle(gallery)
    one, other = admitted(gallery, unit(1)), admitted(gallery, alike(1))
    assert admit() is False
    # Neither was in the index when the other was looked for.
    assert list(gallery.people.values_list("active", flat=True)) == [True, True]
    assert not Review.objects.exists()
    assert not due().exists()
    settle(gallery)
    assert due().count() == 2
    while admit():
        pass
    one.refresh_from_db()
    other.refresh_from_db()
    assert (one.active, other.active, other.held) == (True, False, Held.DUPLICATE)
    assert Review.objects.get().candidates.get().person == one
    assert not Admission.objects.exists()
    settle(gallery)
    assert PersonTemplate.objects.searchable().get().person == one


def test_the_later_one_is_held_whichever_is_looked_for_first(gallery: Gallery) -> None:
    settle(gallery)
    one, other = admitted(gallery, unit(1)), admitted(gallery, alike(1))
    admit()
    settle(gallery)
    # The one who came first is looked for alone, and finds the later.
    Admission.objects.filter(person=other).delete()
    while admit():
        pass
    assert list(gallery.people.order_by("pk").values_list("held", flat=True)) == ["", "duplicate"]
    assert Review.objects.get().person == other
    assert Review.objects.get().candidates.get().person == one


def test_one_gallery_whose_index_is_away_holds_up_no_other(
    gallery: Gallery, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many wait there, and since when."""
    monkeypatch.setattr(admitting, "AT_ONCE", 2)
    away = GalleryFactory()
    settle(gallery, away)
    waiting = [admitted(away, unit(seed)) for seed in (11, 12, 13)]
    person = admitted(gallery, unit(1))
    real = admitting.search

    def search(galleries: Sequence[Gallery], *args: Any) -> Any:
        if away in galleries:
            raise IndexUnavailable("It is being built.")
        return real(galleries, *args)

    monkeypatch.setattr(admitting, "search", search)
    while admit():
        pass
    person.refresh_from_db()
    assert person.active
    assert Admission.objects.filter(gallery=away, stage=Stage.BEFORE).count() == len(waiting)


def test_those_whom_no_search_sees_yet_hold_up_no_other_gallery(
    gallery: Gallery, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(admitting, "AT_ONCE", 2)
    behind = GalleryFactory()
    settle(gallery, behind)
    waiting = [admitted(behind, unit(seed)) for seed in (11, 12, 13)]
    admitted(gallery, unit(1))
    while admit():
        pass
    assert not due().exists()  # let in, and not in the index
    settle(gallery, behind)
    for person in waiting:
        touch_templates([person])
    assert [row.gallery for row in due()] == [gallery]
    settle(behind)
    assert due().filter(gallery=behind).count() == 2


def test_whoever_can_not_be_seen_any_more_is_not_waited_for(gallery: Gallery) -> None:
    settle(gallery)
    inactive, bare = admitted(gallery, unit(1)), admitted(gallery, unit(2))
    admit()
    assert not due().exists()
    Person.objects.filter(pk=inactive.pk).update(active=False)
    bare.templates.all().delete()
    assert due().count() == 2
    while admit():
        pass
    assert not Admission.objects.exists()


def test_milvus_away_everybody_waits(gallery: Gallery, monkeypatch: pytest.MonkeyPatch) -> None:
    person = admitted(gallery, unit(1))

    def away(*_: object) -> None:
        raise IndexUnavailable("Milvus is away.")

    with monkeypatch.context() as patch:
        patch.setattr(admitting, "search", away)
        assert admit() is False
    person.refresh_from_db()
    assert (person.held, Admission.objects.get().stage) == (Held.CHECKING, Stage.BEFORE)
    let_in(gallery)
    person.refresh_from_db()
    assert person.active


def test_a_template_that_changes_meanwhile_is_looked_for_anew(
    gallery: Gallery, monkeypatch: pytest.MonkeyPatch
) -> None:
    settled = admitted(gallery, unit(1))
    let_in(gallery)
    person = admitted(gallery, unit(2))
    searched = admitting.search

    def changing(*args: Any) -> Any:
        found = searched(*args)
        store_template(person, alike(1), 1)
        return found

    with monkeypatch.context() as patch:
        patch.setattr(admitting, "search", changing)
        assert admit() is False
    person.refresh_from_db()
    assert person.held == Held.CHECKING
    let_in(gallery)
    person.refresh_from_db()
    assert person.held == Held.DUPLICATE
    assert Review.objects.get().candidates.get().person == settled


def test_whoever_is_held_is_not_activated_by_hand(gallery: Gallery) -> None:
    person = admitted(gallery, unit(1))
    for active in (True, False):
        with pytest.raises(Conflict) as refused:
            set_active(SYSTEM, person, active=active)
        assert refused.value.code == "held"
    person.refresh_from_db()
    assert (person.active, person.held) == (False, Held.CHECKING)


def test_whoever_was_never_looked_for_is_when_they_are_activated(gallery: Gallery) -> None:
    admitted(gallery, unit(1))
    let_in(gallery)
    person = PersonFactory(gallery=gallery, active=False)
    store_template(person, alike(1), 1)
    assert not set_active(SYSTEM, person, active=True).active
    let_in(gallery)
    person.refresh_from_db()
    assert person.held == Held.DUPLICATE


def test_more_photos_of_somebody_admitted_are_no_news(gallery: Gallery, lfw: Lfw) -> None:
    person = new_person(gallery, lfw.bytes(WHO, 1))
    let_in(gallery)
    enrol(person, lfw.bytes(WHO, 3))
    person.refresh_from_db()
    assert (person.active, person.held) == (True, "")
    assert not Admission.objects.exists()


def test_when_the_only_candidate_is_erased_the_other_is_looked_for_anew(gallery: Gallery) -> None:
    first = admitted(gallery, unit(1))
    let_in(gallery)
    again = admitted(gallery, alike(1))
    let_in(gallery)
    assert Review.objects.get().person == again
    erase(SYSTEM, first)
    again.refresh_from_db()
    assert (again.active, again.held) == (False, Held.CHECKING)
    let_in(gallery)
    again.refresh_from_db()
    assert (again.active, again.held) == (True, "")
    assert Review.objects.get().state == State.WITHDRAWN
    erase(SYSTEM, again)
    assert not Review.objects.exists()


def test_a_person_without_a_template_any_more_is_let_in(gallery: Gallery) -> None:
    person = PersonFactory(gallery=gallery)
    store_template(person, unit(1), 1)
    admitting.begin_admission([person])
    person.templates.all().delete()
    let_in(gallery)
    person.refresh_from_db()
    assert (person.active, person.held) == (True, "")
    assert not Admission.objects.exists()
