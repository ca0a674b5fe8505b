"""A photo's way from upload to a final state, on real photos."""

from __future__ import annotations

import hashlib
import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from PIL import Image
from rest_framework.test import APIClient

from audit.models import AuditEntry
from people.models import Gallery, Person
from photos.models import Face, Original, Photo, PhotoState
from tests.conftest import Lfw
from tests.embedder.pictures import exif_block, saved, scene
from tests.factories import PersonFactory
from tests.fixtures import enrol, files, process, rows, store, upload
from vectors.codec import decode, decode_many
from vectors.models import PersonTemplate

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("media")]
WHO = "Donald_Rumsfeld"
PHOTOS = "/api/v1/photos"


def send(client: APIClient, person: Person, data: bytes, **fields: Any) -> Any:
    body = {"person": str(person.public_id), "photo": upload(data, fields.pop("name", "a.jpg"))}
    return client.post(PHOTOS, {**body, **fields}, format="multipart")


def template_of(person: Person) -> Any:
    return decode(bytes(PersonTemplate.objects.get(person=person).vector))


@pytest.fixture
def crowd(test_data: Path) -> bytes:
    """Six faces, 70 to 93 pixels wide."""
    return (test_data / "photos" / "multiface.jpg").read_bytes()


@pytest.fixture
def nobody() -> bytes:
    return saved(scene(300, 300), "PNG")


def test_a_photo_is_received_and_then_enrolled(
    operator: APIClient, person: Person, lfw: Lfw, media: Path
) -> None:
    data = lfw.bytes(WHO)
    response = send(operator, person, data, name="../../etc/x.php")
    assert response.status_code == 202
    photo = Photo.objects.get()
    body = response.json()
    assert body.pop("created_at")
    assert body == {
        "id": str(photo.public_id),
        "gallery": str(person.gallery.public_id),
        "person": str(person.public_id),
        "state": "received",
        "code": "",
        "text": "",
        "searchable": False,
        "sha256": hashlib.sha256(data).hexdigest(),
        "width": 250,
        "height": 250,
        "first_frame_only": False,
        "source": "api",
        "several_faces": "",
        "face_box": None,
        "faces": [],
        "processed_at": None,
    }
    (file,) = files(media)
    assert file.read_bytes() == data
    assert file.stat().st_mode & 0o777 == 0o600
    assert file.name == f"{photo.original.public_id.hex}.jpg"

    process()

    body = operator.get(f"{PHOTOS}/{photo.public_id}").json()
    assert (body["state"], body["code"], body["text"]) == ("enrolled", "", "")
    assert body["processed_at"] is not None
    (face,) = body["faces"]
    assert (face["enrolled"], face["unused_because"]) == (True, "")
    assert face["model"] == "mtcnn-dlib-resnet"
    assert 70 < face["box"]["width"] < 110
    assert len(face["landmarks"]) == 5
    assert set(face["quality"]) == {
        "score", "sharpness", "focus", "brightness", "contrast", "clipped", "yaw", "pitch", "roll",
        "eye_distance", "face_width", "misfit", "detector_score",
    }  # fmt: skip
    template = PersonTemplate.objects.get()
    assert (template.person, template.face_count, template.version) == (person, 1, 1)
    assert Face.objects.get().template == template
    # Received, then processed; both by id.
    assert [(entry.action, entry.details) for entry in AuditEntry.objects.order_by("id")][1:] == [
        ("photo.receive", {}),
        ("photo.processed", {"state": "enrolled"}),
    ]


def test_a_photo_without_a_face_is_rejected_with_advice(person: Person, nobody: bytes) -> None:
    (photo,) = enrol(person, nobody)
    assert (photo.state, photo.code) == ("rejected", "no_face")
    assert photo.text == (
        "No face was found. Send a photo in which the face is well lit and turned to the camera."
    )
    assert (Face.objects.count(), PersonTemplate.objects.count()) == (0, 0)


def test_several_faces_are_rejected_with_their_boxes(person: Person, crowd: bytes) -> None:
    (photo,) = enrol(person, crowd)
    assert (photo.state, photo.code) == ("rejected", "several_faces")
    assert photo.text.startswith("6 faces were found. Crop the photo to one person, or say which")
    assert [face.unused_because for face in photo.faces.all()] == ["several_faces"] * 6
    assert PersonTemplate.objects.count() == 0


