"""A backup, an erasure, and the older backup restored: the person does not come back."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests import sets
from tests.conftest import Lfw
from tests.fixtures import files

from .stack import Api, Stack

ERASED, KEPT = "Silvio_Berlusconi", "Ricardo_Lagos"
ENROLLED, HELD_OUT = (1, 2), 4


@pytest.fixture
def stack(tmp_path: Path) -> Stack:
    return Stack(tmp_path, **sets.environment())


def test_nobody_erased_comes_back_with_an_older_backup(
    stack: Stack, tmp_path: Path, lfw: Lfw
) -> None:
    folder = str(tmp_path / "backup")
    stack.start()
    try:
        key = stack.make_key()
        people, photos = enrol(stack, key, lfw)
        told = stack.manage("backup", folder)
        assert (told.returncode, told.stderr) == (0, "")
        erase(stack, key, people[ERASED])
        refused = stack.manage("restore", folder, "--yes")
        assert "Likeness already runs" in refused.stderr
        assert stack.stop() == 0

        restored = stack.manage("restore", folder, "--yes")

        assert restored.returncode == 0, restored.stderr
        assert "Erased again, as the ledger says: 1 people." in restored.stdout
        stack.log_file.unlink()  # it says that everything runs, of the first start
        stack.start()
        check(stack, key, people, photos, lfw)
        assert stack.agrees()
        assert stack.stop() == 0
    finally:
        stack.kill()


def enrol(stack: Stack, key: str, lfw: Lfw) -> tuple[dict[str, str], dict[str, list[str]]]:
    api = Api(stack, key)
    with api.http:
        api.accept_lfw()
        people = {name: api.make_person(name) for name in (ERASED, KEPT)}
        photos = {
            name: [api.upload(people[name], lfw.bytes(name, number)) for number in ENROLLED]
            for name in people
        }
        for each in photos[ERASED] + photos[KEPT]:
            api.await_searchable(each)
    return people, photos


def erase(stack: Stack, key: str, person: str) -> None:
    api = Api(stack, key)
    with api.http:
        assert api.http.delete(f"people/{person}").status_code == 204


def check(
    stack: Stack, key: str, people: dict[str, str], photos: dict[str, list[str]], lfw: Lfw
) -> None:
    api = Api(stack, key)
    with api.http:
        for each in photos[KEPT]:
            api.await_searchable(each)
        assert api.best(lfw.bytes(KEPT, HELD_OUT))["person"]["id"] == people[KEPT]
        found = api.ok(api.identify(lfw.bytes(ERASED, HELD_OUT)))["faces"][0]["candidates"]
        assert people[ERASED] not in [each["person"]["id"] for each in found]
        assert api.http.get(f"people/{people[ERASED]}").status_code == 404
        for each in photos[ERASED]:
            assert api.http.get(f"photos/{each}").status_code == 404
            assert api.http.get(f"photos/{each}/original").status_code == 404
    assert len(files(stack.var / "media")) == len(ENROLLED)
    assert (stack.var / "erasures.jsonl").read_text().count(people[ERASED]) == 1
