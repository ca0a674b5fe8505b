"""1:N and 1:1 over HTTP, on real photos and a real index."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext, override_settings
from rest_framework.test import APIClient

from enrolment.services import erase
from people.models import Gallery, Person, Role
from photos import pipeline
from photos.faces import nearest_centre
from photos.intake import decode_photo
from photos.models import Face
from tests.conftest import Lfw
from tests.embedder.pictures import saved, scene
from tests.factories import SYSTEM, GalleryFactory, PersonFactory, api_key
from tests.fixtures import Client, enrol, files, rows, settle, upload
from tests.sets import about_the_embedded
from tests.worse import blurred
from vectors import milvus
from vectors.codec import decode
from vectors.generations import refill
from vectors.models import IndexGeneration, PersonTemplate

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("media")]
PEOPLE = ("Donald_Rumsfeld", "Vladimir_Putin", "Hans_Blix")
MODEL = "mtcnn-dlib-resnet"
STAGES = (
    "decode", "wait", "detect", "embed", "search", "thresholds", "score", "decide", "log",
    "total",
)  # fmt: skip


def nobody() -> bytes:
    return saved(scene(300, 300), "PNG")


def probe(data: bytes) -> Any:
    """The template of a photo's central face."""
    image = decode_photo(data)
    (found,) = pipeline.detect(MODEL, [image])
    central = found[nearest_centre(found, (image.info.width, image.info.height))]
    ((face,),) = pipeline.embed(MODEL, [image], [[central]])
    return face.template


def identify(client: APIClient, data: bytes, *galleries: Gallery, **fields: Any) -> Any:
    body = {"photo": upload(data), "galleries": [str(each.public_id) for each in galleries]}
    return client.post("/api/v1/identify", {**body, **fields}, format="multipart")


def names(response: Any) -> list[list[str]]:
    assert response.status_code == 200, response.json()
    return [
        [candidate["person"]["name"] for candidate in face["candidates"]]
        for face in response.json()["faces"]
    ]


@pytest.fixture(scope="module")
def known(
    index: str, lfw: Lfw, django_db_setup: None, django_db_blocker: Any, tmp_path_factory: Any
) -> Iterator[None]:
    """Three people with two photos each, enrolled once for all tests of this module."""
    with django_db_blocker.unblock(), override_settings(MEDIA_ROOT=tmp_path_factory.mktemp("m")):
        gallery = GalleryFactory(slug="known", several_faces="central")
        for name in PEOPLE:
            person = PersonFactory(gallery=gallery, name=name, external_id=f"id of {name}")
            enrol(person, lfw.bytes(name, 1), lfw.bytes(name, 2))
        settle(gallery)
        collection = IndexGeneration.objects.get().collection
    yield
    milvus.drop_collection(collection)
    with django_db_blocker.unblock():
        call_command("flush", interactive=False, verbosity=0)


@pytest.fixture
def gallery(known: None, db: None) -> Gallery:
    return Gallery.objects.get(slug="known")


@pytest.fixture
def enrolled(gallery: Gallery) -> dict[str, Person]:
    return {person.name: person for person in gallery.people.order_by("id")}


@pytest.fixture
def viewer(gallery: Gallery, client_of: Client) -> APIClient:
    return client_of(gallery, Role.VIEWER)


