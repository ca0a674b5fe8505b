"""No room left: what is refused leaves nothing behind, and all goes on once there is room."""

from pathlib import Path

from tests.conftest import Lfw
from tests.sets import about_the_embedded

from .harness import fill, full_disk, installation


def test_no_room_for_photos(tmp_path: Path, lfw: Lfw) -> None:
    with (
        full_disk(tmp_path / "media", 2) as media,
        installation(tmp_path, MEDIA_ROOT=str(media)) as here,
    ):
        api = here.api
        person = api.make_person("Winona_Ryder")
        ballast = fill(media)
        refused = [api.post_photo(person, lfw.bytes("Winona_Ryder", n)) for n in (1, 2)]
        stored = [path for path in media.rglob("*") if path.is_file() and path != ballast]
        ballast.unlink()
        photo = api.upload(person, lfw.bytes("Winona_Ryder", 1))
        api.await_searchable(photo)

        assert [(each.status_code, each.json()["code"]) for each in refused] == [
            (507, "storage_full")
        ] * 2
        assert stored == []
        assert len(api.photos()) == 1
        assert here.stack.agrees()
        assert "Traceback" not in here.stack.log


@about_the_embedded
def test_no_room_for_anything(tmp_path: Path, lfw: Lfw) -> None:
    """The database, the photos, the messages and the index share a disk, and it is full."""
    with full_disk(tmp_path / "var", 64) as disk, installation(tmp_path) as here:
        api = here.api
        person = api.make_person("Winona_Ryder")
        first = api.upload(person, lfw.bytes("Winona_Ryder", 1))
        api.await_searchable(first)
        ballast = fill(disk)
        refused = [
            api.http.post("people", json={"gallery": api.gallery, "name": "Nobody " * 40}),
            api.post_photo(person, lfw.bytes("Winona_Ryder", 2)),
        ]
        found = api.identify(lfw.bytes("Winona_Ryder", 3))
        ballast.unlink()
        second = api.upload(person, lfw.bytes("Winona_Ryder", 2))
        api.await_searchable(second)

        for answer in refused:
            assert answer.status_code in (503, 507), answer.text
            assert answer.json()["code"] in ("storage_full", "unavailable")
        assert found.status_code in (200, 503), found.text
        assert sorted(each["id"] for each in api.photos()) == sorted([first, second])
        assert here.stack.agrees()
