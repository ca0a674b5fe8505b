"""The whole database into a file, while it is used, and back.

SQLite by its online backup; PostgreSQL by pg_dump and pg_restore, whose passwords go through the
environment, never through the command line.
"""

import os
import re
import shutil
import sqlite3
import subprocess
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import IO, Any

from django.db import connection, transaction

from common.storage import sync

from .archive import BackupError

# Rows of the very state that was dumped.
Ask = Callable[[str], Sequence[tuple[Any, ...]]]

SQLITE, POSTGRESQL = "sqlite", "postgresql"
# What libpq calls the settings of a connection, in Django and in the environment.
_LIBPQ = {
    "host": "PGHOST", "port": "PGPORT", "user": "PGUSER", "password": "PGPASSWORD",
    "dbname": "PGDATABASE", "service": "PGSERVICE", "passfile": "PGPASSFILE",
    "sslmode": "PGSSLMODE", "sslrootcert": "PGSSLROOTCERT", "sslcert": "PGSSLCERT",
    "sslkey": "PGSSLKEY", "options": "PGOPTIONS",
}  # fmt: skip
_INSTALL = "Install PostgreSQL's client programs (Debian: apt install postgresql-client)."
# Everything of ours, also what a newer version made that this one doesn't know: the database is
# Likeness's own (docs/deploy.md).
_DROP_ALL = """
SET client_min_messages = warning;
DO $$ DECLARE found record; BEGIN
FOR found IN SELECT schemaname, tablename FROM pg_catalog.pg_tables
    WHERE schemaname = 'public' AND tableowner = current_user LOOP
  EXECUTE format('DROP TABLE %I.%I CASCADE', found.schemaname, found.tablename);
END LOOP; END $$;
"""


def size() -> int:
    """About how many bytes the database has."""
    with connection.cursor() as cursor:
        if connection.vendor == POSTGRESQL:
            cursor.execute("SELECT pg_database_size(current_database())")
        else:
            cursor.execute("SELECT page_count * page_size FROM pragma_page_count, pragma_page_size")
        return int(cursor.fetchone()[0])


@contextmanager
def dumped(target: Path) -> Iterator[Ask]:
    """Write the database to `target`; in the block, questions to that very state.

    Raises:
        BackupError: it can't be read, or a program for it is missing.
    """
    dump = _dumped_postgresql if connection.vendor == POSTGRESQL else _dumped_sqlite
    with dump(target) as ask:
        yield ask


def load(source: Path) -> None:
    """Put a dump in the place of the present database: all of it, or nothing.

    Raises:
        BackupError: it can't be done; the database is as it was.
    """
    if connection.vendor == POSTGRESQL:
        _load_postgresql(source)
    else:
        connection.close()
        _load_sqlite(source, Path(connection.settings_dict["NAME"]))


def check_programs() -> None:
    """Raise BackupError unless the programs that are needed are there and new enough."""
    if connection.vendor != POSTGRESQL:
        return
    with connection.cursor() as cursor:
        cursor.execute("SHOW server_version_num")
        server = int(cursor.fetchone()[0]) // 10_000
    for program in ("pg_dump", "pg_restore", "psql"):
        ours = _major(program)
        if ours < server:
            raise BackupError(
                f"{program} is of version {ours}, the server of {server}: it must not be older. "
                f"{_INSTALL}"
            )


# --- SQLite -------------------------------------------------------------------------------------


@contextmanager
def _dumped_sqlite(target: Path) -> Iterator[Ask]:
    try:
        with (
            closing(sqlite3.connect(connection.settings_dict["NAME"], timeout=30)) as source,
            closing(sqlite3.connect(target)) as copy,
        ):
            source.backup(copy)  # in one step: writers wait for nobody, and it never starts again
            copy.execute("PRAGMA journal_mode=DELETE")  # one file, without a log beside it
            _check_sqlite(copy)
            yield lambda sql: copy.execute(sql).fetchall()
    except sqlite3.Error as error:
        raise BackupError(f"SQLite could not copy the database: {error}.") from error


def _check_sqlite(copy: sqlite3.Connection) -> None:
    (found,) = copy.execute("PRAGMA quick_check(1)").fetchone()
    if found != "ok":
        raise BackupError(f"The database is damaged ({found}); it is not backed up.")


def _load_sqlite(source: Path, target: Path) -> None:
    """The new file takes the old one's name; a log of the old one must not be there then."""
    fresh = target.with_name(f"{target.name}.restored")
    try:
        shutil.copyfile(source, fresh)
        fresh.chmod(0o600)
        sync(fresh)
    except OSError as error:
        fresh.unlink(missing_ok=True)
        raise BackupError(f"The database could not be copied: {error.strerror}.") from error
    _fold_log(target)
    for suffix in ("-wal", "-shm"):
        target.with_name(target.name + suffix).unlink(missing_ok=True)
    fresh.replace(target)
    sync(target.parent)


