"""Who changes templates, and who changes what generations there are, don't cross.

A change of templates notes its outbox rows in the generations that it sees. If one were made in
the same moment, the change could miss it, and it the change. So changes share a lock for the
length of their transactions, and whoever makes or retires a generation waits until it has it
alone. SQLite has one writer at a time anyway.
"""

from django.db import connection

# Any number, the same in every release.
_GENERATIONS = 0x11CE_0E6E


def changing() -> None:
    """In the transaction of a change of templates, before the generations are read."""
    _lock("pg_advisory_xact_lock_shared")


def reshaping() -> None:
    """In the transaction that makes, activates or retires generations, before anything else."""
    _lock("pg_advisory_xact_lock")


def _lock(function: str) -> None:
    if connection.vendor != "postgresql":
        return
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {function}(%s)", [_GENERATIONS])
