"""Photos in the admin: pictures, reasons, processing again, deleting."""

from __future__ import annotations

import re
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from PIL import Image

from accounts.actors import actor_of
from accounts.models import User
from people.models import Gallery, Person
from photos.models import Face, Photo, PhotoState
from tests.enrolment.test_admin import enrolled, face, picture
from tests.factories import GalleryFactory, PersonFactory
from tests.fixtures import files, rows, store
from tests.pages import acts, queries, signed_in, told
from vectors.models import PersonTemplate

pytestmark = pytest.mark.django_db

LIST = "/admin/photos/photo/"


@pytest.fixture
def browser(site_admin: User, media: Path) -> Client:
    return signed_in(site_admin)


@pytest.fixture
def refused(person: Person, media: Path) -> Photo:
    """A photo with two faces, of which none was chosen."""
    photo = store(person, picture())
    face(photo, unused_because="several_faces")
    face(photo, unused_because="several_faces")
    return reject(photo, "several_faces", "2 faces were found.")


def reject(photo: Photo, code: str = "no_face", text: str = "No face was found.") -> Photo:
    Photo.objects.filter(pk=photo.pk).update(state=PhotoState.REJECTED, code=code, text=text)
    photo.refresh_from_db()
    return photo


def page_of(photo: Photo, what: str = "change/") -> str:
    return f"{LIST}{photo.pk}/{what}"


def size_of(answer: Any) -> tuple[int, int]:
    assert (answer.status_code, answer["content-type"]) == (200, "image/jpeg")
    return Image.open(BytesIO(answer.content)).size


# --- Pictures -------------------------------------------------------------


def test_pictures_are_made_anew(browser: Client, refused: Photo) -> None:
    (original,) = files(Path(refused.original.file.storage.location))
    first = refused.faces.all()[0]

    whole = browser.get(page_of(refused, "picture.jpg"))

    assert size_of(whole) == (120, 90)
    assert whole.content != original.read_bytes()
    assert whole["cache-control"] == "private, max-age=300"
    assert size_of(browser.get(page_of(refused, "thumbnail.jpg"))) == (120, 90)
    assert size_of(browser.get(f"{LIST}face/{first.pk}.jpg")) == (60, 72)


@pytest.mark.parametrize("what", ["7/picture.jpg", "7/thumbnail.jpg", "face/7.jpg", "7/state/"])
def test_pictures_that_are_not_there(browser: Client, what: str) -> None:
    assert browser.get(f"{LIST}{what}").status_code == 404


def test_a_file_that_is_gone_is_no_error_of_ours(browser: Client, refused: Photo) -> None:
    refused.original.file.storage.delete(refused.original.file.name)

    answer = browser.get(page_of(refused, "picture.jpg"))

    assert answer.status_code == 404
    assert answer.content.decode().startswith("The photo's file is gone")
    assert browser.get(page_of(refused)).status_code == 200


@pytest.mark.parametrize("what", ["picture.jpg", "thumbnail.jpg", "state/", "change/"])
def test_members_see_no_pictures_here(gallery: Gallery, refused: Photo, what: str) -> None:
    from tests.factories import MembershipFactory, UserFactory

    user = UserFactory(is_staff=True)
    MembershipFactory(gallery=gallery, user=user, role="admin")

    assert signed_in(user).get(page_of(refused, what)).status_code == 302


# --- The page -------------------------------------------------------------


def test_the_page_shows_boxes_and_reasons(browser: Client, refused: Photo) -> None:
    first, second = refused.faces.all()

    for page in (page_of(refused), page_of(refused, "state/")):
        shown = browser.get(page).content.decode()
        assert shown.count('class="lk-box"') == 2
        assert "2 faces were found." in shown
        assert f'value="face:{first.pk}"' in shown
        assert f'value="face:{second.pk}"' in shown


def test_nothing_can_be_written_on_the_page(browser: Client, refused: Photo) -> None:
    before = rows()

    answer = browser.post(page_of(refused), {"state": "enrolled"})

    assert answer.status_code == 403
    assert rows() == before


def test_processing_again_with_a_face(browser: Client, site_admin: User, refused: Photo) -> None:
    chosen = refused.faces.all()[1]

    answer = browser.post(page_of(refused, "process/"), {"choice": f"face:{chosen.pk}"})

    refused.refresh_from_db()
    box = {"x": 20.0, "y": 10.0, "width": 40.0, "height": 50.0}
    assert answer["location"] == page_of(refused)
    assert (refused.state, refused.several_faces, refused.face_box) == ("received", "", box)
    assert acts()[-1] == (str(actor_of(site_admin)), "photo.process_again")


@pytest.mark.parametrize("policy", ["largest", "central", ""])
def test_processing_again_with_a_policy(browser: Client, refused: Photo, policy: str) -> None:
    Photo.objects.update(face_box={"x": 1, "y": 1, "width": 5, "height": 5})

    browser.post(page_of(refused, "process/"), {"choice": policy})

    refused.refresh_from_db()
    assert (refused.state, refused.several_faces, refused.face_box) == ("received", policy, None)


