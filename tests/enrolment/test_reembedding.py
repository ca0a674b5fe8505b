"""A gallery's network is changed: its photos get the faces of the other model, and are found by it.

Real photos, two real pipelines, the real index.
"""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from django.test import Client
from django.utils import timezone
from rest_framework.test import APIClient

from accounts.models import User
from enrolment import reembedding
from enrolment.following import (
    follow_generations,
    given_up,
    losses,
    missing_faces,
    people_without_template,
    prepared,
)
from enrolment.processing import _process_or_give_back
from enrolment.reembedding import claim, reembed
from enrolment.services import delete_photo, erase, set_active
from people.models import DEFAULT_MODEL, Gallery, Person
from photos import pipeline
from photos.models import Face, FollowState, GalleryModel, MissingFaces, Original, Photo
from photos.services import claim as claim_photos
from tests.conftest import Lfw
from tests.embedder.shelf import Shelf
from tests.factories import SYSTEM, GalleryFactory, PersonFactory, unit
from tests.fixtures import enrol, process, settle, store, upload
from vectors.codec import decode, encode
from vectors.connection import server_label
from vectors.generations import drop, start_rebuild, switch
from vectors.models import ActiveIndex, GenerationState, IndexGeneration, PersonTemplate, Placement
from vectors.progress import progress_of

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("media", "shelf")]
OTHER = "yunet-mobilefacenet"
DAY = timedelta(days=1)
PEOPLE = (
    "Donald_Rumsfeld", "Vladimir_Putin", "Hans_Blix", "Abdoulaye_Wade", "Abel_Pacheco",
    "Adam_Sandler",
)  # fmt: skip


@pytest.fixture
def shelf(tmp_path: Path, settings: Any, monkeypatch: pytest.MonkeyPatch) -> Shelf:
    """YuNet and MobileFaceNet, each only a manifest and a file."""
    settings.MODELS_DIR = tmp_path / "models"
    kept = {name: each for name, each in pipeline._pipelines.items() if name == DEFAULT_MODEL}
    monkeypatch.setattr(pipeline, "_pipelines", kept)
    made = Shelf(settings.MODELS_DIR)
    made.yunet()
    made.mobilefacenet()
    return made


@pytest.fixture
def gallery(db: None) -> Gallery:
    return GalleryFactory(several_faces="central")


def enrol_people(gallery: Gallery, lfw: Lfw, *names: str, photos: int = 2) -> list[Person]:
    people = [PersonFactory(gallery=gallery, name=name) for name in names]
    for person in people:
        for number in range(1, photos + 1):
            store(person, lfw.bytes(person.name, number))
    process()
    assert not Photo.objects.exclude(state="enrolled").exists()
    return people


def other_index(gallery: Gallery, model: str = OTHER) -> IndexGeneration:
    """A generation of another model holds the gallery, with no Milvus behind it."""
    generation = IndexGeneration.objects.create(model=model, server=server_label())
    Placement.objects.create(generation=generation, gallery=gallery)
    return generation


def drop_indexes(model: str) -> None:
    """No generation of this model is live any more."""
    IndexGeneration.objects.filter(model=model).update(state=GenerationState.RETIRED)


def work() -> None:
    """What the sweeper and the photo workers do, until nothing is left."""
    while follow_generations():
        reembed()


def template(person: Person, model: str) -> PersonTemplate:
    return PersonTemplate.objects.get(person=person, model=model)


def vectors(gallery: Gallery, model: str) -> dict[str, Any]:
    held = PersonTemplate.objects.filter(person__gallery=gallery, model=model)
    return {each.person.name: decode(bytes(each.vector)) for each in held.select_related("person")}


def faces_by_model(photo: Photo) -> dict[str, int]:
    counts: dict[str, int] = {}
    for face in photo.faces.filter(template__isnull=False):
        counts[face.model] = counts.get(face.model, 0) + 1
    return counts


def admin_page(user: User, path: str) -> str:
    client = Client()
    client.force_login(user)
    return client.get(path).content.decode()


