"""Processes that die at the worst moment, by themselves."""

import hashlib
import io
import os
import time
import zipfile
from collections import Counter
from pathlib import Path

from tests.conftest import Lfw
from tests.fixtures import files

from .harness import Installation, Load, installation, photos_to_send, settled
from .importing import Import, assert_exact, orphans, upload_of

POISONED = 5  # the number of the photo that kills whoever decodes it in a worker


def test_deaths_between_two_writes_and_a_photo_that_kills_its_worker(
    tmp_path: Path, lfw: Lfw
) -> None:
    photos = photos_to_send(lfw, 40)
    poison = hashlib.sha256(photos[POISONED][1]).hexdigest()
    moments = [
        # Committed, and the message not sent.
        {
            "module": "common.queue",
            "name": "enqueue",
            "argument": "photos.process",
            "when": "before",
            "times": 2,
        },
        # In Milvus, and the database knows nothing of it.
        {"module": "vectors.milvus", "name": "upsert", "when": "after", "times": 2},
        {
            "module": "embedder.stream",
            "name": "decoded_or_error",
            "sha256": poison,
            "when": "before",
            "times": 99,
        },
    ]
    with installation(tmp_path, moments=moments) as here:
        load = Load(here.api, photos)
        load.start()
        ids = load.ids()
        states = settled(here, ids, quarantined=1)
        victim = here.api.photo(ids[POISONED])
        log = here.stack.log

    deaths = Counter(path.name.rpartition("-")[0] for path in (tmp_path / "deaths").iterdir())
    assert deaths == {"enqueue": 2, "upsert": 2, "decoded_or_error": 3}
    assert states["quarantined"] == 1
    assert (victim["state"], victim["code"]) == ("quarantined", "quarantined")
    assert "Traceback" not in log


IMPORTED = {"Donald_Rumsfeld": 8, "Hans_Blix": 8, "Vladimir_Putin": 8}
OUTSIDE = 2_050  # files that nobody reads, so many that they are listed in two steps


def test_an_import_whose_processes_die_between_two_writes_ends_as_if_they_had_not(
    tmp_path: Path, lfw: Lfw
) -> None:
    moments = [
        # A piece is on the disk, and the job doesn't say so.
        {"module": "imports.uploads", "name": "_put", "when": "after", "times": 1},
        # Half of the files have their rows.
        {"module": "imports.reading", "name": "_rows", "when": "before", "times": 1, "pass_by": 1},
        # Originals are on the disk, and no row knows them.
        {"module": "imports.storing", "name": "_store", "when": "before", "times": 1},
        # A group is committed, and nobody has claimed the next one.
        {"module": "imports.storing", "name": "delete_files", "when": "before", "times": 1},
        # Some photos of the job are removed, and somebody has none left.
        {"module": "imports.undoing", "name": "_remove_photo", "when": "after", "times": 1,
         "pass_by": 9},
    ]  # fmt: skip
    archive, known = io.BytesIO(), sum(IMPORTED.values())
    with zipfile.ZipFile(archive, "w") as made:
        for name, count in IMPORTED.items():
            for number in range(1, count + 1):
                made.writestr(f"{name}/{number}.jpg", lfw.bytes(name, number))
        for number in range(OUTSIDE):
            made.writestr(f"../{number}.jpg", b"x")
    with installation(tmp_path, moments=moments) as here:
        kept = here.api.upload(here.api.make_person("Hans_Blix"), lfw.bytes("Hans_Blix", 9))
        here.api.await_photos(1)
        job = Import(here)
        job.send(archive.getvalue(), piece=200_000)
        is_whole = upload_of(here, job).read_bytes() == archive.getvalue()
        job.tell("uploaded")
        job.start()
        job.await_state("done")
        states = assert_exact(here, job, known + OUTSIDE)
        left_behind = orphans(here)
        tidied_up = tidy(here)

        job.tell("undo")
        job.await_state("undone")
        here.api.await_photos(1)
        photos, people = here.api.photos(), here.api.ok(here.api.http.get("people"))["results"]
        tidy(here)
        is_clean = not orphans(here) and len(files(here.stack.var / "media")) == 1
        is_indexed = here.stack.agrees()
        log = here.stack.log

    deaths = Counter(path.name.rpartition("-")[0] for path in (tmp_path / "deaths").iterdir())
    assert deaths == {each["name"]: 1 for each in moments}
    assert is_whole
    assert states == {"enrolled": known, "rejected": OUTSIDE}
    assert (len(left_behind), tidied_up) == (known, set())
    assert [each["id"] for each in photos] == [kept]
    assert [each["external_id"] for each in people] == ["Hans_Blix"]
    assert (is_clean, is_indexed) == (True, True)
    assert "Traceback" not in log


def tidy(here: Installation) -> set[str]:
    """Let two hours go by, then do what is done every hour; which files without a row are left."""
    media = here.stack.var / "media"
    for path in files(media):
        os.utime(path, (time.time() - 7200,) * 2)
    done = here.stack.manage("shell", "-c", "from workers.maintenance import tidy; tidy()")
    assert done.returncode == 0, done.stderr
    return orphans(here)
