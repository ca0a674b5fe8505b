"""Processes that die at the worst moment, by themselves."""

import hashlib
from collections import Counter
from pathlib import Path

from tests.conftest import Lfw

from .harness import Load, installation, photos_to_send, settled

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
