"""What a gallery asks of faces, on worse copies of real photos."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from rest_framework.test import APIClient

from people.models import Gallery, Person
from photos.models import Photo
from tests.conftest import Lfw
from tests.factories import PersonFactory
from tests.fixtures import enrol, process
from tests.worse import blurred, lit
from vectors.models import PersonTemplate

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("media")]
WHO = "Donald_Rumsfeld"
LIMITS = (
    "min_quality", "min_focus", "max_yaw", "min_brightness", "max_brightness", "min_contrast",
)  # fmt: skip


def change(gallery: Gallery, **limits: Any) -> None:
    Gallery.objects.filter(pk=gallery.pk).update(**limits)


def outcome(photo: Photo) -> tuple[str, str]:
    return photo.state, photo.code


def test_a_good_photo_shows_its_figures(person: Person, lfw: Lfw, operator: APIClient) -> None:
    (photo,) = enrol(person, lfw.bytes(WHO))

    (face,) = operator.get(f"/api/v1/photos/{photo.public_id}").json()["faces"]
    quality = face["quality"]
    assert quality["score"] == pytest.approx(0.67, abs=0.03)
    assert quality["focus"] == pytest.approx(0.71, abs=0.03)
    assert quality["brightness"] == pytest.approx(0.46, abs=0.02)
    assert quality["face_width"] == pytest.approx(face["box"]["width"], abs=0.01)
    assert quality["detector_score"] == face["detector_score"]


def test_a_blurred_photo_is_rejected_with_figures_box_and_advice(
    person: Person, lfw: Lfw, operator: APIClient
) -> None:
    (photo,) = enrol(person, blurred(lfw.bytes(WHO), 4))

    body = operator.get(f"/api/v1/photos/{photo.public_id}").json()
    assert (body["state"], body["code"]) == ("rejected", "blurred")
    (face,) = body["faces"]
    assert (face["enrolled"], face["unused_because"]) == (False, "blurred")
    assert 70 < face["box"]["width"] < 120
    focus, score = face["quality"]["focus"], face["quality"]["score"]
    assert 0 < score < focus < 0.35
    assert body["text"] == (
        f"The face is blurred: its focus is {focus:.2f}, and must be at least 0.35. Send a sharper "
        f"photo, not a small one enlarged. The quality of the face is {score:.2f} in all, and must "
        "be at least 0.3. Send a sharp, well lit photo of a face that looks into the camera."
    )
    assert not PersonTemplate.objects.exists()


def test_a_profile_is_rejected(person: Person, lfw: Lfw) -> None:
    (photo,) = enrol(person, lfw.bytes("Patrik_Kristiansson"))
    assert outcome(photo) == ("rejected", "profile")
    assert photo.text == (
        "The face is turned 49 degrees to the side, and may be at most 45. Send a photo that looks "
        "into the camera."
    )


def test_a_dark_photo_is_rejected(person: Person, lfw: Lfw) -> None:
    (photo,) = enrol(person, lit(lfw.bytes(WHO), 0.1))
    assert outcome(photo) == ("rejected", "too_dark")
    assert photo.text.startswith("The face is too dark: its brightness is 0.05, and must be at l")


@pytest.mark.parametrize(
    ("limits", "gain", "code"),
    [
        ({"max_brightness": 0.6}, 1.6, "too_bright"),
        ({"min_contrast": 0.1}, 0.4, "low_contrast"),
        ({"min_quality": 0.9}, 1, "poor_quality"),
        ({"max_yaw": 1}, 1, "profile"),
        ({"min_focus": 0.9}, 1, "blurred"),
        ({"min_brightness": 0.6}, 1, "too_dark"),
    ],
)
def test_a_gallery_may_ask_for_more(
    person: Person, lfw: Lfw, limits: dict[str, float], gain: float, code: str
) -> None:
    gallery = person.gallery
    photo = lit(lfw.bytes("Vladimir_Putin"), gain)
    # Only what the limit is about can be the reason.
    change(gallery, **{**dict.fromkeys(LIMITS), **limits})

    (refused,) = enrol(person, photo)
    assert outcome(refused) == ("rejected", code)

    change(gallery, **dict.fromkeys(LIMITS))
    (taken,) = enrol(PersonFactory(gallery=gallery), photo)
    assert outcome(taken) == ("enrolled", "")


def test_a_lower_limit_lets_a_rejected_photo_through_when_it_is_processed_again(
    gallery: Gallery, person: Person, lfw: Lfw, operator: APIClient
) -> None:
    (photo,) = enrol(person, blurred(lfw.bytes(WHO), 4))
    assert outcome(photo) == ("rejected", "blurred")
    change(gallery, min_focus=0.1, min_quality=None)

    operator.post(f"/api/v1/photos/{photo.public_id}/process", {}, format="json")
    process()

    photo.refresh_from_db()
    assert outcome(photo) == ("enrolled", "")
    assert photo.faces.get().unused_because == ""


def test_no_portrait_of_everyday_life_is_rejected(gallery: Gallery, test_data: Path) -> None:
    """They are 217 to 1052 pixels wide, and pass a new gallery's own limit of 100."""
    change(gallery, min_face=100, several_faces="largest")
    portraits = [
        path for path in sorted((test_data / "photos").iterdir()) if path.name != "multiface.jpg"
    ]
    for path in portraits:
        (photo,) = enrol(PersonFactory(gallery=gallery), path.read_bytes())
        assert (path.name, *outcome(photo)) == (path.name, "enrolled", "")
