"""Reviews, merges, admissions and erasures that meet each other: nothing stuck, nobody back."""

from __future__ import annotations

from io import BytesIO
from typing import Any

import pytest
from PIL import Image
from rest_framework.test import APIClient

from common.errors import Conflict
from enrolment import services
from enrolment.adjudication import decide
from enrolment.adjudication import undo as undo_review
from enrolment.admitting import admit
from enrolment.fusion import refresh_templates
from enrolment.identities import keep_apart, merge, split, undo
from enrolment.services import delete_photo, erase, set_active
from identification import services as looking
from identification.models import Probe
from people.models import Gallery, Held, Person, Role
from photos.models import Face, Photo, PhotoState
from reviews.models import Review, State, Verdict
from tests import factories
from tests.conftest import Lfw
from tests.factories import SYSTEM, PersonFactory, face, unit
from tests.fixtures import Client, enrol, process, settle, upload
from thresholds.services import bring_recorded, update_policy
from vectors.codec import encode
from vectors.models import PersonTemplate
from vectors.services import store_template

from .people import admitted, alike, let_in, vectors, with_photos

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("media", "indexed")]
WHO, OTHER = "Donald_Rumsfeld", "Vladimir_Putin"


@pytest.fixture
def gallery(gallery: Gallery) -> Gallery:
    Gallery.objects.filter(pk=gallery.pk).update(several_faces="central", min_face=60)
    gallery.refresh_from_db()
    bring_recorded(SYSTEM)
    return gallery


def reloaded(person: Person) -> Person:
    return Person.objects.get(pk=person.pk)


def doubled(gallery: Gallery, share: float = 0.02) -> Person:
    """Somebody new who is like the first."""
    person = admitted(gallery, alike(1, share))
    let_in(gallery)
    return reloaded(person)


@pytest.fixture
def first(gallery: Gallery) -> Person:
    person = admitted(gallery, unit(1))
    let_in(gallery)
    return reloaded(person)


@pytest.fixture
def again(gallery: Gallery, first: Person) -> Person:
    person = doubled(gallery)
    assert person.held == Held.DUPLICATE
    return person


# --- A merge by hand and a review ---------------------------------------------------------------


def test_nobody_is_merged_by_hand_of_whom_reviewers_are_asked(
    gallery: Gallery, first: Person, again: Person
) -> None:
    """One reviewer alone would get round two."""
    with pytest.raises(Conflict) as refused:
        merge(factories.actor(gallery, Role.REVIEWER), first, again)
    review = Review.objects.get()
    assert (refused.value.code, refused.value.members["review"]) == (
        "in_review", str(review.public_id),
    )  # fmt: skip
    decide(SYSTEM, review, Verdict.SAME)
    assert reloaded(again).merged_into == first


def test_undoing_a_decision_waits_for_another_doubt_about_the_same_person(
    gallery: Gallery, first: Person, again: Person
) -> None:
    review = Review.objects.get()
    decide(SYSTEM, review, Verdict.DIFFERENT)
    store_template(PersonFactory(gallery=gallery), alike(1, 0.03), 1)
    let_in(gallery)
    assert Review.objects.filter(state=State.OPEN, person=again).count() == 1
    with pytest.raises(Conflict) as refused:
        undo_review(SYSTEM, review)
    assert refused.value.code == "in_review"
    assert Review.objects.filter(state=State.OPEN, person=again).count() == 1


def test_more_who_are_alike_than_a_review_shows(gallery: Gallery, first: Person) -> None:
    for number in range(5):
        store_template(PersonFactory(gallery=gallery), alike(1, 0.01 + number / 500), 1)
    settle(gallery)
    person = doubled(gallery, 0.03)
    review = Review.objects.get()
    assert review.candidates.count() == 5
    decide(SYSTEM, review, Verdict.DIFFERENT)
    let_in(gallery)
    assert Review.objects.get(state=State.OPEN).person == person


# --- Kept apart, whoever is merged --------------------------------------------------------------


