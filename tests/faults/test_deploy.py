"""Everything is told to stop in mid-work, and started again, as in a deploy."""

import time
from pathlib import Path

from tests.conftest import Lfw

from .harness import Load, installation, photos_to_send, settled


def test_totals_are_exact_after_a_stop_and_a_start_in_mid_work(tmp_path: Path, lfw: Lfw) -> None:
    with installation(tmp_path) as here:
        load = Load(here.api, photos_to_send(lfw, 60))
        load.start()
        while load.accepted < 20:
            time.sleep(0.02)
        stack = here.stack
        stack.up.terminate()
        assert stack.up.wait(60) == 0, stack.log
        assert stack.leftovers() == []
        stack.start()
        ids = load.ids()
        states = settled(here, ids)

    assert sum(states.values()) == len(set(ids)) == 60
    assert load.refusals["ConnectError"] > 0, "nobody sent while it was away"
    assert "Traceback" not in stack.log
