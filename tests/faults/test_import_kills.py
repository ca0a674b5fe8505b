"""Parts killed at random during an import: each file has one result, and nothing is there twice.

LIKENESS_LONG=1 imports 3,318 photos through 50 kills and prints the figures.
"""

from __future__ import annotations

import os
import random
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests import sets
from tests.conftest import Lfw
from tests.e2e.stack import eventually

from .harness import RECOVERY, Installation, installation, photos_to_send
from .importing import Followed, Import, archive_of, assert_exact

LONG = os.environ.get("LIKENESS_LONG") == "1"
PHOTOS, KILLS = (3318, 50) if LONG else (150, 6)
SEED = int(os.environ.get("LIKENESS_SEED") or 1)
# What dies five times a minute is given up, by design.
BETWEEN_DEATHS = 16.0


@dataclass
class Killer:
    """Kills parts, each as often as the others, in an order of chance."""

    here: Installation
    choice: random.Random
    killed: Counter[str] = field(default_factory=Counter)
    _last: dict[str, float] = field(default_factory=dict)

    def kill_one(self) -> None:
        """One of those that run, and were killed least."""
        parts = eventually(self._possible, "a part that may die", seconds=RECOVERY, every=0.05)
        fewest = min(self.killed[part] for part in parts)
        self.kill(self.choice.choice([part for part in parts if self.killed[part] == fewest]))

    def kill(self, part: str) -> None:
        self.here.kill(part)
        self.killed[part] += 1
        self._last[part] = time.monotonic()

    def _possible(self) -> list[str]:
        now = time.monotonic()
        rested = [part for part in self.here.parts_of_imports
                  if now - self._last.get(part, 0) > BETWEEN_DEATHS]  # fmt: skip
        return [part for part in rested if self._runs(part)]

    def _runs(self, part: str) -> bool:
        if part in self.here.servers:
            return self.here.servers[part].answers()
        return part == "broker" or self.here.stack.find(part) is not None


def test_random_kills_during_an_import(
    tmp_path: Path, lfw: Lfw, capsys: pytest.CaptureFixture[str]
) -> None:
    choice = random.Random(SEED)
    # One somewhere in the sending, the others wherever the import is then.
    moments = sorted((number + choice.random()) * PHOTOS / KILLS for number in range(KILLS - 1))
    archive = archive_of(photos_to_send(lfw, PHOTOS))
    with installation(tmp_path) as here:
        killer, followed = Killer(here, choice), Followed(here)
        job = Import(here)
        job.send(archive, up_to=choice.randrange(len(archive)))
        killer.kill("web")
        job.send(archive)
        job.uploaded()
        job.start()
        started = time.monotonic()
        for moment in moments:
            eventually(lambda due=moment: followed.done() >= due * 0.98, "it goes on",
                       seconds=RECOVERY, every=0.02)  # fmt: skip
            killer.kill_one()
        left = PHOTOS - followed.done()
        done = job.await_state("done")
        seconds = time.monotonic() - started
        tried_again = int(done["progress"]["failed"])
        if tried_again:  # three deaths while it was in hand: its own fault, for all one can know
            job.tell("retry")
            job.await_state("done")
        states = assert_exact(here, job, PHOTOS)
        final = time.monotonic() - started
        attempts = Counter(each["attempts"] for each in job.items())
        log = here.stack.log

    assert sum(killer.killed.values()) == KILLS
    assert left > 0, "some of the kills came too late"
    assert states["enrolled"] > 0.9 * PHOTOS
    assert set(states) <= {"enrolled", "rejected"}
    if not sets.ON_SERVERS:
        assert "Traceback" not in log
    if LONG or os.environ.get("LIKENESS_FIGURES"):
        with capsys.disabled():
            sys.stdout.write(
                f"\n{sets.CHOSEN}: {PHOTOS} photos imported, {KILLS} kills {dict(killer.killed)}: "
                f"{dict(states)}, done after {seconds:.0f} s, checked and reconciled after "
                f"{final:.0f} s; files by attempts {dict(sorted(attempts.items()))}, "
                f"{tried_again} of them given up and retried, {left} left at the last kill; "
                f"requests tried again: {dict(job.refusals)}\n"
            )
