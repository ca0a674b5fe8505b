"""A rebuild, and a load of ready-made templates, while people are looked up, enrolled and erased.

LIKENESS_LONG=1 takes 200,000 templates instead of 3,000; with -s the figures are printed.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import sets
from tests.conftest import Lfw
from tests.e2e.stack import eventually

from .harness import Installation, installation, photos_to_send
from .ready_made import begin_load, write_file
from .records import Index, Records, agrees_unaided
from .traffic import FaceOfSomebody, Measured, Traffic, median, quantile, within

LONG = os.environ.get("LIKENESS_LONG") == "1"
TEMPLATES, QUIET_SECONDS, MOST_SECONDS = (200_000, 30, 1800) if LONG else (3_000, 2, 60)
CLIENTS, WRITERS = 16, 4
FACES = 32 if LONG else 12


@pytest.fixture
def here(tmp_path: Path) -> Iterator[Installation]:
    with installation(tmp_path) as started:
        yield started


def test_nobody_is_missed_and_nobody_comes_back_during_a_load_and_a_rebuild(
    here: Installation, lfw: Lfw, tmp_path: Path
) -> None:
    faces = [FaceOfSomebody(photo) for _, photo in photos_to_send(lfw, FACES, each=1)]
    traffic, records = Traffic(here.api, faces), Records(here.stack)
    with traffic.writing(WRITERS):
        eventually(lambda: len(traffic.enrolments) >= WRITERS, "the writers are at work")
        loading = load_beside(here, tmp_path)
        with traffic.searching(CLIENTS):
            quiet = time.monotonic()
            time.sleep(QUIET_SECONDS)
            old = records.searched()
            rebuilding = rebuild(here, records)
            time.sleep(1)
    for face in faces:
        traffic.look_up(face)
    seconds = agrees_unaided(here.stack, 60)

    tell(traffic, loading, quiet, rebuilding)
    assert traffic.wrong == []
    assert records.searched().public_id != old.public_id
    kept, _ = records.indexes()
    assert kept.public_id == old.public_id, "kept to go back to; one that was outgrown is gone"
    assert min(len(within(traffic.lookups, *rebuilding)), len(traffic.erasures)) > 0
    assert records.templates() >= TEMPLATES
    assert traffic.refused < FACES / 4
    say(f"settled {seconds:.1f} s after the last change; both indexes agree with the database")
    assert "Traceback" not in here.stack.log


def load_beside(here: Installation, folder: Path) -> tuple[float, float]:
    """Load a file while the writers are at work; when it began and ended, its start-up left out."""
    records = Records(here.stack)
    loading = begin_load(here.stack, write_file(folder, "load", TEMPLATES))
    eventually(
        lambda: records.loaded() or loading.poll() is not None, "it loads", seconds=120, every=0.02
    )
    begun = time.monotonic()
    said, _ = loading.communicate(timeout=MOST_SECONDS)
    assert loading.returncode == 0, said
    say(said)
    return begun, time.monotonic()


def rebuild(here: Installation, records: Records) -> tuple[float, float]:
    """Have everything rebuilt by the index worker; when that began and ended."""
    # An index that Milvus has to build, where it can build one.
    index = ["--index", "HNSW"] if sets.ON_SERVERS else []
    before = records.indexes()[-1].public_id
    starting = here.stack.begin("vectors", "rebuild", "--all", "--no-wait", *index)

    def newest() -> Index | None:
        found = records.indexes()[-1]
        return None if found.public_id == before else found

    eventually(newest, "another index", seconds=60, every=0.05)
    begun = time.monotonic()

    def has_taken_over() -> bool:
        now = records.indexes()[-1]
        assert not now.problem, now.problem
        return bool(now.searched) and now.state == "ready" and not now.takes_over

    eventually(has_taken_over, "the new index answers", seconds=MOST_SECONDS, every=0.05)
    ended = time.monotonic()
    said, _ = starting.communicate(timeout=60)
    assert starting.returncode == 0, said
    return begun, ended


def tell(
    traffic: Traffic,
    loading: tuple[float, float],
    quiet: float,
    rebuilding: tuple[float, float],
) -> None:
    """The figures."""
    begun, ended = rebuilding
    say(f"\n{sets.CHOSEN}: {TEMPLATES:,} templates loaded in {loading[1] - loading[0]:.1f} s")
    say(_enrolled("  during the load", within(traffic.enrolments, *loading)))
    say(f"rebuilt in {ended - begun:.1f} s, {CLIENTS} clients and {WRITERS} writers at work")
    say(_looked_up("  before", within(traffic.lookups, quiet, begun)))
    say(_looked_up("  during", within(traffic.lookups, begun, ended)))
    say(_enrolled("  during", within(traffic.enrolments, begun, ended)))
    say(f"  during: {len(within(traffic.erasures, begun, ended))} people erased")
    say(f"wrong answers: {len(traffic.wrong)}; photos refused: {traffic.refused}")


def _looked_up(when: str, lookups: list[Measured]) -> str:
    middle, slow = 1000 * median(lookups), 1000 * quantile(lookups, 95)
    return f"{when}: {len(lookups)} lookups, median {middle:.0f} ms, p95 {slow:.0f} ms"


def _enrolled(when: str, enrolments: list[Measured]) -> str:
    seconds = median(enrolments)
    return f"{when}: {len(enrolments)} enrolled, searchable after {seconds:.2f} s at the median"


def say(sentence: str) -> None:
    sys.stdout.write(f"{sentence}\n")
