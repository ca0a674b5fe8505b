"""Files: bounded while they come, private and whole on the disk."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from django.core.files.base import ContentFile
from django.test import RequestFactory

from common.errors import TooLarge
from common.ids import new_id
from common.storage import DurableFileSystemStorage
from common.uploads import BoundedUploadHandler
from tests.fixtures import files


def test_files_are_private(tmp_path: Path) -> None:
    storage = DurableFileSystemStorage(location=tmp_path)
    name = storage.save("a/b/c.jpg", ContentFile(b"content"))
    path = Path(storage.path(name))
    assert path.read_bytes() == b"content"
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("name", ["../a", "/etc/passwd", "a/../../b"])
def test_files_stay_in_their_folder(tmp_path: Path, name: str) -> None:
    from django.core.exceptions import SuspiciousFileOperation

    storage = DurableFileSystemStorage(location=tmp_path / "media")
    with pytest.raises(SuspiciousFileOperation):
        storage.save(name, ContentFile(b"x"))
    assert files(tmp_path) == []


def test_a_file_that_comes_half_is_not_kept(tmp_path: Path) -> None:
    class Broken(ContentFile):  # type: ignore[type-arg]
        def chunks(self, chunk_size: int | None = None) -> Any:
            yield b"half"
            raise OSError(28, "No space left on device")

    storage = DurableFileSystemStorage(location=tmp_path)
    with pytest.raises(OSError, match="No space left"):
        storage.save("a.jpg", Broken(b"whole"))
    assert files(tmp_path) == []


def test_a_file_is_refused_at_the_chunk_that_is_too_many(settings: Any) -> None:
    settings.MAX_UPLOAD_BYTES = 100
    handler = BoundedUploadHandler(RequestFactory().post("/"))
    handler.new_file("photo", "a.jpg", "image/jpeg", None, None, None)
    handler.receive_data_chunk(bytes(60), 0)
    handler.receive_data_chunk(bytes(40), 60)
    with pytest.raises(TooLarge):
        handler.receive_data_chunk(b"x", 100)


def test_files_together_may_take_four_times_the_limit(settings: Any) -> None:
    settings.MAX_UPLOAD_BYTES = 100
    handler = BoundedUploadHandler(RequestFactory().post("/"))
    for number in range(4):
        handler.new_file("photos", f"{number}.jpg", "image/jpeg", None, None, None)
        handler.receive_data_chunk(bytes([number]) * 100, 0)
        file = handler.file_complete(100)
        assert file.read() == bytes([number]) * 100
    handler.new_file("photos", "5.jpg", "image/jpeg", None, None, None)
    with pytest.raises(TooLarge):
        handler.receive_data_chunk(b"x", 0)


def test_ids_are_in_order_of_time() -> None:
    ids = [new_id() for _ in range(1000)]
    assert ids == sorted(ids)
    assert len(set(ids)) == 1000
    assert {each.version for each in ids} == {7}