def test_the_right_person_comes_first_with_the_exact_score(
    viewer: APIClient, gallery: Gallery, enrolled: dict[str, Person], lfw: Lfw
) -> None:
    for name, person in enrolled.items():
        data = lfw.bytes(name, 3)
        body = identify(viewer, data, gallery, faces="central").json()
        assert (body["model"], body["searched"]) == (MODEL, 3)
        assert body["photo"] == {
            "width": 250, "height": 250, "format": "JPEG", "first_frame_only": False,
        }  # fmt: skip
        assert set(body["timings_ms"]) == set(STAGES)
        (face,) = body["faces"]
        assert face["decision"] is None
        first, *others = face["candidates"]
        assert first["person"] == {
            "id": str(person.public_id),
            "gallery": str(gallery.public_id),
            "external_id": f"id of {name}",
            "name": name,
        }
        vector = probe(data)
        stored = decode(bytes(PersonTemplate.objects.get(person=person).vector))
        assert abs(first["score"] - float(stored @ vector)) < 1e-6
        assert [each["score"] for each in others] == sorted(
            (each["score"] for each in others), reverse=True
        )
        assert first["score"] > others[0]["score"]
        assert len(face["candidates"]) == 3

        faces = {
            str(each.public_id): float(decode(bytes(each.vector)) @ vector)
            for each in Face.objects.filter(photo__person=person, unused_because="")
        }
        best = max(faces, key=lambda key: faces[key])
        assert first["evidence"]["face"] == best
        assert abs(first["evidence"]["score"] - faces[best]) < 1e-6


def test_a_lookup_stores_nothing_but_its_entry_in_the_log(
    viewer: APIClient, gallery: Gallery, enrolled: dict[str, Person], lfw: Lfw, media: Path
) -> None:
    before, before_files = rows(), files(media)
    with CaptureQueriesContext(connection) as captured:
        assert identify(viewer, lfw.bytes(PEOPLE[0], 3), gallery).status_code == 200
    assert (rows(), files(media)) == (before, before_files)
    written = [query["sql"] for query in captured if query["sql"].split()[0] != "SELECT"]
    tables = [sql.partition('INTO "')[2].split('"')[0] for sql in written if "INTO" in sql]
    assert tables == ["identification_search", "identification_search_galleries"]
    assert {sql.split()[0] for sql in written} == {"INSERT", "SAVEPOINT", "RELEASE"}


def test_who_is_erased_inactive_or_elsewhere_is_dropped_though_milvus_still_holds_them(
    viewer: APIClient, gallery: Gallery, enrolled: dict[str, Person], lfw: Lfw
) -> None:
    data = lfw.bytes(PEOPLE[0], 3)
    one, other, last = enrolled.values()
    assert len(names(identify(viewer, data, gallery))[0]) == 3

    erase(SYSTEM, one)
    assert one.name not in names(identify(viewer, data, gallery))[0]
    Person.objects.filter(pk=other.pk).update(active=False)
    body = identify(viewer, data, gallery)
    assert names(body) == [[last.name]]
    assert body.json()["searched"] == 1
    Person.objects.filter(pk=last.pk).update(gallery=GalleryFactory())
    body = identify(viewer, data, gallery)
    assert names(body) == [[]]
    assert body.json()["searched"] == 0


def test_a_template_of_another_model_is_dropped(
    viewer: APIClient, gallery: Gallery, enrolled: dict[str, Person], lfw: Lfw
) -> None:
    PersonTemplate.objects.filter(person=enrolled[PEOPLE[0]]).update(model="another")
    found = names(identify(viewer, lfw.bytes(PEOPLE[0], 3), gallery))[0]
    assert sorted(found) == sorted(PEOPLE[1:])


def test_several_galleries_are_searched_together(
    gallery: Gallery, enrolled: dict[str, Person], admin_api: APIClient, lfw: Lfw
) -> None:
    other = GalleryFactory()
    twin = PersonFactory(gallery=other, name="twin")
    enrol(twin, lfw.bytes(PEOPLE[0], 4))
    settle(other)
    data = lfw.bytes(PEOPLE[0], 3)
    both = identify(admin_api, data, gallery, other)
    assert set(names(both)[0][:2]) == {"twin", PEOPLE[0]}
    assert both.json()["searched"] == 4
    assert names(identify(admin_api, data, other)) == [["twin"]]
    assert names(identify(admin_api, data, gallery, gallery)) == names(
        identify(admin_api, data, gallery)
    )


def test_a_gallery_of_another_tenant_is_not_there(
    viewer: APIClient, gallery: Gallery, enrolled: dict[str, Person], lfw: Lfw
) -> None:
    response = identify(viewer, lfw.bytes(PEOPLE[0], 3), gallery, GalleryFactory())
    assert (response.status_code, response.json()["code"]) == (404, "not_found")


