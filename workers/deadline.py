"""Ending a worker that hangs.

The solo pool knows no time limits, and a thread stuck in a decoder hears no signal. So a watchdog
outside the interpreter ends the process; its supervisor starts it anew and what it held goes back
to the queue when its lease runs out.
"""

import faulthandler
import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def deadline(seconds: float) -> Iterator[None]:
    """Let the block take so long; then write where it stood to stderr and end the process."""
    faulthandler.dump_traceback_later(seconds, exit=True, file=sys.stderr)
    try:
        yield
    finally:
        faulthandler.cancel_dump_traceback_later()
