"""Who may do what: every action of the API by every kind of caller."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from rest_framework.test import APIClient

from people.models import Gallery, Person, Role
from photos.models import Face, Photo
from tests.embedder.pictures import saved, scene
from tests.factories import GalleryFactory, PersonFactory, UserFactory, unit
from tests.fixtures import Client, files, rows, store, upload
from vectors.codec import encode

PICTURE = saved(scene(), "PNG")
ROLES = list(Role)


@dataclass(frozen=True)
class Stage:
    """One gallery with somebody in it, whose photo shows a face."""

    gallery: Gallery
    person: Person
    photo: Photo
    face: Face

    def address(self, path: str) -> str:
        return "/api/v1/" + path.format(
            gallery=self.gallery.public_id,
            person=self.person.public_id,
            photo=self.photo.public_id,
            face=self.face.public_id,
        )

    def body(self, data: dict[str, Any]) -> dict[str, Any]:
        ids = {"GALLERY": str(self.gallery.public_id), "PERSON": str(self.person.public_id)}
        return {
            name: upload(PICTURE + value) if isinstance(value, bytes) else ids.get(value, value)
            for name, value in data.items()
        }


@dataclass(frozen=True)
class Action:
    """A request, the least role it needs, and what that role gets."""

    method: str
    path: str
    role: Role
    allowed: int
    data: dict[str, Any] | None = None
    form: bool = False

    def __str__(self) -> str:
        return f"{self.method} {self.path}"

    def by(self, client: APIClient, stage: Stage) -> Any:
        kind = "multipart" if self.form else "json"
        data = stage.body(self.data) if self.data is not None else None
        send = getattr(client, self.method)
        address = stage.address(self.path)
        response = send(address) if data is None else send(address, data, format=kind)
        if response.streaming:
            assert b"".join(response.streaming_content) == PICTURE  # which closes the file
        return response


ACTIONS = [
    Action("get", "galleries/{gallery}", Role.VIEWER, 200),
    Action("patch", "galleries/{gallery}", Role.ADMIN, 200, {"name": "New"}),
    Action("delete", "galleries/{gallery}", Role.ADMIN, 409),
    Action("get", "people/{person}", Role.VIEWER, 200),
    Action("post", "people", Role.OPERATOR, 201, {"gallery": "GALLERY", "name": "Ann"}),
    Action("patch", "people/{person}", Role.OPERATOR, 200, {"active": False}),
    Action("delete", "people/{person}", Role.ADMIN, 204),
    Action("get", "photos/{photo}", Role.VIEWER, 200),
    Action("get", "photos/{photo}/image", Role.VIEWER, 200),
    Action("get", "photos/{photo}/original", Role.OPERATOR, 200),
    Action("post", "photos/{photo}/process", Role.OPERATOR, 409, {}),
    Action("delete", "photos/{photo}", Role.OPERATOR, 204),
    Action("post", "photos", Role.OPERATOR, 202, {"person": "PERSON", "photo": b"1"}, form=True),
    Action(
        "post", "photos/batch", Role.OPERATOR, 202, {"person": "PERSON", "photos": b"2"}, form=True
    ),
    Action("get", "faces/{face}", Role.VIEWER, 200),
    Action("get", "faces/{face}/image", Role.VIEWER, 200),
    Action("post", "identify", Role.VIEWER, 200, {"galleries": "GALLERY", "photo": b""}, form=True),
]  # fmt: skip
LISTS = ["galleries", "people", "photos", "faces"]
SERVES_NOBODY_IN_PARTICULAR = [
    Action("post", "detect", Role.VIEWER, 200, {"photo": b""}, form=True),
    Action("post", "verify", Role.VIEWER, 422, {"first": b"", "second": b""}, form=True),
]


@pytest.fixture
def stage(gallery: Gallery, person: Person, media: Path) -> Stage:
    photo = store(person, PICTURE)
    face = Face.objects.create(
        photo=photo, x=10, y=10, width=60, height=70, detector_score=1, landmarks=[[0, 0]] * 5,
        vector=encode(unit(1)), model=gallery.model, unused_because="face_too_small",
    )  # fmt: skip
    return Stage(gallery, person, photo, face)


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("action", ACTIONS, ids=str)
def test_a_role_may_do_what_it_includes_and_no_more(
    stage: Stage, media: Path, client_of: Client, action: Action, role: Role
) -> None:
    client = client_of(stage.gallery, role)
    before, before_files = rows(), files(media)

    response = action.by(client, stage)

    if role.rank >= action.role.rank:
        assert response.status_code == action.allowed
        return
    assert response.status_code == 403
    assert response["Content-Type"] == "application/problem+json"
    assert response.json() == {
        "type": "urn:likeness:problem:role_needed",
        "title": "Forbidden",
        "status": 403,
        "code": "role_needed",
        "detail": f"This needs the role '{action.role}' in the gallery; yours is '{role}'.",
    }
    assert (rows(), files(media)) == (before, before_files)


@pytest.mark.parametrize("action", ACTIONS, ids=str)
def test_another_tenant_s_administrator_sees_nothing(
    stage: Stage, media: Path, client_of: Client, action: Action
) -> None:
    client = client_of(GalleryFactory(), Role.ADMIN)
    before, before_files = rows(), files(media)

    response = action.by(client, stage)

    assert response.status_code == 404
    assert response.json()["code"] == "not_found"
    assert (rows(), files(media)) == (before, before_files)


@pytest.mark.parametrize("action", [*ACTIONS, *SERVES_NOBODY_IN_PARTICULAR], ids=str)
def test_nobody_gets_anything(stage: Stage, media: Path, action: Action) -> None:
    before, before_files = rows(), files(media)

    response = action.by(APIClient(), stage)

    assert response.status_code == 401
    assert response["WWW-Authenticate"] == "Api-Key"
    assert response.json()["code"] == "not_authenticated"
    assert (rows(), files(media)) == (before, before_files)


@pytest.mark.parametrize("action", ACTIONS, ids=str)
def test_a_site_administrator_may_do_everything(
    stage: Stage, admin_api: APIClient, action: Action
) -> None:
    assert action.by(admin_api, stage).status_code == action.allowed


@pytest.mark.parametrize("path", LISTS)
def test_lists_show_one_s_own_galleries_only(
    stage: Stage, client_of: Client, admin_api: APIClient, path: str
) -> None:
    others = GalleryFactory()
    PersonFactory(gallery=others)

    mine = client_of(stage.gallery, Role.VIEWER).get(f"/api/v1/{path}").json()["results"]
    theirs = client_of(others, Role.VIEWER).get(f"/api/v1/{path}").json()["results"]
    everything = admin_api.get(f"/api/v1/{path}").json()["results"]

    assert len(mine) == 1
    assert [each["id"] for each in mine] not in [each["id"] for each in theirs]
    assert {each["id"] for each in everything} == {each["id"] for each in mine + theirs}
    assert APIClient().get(f"/api/v1/{path}").status_code == 401


@pytest.mark.parametrize("action", SERVES_NOBODY_IN_PARTICULAR, ids=str)
def test_detect_and_verify_serve_whoever_is_known(
    stage: Stage, client_of: Client, action: Action
) -> None:
    client = client_of(stage.gallery, Role.VIEWER)
    assert action.by(client, stage).status_code == action.allowed


@pytest.mark.parametrize("role", [None, *ROLES])
def test_galleries_are_made_by_site_administrators(
    gallery: Gallery, client_of: Client, role: Role | None
) -> None:
    client = client_of(gallery, role) if role else APIClient()
    if role is None:
        client.force_login(UserFactory())
    before = rows()
    response = client.post("/api/v1/galleries", {"name": "Mine", "slug": "mine"}, format="json")
    assert response.status_code == 403
    assert response.json()["code"] == "role_needed"
    assert rows() == before


def test_an_id_that_nobody_has_looks_like_another_tenant_s(stage: Stage, client_of: Client) -> None:
    unknown = "01890a5d-ac96-774b-bcce-b302099a8057"
    client = client_of(stage.gallery, Role.ADMIN)
    stranger = client_of(GalleryFactory(), Role.ADMIN)
    for path in ("galleries/{gallery}", "people/{person}", "photos/{photo}", "faces/{face}"):
        nobody_s = client.get(f"/api/v1/{path.partition('/')[0]}/{unknown}")
        another_s = stranger.get(stage.address(path))
        assert (nobody_s.status_code, another_s.status_code) == (404, 404)
        assert nobody_s.json() == another_s.json()