def test_galleries_of_two_models_are_not_compared(
    gallery: Gallery, admin_api: APIClient, lfw: Lfw
) -> None:
    other = GalleryFactory(model="another")
    response = identify(admin_api, lfw.bytes(PEOPLE[0]), gallery, other)
    assert (response.status_code, response.json()["code"]) == (400, "several_models")
    response = identify(admin_api, lfw.bytes(PEOPLE[0]), other)
    assert (response.status_code, response.json()["code"]) == (503, "model_unavailable")


@pytest.mark.parametrize("top_k", ["0", "-1", "101", "1.5", "x", "1e2"])
def test_top_k_has_a_range(viewer: APIClient, gallery: Gallery, top_k: str) -> None:
    response = identify(viewer, nobody(), gallery, top_k=top_k)
    assert (response.status_code, response.json()["code"]) == (400, "invalid")
    assert set(response.json()["errors"]) == {"top_k"}


def test_the_range_of_top_k_is_named(viewer: APIClient, gallery: Gallery) -> None:
    detail = identify(viewer, nobody(), gallery, top_k="101").json()["detail"]
    assert detail == "top_k: Ensure this value is less than or equal to 100."


def test_top_k_cuts_the_list(
    viewer: APIClient, gallery: Gallery, enrolled: dict[str, Person], lfw: Lfw
) -> None:
    assert names(identify(viewer, lfw.bytes(PEOPLE[0], 3), gallery, top_k="1")) == [[PEOPLE[0]]]


def test_people_gone_from_the_index_s_best_leave_no_gaps(
    viewer: APIClient, gallery: Gallery, enrolled: dict[str, Person], lfw: Lfw
) -> None:
    Person.objects.filter(pk=enrolled[PEOPLE[0]].pk).update(active=False)
    (found,) = names(identify(viewer, lfw.bytes(PEOPLE[0], 3), gallery, top_k="1"))
    assert len(found) == 1
    assert found != [PEOPLE[0]]


@pytest.mark.parametrize(
    "fields",
    [
        {"galleries": []},
        {"galleries": ["x"]},
        {"galleries": ["01890a5d-ac96-774b-bcce-b302099a8057"] * 21},
        {"faces": "some"},
        {"box": "1,2,3"},
        {"photo": "text"},
    ],
    ids=str,
)
def test_fields_that_make_no_sense_are_named(
    viewer: APIClient, gallery: Gallery, fields: dict[str, Any]
) -> None:
    response = identify(viewer, nobody(), gallery, **fields)
    assert (response.status_code, response.json()["code"]) == (400, "invalid")
    assert set(response.json()["errors"]) == set(fields)


def test_a_photo_without_a_face_is_an_answer_even_without_an_index(
    viewer: APIClient, gallery: Gallery
) -> None:
    body = identify(viewer, nobody(), gallery)
    assert (body.status_code, body.json()["faces"]) == (200, [])
    assert set(body.json()["timings_ms"]) == set(STAGES)


def test_every_face_of_a_crowd_is_looked_up_widest_first(
    viewer: APIClient, gallery: Gallery, enrolled: dict[str, Person], test_data: Path
) -> None:
    crowd = (test_data / "photos" / "multiface.jpg").read_bytes()
    faces = identify(viewer, crowd, gallery).json()["faces"]
    widths = [face["box"]["width"] for face in faces]
    assert len(faces) == 6
    assert [len(face["candidates"]) for face in faces] == [3] * 6
    detected = viewer.post("/api/v1/detect", {"photo": upload(crowd)}, format="multipart").json()
    assert [face["box"]["width"] for face in detected["faces"]] == widths
    assert set(detected) == {"photo", "model", "faces", "timings_ms"}
    assert set(detected["faces"][0]) == {
        "box", "landmarks", "detector_score", "quality", "quality_problems",
    }  # fmt: skip

    (largest,) = identify(viewer, crowd, gallery, faces="largest").json()["faces"]
    assert largest["box"]["width"] == max(widths)
    (pointed,) = identify(viewer, crowd, gallery, box="425,130,80,111").json()["faces"]
    assert round(pointed["box"]["x"]) == 425
    assert identify(viewer, crowd, gallery, box="0,0,40,40").json()["faces"] == []