def test_whoever_was_merged_is_kept_apart_all_the_same(gallery: Gallery) -> None:
    one, other, third = (with_photos(gallery, seed) for seed in (1, 2, 3))
    apart = keep_apart(SYSTEM, one, other)
    merge(SYSTEM, third, other)
    with pytest.raises(Conflict) as refused:
        merge(SYSTEM, one, third)
    assert refused.value.members["change"] == str(apart.public_id)


def test_nobody_is_held_again_for_whoever_the_other_was_merged_into(
    gallery: Gallery, first: Person, again: Person
) -> None:
    decide(SYSTEM, Review.objects.get(), Verdict.DIFFERENT)
    third = PersonFactory(gallery=gallery)
    store_template(third, alike(1, 0.01), 1)
    merge(SYSTEM, third, first)
    let_in(gallery)
    assert reloaded(again).held == ""


def test_kept_apart_twice_is_undone_once(gallery: Gallery) -> None:
    one, other = with_photos(gallery, 1), with_photos(gallery, 2)
    change = keep_apart(SYSTEM, one, other)
    assert keep_apart(SYSTEM, other, one) == change
    undo(SYSTEM, change)
    merge(SYSTEM, one, other)


# --- Photos that change hands more than once ----------------------------------------------------


def test_photos_that_moved_twice_go_back_in_two_steps(gallery: Gallery) -> None:
    person, other = with_photos(gallery, 1), with_photos(gallery, 2, 3)
    before = vectors()
    merged = merge(SYSTEM, person, other)
    photo = Photo.objects.get(faces__vector=encode(unit(3)))
    parted = split(SYSTEM, person, [photo.public_id])
    with pytest.raises(Conflict) as refused:
        undo(SYSTEM, merged)
    assert (refused.value.code, refused.value.members["change"]) == (
        "moved_since", str(parted.public_id),
    )  # fmt: skip
    undo(SYSTEM, parted)
    photo.refresh_from_db()
    assert photo.person == person
    undo(SYSTEM, merged)
    photo.refresh_from_db()
    assert photo.person == other
    assert vectors() == before


def test_of_the_same_photo_the_one_that_counts_is_kept(gallery: Gallery) -> None:
    person, other = PersonFactory(gallery=gallery), with_photos(gallery, 2)
    good = Photo.objects.get(person=other)
    bad = Photo.objects.create(
        gallery=gallery, person=person, original=good.original, state="quarantined",
        code="quarantined",
    )  # fmt: skip
    before = vectors()
    change = merge(SYSTEM, person, other)
    assert PersonTemplate.objects.get(person=person).face_count == 1
    undo(SYSTEM, change)
    for photo, whose in ((good, other), (bad, person)):
        photo.refresh_from_db()
        assert photo.person == whose
    assert vectors() == before


def test_a_photo_in_review_that_is_split_off_is_never_stuck(gallery: Gallery, lfw: Lfw) -> None:
    update_policy(SYSTEM, gallery, duplicates="allow")
    person = PersonFactory(gallery=gallery)
    _, wrong = enrol(person, lfw.bytes(WHO, 1), lfw.bytes(OTHER, 1))
    assert wrong.state == PhotoState.REVIEW
    change = split(SYSTEM, person, [wrong.public_id])
    erase(SYSTEM, person)
    review = Review.objects.get(photo=wrong)
    assert (review.state, review.person) == (State.OPEN, change.other)
    assert review.candidates.get().person == change.other
    decide(SYSTEM, review, Verdict.SAME)
    assert PersonTemplate.objects.get().person == change.other


def test_a_photo_deleted_as_its_person_is_merged_counts_no_more(gallery: Gallery) -> None:
    person, other = with_photos(gallery, 1), with_photos(gallery, 2)
    stale = Photo.objects.get(person=other)
    merge(SYSTEM, person, other)
    delete_photo(SYSTEM, stale)
    template = PersonTemplate.objects.get(person=person)
    assert (bytes(template.vector), template.face_count) == (encode(unit(1)), 1)


# --- Nobody gets in without being looked for ----------------------------------------------------


