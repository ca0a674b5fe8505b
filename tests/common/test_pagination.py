"""Lists of the API with cursors and sizes that no page of ours has."""

from __future__ import annotations

from base64 import b64encode
from urllib.parse import quote

import pytest
from rest_framework.test import APIClient

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("place", ["galleries", "people", "photos", "imports", "searches"])
@pytest.mark.parametrize(
    ("cursor", "status"),
    [
        ("p=" + "9" * 30, 404),
        ("p=" + "9" * 5000, 404),
        ("p=\N{ARABIC-INDIC DIGIT ONE}", 404),
        ("p=-1", 404),
        ("o=" + "9" * 30 + "&p=1", 200),
        ("r=1&p=" + "9" * 18, 200),
    ],
)
def test_a_cursor_of_nobodys(admin_api: APIClient, place: str, cursor: str, status: int) -> None:
    written = quote(b64encode(cursor.encode()))
    assert admin_api.get(f"/api/v1/{place}?cursor={written}").status_code == status


@pytest.mark.parametrize("size", ["9" * 30, "9" * 5000, "-1", "0", "a", "\0"])
def test_a_size_of_pages_that_makes_no_sense_is_the_usual_one(
    admin_api: APIClient, size: str
) -> None:
    assert admin_api.get("/api/v1/imports", {"page_size": size}).status_code == 200