def test_a_gallery_changes_its_network(
    gallery: Gallery, admin_api: APIClient, lfw: Lfw, indexed: str
) -> None:
    twin = GalleryFactory(several_faces="central", model=OTHER)
    for each in (gallery, twin):
        enrol_people(each, lfw, *PEOPLE)
    settle(gallery, twin)
    (new,) = start_rebuild(SYSTEM, [gallery], model=OTHER)
    settle()
    new.refresh_from_db()
    # Full, as far as there are templates, and held back: nobody would be found in it.
    assert (str(progress_of(new)), new.problem) == ("embedding photos 0 of 12", "")
    assert new.state == GenerationState.BUILDING
    assert Gallery.objects.get(pk=gallery.pk).model == DEFAULT_MODEL

    assert follow_generations()
    assert missing_faces(gallery, OTHER) == 12
    work()
    assert (missing_faces(gallery, OTHER), people_without_template(gallery, OTHER)) == (0, 0)
    settle()

    gallery.refresh_from_db()
    new.refresh_from_db()
    assert (gallery.model, new.problem) == (OTHER, "")
    assert ActiveIndex.objects.get(gallery=gallery).generation == new
    # As if everybody had been enrolled with it from the first.
    made, expected = vectors(gallery, OTHER), vectors(twin, OTHER)
    assert set(made) == set(PEOPLE)
    for name in PEOPLE:
        np.testing.assert_allclose(made[name], expected[name], atol=1e-5)
    for name in PEOPLE:
        body = {"photo": upload(lfw.bytes(name, 3)), "galleries": str(gallery.public_id),
                "faces": "central"}  # fmt: skip
        answer = admin_api.post("/api/v1/identify", body, format="multipart").json()
        (found,) = answer["faces"]
        best = found["candidates"][0]
        assert (answer["model"], answer["searched"]) == (OTHER, 6)
        assert best["person"]["name"] == name
        assert Face.objects.get(public_id=best["evidence"]["face"]).model == OTHER


def test_what_changes_meanwhile_is_changed_in_both_models(
    gallery: Gallery, admin_api: APIClient, lfw: Lfw
) -> None:
    kept, gone, erased, inactive = enrol_people(gallery, lfw, *PEOPLE[:4])
    generation = other_index(gallery)
    work()
    assert PersonTemplate.objects.count() == 8

    # A new photo: enrolled at once, and given the other model's face after that.
    (photo,) = enrol(kept, lfw.bytes(kept.name, 3))
    assert faces_by_model(photo) == {DEFAULT_MODEL: 1}
    assert (template(kept, DEFAULT_MODEL).face_count, template(kept, OTHER).face_count) == (3, 2)
    assert missing_faces(gallery, OTHER) == 1
    work()
    assert faces_by_model(photo) == {DEFAULT_MODEL: 1, OTHER: 1}
    assert template(kept, OTHER).face_count == 3

    # A photo deleted, all of them deleted, a person erased, a person deactivated.
    before = template(inactive, OTHER).version
    delete_photo(SYSTEM, photo)
    assert {template(kept, model).face_count for model in (DEFAULT_MODEL, OTHER)} == {2}
    for each in gone.photos.all():
        delete_photo(SYSTEM, each)
    erase(SYSTEM, erased)
    set_active(SYSTEM, inactive, active=False)
    assert not gone.templates.exists()
    assert template(inactive, OTHER).version == before + 1
    assert set(PersonTemplate.objects.values_list("person", "model")) == {
        (person.pk, model) for person in (kept, inactive) for model in (DEFAULT_MODEL, OTHER)
    }
    assert Face.objects.filter(model=OTHER, template__isnull=False).count() == 4

    # Only faces of the gallery's model are shown, whichever that is.
    for model in (DEFAULT_MODEL, OTHER):
        Gallery.objects.update(model=model)
        listed = admin_api.get("/api/v1/photos").json()["results"]
        assert {face["model"] for each in listed for face in each["faces"]} == {model}
        assert [sum(face["enrolled"] for face in each["faces"]) for each in listed] == [1] * 4
        faces = admin_api.get("/api/v1/faces").json()["results"]
        assert {each["model"] for each in faces} == {model}
    assert generation.galleries.get() == gallery