def test_whoever_gets_a_first_photo_while_inactive_is_looked_for(
    gallery: Gallery, lfw: Lfw
) -> None:
    update_policy(SYSTEM, gallery, review_fpir=0.5, match_fpir=0.1)
    enrol(PersonFactory(gallery=gallery), lfw.bytes(WHO, 1))
    let_in(gallery)
    person = PersonFactory(gallery=gallery)
    (photo,) = enrol(person, lfw.bytes(OTHER, 1))
    let_in(gallery)
    set_active(SYSTEM, person, active=False)
    delete_photo(SYSTEM, photo)
    enrol(person, lfw.bytes(WHO, 3))
    set_active(SYSTEM, person, active=True)
    let_in(gallery)
    assert reloaded(person).held == Held.DUPLICATE


def test_whoever_is_split_off_is_looked_for(gallery: Gallery, first: Person) -> None:
    mixed = with_photos(gallery, 20, 21)
    theirs = Face.objects.filter(photo__person=mixed, vector=encode(unit(21)))
    theirs.update(vector=encode(alike(1)))
    photo = Photo.objects.get(person=mixed, faces__vector=encode(alike(1)))
    change = split(SYSTEM, mixed, [photo.public_id])
    let_in(gallery)
    assert reloaded(change.other).held == Held.DUPLICATE


def test_of_somebody_held_nothing_is_split_off(
    gallery: Gallery, first: Person, again: Person
) -> None:
    face(again, 31)
    refresh_templates(again)
    with pytest.raises(Conflict) as refused:
        split(SYSTEM, again, [Photo.objects.get(person=again).public_id])
    assert refused.value.code == "held"


def test_an_undone_merge_leaves_the_second_look_to_be_done(gallery: Gallery) -> None:
    settle(gallery)
    admitted(gallery, unit(1))
    other = admitted(gallery, alike(1))
    admit()
    change = merge(SYSTEM, with_photos(gallery, 9), reloaded(other))
    let_in(gallery)
    undo(SYSTEM, change)
    let_in(gallery)
    assert reloaded(other).held == Held.DUPLICATE


def test_both_who_waited_for_one_erased_are_not_let_in_together(
    gallery: Gallery, first: Person, again: Person
) -> None:
    third = doubled(gallery, 0.03)
    assert third.held == Held.DUPLICATE
    erase(SYSTEM, first)
    let_in(gallery)
    assert Person.objects.filter(gallery=gallery, active=True).count() == 1


# --- Erasing in the same moment -----------------------------------------------------------------


def test_undoing_a_merge_during_an_erasure_spares_the_other(
    gallery: Gallery, monkeypatch: pytest.MonkeyPatch
) -> None:
    person, other = with_photos(gallery, 1), with_photos(gallery, 2)
    change = merge(SYSTEM, person, other)
    during_locking(monkeypatch, lambda: undo(SYSTEM, change))
    with pytest.raises(Conflict):
        erase(SYSTEM, person)
    assert Person.objects.filter(pk=other.pk).exists()


def test_a_merge_during_an_erasure_is_said(
    gallery: Gallery, monkeypatch: pytest.MonkeyPatch
) -> None:
    person, other = with_photos(gallery, 1), with_photos(gallery, 2)
    during_locking(monkeypatch, lambda: merge(SYSTEM, person, other))
    with pytest.raises(Conflict) as refused:
        erase(SYSTEM, person)
    assert refused.value.code == "changed"


def during_locking(monkeypatch: pytest.MonkeyPatch, act: Any) -> None:
    """What somebody else commits while an erasure waits for its locks."""
    lock_people = services.lock_people

    def lock(ids: Any) -> Any:
        monkeypatch.setattr(services, "lock_people", lock_people)
        act()
        return lock_people(ids)

    monkeypatch.setattr(services, "lock_people", lock)


