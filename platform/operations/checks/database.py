"""The database and its migrations."""

import os
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor

from common.logs import without_values
from operations.parts import Part, Refusal, failed, ok, warning

_REFUSALS = (
    Refusal(
        ("password authentication failed",),
        "refuses the login",
        "Correct user and password in DATABASE_URL.",
    ),
    Refusal(
        ("no password supplied",),
        "asks for a password",
        "Write it into DATABASE_URL: postgres://USER:PASSWORD@HOST/NAME.",
    ),
    Refusal(
        ("role ", "does not exist"),
        "knows no such user",
        "Create the user, or correct it in DATABASE_URL.",
    ),
    Refusal(
        ("database ", "does not exist"),
        "has no database of this name",
        "Create it (`createdb NAME`), or correct the end of DATABASE_URL.",
    ),
    Refusal(
        ("pg_hba.conf",),
        "lets this user not in from this machine",
        "Add a line for it to the server's pg_hba.conf.",
    ),
    Refusal(
        ("too many clients",),
        "has no free connection",
        "Raise max_connections there, or stop what uses them.",
    ),
    Refusal(("starting up",), "is starting", "Wait a moment."),
    Refusal(
        ("not a database",), "is another kind of file", "Correct DATABASE_URL, or restore a backup."
    ),
    Refusal(("malformed",), "is damaged", "Keep a copy of the file, and restore a backup."),
    Refusal(
        ("unable to open",),
        "can't be opened",
        "Give this user read and write permission to the file and its folder.",
    ),
    Refusal(("disk is full",), "has no space left", "Free some space on its disk."),
)


def database() -> Part:
    """Does it answer, and may we write?"""
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1" if _is_server() else "SELECT count(*) FROM sqlite_master")
    except DatabaseError as error:
        return _refused(error)
    if not _is_server() and not _is_writable(Path(_settings()["NAME"])):
        return failed(
            "database",
            "can't be written to",
            "Give this user write permission to the file and its folder.",
            where=_where(),
        )
    return ok("database", f"{_version()} answers", where=_where())


def _refused(error: DatabaseError) -> Part:
    said = without_values(error)
    for refusal in _REFUSALS:
        if all(words in str(error) for words in refusal.words):
            return failed("database", refusal.detail, refusal.remedy, where=_where())
    remedy = "Start it, or correct DATABASE_URL."
    return failed("database", "does not answer", remedy, where=f"{_where()}: {said}")


def migrations() -> Part:
    """Has it our tables, as this version wants them?"""
    try:
        executor = MigrationExecutor(connection)
    except DatabaseError:
        return failed("migrations", "can't be read", "See the database.")
    loader = executor.loader
    missing = executor.migration_plan(loader.graph.leaf_nodes())
    if missing:
        return failed(
            "migrations",
            f"the database lacks {len(missing)} migrations",
            "Make a backup, then run `manage.py migrate` (`make run` does it by itself).",
        )
    unknown = set(loader.applied_migrations) - set(loader.disk_migrations)
    ours = {label for label in unknown if label[0] in loader.migrated_apps}
    if ours:
        return warning(
            "migrations",
            f"the database has {len(ours)} migrations that this version doesn't know",
            "Install the version that made them, or restore a backup from before.",
        )
    return ok("migrations", "all applied")


def _settings() -> dict[str, Any]:
    return settings.DATABASES["default"]


def _is_server() -> bool:
    return connection.vendor != "sqlite"


def _is_writable(file: Path) -> bool:
    # In memory, as in tests, there is no file.
    return not file.exists() or all(os.access(path, os.W_OK) for path in (file, file.parent))


def _version() -> str:
    name = "PostgreSQL" if _is_server() else "SQLite"
    return " ".join([name, ".".join(str(part) for part in connection.get_database_version())])


def _where() -> str:
    """Host, port and name; never user or password."""
    config = _settings()
    if not _is_server():
        return str(config["NAME"])
    host = config.get("HOST") or "local socket"
    return f"{host}:{config.get('PORT') or 5432}/{config['NAME']}"