def _fold_log(target: Path) -> None:
    """Write the old one's log into its file, so that it stays whole whatever happens next."""
    try:
        with closing(sqlite3.connect(target, timeout=5)) as old:
            old.execute("PRAGMA journal_mode=DELETE")
    except sqlite3.OperationalError as error:
        if "locked" in str(error):
            raise BackupError(
                "Another program has the database open. Stop it, and start again."
            ) from error
    except sqlite3.Error:
        pass  # it is damaged, which may be why it is replaced


# --- PostgreSQL ---------------------------------------------------------------------------------


@contextmanager
def _dumped_postgresql(target: Path) -> Iterator[Ask]:
    """pg_dump reads the snapshot that our own questions see."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        cursor.execute("SELECT pg_export_snapshot()")
        snapshot = cursor.fetchone()[0]
        _run(
            ["pg_dump", "--format=custom", "--no-owner", "--no-privileges", "--no-password",
             f"--snapshot={snapshot}", f"--file={target}"]
        )  # fmt: skip

        def ask(sql: str) -> Sequence[tuple[Any, ...]]:
            cursor.execute(sql)
            rows: Sequence[tuple[Any, ...]] = cursor.fetchall()
            return rows

        yield ask


def _load_postgresql(source: Path) -> None:
    """In one transaction, whose COMMIT we send only when pg_restore has ended well.

    `pg_restore --clean` would leave tables that this dump doesn't know, and stop at their keys.
    """
    reading = ["pg_restore", "--no-owner", "--no-privileges", "--file=-", str(source)]
    writing = ["psql", "--no-psqlrc", "--quiet", "--no-password", "--output=/dev/null"]
    with (
        _started(reading) as reader,
        _started([*writing, "--set=ON_ERROR_STOP=1"], stdin=subprocess.PIPE) as writer,
    ):
        with suppress(BrokenPipeError):  # psql has ended, and says why
            _pump(reader, writer)
        _close(reader.stdout)
        _close(writer.stdin)
        told = _last_line(writer), _last_line(reader)
        if writer.wait() or reader.wait():
            reason = told[0] if writer.returncode else told[1]
            raise BackupError(f"PostgreSQL did not take the dump, and is as it was: {reason}")


def _pump(reader: "subprocess.Popen[bytes]", writer: "subprocess.Popen[bytes]") -> None:
    assert reader.stdout is not None  # noqa: S101 - for the type
    assert writer.stdin is not None  # noqa: S101 - for the type
    writer.stdin.write(f"BEGIN;\n{_DROP_ALL}".encode())
    shutil.copyfileobj(reader.stdout, writer.stdin, 1 << 20)
    if reader.wait() == 0:
        writer.stdin.write(b"\nCOMMIT;\n")
    writer.stdin.flush()


def _close(stream: IO[bytes] | None) -> None:
    with suppress(BrokenPipeError):
        if stream is not None:
            stream.close()


def _last_line(process: "subprocess.Popen[bytes]") -> str:
    """What it said last, once it has ended."""
    told = process.stderr.read() if process.stderr else b""
    lines = told.decode(errors="replace").strip().splitlines()
    return lines[-1] if lines else "it gave no reason."


@contextmanager
def _started(
    argv: list[str], stdin: int = subprocess.DEVNULL
) -> Iterator["subprocess.Popen[bytes]"]:
    """A client program with pipes; it is gone at the end of the block."""
    try:
        process: subprocess.Popen[bytes] = subprocess.Popen(  # noqa: S603 - PostgreSQL's program
            argv, env=_environment(), stdin=stdin, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
    except FileNotFoundError as error:
        raise BackupError(f"{argv[0]} is not installed. {_INSTALL}") from error
    try:
        yield process
    finally:
        process.kill()
        for stream in (process.stdin, process.stdout, process.stderr):
            _close(stream)
        process.wait()


def _run(argv: list[str]) -> str:
    with _started(argv) as process:
        out = process.stdout.read() if process.stdout else b""
        reason = _last_line(process)
        if process.wait():
            raise BackupError(f"{argv[0]} failed: {reason}")
        return out.decode()


def _environment() -> dict[str, str]:
    params = connection.get_connection_params()
    named = {_LIBPQ[key]: str(value) for key, value in params.items() if key in _LIBPQ and value}
    return {**os.environ, "PGCONNECT_TIMEOUT": "10", **named}


def _major(program: str) -> int:
    found = re.search(r"\d+", _run([program, "--version"]))
    return int(found.group()) if found else 0
