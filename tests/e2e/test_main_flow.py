"""What users and integrators do, over real HTTP, against everything running."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.conftest import Lfw

from .stack import Api, Stack, eventually

PEOPLE = (
    "Bill_Clinton",
    "Jeremy_Greenstock",
    "Juan_Carlos_Ferrero",
    "Ricardo_Lagos",
    "Winona_Ryder",
)
ENROLLED, HELD_OUT = (1, 2, 3), 4


@pytest.fixture(scope="module")
def people(api: Api, lfw: Lfw) -> dict[str, str]:
    """Ids of people with three photos each, all searchable."""
    ids = {name: api.make_person(name) for name in PEOPLE}
    photos = [
        api.upload(ids[name], lfw.bytes(name, number)) for name in PEOPLE for number in ENROLLED
    ]
    for photo in photos:
        api.await_searchable(photo)
    return ids


def test_a_photo_goes_from_received_to_searchable(people: dict[str, str], api: Api) -> None:
    photos = api.photos(person=people["Ricardo_Lagos"])

    assert [photo["state"] for photo in photos] == ["enrolled"] * 3
    assert all(photo["searchable"] and photo["processed_at"] for photo in photos)
    assert all(sum(face["enrolled"] for face in photo["faces"]) == 1 for photo in photos)


@pytest.mark.parametrize("name", PEOPLE)
def test_the_right_person_is_first(name: str, people: dict[str, str], api: Api, lfw: Lfw) -> None:
    answer = api.ok(api.identify(lfw.bytes(name, HELD_OUT)))

    assert answer["searched"] == len(PEOPLE)
    best, *others = answer["faces"][0]["candidates"]
    assert best["person"]["id"] == people[name]
    assert best["score"] > max(other["score"] for other in others)
    assert best["evidence"]["photo"] in [each["id"] for each in api.photos(person=people[name])]
    assert set(answer["timings_ms"]) >= {"decode", "detect", "embed", "search", "score", "total"}


def test_the_same_bytes_again_are_the_same_photo(
    people: dict[str, str], api: Api, lfw: Lfw
) -> None:
    again = api.post_photo(people["Ricardo_Lagos"], lfw.bytes("Ricardo_Lagos", 1))

    assert again.status_code == 200
    assert again.json()["id"] in [each["id"] for each in api.photos(person=people["Ricardo_Lagos"])]
    assert len(api.photos(person=people["Ricardo_Lagos"])) == 3


def test_eight_lookups_at_once_are_all_right(people: dict[str, str], api: Api, lfw: Lfw) -> None:
    names = [PEOPLE[index % len(PEOPLE)] for index in range(16)]

    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda name: api.best(lfw.bytes(name, HELD_OUT)), names))

    assert [each["person"]["name"] for each in found] == names


def test_verify_tells_the_same_person_from_another(api: Api, lfw: Lfw) -> None:
    def score(first: bytes, second: bytes) -> float:
        files = {"first": first, "second": second}
        return float(api.ok(api.http.post("verify", files=files))["score"])

    same = score(lfw.bytes("Ricardo_Lagos", 1), lfw.bytes("Ricardo_Lagos", 2))
    other = score(lfw.bytes("Ricardo_Lagos", 1), lfw.bytes("Winona_Ryder", 1))

    assert same > 0.9 > other


def test_detect_finds_the_face(api: Api, lfw: Lfw) -> None:
    answer = api.ok(api.http.post("detect", files={"photo": lfw.bytes("Ricardo_Lagos", 1)}))

    assert answer["photo"] == {
        "width": 250, "height": 250, "format": "JPEG", "first_frame_only": False,
    }  # fmt: skip
    (face,) = answer["faces"]
    box = face["box"]
    assert box["x"] < 125 < box["x"] + box["width"]
    assert box["y"] < 125 < box["y"] + box["height"]


def test_photos_and_faces_are_shown_as_fresh_jpegs(
    people: dict[str, str], api: Api, lfw: Lfw
) -> None:
    photo = api.photos(person=people["Ricardo_Lagos"])[-1]
    face = next(face for face in photo["faces"] if face["enrolled"])

    shown = api.http.get(f"photos/{photo['id']}/image")
    cut = api.http.get(f"faces/{face['id']}/image")
    original = api.http.get(f"photos/{photo['id']}/original")

    for response in (shown, cut):
        assert response.status_code == 200
        assert response.headers["content-type"] == "image/jpeg"
        assert response.content.startswith(b"\xff\xd8")
    assert original.content == lfw.bytes("Ricardo_Lagos", 1)
    assert original.headers["content-disposition"].startswith("attachment")
    assert original.headers["content-type"] == "application/octet-stream"
    assert original.headers["x-content-type-options"] == "nosniff"


def test_many_files_at_once_each_get_their_answer(api: Api, lfw: Lfw) -> None:
    person = api.make_person("Guillermo_Coria")
    files = [("photos", lfw.bytes("Guillermo_Coria", number)) for number in range(1, 21)]
    files.insert(7, ("photos", b"no photo at all"))

    response = api.http.post("photos/batch", data={"person": person}, files=files)

    results = api.ok(response)["results"]
    assert [each["status"] for each in results] == [202] * 7 + [415] + [202] * 13
    assert results[7]["problem"]["code"] == "unsupported_format"
    for each in results[:7]:
        api.await_searchable(each["photo"]["id"])
    eventually(
        lambda: not [each for each in api.photos(person=person) if each["state"] != "enrolled"],
        "all twenty are enrolled",
    )


@pytest.fixture
def somebody(api: Api, lfw: Lfw, people: dict[str, str]) -> Iterator[str]:
    person = api.make_person("Silvio_Berlusconi")
    for number in ENROLLED:
        api.await_searchable(api.upload(person, lfw.bytes("Silvio_Berlusconi", number)))
    yield person
    api.http.delete(f"people/{person}")


def test_an_erased_person_is_gone_at_once_and_everywhere(
    somebody: str, stack: Stack, api: Api, lfw: Lfw
) -> None:
    probe = lfw.bytes("Silvio_Berlusconi", HELD_OUT)
    photo = api.photos(person=somebody)[0]["id"]
    assert api.best(probe)["person"]["id"] == somebody
    files_before = media_files(stack)

    assert api.http.delete(f"people/{somebody}").status_code == 204

    found = api.ok(api.identify(probe))["faces"][0]["candidates"]
    assert somebody not in [each["person"]["id"] for each in found]
    assert api.http.get(f"people/{somebody}").status_code == 404
    assert api.http.get(f"photos/{photo}").status_code == 404
    assert api.http.get(f"photos/{photo}/image").status_code == 404
    assert len(files_before - media_files(stack)) == len(ENROLLED)
    # Agreement with the database means that Milvus holds no entry of theirs any more.
    assert stack.agrees()


def media_files(stack: Stack) -> set[Path]:
    return {path for path in (stack.var / "media").rglob("*") if path.is_file()}


def test_out_of_searches_and_in_again(
    people: dict[str, str], stack: Stack, api: Api, lfw: Lfw
) -> None:
    person, probe = people["Winona_Ryder"], lfw.bytes("Winona_Ryder", HELD_OUT)

    api.ok(api.http.patch(f"people/{person}", json={"active": False}))
    away = api.best(probe)["person"]["id"]
    api.ok(api.http.patch(f"people/{person}", json={"active": True}))
    for photo in api.photos(person=person):
        api.await_searchable(photo["id"])

    assert away != person
    assert api.best(probe)["person"]["id"] == person
    assert stack.agrees()