def test_the_gallery_s_policy_and_the_photo_s_choose_among_several(
    gallery: Gallery, crowd: bytes
) -> None:
    chosen = {}
    for policy in ("central", "largest"):
        person = PersonFactory(gallery=gallery)
        store(person, crowd, several_faces=policy)
        process()
        photo = Photo.objects.get(person=person)
        assert photo.state == "enrolled"
        (face,) = photo.faces.filter(unused_because="")
        chosen[policy] = face
        assert photo.faces.filter(unused_because="not_chosen").count() == 5
    assert chosen["largest"].width == max(face.width for face in Face.objects.all())
    assert abs(chosen["central"].x + chosen["central"].width / 2 - 600) < 110

    gallery.several_faces = "central"
    gallery.save()
    person = PersonFactory(gallery=gallery)
    (photo,) = enrol(person, crowd)
    assert photo.faces.get(unused_because="").x == chosen["central"].x


def test_a_box_points_at_one_of_several(operator: APIClient, person: Person, crowd: bytes) -> None:
    response = send(operator, person, crowd, box="425,130,80,111")
    assert response.json()["face_box"] == {"x": 425, "y": 130, "width": 80, "height": 111}
    process()
    (face,) = Photo.objects.get().faces.filter(unused_because="")
    assert (round(face.x), round(face.y)) == (425, 130)


def test_a_box_that_points_at_nobody_is_said(person: Person, crowd: bytes) -> None:
    store(person, crowd, face_box={"x": 0, "y": 0, "width": 50, "height": 50})
    process()
    photo = Photo.objects.get()
    assert (photo.state, photo.code) == ("rejected", "no_face_in_box")


@pytest.mark.parametrize(
    "box", ["1,2,3", "1,2,3,4,5", "a,b,c,d", "0,0,0,5", "0,0,5,-1", "nan,0,5,5", "0,0,inf,5"]
)
def test_a_box_that_is_none_is_refused(
    operator: APIClient, person: Person, nobody: bytes, media: Path, box: str
) -> None:
    before = rows()
    response = send(operator, person, nobody, box=box)
    assert (response.status_code, response.json()["detail"]) == (
        400, "box: Write a box as x,y,width,height in pixels, width and height above 0.",
    )  # fmt: skip
    assert (rows(), files(media)) == (before, [])


def test_a_small_face_is_rejected_with_its_width_and_the_limit(
    gallery: Gallery, person: Person, lfw: Lfw
) -> None:
    gallery.min_face = 100
    gallery.save()
    (photo,) = enrol(person, lfw.bytes(WHO))
    assert (photo.state, photo.code) == ("rejected", "face_too_small")
    assert photo.text == (
        "The face is 90 pixels wide, and must be at least 100. Send a closer or larger photo."
    )
    assert [face.unused_because for face in photo.faces.all()] == ["face_too_small"]


def test_a_rejected_photo_can_be_processed_again_with_another_choice(
    operator: APIClient, person: Person, crowd: bytes
) -> None:
    (photo,) = enrol(person, crowd)
    address = f"{PHOTOS}/{photo.public_id}/process"
    response = operator.post(address, {"several_faces": "largest"}, format="json")
    assert (response.status_code, response.json()["state"]) == (202, "received")
    assert response.json()["faces"] == []
    again = operator.post(address, {}, format="json")
    assert (again.status_code, again.json()["code"]) == (409, "photo_state")
    process()
    assert Photo.objects.get().state == "enrolled"
    again = operator.post(address, {}, format="json")
    assert (again.status_code, again.json()["code"]) == (409, "photo_state")
    assert Face.objects.count() == 6


def test_a_rejected_photo_sent_again_with_a_choice_is_processed_again(
    operator: APIClient, person: Person, crowd: bytes
) -> None:
    (photo,) = enrol(person, crowd)
    assert (photo.state, photo.code) == ("rejected", "several_faces")
    assert send(operator, person, crowd).status_code == 200

    chosen = send(operator, person, crowd, several_faces="largest")
    assert (chosen.status_code, chosen.json()["state"]) == (202, "received")
    assert chosen.json()["id"] == str(photo.public_id)
    process()
    assert Photo.objects.get().state == "enrolled"
    assert send(operator, person, crowd, several_faces="central").json()["state"] == "enrolled"


def test_of_two_files_in_a_form_for_one_none_is_dropped_silently(
    operator: APIClient, person: Person, lfw: Lfw, media: Path
) -> None:
    form = {"person": str(person.public_id), "photo": [upload(lfw.bytes(WHO)), upload(b"x")]}
    response = operator.post(PHOTOS, form, format="multipart")
    assert (response.status_code, response.json()["code"]) == (400, "invalid")
    assert response.json()["errors"] == {"photo": ["Send one file here, or many to /photos/batch."]}
    assert (Photo.objects.count(), files(media)) == (0, [])


