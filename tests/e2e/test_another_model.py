"""A gallery changes its network while it is searched and enrolled into, with the real workers."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests import sets
from tests.conftest import Lfw
from tests.embedder.shelf import Shelf

from .stack import Api, Stack, eventually, running

OTHER = "yunet-mobilefacenet"
NAMES = (
    "Donald_Rumsfeld", "Vladimir_Putin", "Hans_Blix", "Abdoulaye_Wade", "Abel_Pacheco",
    "Adam_Sandler", "Ai_Sugiyama", "Alec_Baldwin", "Allyson_Felix", "Alvaro_Noboa",
)  # fmt: skip


@pytest.fixture
def api(tmp_path: Path) -> Iterator[tuple[Stack, Api]]:
    """An installation of its own, with a second model in its folder."""
    shelf = Shelf(tmp_path / "models")
    shelf.yunet()
    shelf.mobilefacenet()
    stack = Stack(tmp_path, LIKENESS_MODELS_DIR=str(shelf.folder), **sets.environment())
    with running(stack):
        found = Api(stack, stack.make_key())
        with found.http:
            found.accept_lfw()
            yield stack, found


def test_a_gallery_changes_its_network_while_it_is_used(api: tuple[Stack, Api], lfw: Lfw) -> None:
    stack, http = api
    people = {name: http.make_person(name) for name in NAMES}
    early, late = NAMES[:8], NAMES[8:]
    photos = [http.upload(people[name], lfw.bytes(name, n)) for name in early for n in (1, 2)]
    for photo in photos:
        http.await_searchable(photo)

    with ThreadPoolExecutor(1) as pool:
        rebuild = pool.submit(stack.manage, "vectors", "rebuild", "--gallery", "main",
                              "--model", OTHER)  # fmt: skip
        stack.kill_process("photos")
        photos += [http.upload(people[name], lfw.bytes(name, 1)) for name in late]
        answers = []
        while not rebuild.done():
            answers.append(http.best(lfw.bytes(early[0], 3))["person"]["name"])
    assert rebuild.result().returncode == 0, rebuild.result().stdout + rebuild.result().stderr
    assert set(answers) == {early[0]}

    (gallery,) = http.ok(http.http.get("galleries"))["results"]
    assert gallery["model"] == OTHER
    for photo in photos:
        (face,) = [each for each in http.await_searchable(photo)["faces"] if each["enrolled"]]
        assert face["model"] == OTHER
    for name in NAMES:
        assert http.best(lfw.bytes(name, 3 if name in early else 2))["person"]["name"] == name
    eventually(stack.agrees, "both indexes agree with the database", seconds=30)
