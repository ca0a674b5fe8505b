"""Photos in the hands of workers that may die at any moment."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from django.db import IntegrityError, transaction
from django.utils import timezone

from embedder.errors import TemplateError
from embedder.images import inspect
from embedder.stream import Outcome
from enrolment import processing
from enrolment.processing import process_photos
from enrolment.services import delete_photo, erase
from people.models import Gallery, Person
from photos import pipeline, services
from photos.models import FINAL_STATES, Face, Photo, PhotoState
from photos.services import claim, fail, finish, release_expired
from tests.conftest import Lfw
from tests.embedder.pictures import saved, scene
from tests.factories import SYSTEM, PersonFactory
from tests.fixtures import enrol, files, process, rows, store
from vectors.models import PersonTemplate

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("media")]
WHO = "Donald_Rumsfeld"


@pytest.fixture
def photos(person: Person) -> list[Photo]:
    """Five photos that wait."""
    return [store(person, saved(scene(100 + number, 100), "PNG")) for number in range(5)]


def now(photo: Photo) -> Photo:
    return Photo.objects.get(pk=photo.pk)


def let_leases_run_out() -> None:
    Photo.objects.filter(state=PhotoState.PROCESSING).update(
        leased_until=timezone.now() - timedelta(seconds=1)
    )


def during(monkeypatch: pytest.MonkeyPatch, act: Any) -> None:
    """Let something happen once, while the worker has photos in hand."""
    real, acts = pipeline.stream, [act]

    def stream(*args: Any) -> Any:
        if acts:
            acts.pop()()
        return real(*args)

    monkeypatch.setattr(pipeline, "stream", stream)


def test_a_worker_takes_what_was_hinted_at_and_then_the_oldest(photos: list[Photo]) -> None:
    hint = photos[3].public_id
    _, taken = claim([hint], 1)
    assert [photo.public_id for photo in taken] == [hint]
    _, taken = claim([hint, uuid4()], 3)
    assert [photo.pk for photo in taken] == [photo.pk for photo in photos[:3]]
    assert all(photo.state == PhotoState.PROCESSING for photo in taken)
    assert {photo.attempts for photo in taken} == {1}


def test_two_workers_never_have_the_same_photo(photos: list[Photo]) -> None:
    first, one = claim([], 3)
    second, other = claim([photo.public_id for photo in photos], 16)
    assert first != second
    assert [photo.pk for photo in one + other] == [photo.pk for photo in photos]
    assert claim([], 16)[1] == []


def test_a_lease_that_ran_out_is_another_worker_s(photos: list[Photo]) -> None:
    first, _ = claim([], 16)
    let_leases_run_out()
    assert release_expired() == 5
    photo = now(photos[0])
    assert (photo.state, photo.lease, photo.leased_until, photo.attempts) == (
        "received", None, None, 1,
    )  # fmt: skip
    second, (again,) = claim([], 16)
    assert (again.pk, again.attempts) == (photos[0].pk, 2)
    assert first != second


def test_without_the_sweeper_too_a_lease_that_ran_out_is_free(photos: list[Photo]) -> None:
    claim([], 16)
    let_leases_run_out()
    _, (again,) = claim([], 16)
    assert again.attempts == 2


def test_a_lease_that_runs_is_left_alone(photos: list[Photo]) -> None:
    claim([], 16)
    assert release_expired() == 0
    assert {photo.state for photo in Photo.objects.all()} == {"processing"}


def test_three_dead_workers_quarantine_a_photo(photos: list[Photo]) -> None:
    culprit = photos[0]
    Photo.objects.exclude(pk=culprit.pk).delete()
    for attempt in (1, 2, 3):
        _, (taken,) = claim([], 16)
        assert taken.attempts == attempt
        let_leases_run_out()
        # Another worker may be quicker than the sweeper, which must not be a fourth try.
        if attempt == 3:
            assert claim([culprit.public_id], 16)[1] == []
        assert release_expired() == (1 if attempt < 3 else 0)
    photo = now(culprit)
    assert (photo.state, photo.code, photo.lease) == ("quarantined", "quarantined", None)
    assert photo.text == (
        "Processing failed 3 times; the last time its worker died while it had this photo. Try it "
        "again, or send another photo."
    )
    assert photo.state in FINAL_STATES
    assert claim([culprit.public_id], 16)[1] == []


def test_a_photo_that_failed_is_taken_alone(photos: list[Photo]) -> None:
    claim([], 2)
    let_leases_run_out()
    release_expired()
    _, fresh = claim([], 16)
    assert [photo.pk for photo in fresh] == [photo.pk for photo in photos[2:]]
    for expected in photos[:2]:
        _, taken = claim([], 16)
        assert [photo.pk for photo in taken] == [expected.pk]


def test_a_poison_photo_takes_no_other_into_quarantine(
    gallery: Gallery, lfw: Lfw, monkeypatch: pytest.MonkeyPatch
) -> None:
    people = [PersonFactory(gallery=gallery) for _ in range(4)]
    stored = [store(who, lfw.bytes(WHO, number)) for number, who in enumerate(people, start=1)]
    poison = stored[1].original.width, len(stored)
    assert poison
    real = processing._read

    def read(photo: Photo, lease: Any) -> Any:
        if photo.pk == stored[1].pk:
            raise MemoryError
        return real(photo, lease)

    monkeypatch.setattr(processing, "_read", read)
    failures = 0
    while Photo.objects.filter(state=PhotoState.RECEIVED).exists():
        try:
            process_photos([])
        except MemoryError:
            failures += 1
    assert failures == 3
    assert [now(photo).state for photo in stored] == [
        "enrolled", "quarantined", "enrolled", "enrolled",
    ]  # fmt: skip
    assert now(stored[1]).text.startswith("Processing failed 3 times; the last time with Memory")
    assert PersonTemplate.objects.count() == 3


def test_a_face_that_cannot_be_embedded_gives_the_photo_back(
    person: Person, lfw: Lfw, monkeypatch: pytest.MonkeyPatch
) -> None:
    photo = store(person, lfw.bytes(WHO))

    def stream(model: str, files: list[bytes]) -> list[Outcome]:
        return [Outcome(inspect(data), (), TemplateError("not finite")) for data in files]

    monkeypatch.setattr(pipeline, "stream", stream)
    assert process_photos([]) == 1
    assert (now(photo).state, now(photo).attempts) == ("received", 1)


def test_a_file_that_is_gone_ends_in_quarantine(person: Person, lfw: Lfw, media: Path) -> None:
    photo = store(person, lfw.bytes(WHO))
    files(media)[0].unlink()
    process()
    assert (now(photo).state, now(photo).attempts) == ("quarantined", 3)
    assert "its file could not be read" in now(photo).text


def test_a_file_that_changed_on_the_disk_is_rejected(person: Person, lfw: Lfw, media: Path) -> None:
    photo = store(person, lfw.bytes(WHO))
    files(media)[0].write_bytes(lfw.bytes(WHO)[:5000])
    process()
    assert (now(photo).state, now(photo).code) == ("rejected", "undecodable")


def test_photos_for_a_model_that_is_away_end_in_quarantine_and_others_go_on(
    person: Person, lfw: Lfw
) -> None:
    Gallery.objects.update(model="not-here")
    photo = store(Person.objects.get(), lfw.bytes(WHO))
    beside = store(PersonFactory(), lfw.bytes(WHO))
    assert process_photos([]) == 2
    assert (now(photo).state, now(beside).state) == ("received", "enrolled")
    assert [process_photos([]) for _ in range(3)] == [1, 1, 0]
    assert now(photo).state == "quarantined"
    assert "the last time its gallery's model could not be used" in now(photo).text


def test_a_run_whose_lease_was_taken_away_writes_nothing(
    person: Person, lfw: Lfw, monkeypatch: pytest.MonkeyPatch
) -> None:
    photo = store(person, lfw.bytes(WHO))
    taken: list[Any] = []

    def taken_over() -> None:
        let_leases_run_out()
        taken.append(claim([], 16)[0])

    during(monkeypatch, taken_over)
    before = len(rows()["audit.AuditEntry"])
    assert process_photos([]) == 1
    held = now(photo)
    assert (held.state, held.lease, held.attempts) == ("processing", taken[0], 2)
    assert (Face.objects.count(), PersonTemplate.objects.count()) == (0, 0)
    assert len(rows()["audit.AuditEntry"]) == before

    fail(photo, uuid4(), "with a lease that is not its own")
    assert now(photo).state == "processing"


def test_an_erasure_while_a_worker_has_the_photo_is_not_undone(
    person: Person, lfw: Lfw, monkeypatch: pytest.MonkeyPatch, media: Path, committed: Any
) -> None:
    store(person, lfw.bytes(WHO))

    def erased() -> None:
        erase(SYSTEM, person)

    during(monkeypatch, erased)
    with committed():
        assert process_photos([]) == 1
    assert Person.objects.count() == Photo.objects.count() == Face.objects.count() == 0
    assert PersonTemplate.objects.count() == 0
    assert files(media) == []


def test_a_photo_deleted_while_a_worker_has_it_does_not_come_back(
    person: Person, lfw: Lfw, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, two = (store(person, lfw.bytes(WHO, number)) for number in (1, 2))
    during(monkeypatch, lambda: delete_photo(SYSTEM, one))
    process()
    assert now(two).state == "enrolled"
    assert PersonTemplate.objects.get().face_count == 1
    assert Face.objects.count() == 1


def test_a_run_repeated_after_a_crash_stores_faces_once(person: Person, lfw: Lfw) -> None:
    (photo,) = enrol(person, lfw.bytes(WHO))
    # As if the worker had died after its transaction and another took a stale message.
    assert process_photos([photo.public_id]) == 0
    assert (Face.objects.count(), PersonTemplate.objects.get().version) == (1, 1)


def test_a_chunk_is_as_large_as_asked(photos: list[Photo]) -> None:
    assert process_photos([], limit=2) == 2
    assert Photo.objects.filter(state=PhotoState.RECEIVED).count() == 3


@pytest.mark.parametrize(
    "wrong",
    [
        {"state": "unknown"},
        {"state": "processing"},
        {"state": "rejected"},
        {"lease": uuid4()},
        {"several_faces": "first"},
    ],
    ids=str,
)
def test_the_database_itself_refuses_a_state_that_makes_no_sense(
    photos: list[Photo], wrong: dict[str, Any]
) -> None:
    with pytest.raises(IntegrityError), transaction.atomic():
        Photo.objects.filter(pk=photos[0].pk).update(**wrong)


def test_a_final_state_frees_the_lease(photos: list[Photo]) -> None:
    claim([], 16)
    finish(now(photos[0]), PhotoState.REJECTED, "no_face", "None.")
    photo = now(photos[0])
    assert (photo.lease, photo.leased_until, photo.state in FINAL_STATES) == (None, None, True)
    assert str(photo) == f"photo {photo.public_id}"


def test_files_without_a_row_go_after_an_hour(
    photos: list[Photo], media: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    orphan = media / "originals" / "a" / "b" / "orphan.jpg"
    orphan.parent.mkdir(parents=True)
    orphan.write_bytes(b"x")
    assert services.remove_orphan_files() == 0
    monkeypatch.setattr(services, "ORPHAN_AGE", timedelta(0))
    assert services.remove_orphan_files() == 1
    assert not orphan.exists()
    assert len(files(media)) == 5


def test_a_folder_that_is_not_there_yet_holds_no_orphans(settings: Any, tmp_path: Path) -> None:
    settings.MEDIA_ROOT = tmp_path / "nothing"
    assert services.remove_orphan_files() == 0


def test_a_row_that_cannot_be_stored_leaves_no_file(
    person: Person, media: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(services, "_announce", lambda *_: 1 / 0)
    before = rows()
    with pytest.raises(ZeroDivisionError):
        store(person, saved(scene(), "PNG"))
    assert (rows(), files(media)) == (before, [])


def test_a_photo_for_somebody_just_erased_is_not_stored(person: Person, media: Path) -> None:
    stale = Person.objects.select_related("gallery").get()
    erase(SYSTEM, person)
    before = rows()
    with pytest.raises(services.NotFound):
        store(stale, saved(scene(), "PNG"))
    assert (rows(), files(media)) == (before, [])
