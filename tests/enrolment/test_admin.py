"""People in the admin: added with photos, watched, changed, deactivated, erased."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from django.test import Client
from django.urls import reverse

from accounts.actors import actor_of
from accounts.models import User
from embedder.images import encode_jpeg
from enrolment.models import Erasure
from people.models import Gallery, Person
from photos.models import Face, Photo, PhotoState
from tests.factories import GalleryFactory, PersonFactory, template, unit
from tests.fixtures import files, rows, store, upload
from tests.pages import acts, queries, signed_in, told
from vectors.codec import encode
from vectors.models import GenerationState, IndexGeneration, PersonTemplate, VectorOutbox

pytestmark = pytest.mark.django_db

ADD = "/admin/people/person/add/"
LIST = "/admin/people/person/"


@pytest.fixture
def browser(site_admin: User, media: Path) -> Client:
    return signed_in(site_admin)


def picture(seed: int = 0) -> bytes:
    """A JPEG without a person, another one for each seed."""
    noise = np.random.default_rng(seed).integers(0, 255, (90, 120, 3), np.uint8)
    return encode_jpeg(noise)


def page_of(person: Person, what: str = "change") -> str:
    return f"{LIST}{person.pk}/{what}/"


def fields(gallery: Gallery, **changed: Any) -> dict[str, Any]:
    return {
        "gallery": gallery.pk,
        "name": "Ann",
        "external_id": "a1",
        "notes": "",
        "metadata": "{}",
        "initial-metadata": "{}",
        **changed,
    }


def enrolled(person: Person, seed: int = 0) -> Photo:
    """A photo with a face in the person's template, as the worker would have left it."""
    photo = store(person, picture(seed))
    known = PersonTemplate.objects.filter(person=person).first()
    face(photo, template=known or template(person))
    Photo.objects.filter(pk=photo.pk).update(state=PhotoState.ENROLLED)
    return photo


def face(photo: Photo, **more: Any) -> Face:
    return Face.objects.create(
        photo=photo,
        x=20,
        y=10,
        width=40,
        height=50,
        landmarks=[[30, 30]] * 5,
        detector_score=0.99,
        vector=encode(unit(photo.pk)),
        model=photo.gallery.model,
        **more,
    )


# --- Adding -------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
def test_somebody_is_added_with_photos(browser: Client, site_admin: User, gallery: Gallery) -> None:
    photos = [upload(picture(1), "one.jpg"), upload(picture(2), "two.jpg")]

    answer = browser.post(ADD, fields(gallery, photos=photos))

    person = Person.objects.get()
    me = str(actor_of(site_admin))
    assert answer["location"] == page_of(person)
    assert (person.name, person.external_id, person.gallery) == ("Ann", "a1", gallery)
    assert [photo.state for photo in person.photos.all()] == ["received", "received"]
    assert acts() == [(me, "person.create"), (me, "photo.receive"), (me, "photo.receive")]
    assert told(answer) == ["Ann is added.", "2 photos received."]