def test_the_same_bytes_again_are_the_same_photo(
    operator: APIClient, person: Person, lfw: Lfw, media: Path
) -> None:
    first = send(operator, person, lfw.bytes(WHO))
    process()
    before = rows()
    second = send(operator, person, lfw.bytes(WHO), name="other.png")
    assert (first.status_code, second.status_code) == (202, 200)
    assert second.json()["id"] == first.json()["id"]
    assert second.json()["state"] == "enrolled"
    assert (rows(), len(files(media))) == (before, 1)


def test_the_same_bytes_for_somebody_else_share_the_file(
    gallery: Gallery, lfw: Lfw, media: Path, operator: APIClient, committed: Any
) -> None:
    one, other = PersonFactory(gallery=gallery), PersonFactory(gallery=gallery)
    elsewhere = PersonFactory()
    for each in (one, other, elsewhere):
        enrol(each, lfw.bytes(WHO))
    assert Photo.objects.filter(gallery=gallery).count() == 2
    assert Original.objects.filter(gallery=gallery).count() == 1
    assert Original.objects.count() == len(files(media)) == 2

    first, second = Photo.objects.filter(gallery=gallery)
    with committed():
        assert operator.delete(f"{PHOTOS}/{first.public_id}").status_code == 204
    assert len(files(media)) == 2
    with committed():
        assert operator.delete(f"{PHOTOS}/{second.public_id}").status_code == 204
    assert (len(files(media)), Original.objects.count()) == (1, 1)
    assert PersonTemplate.objects.get().person == elsewhere


def test_a_person_s_template_is_the_normalised_mean_of_the_faces(person: Person, lfw: Lfw) -> None:
    enrol(person, *(lfw.bytes(WHO, number) for number in (1, 2, 3)))
    faces = decode_many(bytes(face.vector) for face in Face.objects.all())
    assert np.abs(np.linalg.norm(faces, axis=1) - 1).max() < 1e-5
    mean = faces.astype(np.float64).mean(axis=0)
    assert np.abs(template_of(person) - mean / np.linalg.norm(mean)).max() < 1e-7
    template = PersonTemplate.objects.get()
    assert template.face_count == 3
    assert {face.template_id for face in Face.objects.all()} == {template.pk}


def test_deleting_a_photo_makes_the_template_anew(
    operator: APIClient, person: Person, lfw: Lfw, media: Path, committed: Any
) -> None:
    one, two = enrol(person, lfw.bytes(WHO, 1), lfw.bytes(WHO, 2))
    both = template_of(person)
    pk = PersonTemplate.objects.get().pk

    with committed():
        assert operator.delete(f"{PHOTOS}/{two.public_id}").status_code == 204
    template = PersonTemplate.objects.get()
    assert (template.pk, template.face_count) == (pk, 1)
    assert np.abs(template_of(person) - decode(bytes(one.faces.get().vector))).max() < 1e-7
    assert np.abs(template_of(person) - both).max() > 1e-3
    assert len(files(media)) == 1

    with committed():
        assert operator.delete(f"{PHOTOS}/{one.public_id}").status_code == 204
    assert PersonTemplate.objects.count() == 0
    assert files(media) == []
    assert operator.delete(f"{PHOTOS}/{one.public_id}").status_code == 404


def test_every_orientation_gives_the_same_template(gallery: Gallery, lfw: Lfw) -> None:
    upright = Image.open(io.BytesIO(lfw.bytes(WHO)))
    turns = {
        1: None,
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }
    for orientation, turn in turns.items():
        stored = upright if turn is None else upright.transpose(turn)
        data = saved(stored, "PNG", exif=exif_block(orientation))
        store(PersonFactory(gallery=gallery), data)
    process()
    assert [photo.state for photo in Photo.objects.all()] == ["enrolled"] * 8
    faces = decode_many(bytes(face.vector) for face in Face.objects.order_by("id"))
    assert np.abs(faces - faces[0]).max() < 1e-6
    boxes = {(round(face.x), round(face.y), round(face.width)) for face in Face.objects.all()}
    assert len(boxes) == 1


def test_a_batch_stops_at_no_bad_file(
    operator: APIClient, person: Person, lfw: Lfw, nobody: bytes, media: Path
) -> None:
    known = lfw.bytes(WHO, 3)
    store(person, known)
    contents = [lfw.bytes(WHO, 1), b"no photo", lfw.bytes(WHO, 2), b"", known, nobody]
    response = operator.post(
        f"{PHOTOS}/batch",
        {"person": str(person.public_id), "photos": [upload(each) for each in contents]},
        format="multipart",
    )
    assert response.status_code == 202
    results = response.json()["results"]
    assert [(each["index"], each["status"]) for each in results] == [
        (0, 202), (1, 415), (2, 202), (3, 400), (4, 200), (5, 202),
    ]  # fmt: skip
    assert [results[index]["problem"]["code"] for index in (1, 3)] == [
        "unsupported_format", "empty_file",
    ]  # fmt: skip
    process()
    states = [Photo.objects.get(public_id=each["photo"]["id"]).state for each in results
              if "photo" in each]  # fmt: skip
    assert states == ["enrolled", "enrolled", "enrolled", "rejected"]
    assert len(files(media)) == 4
    assert PersonTemplate.objects.get().face_count == 3