def test_a_lookup_whose_candidate_is_erased_in_the_same_moment(
    gallery: Gallery, client_of: Client, lfw: Lfw, monkeypatch: pytest.MonkeyPatch
) -> None:
    from django.db import connection

    person = PersonFactory(gallery=gallery)
    update_policy(
        SYSTEM, gallery, duplicates="allow", doubtful="queue", keep_probe_days=3, match_score=1.0,
        review_score=0.9, reason="a test",
    )  # fmt: skip
    enrol(person, lfw.bytes(WHO, 1))
    settle(gallery)
    log = looking.log

    def erasing(*args: Any) -> Any:
        erase(SYSTEM, person)
        return log(*args)

    monkeypatch.setattr(looking, "log", erasing)
    answer = look_up(client_of(gallery, Role.VIEWER), gallery, lfw.bytes(WHO, 3))
    assert answer.status_code == 200
    connection.check_constraints()
    assert not Review.objects.exists()
    assert Probe.objects.get().person is None


def test_a_doubtful_lookup_is_withdrawn_with_its_face(
    gallery: Gallery, client_of: Client, lfw: Lfw
) -> None:
    update_policy(
        SYSTEM, gallery, duplicates="allow", doubtful="queue", match_score=1.0, review_score=0.5,
        reason="a test",
    )  # fmt: skip
    people = [PersonFactory(gallery=gallery) for _ in range(2)]
    enrol(people[0], lfw.bytes(WHO, 1))
    enrol(people[1], lfw.bytes(OTHER, 1))
    settle(gallery)
    look_up(client_of(gallery, Role.VIEWER), gallery, lfw.bytes(WHO, 3))
    assert Review.objects.get().candidates.count() == 2
    erase(SYSTEM, people[0])
    assert Review.objects.get().state == State.WITHDRAWN


def look_up(client: APIClient, gallery: Gallery, photo: bytes) -> Any:
    body = {"photo": upload(photo), "galleries": str(gallery.public_id), "faces": "central"}
    return client.post("/api/v1/identify", body, format="multipart")


# --- The desk -----------------------------------------------------------------------------------


def at_desk(client: APIClient, gallery: Gallery, photo: bytes) -> Any:
    body = {"gallery": str(gallery.public_id), "live": upload(photo)}
    return client.post("/api/v1/enrolments", body, format="multipart")


def crowd(lfw: Lfw) -> bytes:
    """One in the middle and, at the side, another who is twice as wide."""
    canvas = Image.new("RGB", (1250, 500))
    canvas.paste(Image.open(BytesIO(lfw.bytes(WHO, 3))).resize((500, 500)), (0, 0))
    canvas.paste(Image.open(BytesIO(lfw.bytes(OTHER, 1))), (500, 125))
    stored = BytesIO()
    canvas.save(stored, "JPEG", quality=95)
    return stored.getvalue()


def test_the_desk_looks_up_the_face_that_will_be_enrolled(
    gallery: Gallery, operator: APIClient, lfw: Lfw
) -> None:
    update_policy(SYSTEM, gallery, review_fpir=0.5, match_fpir=0.1, duplicates="block")
    enrol(PersonFactory(gallery=gallery), lfw.bytes(WHO, 1))
    let_in(gallery)
    assert at_desk(operator, gallery, crowd(lfw)).status_code == 202


def test_the_desk_refuses_several_faces_where_the_gallery_does(
    gallery: Gallery, operator: APIClient, lfw: Lfw
) -> None:
    Gallery.objects.filter(pk=gallery.pk).update(several_faces="reject")
    let_in(gallery)
    answer = at_desk(operator, gallery, crowd(lfw))
    assert (answer.status_code, answer.json()["code"]) == (422, "several_faces")
    assert not Person.objects.exists()


def test_with_whoever_was_enrolled_at_a_desk_goes_the_face_looked_up_there(
    gallery: Gallery, operator: APIClient, lfw: Lfw
) -> None:
    update_policy(SYSTEM, gallery, keep_probe_days=30)
    let_in(gallery)
    assert at_desk(operator, gallery, lfw.bytes(WHO, 1)).status_code == 202
    process()
    assert Probe.objects.count() == 1
    erase(SYSTEM, Person.objects.get())
    assert not Probe.objects.exists()
