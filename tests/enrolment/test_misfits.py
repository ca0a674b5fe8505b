"""A photo that is unlike its person's others counts for nothing until somebody says that it may."""

from __future__ import annotations

import pytest

from common.errors import Conflict, Forbidden
from enrolment.adjudication import decide, undo
from enrolment.services import delete_photo
from people.models import Gallery, Person, Role
from photos.models import Photo, PhotoState
from reviews.models import Kind, Review, State, Verdict
from tests import factories
from tests.conftest import Lfw
from tests.factories import SYSTEM, PersonFactory
from tests.fixtures import enrol, process, store
from thresholds.services import bring_recorded, update_policy
from vectors.models import PersonTemplate

from .people import counting, vectors

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("media", "indexed")]
WHO, OTHER = "Donald_Rumsfeld", "Vladimir_Putin"


@pytest.fixture
def gallery(gallery: Gallery) -> Gallery:
    Gallery.objects.filter(pk=gallery.pk).update(several_faces="central", min_face=60)
    gallery.refresh_from_db()
    bring_recorded(SYSTEM)
    update_policy(SYSTEM, gallery, duplicates="allow")
    return gallery


@pytest.fixture
def wrong(person: Person, lfw: Lfw) -> Photo:
    """Of two photos that were sent, the one that shows somebody else."""
    _, photo = enrol(person, lfw.bytes(WHO, 1), lfw.bytes(OTHER, 1))
    return photo


def test_a_wrong_photo_goes_to_review_and_poisons_nothing(
    person: Person, wrong: Photo, lfw: Lfw
) -> None:
    assert (wrong.state, wrong.code) == (PhotoState.REVIEW, "misfit")
    assert wrong.text.startswith("The face scores 0.8")
    assert [each.unused_because for each in wrong.faces.all()] == ["misfit"]
    assert PersonTemplate.objects.get().face_count == 1
    review = Review.objects.get()
    assert (review.kind, review.photo, review.person) == (Kind.MISFIT, wrong, person)
    candidate = review.candidates.get()
    assert candidate.person == person
    assert candidate.score < review.thresholds["match"]
    assert candidate.stranger_rate > 0.001
    # Another of theirs fits.
    (right,) = enrol(person, lfw.bytes(WHO, 3))
    assert right.state == PhotoState.ENROLLED
    assert Review.objects.count() == 1


@pytest.mark.parametrize(
    ("verdict", "state", "code", "faces"),
    [
        (Verdict.SAME, "enrolled", "", 2),
        (Verdict.DIFFERENT, "rejected", "another_person", 1),
        (Verdict.UNSURE, "rejected", "unsure", 1),
    ],
)
def test_a_reviewer_decides_and_can_take_it_back(
    wrong: Photo, verdict: Verdict, state: str, code: str, faces: int
) -> None:
    review, before, counted = Review.objects.get(), vectors(), counting()

    decide(SYSTEM, review, verdict)

    wrong.refresh_from_db()
    assert (wrong.state, wrong.code, wrong.vouched) == (state, code, verdict == Verdict.SAME)
    assert PersonTemplate.objects.get().face_count == faces
    review.refresh_from_db()
    assert (review.state, review.verdict) == (State.DECIDED, verdict)

    undo(SYSTEM, review, reason="look again")

    wrong.refresh_from_db()
    review.refresh_from_db()
    assert (wrong.state, wrong.code, wrong.vouched) == ("review", "misfit", False)
    assert (vectors(), counting()) == (before, counted)
    assert (review.state, review.verdict, review.round) == (State.OPEN, "", 2)
    decide(SYSTEM, review, Verdict.SAME)
    assert PersonTemplate.objects.get().face_count == 2


def test_a_photo_that_is_vouched_for_is_not_doubted_again(gallery: Gallery, wrong: Photo) -> None:
    """The model has changed meanwhile, so its face is found anew."""
    wrong.faces.all().delete()
    decide(SYSTEM, Review.objects.get(), Verdict.SAME)
    wrong.refresh_from_db()
    assert wrong.state == PhotoState.RECEIVED
    process()
    wrong.refresh_from_db()
    assert wrong.state == PhotoState.ENROLLED
    assert PersonTemplate.objects.get().face_count == 2


def test_a_gallery_may_take_every_photo(gallery: Gallery, person: Person, lfw: Lfw) -> None:
    update_policy(SYSTEM, gallery, misfits="allow")
    photos = enrol(person, lfw.bytes(WHO, 1), lfw.bytes(OTHER, 1))
    assert {each.state for each in photos} == {"enrolled"}
    assert not Review.objects.exists()


def test_the_review_goes_with_its_photo(wrong: Photo) -> None:
    delete_photo(SYSTEM, wrong)
    assert not Review.objects.exists()


def test_who_may_decide(gallery: Gallery, wrong: Photo) -> None:
    review = Review.objects.get()
    with pytest.raises(Forbidden):
        decide(factories.actor(gallery, Role.OPERATOR), review, Verdict.SAME)
    with pytest.raises(Forbidden):
        undo(factories.actor(gallery, Role.OPERATOR), review)
    with pytest.raises(Conflict) as refused:
        undo(SYSTEM, review)
    assert refused.value.code == "review_state"
    assert not review.opinions.exists()
    wrong.refresh_from_db()
    assert wrong.state == PhotoState.REVIEW


def test_a_photo_whose_person_changed_while_it_was_worked_on_is_taken_anew(
    gallery: Gallery, person: Person, lfw: Lfw, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Merged meanwhile: what was found is not stored for the wrong person."""
    from enrolment import processing

    other = PersonFactory(gallery=gallery)
    photo = store(person, lfw.bytes(WHO, 1))
    conclude = processing._conclude

    def merged(*args: object) -> None:
        Photo.objects.filter(pk=photo.pk).update(person=other)
        monkeypatch.setattr(processing, "_conclude", conclude)
        conclude(*args)  # type: ignore[arg-type]

    monkeypatch.setattr(processing, "_conclude", merged)
    process()
    photo.refresh_from_db()
    assert (photo.state, photo.attempts) == ("enrolled", 2)
    assert PersonTemplate.objects.get().person == other