@pytest.mark.parametrize("photos", [[], "text"])
def test_a_batch_without_files_is_refused(operator: APIClient, person: Person, photos: Any) -> None:
    body = {"person": str(person.public_id), "photos": photos}
    response = operator.post(f"{PHOTOS}/batch", body, format="multipart")
    assert (response.status_code, response.json()["code"]) == (400, "invalid")


def test_more_than_a_hundred_files_are_refused(
    operator: APIClient, person: Person, nobody: bytes, media: Path
) -> None:
    before = rows()
    body = {"person": str(person.public_id), "photos": [upload(nobody) for _ in range(101)]}
    response = operator.post(f"{PHOTOS}/batch", body, format="multipart")
    assert (response.status_code, response.json()["code"]) == (400, "too_many_files")
    assert (rows(), files(media)) == (before, [])


def test_pictures_are_served_as_new_jpegs_and_originals_as_attachments(
    operator: APIClient, person: Person, lfw: Lfw
) -> None:
    polyglot = lfw.bytes(WHO) + b"PK\x03\x04<script>alert(1)</script>"
    (photo,) = enrol(person, polyglot)
    shown = operator.get(f"{PHOTOS}/{photo.public_id}/image")
    assert (shown.status_code, shown["Content-Type"]) == (200, "image/jpeg")
    assert b"<script>" not in shown.content
    assert Image.open(io.BytesIO(shown.content)).size == (250, 250)

    face = photo.faces.get()
    cut = operator.get(f"/api/v1/faces/{face.public_id}/image")
    assert Image.open(io.BytesIO(cut.content)).width == pytest.approx(1.5 * face.width, abs=2)

    original = operator.get(f"{PHOTOS}/{photo.public_id}/original")
    assert b"".join(original.streaming_content) == polyglot
    assert original["Content-Type"] == "application/octet-stream"
    assert original["Content-Disposition"] == f'attachment; filename="{photo.public_id}.jpg"'
    assert original["X-Content-Type-Options"] == "nosniff"


def test_exif_is_stripped_from_what_is_served(operator: APIClient, person: Person) -> None:
    exif = Image.Exif()
    exif.get_ifd(0x8825)[1] = "N"
    exif[0x010F] = "Maker of secrets"
    photo = store(person, saved(scene(), "JPEG", exif=exif.tobytes()))
    shown = operator.get(f"{PHOTOS}/{photo.public_id}/image").content
    assert dict(Image.open(io.BytesIO(shown)).getexif()) == {}
    assert b"secrets" not in shown


def test_photos_and_faces_are_filtered(
    operator: APIClient, gallery: Gallery, lfw: Lfw, nobody: bytes
) -> None:
    one, other = PersonFactory(gallery=gallery), PersonFactory(gallery=gallery)
    (good,) = enrol(one, lfw.bytes(WHO))
    (bad,) = enrol(other, nobody)

    def ids(path: str) -> list[str]:
        return [each["id"] for each in operator.get(f"/api/v1/{path}").json()["results"]]

    assert ids("photos") == [str(bad.public_id), str(good.public_id)]
    assert ids(f"photos?person={one.public_id}") == [str(good.public_id)]
    assert ids("photos?state=rejected") == ids("photos?code=no_face") == [str(bad.public_id)]
    assert ids(f"faces?person={one.public_id}") == [str(good.faces.get().public_id)]
    assert ids(f"faces?photo={bad.public_id}") == []
    assert operator.get(f"{PHOTOS}?state=unknown").status_code == 400


def test_lists_of_photos_and_faces_take_the_same_queries_however_long(
    operator: APIClient, person: Person, lfw: Lfw
) -> None:
    def queries(path: str) -> int:
        with CaptureQueriesContext(connection) as captured:
            assert operator.get(f"/api/v1/{path}").status_code == 200
        return len(captured)

    enrol(person, lfw.bytes(WHO, 1))
    few = queries("photos"), queries("faces")
    enrol(person, *(lfw.bytes(WHO, number) for number in range(2, 6)))
    assert (queries("photos"), queries("faces")) == few == (4, 2)


def test_states_are_said_in_words() -> None:
    assert len({state.label for state in PhotoState}) == 6
