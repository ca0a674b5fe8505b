"""What an installation's database says, read beside its processes and without any of their code."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime
from typing import Any, NamedTuple
from uuid import UUID

import psutil

from tests.e2e.stack import Stack, eventually

_INDEXES = """
    SELECT i.public_id, i.state, i.takes_over, i.written, i.expected, i.held_by, i.problem,
           (SELECT count(*) FROM vectors_activeindex a WHERE a.generation_id = i.id)
    FROM vectors_indexgeneration i ORDER BY i.id
"""


class Index(NamedTuple):
    """A generation, and of how many galleries it answers the searches."""

    public_id: UUID
    state: str
    takes_over: bool
    written: int
    expected: int
    held_by: str
    problem: str
    searched: int

    @property
    def collection(self) -> str:
        return f"likeness_{self.public_id.hex}"

    @property
    def is_being_filled(self) -> bool:
        """Whether a worker has it in hand and neither its beginning nor its end."""
        return bool(self.held_by) and 0 < self.written < self.expected


class Records:
    """The database of one installation."""

    def __init__(self, stack: Stack) -> None:
        self._stack = stack

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        """What a query finds, as of now."""
        url = self._stack.env["DATABASE_URL"]
        if not url:
            file = self._stack.var / "likeness.sqlite3"
            with closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True, timeout=5)) as link:
                return link.execute(sql).fetchall()
        import psycopg

        with psycopg.connect(url, autocommit=True) as server:
            return server.execute(sql.encode()).fetchall()

    def number(self, sql: str) -> int:
        """The one figure that a query finds; 0 for none."""
        found = self.rows(sql)
        return int(found[0][0] or 0) if found else 0

    def indexes(self) -> list[Index]:
        """Every generation, the oldest first."""
        return [
            Index(UUID(str(row[0])), str(row[1]), bool(row[2]), *row[3:])
            for row in self.rows(_INDEXES)
        ]

    def searched(self) -> Index:
        """The one generation in which everything is searched."""
        (found,) = [each for each in self.indexes() if each.searched]
        return found

    def people(self) -> int:
        return self.number("SELECT count(*) FROM people_person")

    def templates(self) -> int:
        return self.number("SELECT count(*) FROM vectors_persontemplate")

    def changes(self) -> int:
        """How many single changes are still to be written."""
        return self.number("SELECT count(*) FROM vectors_vectoroutbox")

    def spans(self) -> int:
        """How many ranges are still to be written."""
        return self.number("SELECT count(*) FROM vectors_indexspan")

    def spans_of_loaders(self) -> int:
        """How many of these a loader has, or had when Milvus failed to answer it."""
        now = datetime.now(UTC).isoformat(" ")
        return self.number(f"SELECT count(*) FROM vectors_indexspan WHERE loading_until > '{now}'")

    def loaded(self) -> int:
        """How many rows of the newest file are in the database."""
        return self.number("SELECT next_row FROM vectors_vectorimport ORDER BY id DESC LIMIT 1")

    def is_settled(self) -> bool:
        """Whether nothing is left that the index worker may write, prove or drop now."""
        finished = all(each.state == "ready" and not each.takes_over for each in self.indexes())
        return finished and not self.changes() and self.spans() == self.spans_of_loaders()


def stopped_in_the_middle(
    process: Callable[[], psutil.Process], is_in_the_middle: Callable[[], bool]
) -> psutil.Process:
    """The process, suspended at a moment when this was true."""

    def caught() -> psutil.Process | None:
        victim = process()
        victim.suspend()
        try:
            if is_in_the_middle():
                return victim
        except sqlite3.OperationalError:
            pass  # suspended while it held the file's own lock: nobody reads then
        victim.resume()
        return None

    return eventually(caught, "caught in the middle of it", seconds=60, every=0.02)


def agrees_unaided(stack: Stack, seconds: float) -> float:
    """Wait until the workers have finished and `reconcile` agrees; after how many seconds.

    `reconcile` is told not to wait, so that it writes nothing itself, and not to repair.
    """
    begun, records = time.monotonic(), Records(stack)
    eventually(records.is_settled, "all is written", seconds=seconds, every=0.1)
    taken = time.monotonic() - begun

    def agrees() -> bool:
        of_loaders = records.spans_of_loaders()
        told = stack.manage("reconcile", "--wait", "0")
        assert told.returncode in (0, 1), told.stderr
        is_whole = bool(of_loaders) or "on their way" not in told.stdout
        return told.returncode == 0 and is_whole and "being built" not in told.stdout

    eventually(agrees, "reconcile agrees", seconds=30)
    return taken
