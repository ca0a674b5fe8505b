"""What a task holds is given back when the database went away in its middle and answers again.

Otherwise it waits for the end of its lease, a minute in which nobody works on it.
"""

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from django.db import DatabaseError, InterfaceError, OperationalError, close_old_connections

logger = logging.getLogger(__name__)

# Then its lease has nearly ended by itself.
PATIENCE = 30.0
_EVERY = 0.5


@contextmanager
def given_back(release: Callable[[str], int], worker: str) -> Iterator[None]:
    """Around a task of a worker that does one at a time: all that it holds is this task's."""
    try:
        yield
    except (OperationalError, InterfaceError):
        _once_it_answers(lambda: release(worker))
        raise


def _once_it_answers(release: Callable[[], int]) -> None:
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        close_old_connections()
        try:
            release()
        except (DatabaseError, InterfaceError):
            time.sleep(_EVERY)
        else:
            return
    logger.warning("the database is still away; what this worker holds waits for its lease")