def test_somebody_is_enrolled_after_the_switch_and_found_after_going_back(
    gallery: Gallery, lfw: Lfw
) -> None:
    enrol_people(gallery, lfw, PEOPLE[0])
    for model in (DEFAULT_MODEL, OTHER):
        other_index(gallery, model)
    work()
    Gallery.objects.update(model=OTHER)
    (late,) = enrol_people(gallery, lfw, PEOPLE[1])
    assert list(late.templates.values_list("model", flat=True)) == [OTHER]
    work()
    assert set(late.templates.values_list("model", flat=True)) == {DEFAULT_MODEL, OTHER}
    rows = GalleryModel.objects.values_list("model", "state")
    assert set(rows) == {(DEFAULT_MODEL, "following"), (OTHER, "following")}

    drop_indexes(DEFAULT_MODEL)
    assert follow_generations()
    assert set(GalleryModel.objects.values_list("model", "state")) == {
        (DEFAULT_MODEL, "ending"), (OTHER, "following"),
    }  # fmt: skip
    work()
    assert set(PersonTemplate.objects.values_list("model", flat=True)) == {OTHER}
    assert set(Face.objects.values_list("model", flat=True)) == {OTHER}
    assert GalleryModel.objects.get().model == OTHER


def test_a_model_wanted_again_while_its_faces_go_is_made_whole(gallery: Gallery, lfw: Lfw) -> None:
    (person,) = enrol_people(gallery, lfw, PEOPLE[0])
    other_index(gallery)
    work()
    drop_indexes(OTHER)
    follow_generations()
    reembed()
    assert not Face.objects.filter(model=OTHER).exists()
    assert GalleryModel.objects.get(model=OTHER).state == FollowState.ENDING
    enrol(person, lfw.bytes(person.name, 3))
    assert not MissingFaces.objects.exists()

    other_index(gallery)
    work()
    assert template(person, OTHER).face_count == 3


def test_what_was_brought_ready_made_stays_when_its_model_goes(gallery: Gallery, lfw: Lfw) -> None:
    (person,) = enrol_people(gallery, lfw, PEOPLE[0])
    alone = PersonFactory(gallery=gallery)
    for each in (person, alone):
        PersonTemplate.objects.create(
            person=each, model=OTHER, vector=encode(unit(1)), face_count=2, given_faces=2
        )
    other_index(gallery)
    work()
    assert (template(person, OTHER).face_count, template(alone, OTHER).face_count) == (4, 2)
    drop_indexes(OTHER)
    work()
    for each in (person, alone):
        assert bytes(template(each, OTHER).vector) == encode(unit(1))
        assert template(each, OTHER).face_count == 2


def test_a_photo_in_which_the_other_detector_finds_nobody_is_tried_once(
    gallery: Gallery, lfw: Lfw, indexed: str, site_admin: User
) -> None:
    lost, found = enrol_people(gallery, lfw, *PEOPLE[:2])
    settle(gallery)
    # As if the first model had seen a face where the other sees none.
    Face.objects.filter(photo__person=lost).update(x=0, y=0, width=20, height=20)
    (new,) = start_rebuild(SYSTEM, [gallery], model=OTHER)
    work()
    settle()

    assert (missing_faces(gallery, OTHER), given_up(gallery, OTHER)) == (0, 2)
    assert set(MissingFaces.objects.values_list("code", "attempts")) == {("no_face", 1)}
    assert people_without_template(gallery, OTHER) == 1
    new.refresh_from_db()
    assert new.problem == (
        f"1 people of the gallery {gallery.slug} would not be found any more: they have no photo "
        f"in which {OTHER} finds their face. Enrol another photo of them, or switch by hand and "
        f"do without them. Such are: {lost.public_id}."
    )
    assert not lost.templates.filter(model=OTHER).exists()
    assert not Face.objects.filter(photo__person=lost, model=OTHER).exists()

    switch(SYSTEM, new)
    gallery.refresh_from_db()
    assert gallery.model == OTHER
    assert template(found, OTHER).face_count == 2
    seen = admin_page(site_admin, f"/admin/people/person/{lost.pk}/change/")
    assert seen.count(f"Not part of the template: {OTHER} did not find its face.") == 2
    listed = admin_page(site_admin, "/admin/people/person/?photos=none")
    assert (lost.name in listed, found.name in listed) == (True, False)
    enrol(lost, lfw.bytes(lost.name, 3))
    assert template(lost, OTHER).face_count == 1
    (old,) = IndexGeneration.objects.exclude(pk=new.pk).filter(galleries=gallery)
    drop(SYSTEM, old)


def test_a_file_that_is_gone_is_given_up_after_three_attempts(gallery: Gallery, lfw: Lfw) -> None:
    enrol_people(gallery, lfw, *PEOPLE[:2], photos=1)
    original = Original.objects.order_by("pk")[0]
    original.file.storage.delete(original.file.name)
    other_index(gallery)
    work()
    row = MissingFaces.objects.get()
    assert (row.code, row.attempts, row.photo.original) == ("file_missing", 3, original)
    assert PersonTemplate.objects.filter(model=OTHER).count() == 1


