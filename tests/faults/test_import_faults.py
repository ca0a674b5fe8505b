"""Imports through deploys, lost messages, a Milvus that is away, and another model."""

from __future__ import annotations

import shutil
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import sets
from tests.conftest import Lfw
from tests.e2e.stack import eventually
from tests.embedder.shelf import Shelf

from .harness import Installation, answers, installation, photos_to_send
from .importing import Followed, Import, archive_of, assert_exact, searchable
from .records import Records

OTHER = "yunet-mobilefacenet"
# The sweeper sends again what a broker lost; so long after, an import goes on.
CONSUMED_AGAIN = 60
# More than are stored together, so that an import of them has a middle.
PHOTOS = 150


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    folder = tmp_path_factory.mktemp("imports")
    (folder / "photos").mkdir()
    with installation(folder, IMPORT_ROOTS=str(folder / "photos")) as started:
        yield started


def photos(lfw: Lfw, share: int) -> list[tuple[str, bytes]]:
    """A share of the photos that no other test has."""
    return photos_to_send(lfw, 4 * PHOTOS, each=3)[share * PHOTOS : (share + 1) * PHOTOS]


def begun(here: Installation, archive: bytes) -> Import:
    """An import of which some files have a result, and others none."""
    job = Import(here)
    job.send(archive)
    job.tell("uploaded")
    job.start()
    in_the_middle(here)
    return job


def in_the_middle(here: Installation) -> int:
    """Wait until some of its files have a result; how many of all there are."""
    followed = Followed(here)
    before = followed.done()
    done = eventually(
        lambda: more if (more := followed.done()) > before else 0, "the first results", every=0.02
    )
    assert done < Records(here.stack).number("SELECT count(*) FROM imports_importitem")
    return done


def test_totals_are_exact_after_everything_stopped_and_started_in_mid_import(
    here: Installation, lfw: Lfw
) -> None:
    """Of a folder on the server, which is there again afterwards as it was."""
    folder = here.stack.folder / "photos" / "first"
    for number, (person, photo) in enumerate(photos(lfw, 0)):
        (folder / person).mkdir(parents=True, exist_ok=True)
        (folder / person / f"{number}.jpg").write_bytes(photo)
    job = Import(here, {"kind": "folder", "path": str(folder)})
    job.start()
    in_the_middle(here)
    stack = here.stack
    stack.up.terminate()
    assert stack.up.wait(90) == 0, stack.log
    assert stack.leftovers() == []
    stack.log_file.write_text("")  # so that the second start is seen
    stack.start()
    eventually(lambda: answers(here.api), "the web server answers", seconds=60)
    job.await_state("done")
    states = assert_exact(here, job, PHOTOS)
    assert sum(states.values()) == PHOTOS
    assert "Traceback" not in stack.log
    shutil.rmtree(folder)


def test_an_import_whose_message_was_lost_with_its_worker_goes_on(
    here: Installation, lfw: Lfw
) -> None:
    job = begun(here, archive_of(photos(lfw, 1)))
    here.stack.kill_process("imports")
    lose_messages(here)
    lost = time.monotonic()
    before = Followed(here).done()
    followed = Followed(here)
    eventually(lambda: followed.done() > before, "it goes on", seconds=CONSUMED_AGAIN, every=0.1)
    assert time.monotonic() - lost < CONSUMED_AGAIN
    job.await_state("done")
    assert_exact(here, job, PHOTOS)


def lose_messages(here: Installation) -> None:
    if "broker" not in here.servers:
        here.lose_messages()
    elif sets.CHOSEN == sets.SERVERS:
        import redis

        with redis.Redis.from_url(here.servers["broker"].url) as client:
            client.flushall()
    else:
        here.servers["broker"].restart()


def test_an_import_goes_on_without_milvus_and_is_searchable_once_it_is_back(
    here: Installation, lfw: Lfw
) -> None:
    sent = photos(lfw, 2)
    milvus = here.servers.get("milvus") or here.stack.process("milvus")
    milvus.suspend()
    try:
        job = begun(here, archive_of(sent))
        job.await_state("done")
        waiting = here.api.ok(here.api.http.get("photos", params={"state": "enrolled"}))["results"]
        assert any(not here.api.photo(each["id"])["searchable"] for each in waiting)
    finally:
        milvus.resume()
    assert_exact(here, job, PHOTOS)
    eventually(lambda: searchable(here.api, sent[0][0]), "searchable again", seconds=120)


def test_a_person_erased_in_mid_import_stays_erased(here: Installation, lfw: Lfw) -> None:
    """Whoever comes last in the archive is there before it, and is erased while it runs."""
    sent = photos(lfw, 3)
    last = sent[-1][0]
    person = here.api.make_person(last)
    first = here.api.upload(person, lfw.bytes("Winona_Ryder", 5))
    eventually(lambda: here.api.photo(first)["state"] == "enrolled", "they are enrolled")
    job = begun(here, archive_of(sent))
    here.api.ok(here.api.http.delete(f"people/{person}"))
    job.await_state("done")
    states = assert_exact(here, job, PHOTOS)

    codes = Counter(each["code"] for each in job.items())
    theirs = sum(name == last for name, _ in sent)
    assert codes["erased"] == theirs > 0
    assert states["rejected"] >= theirs
    found = here.api.ok(here.api.http.get("people", params={"external_id": last}))["results"]
    assert found == []
    assert Records(here.stack).number(
        f"SELECT count(*) FROM imports_importitem WHERE external_id = '{last}'"
    ) == 0  # fmt: skip


def test_templates_of_two_models_never_meet_when_the_model_changes_in_mid_import(
    tmp_path: Path, lfw: Lfw
) -> None:
    shelf = Shelf(tmp_path / "models")
    shelf.yunet()
    shelf.mobilefacenet()
    with installation(tmp_path, LIKENESS_MODELS_DIR=str(shelf.folder)) as here:
        job = begun(here, archive_of(photos_to_send(lfw, PHOTOS, each=2)))
        changing = here.stack.begin("vectors", "rebuild", "--gallery", "main", "--model", OTHER)
        said, _ = changing.communicate(timeout=300)
        assert changing.returncode == 0, said
        job.await_state("done")
        records = Records(here.stack)
        eventually(
            lambda: not records.number("SELECT count(*) FROM photos_missingfaces"),
            "every photo has faces of the other model", seconds=120,
        )  # fmt: skip
        items = Counter(each["state"] for each in job.items())
        faces = records.rows(
            "SELECT f.model, count(*), count(DISTINCT f.photo_id) FROM photos_face f "
            "WHERE f.template_id IS NOT NULL GROUP BY f.model"
        )
        mixed = records.number(
            "SELECT count(*) FROM photos_face f JOIN vectors_persontemplate t "
            "ON t.id = f.template_id WHERE t.model <> f.model"
        )
        (gallery,) = here.api.ok(here.api.http.get("galleries"))["results"]
        eventually(here.stack.agrees, "both indexes agree", seconds=60, every=2)

    assert gallery["model"] == OTHER
    assert sum(items.values()) == PHOTOS
    assert items["enrolled"] > 0.9 * PHOTOS
    assert mixed == 0
    enrolled = items["enrolled"]
    assert {model: (faces, photos) for model, faces, photos in faces}[OTHER] == (enrolled, enrolled)