def assert_is_no_answer(response: Any, code: str) -> None:
    assert response.status_code == 503
    assert response["Content-Type"] == "application/problem+json"
    assert response.json()["code"] == code
    assert int(response["Retry-After"]) > 0
    assert "faces" not in response.json()


@about_the_embedded
def test_milvus_away_is_an_error_and_never_a_no(  # noqa: PLR0917 - fixtures
    viewer: APIClient, gallery: Gallery, enrolled: dict[str, Person], lfw: Lfw, settings: Any,
    tmp_path: Path,
) -> None:  # fmt: skip
    data = lfw.bytes(PEOPLE[0], 3)
    here, settings.VAR_DIR = settings.VAR_DIR, tmp_path
    assert_is_no_answer(identify(viewer, data, gallery), "index_unavailable")
    settings.VAR_DIR = here
    assert names(identify(viewer, data, gallery))[0][0] == PEOPLE[0]

    settings.MILVUS_URI, settings.MILVUS_TIMEOUT_SECONDS = "http://127.0.0.1:1", 1
    IndexGeneration.objects.update(server="http://127.0.0.1:1")
    assert_is_no_answer(identify(viewer, data, gallery), "index_unavailable")
    settings.MILVUS_URI = ""


def test_an_index_under_construction_is_an_error_and_never_a_no(
    viewer: APIClient, gallery: Gallery, enrolled: dict[str, Person], lfw: Lfw
) -> None:
    data = lfw.bytes(PEOPLE[0], 3)
    refill(IndexGeneration.objects.get().pk)
    assert_is_no_answer(identify(viewer, data, gallery), "index_not_ready")
    settle()
    assert names(identify(viewer, data, gallery))[0][0] == PEOPLE[0]


# --- 1:1 -----------------------------------------------------------------------------------------


def verify(client: APIClient, first: bytes, second: bytes) -> Any:
    body = {"first": upload(first), "second": upload(second)}
    return client.post("/api/v1/verify", body, format="multipart")


def test_two_photos_have_one_score_whichever_comes_first(viewer: APIClient, lfw: Lfw) -> None:
    one, same, other = lfw.bytes(PEOPLE[0], 1), lfw.bytes(PEOPLE[0], 3), lfw.bytes(PEOPLE[1], 1)
    body = verify(viewer, one, same).json()
    assert (body["decision"], body["model"], len(body["faces"])) == (None, MODEL, 2)
    assert set(body["timings_ms"]) == {"decode", "detect", "embed", "total"}
    assert set(body["faces"][0]) == {"photo", "box", "landmarks", "detector_score", "quality"}
    assert abs(body["score"] - float(probe(one) @ probe(same))) < 1e-4
    assert abs(verify(viewer, same, one).json()["score"] - body["score"]) < 1e-6
    assert verify(viewer, one, other).json()["score"] < body["score"]
    assert abs(verify(viewer, one, one).json()["score"] - 1) < 1e-5


@pytest.mark.parametrize("swapped", [False, True])
def test_a_photo_without_exactly_one_face_is_named(
    viewer: APIClient, lfw: Lfw, test_data: Path, *, swapped: bool
) -> None:
    crowd = (test_data / "photos" / "multiface.jpg").read_bytes()
    for data, code, count in [
        (nobody(), "no_face", "no faces"),
        (crowd, "several_faces", "6 faces"),
    ]:
        pair = (data, lfw.bytes(PEOPLE[0])) if swapped else (lfw.bytes(PEOPLE[0]), data)
        response = verify(viewer, *pair)
        number = 1 if swapped else 2
        body = response.json()
        assert (response.status_code, body["code"], body["photo"]) == (422, code, number)
        assert body["detail"].startswith(f"Photo {number} shows {count}; it must show exactly one")


