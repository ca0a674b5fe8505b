"""Galleries with other models than the default, beside each other, over HTTP alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from rest_framework.test import APIClient

from enrolment.processing import process_photos
from people.catalogue import default_model
from people.models import DEFAULT_MODEL, Gallery, KnownModel
from photos import pipeline
from photos.models import Face, Photo
from tests.conftest import Lfw
from tests.embedder.shelf import Shelf, network
from tests.factories import UserFactory
from tests.fixtures import process, rows, settle, upload
from vectors.codec import decode
from vectors.models import IndexGeneration, PersonTemplate

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("media")]
OTHER = "yunet-mobilefacenet"
PEOPLE = ("Donald_Rumsfeld", "Vladimir_Putin", "Hans_Blix")


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


def made_gallery(client: APIClient, slug: str, **fields: Any) -> str:
    body = {"name": slug, "slug": slug, "min_face": 70, "several_faces": "central", **fields}
    response = client.post("/api/v1/galleries", body, format="json")
    assert response.status_code == 201, response.json()
    return str(response.json()["id"])


def enrol_all(client: APIClient, gallery: str, lfw: Lfw) -> None:
    for name in PEOPLE:
        body = {"gallery": gallery, "name": name}
        person = client.post("/api/v1/people", body, format="json").json()["id"]
        for number in (1, 2):
            photo = {"person": person, "photo": upload(lfw.bytes(name, number))}
            assert client.post("/api/v1/photos", photo, format="multipart").status_code == 202


def identify(client: APIClient, data: bytes, *galleries: str) -> Any:
    body = {"photo": upload(data), "galleries": galleries, "faces": "central"}
    return client.post("/api/v1/identify", body, format="multipart")


def test_a_gallery_with_another_model_works_beside_one_with_the_default(
    shelf: Shelf, admin_api: APIClient, lfw: Lfw, indexed: str
) -> None:
    plain = made_gallery(admin_api, "plain")
    other = made_gallery(admin_api, "other", model=OTHER)
    models = dict(Gallery.objects.values_list("slug", "model"))
    assert models == {"plain": DEFAULT_MODEL, "other": OTHER}
    for gallery in (plain, other):
        enrol_all(admin_api, gallery, lfw)
    process()
    settle(*Gallery.objects.all())
    assert set(Photo.objects.values_list("state", flat=True)) == {"enrolled"}

    for gallery, model in ((plain, DEFAULT_MODEL), (other, OTHER)):
        for name in PEOPLE:
            answer = identify(admin_api, lfw.bytes(name, 3), gallery).json()
            (face,) = answer["faces"]
            assert (answer["model"], answer["searched"]) == (model, 3)
            assert face["candidates"][0]["person"]["name"] == name
            assert {each["person"]["gallery"] for each in face["candidates"]} == {gallery}

    refused = identify(admin_api, lfw.bytes(PEOPLE[0], 3), plain, other)
    assert (refused.status_code, refused.json()["code"]) == (400, "several_models")
    # Each model has an index of its own, and each template the name of its own.
    assert set(IndexGeneration.objects.values_list("model", flat=True)) == {DEFAULT_MODEL, OTHER}
    made = PersonTemplate.objects.values_list("person__gallery__slug", "model")
    assert set(made) == {("plain", DEFAULT_MODEL), ("other", OTHER)}
    assert made.count() == 6
    for slug, model in models.items():
        of_gallery = Face.objects.filter(photo__gallery__slug=slug)
        assert set(of_gallery.values_list("model", flat=True)) == {model}


def test_a_template_is_the_one_that_the_network_alone_gives(
    shelf: Shelf, admin_api: APIClient, lfw: Lfw
) -> None:
    enrol_all(admin_api, made_gallery(admin_api, "other", model=OTHER), lfw)
    process()
    alone = shelf.catalogue.load_pipeline(OTHER, threads=1)
    assert alone.model == OTHER
    for photo in Photo.objects.select_related("person"):
        assert photo.person is not None
        number = 1 + (photo != photo.person.photos.order_by("id")[0])
        used = photo.faces.get(unused_because="")
        (faces,) = alone.process([lfw.image(photo.person.name, number)])
        best = max(float(face.template @ decode(bytes(used.vector))) for face in faces)
        assert best > 0.9999


def test_verify_and_detect_take_a_model(shelf: Shelf, admin_api: APIClient, lfw: Lfw) -> None:
    def post(call: str, **fields: Any) -> Any:
        files = {key: upload(value) for key, value in fields.items() if key != "model"}
        named = {"model": fields["model"]} if "model" in fields else {}
        return admin_api.post(f"/api/v1/{call}", {**files, **named}, format="multipart")

    one, same = lfw.bytes(PEOPLE[0], 1), lfw.bytes(PEOPLE[0], 3)
    plain, other = (
        post("verify", first=one, second=same, **model).json() for model in ({}, {"model": OTHER})
    )
    assert (plain["model"], other["model"]) == (DEFAULT_MODEL, OTHER)
    # Strangers' scores differ as much: MobileFaceNet's are around 0, dlib's around 0.8.
    assert plain["score"] > 0.9
    assert 0.4 < other["score"] < 0.9
    assert post("detect", photo=one).json()["model"] == DEFAULT_MODEL
    assert post("detect", photo=one, model=OTHER).json()["model"] == OTHER

    for call, photos in (("verify", {"first": one, "second": same}), ("detect", {"photo": one})):
        refused = post(call, **photos, model="yunet-none")
        assert (refused.status_code, refused.json()["code"]) == (422, "unknown_model")
        assert OTHER in refused.json()["models"]


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (network(64), "gives 64 numbers a face, not 128"),
        (network(512), "gives 512 numbers a face, not 128"),
        (b"no network", "is damaged, or no ONNX network"),
    ],
    ids=["64", "512", "damaged"],
)
def test_a_network_that_can_not_be_used_is_refused_with_the_reason(
    shelf: Shelf, admin_api: APIClient, data: bytes, reason: str
) -> None:
    shelf.made("bad", data=data)
    before = rows()
    body = {"name": "x", "slug": "x", "model": "yunet-bad"}
    refused = admin_api.post("/api/v1/galleries", body, format="json")
    assert (refused.status_code, refused.json()["code"]) == (422, "unusable_model")
    assert refused.json()["detail"].startswith("The model 'yunet-bad' can't be used. ")
    assert reason in refused.json()["detail"]
    assert rows() == before


def test_a_model_that_is_not_installed_is_refused_with_those_that_are(
    shelf: Shelf, admin_api: APIClient
) -> None:
    before = rows()
    for model, sentence in (
        ("none", "There is no model 'none'. Installed are: haar-dlib-resnet, "),
        ("yunet-none", "There is no model 'yunet-none'. Installed are: "),
        ("mtcnn-sface", "face_recognition_sface_2021dec.onnx of sface is not there. Fetch it: "),
    ):
        body = {"name": "x", "slug": "x", "model": model}
        refused = admin_api.post("/api/v1/galleries", body, format="json").json()
        assert (refused["status"], refused["code"]) == (422, "unknown_model")
        assert refused["detail"].startswith(sentence)
        assert {DEFAULT_MODEL, OTHER} <= set(refused["models"])
        assert "mtcnn-sface" not in refused["models"]
    assert rows() == before


def test_a_model_stays_what_it_was(
    shelf: Shelf, admin_api: APIClient, lfw: Lfw, monkeypatch: pytest.MonkeyPatch
) -> None:
    gallery = made_gallery(admin_api, "other", model=OTHER)
    enrol_all(admin_api, gallery, lfw)
    manifest = shelf.folder / "mobilefacenet.toml"
    manifest.write_text(manifest.read_text().replace('"rgb"', '"bgr"'))
    monkeypatch.setattr(pipeline, "_pipelines", {})

    refused = identify(admin_api, lfw.bytes(PEOPLE[0], 3), gallery)
    assert (refused.status_code, refused.json()["code"]) == (503, "model_unavailable")
    assert "is not the one that had this name here before" in refused.json()["detail"]
    assert process_photos([]) == 6
    assert set(Photo.objects.values_list("state", flat=True)) == {"received"}
    assert not Face.objects.exists()
    body = {"name": "x", "slug": "x", "model": OTHER}
    refused = admin_api.post("/api/v1/galleries", body, format="json")
    assert (refused.status_code, refused.json()["code"]) == (422, "model_changed")

    manifest.write_text(manifest.read_text().replace('"bgr"', '"rgb"'))
    process()
    assert set(Photo.objects.values_list("state", flat=True)) == {"enrolled"}


def test_the_models_are_listed(shelf: Shelf, admin_api: APIClient) -> None:
    shelf.put("broken", "name = 1")
    first, *others = admin_api.get("/api/v1/models").json()["results"]
    assert first == {
        "name": DEFAULT_MODEL,
        "title": "MTCNN; dlib's face recognition ResNet v1",
        "licence": "MIT; CC0-1.0",
        "dimension": 128,
        "installed": True,
        "default": True,
        "measured": first["measured"],
    }
    by_name = {each["name"]: each for each in others}
    assert by_name[OTHER]["installed"] is True
    assert by_name["mtcnn-sface"]["installed"] is False
    assert [each["installed"] for each in others] == sorted(
        (each["installed"] for each in others), reverse=True
    )
    KnownModel.objects.create(name=OTHER, fingerprint="", for_new_galleries=True)
    assert default_model() == OTHER
    first = admin_api.get("/api/v1/models").json()["results"][0]
    assert (first["name"], first["default"]) == (OTHER, True)


def test_the_list_of_models_is_for_members(db: None, shelf: Shelf) -> None:
    client = APIClient()
    assert client.get("/api/v1/models").status_code == 401
    client.force_login(UserFactory())
    refused = client.get("/api/v1/models")
    assert (refused.status_code, refused.json()["code"]) == (403, "role_needed")