def test_two_workers_take_different_photos_and_a_repeated_one_changes_nothing(
    gallery: Gallery, lfw: Lfw
) -> None:
    (person,) = enrol_people(gallery, lfw, PEOPLE[0])
    other_index(gallery)
    follow_generations()
    while reembedding.scan():
        pass
    first, second = claim(OTHER, 1), claim(OTHER, 5)
    assert {each.photo_id for each in first + second} == set(
        person.photos.values_list("pk", flat=True)
    )
    assert len(first) == len(second) == 1
    assert claim(OTHER, 5) == []

    # Whoever had the first is slow, its lease ends, and another does it.
    MissingFaces.objects.filter(pk=first[0].pk).update(leased_until=timezone.now() - DAY)
    again = claim(OTHER, 5)
    assert again == first
    reembedding._make(OTHER, again)
    done = list(Face.objects.filter(model=OTHER).values_list("pk", flat=True))
    version = template(person, OTHER).version
    reembedding._make(OTHER, first)
    assert list(Face.objects.filter(model=OTHER).values_list("pk", flat=True)) == done
    assert template(person, OTHER).version == version


def test_a_photo_that_kills_its_worker_is_taken_alone_and_given_up(
    gallery: Gallery, lfw: Lfw
) -> None:
    enrol_people(gallery, lfw, *PEOPLE[:3], photos=1)
    other_index(gallery)
    follow_generations()
    while reembedding.scan():
        pass
    killer = MissingFaces.objects.order_by("pk")[0]
    for attempt in range(1, 4):
        MissingFaces.objects.filter(pk=killer.pk).update(attempts=attempt)
        others = claim(OTHER, 9)
        assert killer not in others
        reembedding.release(others)
        MissingFaces.objects.exclude(pk=killer.pk).update(attempts=0)
    work()
    killer.refresh_from_db()
    assert (killer.code, MissingFaces.objects.count()) == ("quarantined", 1)


def test_a_model_that_can_not_be_loaded_costs_no_attempt(
    gallery: Gallery, lfw: Lfw, shelf: Shelf
) -> None:
    enrol_people(gallery, lfw, PEOPLE[0])
    other_index(gallery)
    manifest = shelf.folder / "mobilefacenet.toml"
    text = manifest.read_text()
    manifest.unlink()
    for _ in range(5):
        follow_generations()
        reembed()
    assert set(MissingFaces.objects.values_list("code", "attempts")) == {("", 0)}
    assert missing_faces(gallery, OTHER) == 2
    manifest.write_text(text)
    work()
    assert missing_faces(gallery, OTHER) == 0


def test_a_photo_claimed_before_the_switch_gets_faces_of_both(gallery: Gallery, lfw: Lfw) -> None:
    person = PersonFactory(gallery=gallery, name=PEOPLE[0])
    photo = store(person, lfw.bytes(PEOPLE[0], 1))
    other_index(gallery, DEFAULT_MODEL)
    other_index(gallery)
    work()
    lease, claimed = claim_photos([], 5)
    Gallery.objects.update(model=OTHER)
    _process_or_give_back(DEFAULT_MODEL, claimed, lease)
    assert faces_by_model(photo) == {DEFAULT_MODEL: 1}
    work()
    assert faces_by_model(photo) == {DEFAULT_MODEL: 1, OTHER: 1}


def test_a_photo_claimed_for_a_model_that_is_gone_is_processed_again(
    gallery: Gallery, lfw: Lfw
) -> None:
    person = PersonFactory(gallery=gallery, name=PEOPLE[0])
    photo = store(person, lfw.bytes(PEOPLE[0], 1))
    lease, claimed = claim_photos([], 5)
    Gallery.objects.update(model=OTHER)
    _process_or_give_back(DEFAULT_MODEL, claimed, lease)
    photo.refresh_from_db()
    assert (photo.state, photo.faces.count()) == ("received", 0)
    process()
    assert faces_by_model(photo) == {OTHER: 1}


def test_where_nothing_changes_nothing_is_written(gallery: Gallery, lfw: Lfw) -> None:
    enrol_people(gallery, lfw, PEOPLE[0], photos=1)
    same = other_index(gallery, DEFAULT_MODEL)
    assert not follow_generations()
    assert not GalleryModel.objects.exists()
    assert (prepared(same), losses(same)) == ((0, 0), "")