@pytest.mark.parametrize("swapped", [False, True])
def test_a_face_too_poor_to_compare_is_named_with_its_figures(
    viewer: APIClient, lfw: Lfw, *, swapped: bool
) -> None:
    good, poor = lfw.bytes(PEOPLE[0]), blurred(lfw.bytes(PEOPLE[0]), 4)
    response = verify(viewer, *((poor, good) if swapped else (good, poor)))
    number = 1 if swapped else 2
    body = response.json()
    assert (response.status_code, body["code"], body["photo"]) == (422, "blurred", number)
    assert body["detail"].startswith(f"Photo {number}: The face is blurred: its focus is 0.2")
    assert body["quality"]["focus"] < 0.35


def test_verify_compares_faces_too_small_to_enrol(viewer: APIClient, lfw: Lfw) -> None:
    response = verify(viewer, lfw.bytes(PEOPLE[0]), lfw.bytes(PEOPLE[0], 2))
    assert response.status_code == 200
    assert response.json()["faces"][0]["box"]["width"] < 100


# --- Quality -------------------------------------------------------------------------------------


def problems(face: dict[str, Any]) -> list[str]:
    return [problem["code"] for problem in face["quality_problems"]]


def test_a_poor_probe_is_looked_up_and_marked(
    viewer: APIClient, gallery: Gallery, enrolled: dict[str, Person], lfw: Lfw
) -> None:
    good, poor = (
        identify(viewer, data, gallery).json()["faces"][0]
        for data in (lfw.bytes(PEOPLE[0], 1), blurred(lfw.bytes(PEOPLE[0], 1), 4))
    )
    assert good["quality_problems"] == []
    assert problems(poor) == ["blurred", "poor_quality"]
    assert poor["quality_problems"][0]["text"].startswith("The face is blurred: its focus is 0.2")
    assert poor["quality"]["score"] < 0.3 < good["quality"]["score"]
    assert len(poor["candidates"]) == len(good["candidates"]) == 3


def test_a_probe_is_marked_by_the_strictest_of_the_galleries(
    admin_api: APIClient, gallery: Gallery, enrolled: dict[str, Person], lfw: Lfw
) -> None:
    strict = GalleryFactory(min_face=120)
    settle(strict)
    data = lfw.bytes(PEOPLE[0], 1)
    (alone,) = identify(admin_api, data, gallery).json()["faces"]
    (both,) = identify(admin_api, data, gallery, strict).json()["faces"]
    assert (problems(alone), problems(both)) == ([], ["face_too_small"])


def test_detect_marks_what_a_new_gallery_would_refuse(viewer: APIClient, lfw: Lfw) -> None:
    def detected(data: bytes) -> dict[str, Any]:
        answer = viewer.post("/api/v1/detect", {"photo": upload(data)}, format="multipart")
        (face,) = answer.json()["faces"]
        return dict(face)

    data = lfw.bytes(PEOPLE[0])
    assert problems(detected(data)) == ["face_too_small"]
    assert problems(detected(blurred(data, 4)))[-2:] == ["blurred", "poor_quality"]
    # The same figures as a lookup's, though no template is made.
    assert detected(data)["quality"] == verify(viewer, data, data).json()["faces"][0]["quality"]


def test_verify_and_detect_need_no_index_and_store_nothing(
    viewer: APIClient, lfw: Lfw, media: Path
) -> None:
    before = rows()
    assert verify(viewer, lfw.bytes(PEOPLE[0]), lfw.bytes(PEOPLE[1])).status_code == 200
    detected = viewer.post(
        "/api/v1/detect", {"photo": upload(lfw.bytes(PEOPLE[0]))}, format="multipart"
    )
    assert (detected.status_code, len(detected.json()["faces"])) == (200, 1)
    assert (rows(), files(media)) == (before, [])


def test_a_key_of_a_viewer_looks_up(
    gallery: Gallery, enrolled: dict[str, Person], lfw: Lfw
) -> None:
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION=f"Api-Key {api_key(gallery, Role.VIEWER)}")
    assert names(identify(client, lfw.bytes(PEOPLE[2], 3), gallery))[0][0] == PEOPLE[2]
