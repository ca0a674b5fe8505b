"""Every bad input of a single request: the exact answer, and nothing stored."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from rest_framework.test import APIClient

from people.models import Gallery, Person, Role
from photos.models import Photo
from tests.conftest import Lfw
from tests.embedder.pictures import exif_block, png, png_chunk, saved, scene
from tests.factories import api_key
from tests.fixtures import files, process, rows, upload

pytestmark = pytest.mark.django_db
UNKNOWN = "01890a5d-ac96-774b-bcce-b302099a8057"
JPEG = saved(scene(), "JPEG")
PNG = saved(scene(), "PNG")


def text_bomb() -> bytes:
    """A PNG with a text chunk that unpacks to 100 MB."""
    chunk = png_chunk(b"zTXt", b"comment\0\0" + zlib.compress(b"x" * 100_000_000))
    return PNG[:33] + chunk + PNG[33:]


def huge_png(width: int, height: int) -> bytes:
    return png(width, height, b"\0" * 1000)


BAD = {
    "empty": (b"", 400, "empty_file"),
    "text": (b"I am no photo, whatever my name says.", 415, "unsupported_format"),
    "zeros": (bytes(1000), 415, "unsupported_format"),
    "SVG": (b'<svg xmlns="http://www.w3.org/2000/svg"/>', 415, "unsupported_format"),
    "HTML": (b"<!doctype html><script>alert(1)</script>", 415, "unsupported_format"),
    "PDF": (b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n", 415, "unsupported_format"),
    "PSD": (b"8BPS\0\1" + bytes(100), 415, "unsupported_format"),
    "EPS": (b"%!PS-Adobe-3.0 EPSF-3.0\n", 415, "unsupported_format"),
    "TIFF": (saved(scene(), "TIFF"), 415, "unsupported_format"),
    "FITS": (b"SIMPLE  =                    T" + bytes(2850), 415, "unsupported_format"),
    "JPEG 2000": (saved(scene(), "JPEG2000"), 415, "unsupported_format"),
    "ICO": (saved(scene(), "ICO"), 415, "unsupported_format"),
    "ZIP": (b"PK\x03\x04" + bytes(100), 415, "unsupported_format"),
    "truncated JPEG": (JPEG[: len(JPEG) // 2], 422, "undecodable"),
    "truncated PNG": (PNG[: len(PNG) // 2], 422, "undecodable"),
    "JPEG header alone": (b"\xff\xd8\xff\xe0", 422, "undecodable"),
    "PNG header alone": (PNG[:8], 422, "undecodable"),
    "a stripe of 1 x 100000": (huge_png(1, 100_000), 422, "bad_dimensions"),
    "a stripe of 100 x 2001": (saved(scene(100, 2001), "PNG"), 422, "bad_dimensions"),
    "79 pixels": (saved(scene(79, 200), "PNG"), 422, "bad_dimensions"),
    "50.1 megapixels": (huge_png(7100, 7057), 422, "too_many_pixels"),
    "a bomb of 10 gigapixels": (huge_png(100_000, 100_000), 422, "too_many_pixels"),
    "a bomb of text": (text_bomb(), 422, "undecodable"),
}


NOT_BASE64 = (
    b'--b\r\nContent-Disposition: form-data; name="photo"; filename="a"\r\n'
    b"Content-Transfer-Encoding: base64\r\n\r\n!!!not base64!!!\r\n--b--\r\n"
)


def send(client: APIClient, person: Person, data: bytes, name: str = "photo.jpg") -> Any:
    body = {"person": str(person.public_id), "photo": upload(data, name)}
    return client.post("/api/v1/photos", body, format="multipart")


@pytest.mark.parametrize(("data", "status", "code"), BAD.values(), ids=BAD)
def test_a_bad_photo_is_refused_and_nothing_stored(  # noqa: PLR0917 - fixtures
    operator: APIClient, person: Person, media: Path, data: bytes, status: int, code: str
) -> None:
    before = rows()
    response = send(operator, person, data)
    assert (response.status_code, response.json()["code"]) == (status, code)
    assert response["Content-Type"] == "application/problem+json"
    assert response.json()["type"] == f"urn:likeness:problem:{code}"
    assert response.json()["detail"].endswith(".")
    assert (rows(), files(media)) == (before, [])


@pytest.mark.parametrize(("data", "status", "code"), BAD.values(), ids=BAD)
def test_a_bad_probe_gets_the_same_answer(  # noqa: PLR0917 - fixtures
    operator: APIClient, gallery: Gallery, media: Path, data: bytes, status: int, code: str
) -> None:
    before = rows()
    form = {"photo": upload(data), "galleries": str(gallery.public_id)}
    for path, body in [
        ("identify", form),
        ("detect", {"photo": upload(data)}),
        ("verify", {"first": upload(PNG), "second": upload(data)}),
        ("verify", {"first": upload(data), "second": upload(PNG)}),
    ]:
        response = operator.post(f"/api/v1/{path}", body, format="multipart")
        assert (response.status_code, response.json()["code"]) == (status, code)
    assert (rows(), files(media)) == (before, [])


def test_a_portrait_cut_short_is_never_a_grey_face(
    operator: APIClient, person: Person, lfw: Lfw, media: Path
) -> None:
    data = lfw.bytes("Donald_Rumsfeld")
    for share in (0.3, 0.6, 0.9, 0.99):
        response = send(operator, person, data[: int(len(data) * share)])
        assert (response.status_code, response.json()["code"]) == (422, "undecodable")
    assert files(media) == []


@pytest.mark.parametrize("with_session", [False, True])
def test_a_file_over_the_limit_is_refused_while_it_comes(
    gallery: Gallery, person: Person, site_admin: Any, media: Path, settings: Any,
    *, with_session: bool,
) -> None:  # fmt: skip
    settings.MAX_UPLOAD_BYTES = 1024 * 1024
    client = APIClient(enforce_csrf_checks=True)
    if with_session:
        client.force_login(site_admin)
        client.cookies["csrftoken"] = "t" * 32
        client.credentials(HTTP_X_CSRFTOKEN="t" * 32)
    else:
        key = api_key(gallery, Role.OPERATOR)
        client.credentials(HTTP_AUTHORIZATION=f"Api-Key {key}")
    before = rows()
    for data in (bytes(1024 * 1024 + 1), JPEG + bytes(5_000_000)):
        response = send(client, person, data)
        assert (response.status_code, response.json()["code"]) == (413, "too_large")
        assert response.json()["detail"] == "The file is larger than 1 MB. Send a smaller one."
    assert (rows(), files(media)) == (before, [])


def test_a_file_of_exactly_the_limit_is_taken(
    operator: APIClient, person: Person, media: Path, settings: Any
) -> None:
    settings.MAX_UPLOAD_BYTES = len(PNG)
    assert send(operator, person, PNG).status_code == 202
    assert send(operator, person, saved(scene(), "PNG") + b"\0").status_code == 413


def test_many_files_together_have_a_limit(
    operator: APIClient, person: Person, media: Path, settings: Any
) -> None:
    settings.MAX_UPLOAD_BYTES = len(PNG)
    body = {"person": str(person.public_id), "photos": [upload(PNG) for _ in range(5)]}
    response = operator.post("/api/v1/photos/batch", body, format="multipart")
    assert (response.status_code, response.json()["code"]) == (413, "too_large")
    assert files(media) == []


def grey16() -> bytes:
    ramp = np.tile(np.linspace(0, 65535, 120).astype(">u2")[:, None], (1, 120))
    rows_ = b"".join(b"\0" + row.tobytes() for row in ramp)
    return png(120, 120, rows_, depth=16, colour=0)


def animation() -> bytes:
    frames = [scene(120, 120), scene(120, 120).rotate(90), scene(120, 120).rotate(180)]
    return saved(frames[0], "GIF", save_all=True, append_images=frames[1:])


def palette_with_alpha() -> bytes:
    return saved(scene().quantize(16), "PNG", transparency=0)


UNUSUAL = {
    "an animated GIF": (animation(), "GIF", True),
    "an animated WebP": (
        saved(scene(), "WEBP", save_all=True, append_images=[scene().rotate(180)]), "WEBP", True,
    ),
    "an animated PNG": (
        saved(scene(), "PNG", save_all=True, append_images=[scene().rotate(180)]), "PNG", True,
    ),
    "CMYK": (saved(scene().convert("CMYK"), "JPEG"), "JPEG", False),
    "16 bits of grey": (grey16(), "PNG", False),
    "a palette with alpha": (palette_with_alpha(), "PNG", False),
    "alpha": (saved(scene().convert("RGBA"), "PNG"), "PNG", False),
    "grey": (saved(scene().convert("L"), "JPEG"), "JPEG", False),
    "one bit": (saved(scene().convert("1"), "PNG"), "PNG", False),
    "BMP": (saved(scene(), "BMP"), "BMP", False),
    "WebP": (saved(scene(), "WEBP"), "WEBP", False),
    "malformed EXIF": (saved(scene(), "JPEG", exif=b"Exif\0\0garbage" * 9), "JPEG", False),
    "a PNG called jpg": (PNG, "PNG", False),
}  # fmt: skip


@pytest.mark.parametrize(("data", "kind", "first_frame_only"), UNUSUAL.values(), ids=UNUSUAL)
def test_an_unusual_photo_is_taken_for_what_it_is(
    operator: APIClient, person: Person, media: Path, data: bytes, kind: str,
    *, first_frame_only: bool,
) -> None:  # fmt: skip
    response = send(operator, person, data)
    assert response.status_code == 202
    assert response.json()["first_frame_only"] is first_frame_only
    shown = operator.get(f"/api/v1/photos/{response.json()['id']}/image")
    with Image.open(io.BytesIO(shown.content)) as picture:
        assert (picture.format, picture.mode) == ("JPEG", "RGB")
    detected = operator.post("/api/v1/detect", {"photo": upload(data)}, format="multipart").json()
    assert detected["photo"]["format"] == kind
    assert detected["photo"]["first_frame_only"] is first_frame_only
    process()
    assert (Photo.objects.get().state, Photo.objects.get().code) == ("rejected", "no_face")


def test_a_portrait_in_unusual_clothes_is_enrolled(
    operator: APIClient, person: Person, media: Path, lfw: Lfw, test_data: Path
) -> None:
    portrait = Image.open(io.BytesIO(lfw.bytes("Donald_Rumsfeld")))
    for data in (
        saved(portrait.convert("CMYK"), "JPEG", quality=95),
        saved(portrait, "GIF", save_all=True, append_images=[scene(250, 250)]),
        saved(portrait.convert("RGBA"), "PNG"),
        saved(portrait.convert("L"), "JPEG", quality=95),
        saved(portrait.rotate(90, expand=True), "JPEG", exif=exif_block(6)),
        (test_data / "photos" / "32bit.png").read_bytes(),
    ):
        assert send(operator, person, data).status_code == 202
    process()
    assert [(photo.state, photo.code) for photo in Photo.objects.all()] == [("enrolled", "")] * 6


def test_an_orientation_shows_in_the_size(operator: APIClient, person: Person, media: Path) -> None:
    data = saved(scene(160, 120), "JPEG", exif=exif_block(6))
    body = send(operator, person, data).json()
    assert (body["width"], body["height"]) == (120, 160)


@pytest.mark.parametrize(
    "name", ["", "..", "a/../../b.jpg", "x" * 300, "\u202egpj.exe", "nul\0.jpg"]
)
def test_the_sender_s_name_of_a_file_means_nothing(
    operator: APIClient, person: Person, media: Path, name: str
) -> None:
    body = (
        b'--b\r\nContent-Disposition: form-data; name="person"\r\n\r\n'
        + str(person.public_id).encode()
        + b'\r\n--b\r\nContent-Disposition: form-data; name="photo"; filename="'
        + name.encode()
        + b'"\r\n\r\n'
        + PNG
        + b"\r\n--b--\r\n"
    )
    response = operator.post("/api/v1/photos", body, content_type="multipart/form-data; boundary=b")
    # Without any name it is no file, as browsers send an empty choice.
    expected = 202 if Path(name.replace("\0", "")).name not in ("", "..") else 400
    assert response.status_code == expected
    assert [file.suffix for file in files(media)] == [".png"] * (expected == 202)
    assert all(len(file.stem) == 32 for file in files(media))


def test_an_unknown_person_is_not_found(operator: APIClient, media: Path) -> None:
    before = rows()
    for path, photos in [
        ("photos", {"photo": upload(PNG)}),
        ("photos/batch", {"photos": upload(PNG)}),
    ]:
        body = {"person": UNKNOWN, **photos}
        response = operator.post(f"/api/v1/{path}", body, format="multipart")
        assert (response.status_code, response.json()["code"]) == (404, "not_found")
    assert (rows(), files(media)) == (before, [])


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"person": "x"}, {"person"}),
        ({"photo": "text"}, {"photo"}),
        ({"several_faces": "first"}, {"several_faces"}),
        ({"person": "", "photo": ""}, {"person", "photo"}),
    ],
)
def test_fields_that_make_no_sense_are_named(
    operator: APIClient, person: Person, media: Path, fields: dict[str, str], named: set[str]
) -> None:
    before = rows()
    body = {"person": str(person.public_id), "photo": upload(PNG), **fields}
    response = operator.post("/api/v1/photos", body, format="multipart")
    assert (response.status_code, response.json()["code"]) == (400, "invalid")
    assert set(response.json()["errors"]) == named
    assert (rows(), files(media)) == (before, [])


def test_a_form_of_ten_thousand_fields_is_refused(
    operator: APIClient, person: Person, media: Path
) -> None:
    before = rows()
    fields = {f"field{number}": "x" for number in range(10_000)}
    body = {"person": str(person.public_id), "photo": upload(PNG), **fields}
    for path in ("photos", "identify"):
        response = operator.post(f"/api/v1/{path}", body, format="multipart")
        assert (response.status_code, response.json()["code"]) == (400, "too_many_fields")
    assert (rows(), files(media)) == (before, [])


def test_a_field_of_megabytes_is_refused(operator: APIClient, person: Person, media: Path) -> None:
    body = {"person": "x" * 3_000_000, "photo": upload(PNG)}
    response = operator.post("/api/v1/photos", body, format="multipart")
    assert (response.status_code, response.json()["code"]) == (413, "too_large")


@pytest.mark.parametrize(
    ("content_type", "body", "status", "code"),
    [
        ("multipart/form-data", b"x", 400, "malformed"),
        ("multipart/form-data; boundary=", b"x", 400, "malformed"),
        ("multipart/form-data; boundary=b", b"no parts", 400, "invalid"),
        ("multipart/form-data; boundary=b", b"--b\r\n\r\n", 400, "invalid"),
        (
            "multipart/form-data; boundary=b",
            NOT_BASE64,
            400,
            "malformed",
        ),
        ("application/json", b'{"photo": "' + b"/9j/4AAQ!!" + b'"}', 400, "invalid"),
        ("application/json", b"{", 400, "malformed"),
        ("text/plain", b"x", 415, "unsupported_media_type"),
        ("application/x-www-form-urlencoded", b"person=x", 415, "unsupported_media_type"),
    ],
)
def test_a_body_that_is_no_form_is_refused(  # noqa: PLR0917 - fixtures
    operator: APIClient, media: Path, content_type: str, body: bytes, status: int, code: str
) -> None:
    before = rows()
    response = operator.post("/api/v1/photos", body, content_type=content_type)
    assert (response.status_code, response.json()["code"]) == (status, code)
    assert (rows(), files(media)) == (before, [])


@pytest.mark.parametrize("path", ["identify", "verify", "detect"])
def test_lookups_take_forms_alone(operator: APIClient, path: str) -> None:
    response = operator.post(f"/api/v1/{path}", {}, format="json")
    assert (response.status_code, response.json()["code"]) == (415, "unsupported_media_type")
    response = operator.post(f"/api/v1/{path}", {}, format="multipart")
    assert (response.status_code, response.json()["code"]) == (400, "invalid")
    assert operator.get(f"/api/v1/{path}").status_code == 405


def test_a_full_disk_stores_nothing_and_says_so(
    operator: APIClient, person: Person, media: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import errno
    import os

    before = rows()

    def full(*_: Any) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patched:
        patched.setattr("common.storage.sync", full)
        response = send(operator, person, PNG)
    assert (response.status_code, response.json()["code"]) == (507, "storage_full")
    assert rows() == before
    assert files(media) == []
    assert send(operator, person, PNG).status_code == 202


def test_the_helpers_make_what_they_say() -> None:
    assert struct.unpack(">II", huge_png(7100, 7057)[16:24]) == (7100, 7057)
    assert 7100 * 7057 > 50_000_000