@pytest.mark.django_db(transaction=True)
def test_bad_files_are_named_and_the_good_ones_kept(
    browser: Client, gallery: Gallery, settings: Any, media: Path
) -> None:
    settings.MAX_UPLOAD_BYTES = 50_000
    good, photo = picture(1), picture(2)
    photos = [
        upload(b"hello", "notes.txt"),
        upload(good, "good.jpg"),
        upload(photo[: len(photo) // 2], "half.jpg"),
        upload(photo + bytes(50_000), "large.jpg"),
        upload(b"", "empty.jpg"),
        upload(photo, "<b>last</b>.jpg"),
        upload(good, "again.jpg"),
    ]

    answer = browser.post(ADD, fields(gallery, photos=photos))
    page = browser.get(answer["location"]).content.decode()

    assert Photo.objects.count() == len(files(media)) == 2
    assert told(answer) == [
        "Ann is added.",
        "notes.txt: This is not a photo we can read. Send a JPEG, PNG or WebP file.",
        "half.jpg: This JPEG is damaged or incomplete. Export or upload it again.",
        "large.jpg: The file is larger than 0 MB. Send a smaller one.",
        "empty.jpg: The file is empty. Choose a photo and upload it again.",
        "2 photos received.",
        "1 photo there already: same bytes, same person.",
    ]
    assert "<b>last" not in page


@pytest.mark.django_db(transaction=True)
def test_files_beyond_the_total_are_named(browser: Client, gallery: Gallery, settings: Any) -> None:
    size = len(picture(0)) + 500
    settings.MAX_UPLOAD_BYTES = size
    photos = [upload(picture(seed), f"{seed}.jpg") for seed in range(6)]

    answer = browser.post(ADD, fields(gallery, photos=photos))

    refused = [text for text in told(answer) if "Send this file in another one" in text]
    assert Photo.objects.count() == 4
    assert [text.partition(":")[0] for text in refused] == ["4.jpg", "5.jpg"]


def test_too_many_files_are_told_on_the_page(
    browser: Client, gallery: Gallery, settings: Any
) -> None:
    settings.DATA_UPLOAD_MAX_NUMBER_FILES = 2
    before = rows()

    answer = browser.post(ADD, fields(gallery, photos=[upload(picture(n)) for n in range(3)]))

    assert answer["location"] == ADD
    assert told(answer) == ["The form has too many files; send at most 100."]
    assert rows() == before


def test_nobody_is_added_without_the_token(site_admin: User, gallery: Gallery, media: Path) -> None:
    browser = signed_in(site_admin, enforce_csrf_checks=True)
    person = PersonFactory(gallery=gallery)
    before = rows()

    added = browser.post(ADD, fields(gallery, photos=[upload(picture())]))
    sent = browser.post(page_of(person), fields(gallery, photos=[upload(picture())]))

    assert (added.status_code, sent.status_code) == (403, 403)
    assert rows() == before
    assert not files(media)


def test_a_taken_external_id_is_said_at_the_field(browser: Client, gallery: Gallery) -> None:
    PersonFactory(gallery=gallery, external_id="a1")
    PersonFactory(external_id="a1")
    before = rows()

    answer = browser.post(ADD, fields(gallery))

    assert answer.context["adminform"].form.errors == {
        "external_id": ["Another person of this gallery has it."]
    }
    assert rows() == before


@pytest.mark.parametrize("metadata", ["[1]", "no json", '"text"', "[" * 30 + "]" * 30])
def test_metadata_is_what_the_api_takes(browser: Client, gallery: Gallery, metadata: str) -> None:
    answer = browser.post(ADD, fields(gallery, metadata=metadata))

    assert list(answer.context["adminform"].form.errors) == ["metadata"]
    assert not Person.objects.exists()


def test_the_only_gallery_is_chosen_already(browser: Client, gallery: Gallery) -> None:
    assert browser.get(ADD).context["adminform"].form["gallery"].value() == gallery.pk
    GalleryFactory()
    assert browser.get(ADD).context["adminform"].form["gallery"].value() is None


# --- Their page -------------------------------------------------------------


def test_changes_go_through_the_service(browser: Client, person: Person, site_admin: User) -> None:
    other = GalleryFactory()

    answer = browser.post(page_of(person), fields(other, name="Bea", metadata='{"age": 7}'))

    assert answer.status_code == 302
    person.refresh_from_db()
    assert (person.name, person.external_id, person.metadata) == ("Bea", "a1", {"age": 7})
    assert person.gallery != other
    assert acts() == [(str(actor_of(site_admin)), "person.update")]


def test_a_page_opened_before_does_not_activate_again(browser: Client, person: Person) -> None:
    Person.objects.filter(pk=person.pk).update(active=False)

    browser.post(page_of(person), fields(person.gallery, active="on"))

    assert not Person.objects.get().active


def test_photos_show_their_faces_and_reasons(browser: Client, person: Person) -> None:
    enrolled(person)
    refused = store(person, picture(1))
    face(refused, unused_because="several_faces")
    face(refused, unused_because="several_faces")
    Photo.objects.filter(pk=refused.pk).update(
        state=PhotoState.REJECTED, code="several_faces", text="2 faces were found."
    )

    page = browser.get(page_of(person)).content.decode()
    cards = browser.get(page_of(person, "cards")).content.decode()

    for shown in (page, cards):
        assert shown.count('class="lk-box lk-box-used"') == 1
        assert shown.count('class="lk-box"') == 2
        assert "2 faces were found." in shown
        assert "Choose a face" in shown
    assert 'viewBox="0 0 120 90"' in page
    assert 'x="20.0" y="10.0" width="40.0" height="50.0"' in page


def test_the_page_refreshes_while_something_is_under_way(browser: Client, person: Person) -> None:
    def under_way() -> bool:
        return "data-under-way" in browser.get(page_of(person, "cards")).content.decode()

    assert not under_way()
    photo = store(person, picture())
    assert under_way()
    enrolled_template = template(person)
    face(photo, template=enrolled_template)
    Photo.objects.filter(pk=photo.pk).update(state=PhotoState.ENROLLED)
    assert under_way(), "not yet in the index"
    IndexGeneration.objects.update(state=GenerationState.READY)
    VectorOutbox.objects.all().delete()
    assert not under_way()
    assert "searchable" in browser.get(page_of(person, "cards")).content.decode()


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("pressed", [{"_continue": "upload"}, {"_save": "Save"}])
def test_more_photos(browser: Client, person: Person, pressed: dict[str, str]) -> None:
    photos = [upload(picture(1)), upload(b"no photo", "no.jpg")]

    answer = browser.post(
        page_of(person),
        fields(
            person.gallery,
            name=person.name,
            external_id="",
            photos=photos,
            several_faces="largest",
            **pressed,
        ),
    )

    assert answer["location"] == page_of(person)
    assert Photo.objects.get().several_faces == "largest"
    assert [act for _, act in acts()] == ["photo.receive"]
    assert told(answer) == [
        "no.jpg: This is not a photo we can read. Send a JPEG, PNG or WebP file.",
        "1 photo received.",
    ]


def test_no_photo_chosen_is_said(browser: Client, person: Person) -> None:
    answer = browser.post(page_of(person), fields(person.gallery, _continue="upload"))

    assert told(answer) == ["Choose at least one photo."]


def test_somebody_who_is_gone(browser: Client) -> None:
    assert browser.get(f"{LIST}99/cards/").status_code == 404
    for what in ("change", "erase", "deactivate"):
        assert browser.get(f"{LIST}99/{what}/").status_code == 302


# --- In and out of searches, erasing -------------------------------------------------------------


@pytest.mark.parametrize("by", ["page", "list"])
def test_deactivating_and_activating(browser: Client, person: Person, by: str) -> None:
    def press(what: str) -> None:
        if by == "page":
            browser.post(page_of(person, what), {"confirmed": "yes"})
        else:
            browser.post(LIST, {"action": f"{what}_selected", "_selected_action": person.pk})

    press("deactivate")
    assert not Person.objects.get().active
    press("activate")
    assert Person.objects.get().active
    assert [act for _, act in acts()] == ["person.deactivate", "person.activate"]


def test_looking_at_a_question_changes_nothing(browser: Client, person: Person) -> None:
    enrolled(person)
    before = rows()

    for what in ("deactivate", "activate", "erase"):
        assert browser.get(page_of(person, what)).status_code == 200
    browser.post(LIST, {"action": "erase_selected", "_selected_action": person.pk})

    assert rows() == before


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("by", ["page", "list"])
def test_erasing(browser: Client, person: Person, site_admin: User, media: Path, by: str) -> None:
    enrolled(person)
    name, other = person.name, PersonFactory(gallery=person.gallery)
    address, fields = page_of(person, "erase"), {}
    if by == "list":
        address, fields = LIST, {"action": "erase_selected", "_selected_action": person.pk}

    asked = browser.post(address, fields).content.decode()
    answer = browser.post(address, {**fields, "confirmed": "yes"})

    assert name in asked
    assert "be undone" in asked
    assert answer.status_code == 302
    assert list(Person.objects.all()) == [other]
    assert Erasure.objects.get().actor == str(actor_of(site_admin))
    assert not files(media)


def test_djangos_deletion_is_off(browser: Client, person: Person) -> None:
    before = rows()

    answer = browser.post(page_of(person, "delete"), {"post": "yes"})
    browser.post(LIST, {"action": "delete_selected", "_selected_action": person.pk, "post": "yes"})

    assert answer.status_code == 403
    assert rows() == before


# --- The list -------------------------------------------------------------


def test_finding_people(browser: Client, gallery: Gallery) -> None:
    ann = PersonFactory(gallery=gallery, name="Ann Lee", external_id="x-7")
    bea = PersonFactory(gallery=gallery, name="Bea", active=False)
    cleo = PersonFactory(name="Cleo")
    enrolled(ann)
    store(bea, picture(1))
    refused = store(cleo, picture(2))
    Photo.objects.filter(pk=refused.pk).update(state=PhotoState.REJECTED, code="no_face")

    def found(**query: Any) -> set[Person]:
        return set(browser.get(LIST, query).context["cl"].result_list)

    assert found() == {ann, bea, cleo}
    assert found(q="lee ann") == {ann}
    assert found(q="x-7") == {ann}
    assert found(q=str(bea.public_id)) == {bea}
    assert found(gallery__id__exact=gallery.pk) == {ann, bea}
    assert found(active__exact=0) == {bea}
    assert found(photos="waiting") == {bea}
    assert found(photos="rejected") == {cleo}
    assert found(photos="none") == {bea, cleo}


def test_the_list_shows_faces_and_states(browser: Client, person: Person) -> None:
    photo = enrolled(person)

    page = browser.get(LIST).content.decode()

    assert f'src="/admin/photos/photo/face/{photo.faces.get().pk}.jpg"' in page
    assert "1 Enrolled" in page
    assert "indexing" in page


def test_the_list_takes_as_many_queries_for_many(browser: Client, gallery: Gallery) -> None:
    for seed, person in enumerate(PersonFactory.create_batch(3, gallery=gallery)):
        enrolled(person, seed)
    few = queries(browser, LIST)
    for seed, person in enumerate(PersonFactory.create_batch(27), start=3):
        enrolled(person, seed)

    assert queries(browser, LIST) == few


def test_a_page_takes_as_many_queries_for_many_photos(browser: Client, person: Person) -> None:
    for seed in range(3):
        enrolled(person, seed)
    page, cards = (queries(browser, page_of(person, what)) for what in ("change", "cards"))
    for seed in range(3, 30):
        enrolled(person, seed)

    assert queries(browser, page_of(person)) == page
    assert queries(browser, page_of(person, "cards")) == cards


def test_names_are_shown_as_text(browser: Client, gallery: Gallery) -> None:
    person = PersonFactory(gallery=gallery, name="<script>alert(1)</script>")
    enrolled(person)

    for page in (LIST, page_of(person), page_of(person, "cards"), page_of(person, "erase")):
        assert "<script>alert" not in browser.get(page).content.decode(), page


def test_the_ledger_of_erasures(browser: Client, person: Person) -> None:
    browser.post(page_of(person, "erase"), {"confirmed": "yes"})

    shown = browser.get(reverse("admin:enrolment_erasure_changelist")).content.decode()

    assert str(person.public_id) in shown


@pytest.mark.parametrize("wrong", ["abc", "%00", "0198b1a0-0000-7000-8000-000000000000", "999999"])
def test_an_address_of_nobody_leads_back(browser: Client, wrong: str) -> None:
    answer = browser.get(f"{LIST}{wrong}/change/", follow=True)
    assert answer.status_code == 200
    assert "exist" in answer.content.decode()