@pytest.mark.parametrize("choice", ["face:99999", "face:", "face:x", "face:²", "anything"])
def test_a_choice_that_is_none(browser: Client, refused: Photo, choice: str) -> None:
    before = rows()

    answer = browser.post(page_of(refused, "process/"), {"choice": choice})

    assert told(answer) == ["There is no face with this id, or you have no access to it."]
    assert rows() == before


def test_a_face_of_another_photo_is_no_choice(
    browser: Client, refused: Photo, person: Person
) -> None:
    other = store(person, picture(7))
    foreign = face(other)
    before = rows()

    browser.post(page_of(refused, "process/"), {"choice": f"face:{foreign.pk}"})

    assert rows() == before


def test_an_enrolled_photo_is_not_processed_again(browser: Client, person: Person) -> None:
    photo = enrolled(person)
    before = rows()

    answer = browser.post(page_of(photo, "process/"))

    assert told(answer) == [
        "Only a rejected or quarantined photo can be processed again; this is enrolled."
    ]
    assert rows() == before


def test_looking_at_the_address_processes_nothing(browser: Client, refused: Photo) -> None:
    before = rows()

    browser.get(page_of(refused, "process/"))

    assert rows() == before


def test_a_button_on_the_persons_page_leads_back_there(
    browser: Client, refused: Photo, person: Person
) -> None:
    back = browser.post(page_of(refused, f"process/?person={person.pk}"))
    odd = browser.post(page_of(refused, "process/?person=//elsewhere.example"))

    assert back["location"] == f"/admin/people/person/{person.pk}/change/"
    assert odd["location"] == page_of(refused)


def test_the_page_shows_the_figures_of_each_face(browser: Client, person: Person) -> None:
    photo = store(person, picture())
    face(photo, quality={"score": 0.674, "focus": 0.71, "brightness": 0.46, "contrast": 0.18})
    face(photo, quality={"brightness": 0.33, "yaw": 12.4})  # from before there was a score

    new, old = figures(browser.get(page_of(photo)))

    assert new[3:9] == ["40 px", "0.990", "0.67", "0.71", "0.46", "0.18"]
    assert old[3:9] == ["40 px", "0.990", "", "", "0.33", ""]
    assert old[9] == "12°"


def figures(page: Any) -> list[list[str]]:
    """The cells of the table of faces."""
    rows = re.findall(r"<tr>(.*?)</tr>", page.content.decode(), re.DOTALL)
    cells = [re.findall(r"<td>(.*?)</td>", row, re.DOTALL) for row in rows]
    return [[cell.strip() for cell in row] for row in cells if len(row) > 9]


# --- Several, and deleting -------------------------------------------------------------


def test_several_are_processed_again(browser: Client, person: Person) -> None:
    first, second = (reject(store(person, picture(seed))) for seed in (1, 2))
    fine = enrolled(person, 3)
    chosen = [first.pk, second.pk, fine.pk]

    answer = browser.post(LIST, {"action": "process_selected", "_selected_action": chosen})

    states = list(Photo.objects.order_by("pk").values_list("state", flat=True))
    assert states == ["received", "received", "enrolled"]
    refusal, done = told(answer)
    assert refusal.endswith("this is enrolled.")
    assert done == "Being processed again: 2 of the photos."


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("by", ["page", "list"])
def test_deleting(browser: Client, person: Person, media: Path, by: str) -> None:
    photo = enrolled(person)
    address = f"{LIST}{photo.pk}/delete-photo/"
    fields: dict[str, Any] = {}
    if by == "list":
        address, fields = LIST, {"action": "delete_selected_photos", "_selected_action": photo.pk}

    browser.post(address, fields)
    assert Photo.objects.exists()
    answer = browser.post(address, {**fields, "confirmed": "yes"})

    assert answer.status_code == 302
    assert not Photo.objects.exists()
    assert not PersonTemplate.objects.exists()
    assert not Face.objects.exists()
    assert not files(media)
    assert acts()[-1][1] == "photo.delete"


def test_a_photo_that_is_gone(browser: Client) -> None:
    for what in ("change", "delete-photo", "process"):
        assert browser.get(f"{LIST}7/{what}/").status_code == 302
    assert browser.get(f"{LIST}no-number/delete-photo/").status_code == 302


# --- The list -------------------------------------------------------------


def test_finding_photos(browser: Client) -> None:
    ann = PersonFactory(name="Ann", gallery=GalleryFactory())
    bea = PersonFactory(name="Bea", external_id="b-1", gallery=GalleryFactory())
    one = reject(store(ann, picture(1)))
    two = store(bea, picture(2))

    def found(**query: Any) -> list[Photo]:
        return list(browser.get(LIST, query).context["cl"].result_list)

    assert found() == [two, one]
    assert found(q="ann") == [one]
    assert found(q="b-1") == [two]
    assert found(q=str(one.public_id)) == [one]
    assert found(q=str(bea.public_id)) == [two]
    assert found(state__exact="rejected") == [one]
    assert found(code="no_face") == [one]
    assert found(gallery__id__exact=bea.gallery.pk) == [two]
    assert found(person__id__exact=bea.pk) == [two]


def test_the_list_takes_as_many_queries_for_many(browser: Client) -> None:
    for seed in range(3):
        enrolled(PersonFactory(), seed)
    few = queries(browser, LIST)
    for seed in range(3, 30):
        enrolled(PersonFactory(), seed)

    assert queries(browser, LIST) == few
