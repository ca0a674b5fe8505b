"""Parts killed at random during uploads: nothing is lost, nothing is done twice.

LIKENESS_LONG=1 sends 2,000 photos through 20 kills and prints the figures.
"""

import os
import random
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

from tests import sets
from tests.conftest import Lfw

from .harness import Load, installation, photos_to_send, settled

LONG = os.environ.get("LIKENESS_LONG") == "1"
UPLOADS, KILLS = (2000, 20) if LONG else (100, 5)
SEED = int(os.environ.get("LIKENESS_SEED") or 1)


def test_random_kills_during_uploads(
    tmp_path: Path, lfw: Lfw, capsys: pytest.CaptureFixture[str]
) -> None:
    choice = random.Random(SEED)
    killed: Counter[str] = Counter()
    with installation(tmp_path, arguments=["--photo-workers", "2"]) as here:
        load = Load(here.api, photos_to_send(lfw, UPLOADS))
        started = time.monotonic()
        # Each part as often as the others: what dies five times a minute is given up, by design.
        victims = here.parts * (KILLS // len(here.parts))
        choice.shuffle(victims)
        load.start()
        for number, part in enumerate(victims):
            due = (number + 0.5) * UPLOADS / KILLS
            while load.accepted < due:
                time.sleep(0.02)
            here.kill(part)
            killed[part] += 1
        ids = load.ids()
        sent = time.monotonic() - started
        states = settled(here, ids)
        final = time.monotonic() - started

    assert len(set(ids)) == UPLOADS
    assert states["enrolled"] > 0.8 * UPLOADS
    if not sets.ON_SERVERS:  # kombu writes one where it can't acknowledge to a dead Redis
        assert "Traceback" not in here.stack.log
    if LONG or os.environ.get("LIKENESS_FIGURES"):
        with capsys.disabled():
            sys.stdout.write(
                f"\n{sets.CHOSEN}: {UPLOADS} uploads, {KILLS} kills {dict(killed)}: "
                f"{dict(states)}, accepted after {sent:.0f} s, all final and reconciled after "
                f"{final:.0f} s; tried again: {dict(load.refusals)}\n"
            )
