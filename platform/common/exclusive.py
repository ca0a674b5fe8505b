"""What only one process may do at a time, and what nobody may while a restore is unfinished."""

import contextlib
import fcntl
import json
import os
from collections.abc import Iterator
from pathlib import Path

from django.conf import settings
from django.core.management.base import CommandError
from django.db import connection

# Any number, the same in every release: PostgreSQL's name for "somebody prepares this database".
_PREPARING = 0x11CE_0E55


@contextlib.contextmanager
def only_one(lock: Path, *, otherwise: str = "") -> Iterator[None]:
    """Hold `lock` for the block; CommandError naming the process that already does.

    `otherwise` says what can be done but to stop that one.
    """
    lock.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with lock.open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            file.seek(0)
            pid = file.read().strip() or "unknown"
            raise CommandError(
                f"Likeness already runs in {lock.parent} (process {pid}). Stop that one first "
                f"(Ctrl-C in its terminal, or `kill {pid}`){otherwise}."
            ) from error
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield


def running_here() -> Path:
    """The lock that `manage.py up` holds while it runs."""
    return Path(settings.VAR_DIR) / "up.lock"


def sign_in() -> None:
    """Say, for as long as this process lives, that it uses this folder; across an exec, too."""
    lock = os.open(_started_here(), os.O_RDWR | os.O_CREAT, 0o600)
    fcntl.flock(lock, fcntl.LOCK_SH)
    os.set_inheritable(lock, True)  # noqa: FBT003 - the standard library's signature


@contextlib.contextmanager
def nobody_signed_in() -> Iterator[None]:
    """Keep out processes of `manage.py start`; CommandError while one runs on this folder."""
    with _started_here().open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise CommandError(
                f"Processes started by `manage.py start` still use {settings.VAR_DIR}. Stop them "
                "first."
            ) from error
        yield


def _started_here() -> Path:
    return Path(settings.VAR_DIR) / "start.lock"


@contextlib.contextmanager
def one_prepares() -> Iterator[None]:
    """Wait until nobody else prepares this database, on whatever machine, and keep others out."""
    if connection.vendor == "postgresql":
        with _advisory_lock():
            yield
        return
    with (Path(settings.VAR_DIR) / "prepare.lock").open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


@contextlib.contextmanager
def _advisory_lock() -> Iterator[None]:
    """PostgreSQL's own lock of this session; it ends with the session, however that ends."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_lock(%s)", [_PREPARING])
    try:
        yield
    finally:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_unlock(%s)", [_PREPARING])


def unfinished_restore() -> Path:
    """The file that stands while a restore has begun and not ended; JSON with its `folder`."""
    return Path(settings.VAR_DIR) / "restoring"


def refuse_unfinished_restore() -> None:
    """CommandError while a restore is unfinished: what lies here is neither the old nor the new."""
    try:
        folder = json.loads(unfinished_restore().read_text())["folder"]
    except FileNotFoundError:
        return
    except (ValueError, KeyError, TypeError):
        folder = "DIR"
    raise CommandError(
        f"A restore began here and did not end. Run `manage.py restore {folder}` again; until it "
        f"has ended nothing is served. ({unfinished_restore()} says so.)"
    )
