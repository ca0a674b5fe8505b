"""What is not restored, and what becomes of a restore that dies."""

from __future__ import annotations

import json
import os
import shutil
import signal
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from enrolment import ledger_file
from operations import archive, restore
from operations.archive import BackupError
from tests.enrolment.test_ledger import line
from tests.fixtures import files
from tests.sets import about_the_embedded

from .backed_up import ERASE, ERASED, KEPT, LONG, STATE, only_long
from .installation import Installation


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


def change(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


@pytest.mark.parametrize("harm", [cut, change, Path.unlink])
@pytest.mark.parametrize("part", ["database-*", "media-*", "ledger-*", "media/originals/*/*/*"])
@about_the_embedded
@pytest.mark.django_db
def test_a_damaged_backup_is_refused(part: str, harm: Any, copied: Path) -> None:
    ledger_file.append([line()], sorted(copied.glob("ledger-*"))[0])
    manifest = archive.read_manifest(copied)
    manifest = replace(manifest, ledger=archive.part(copied / manifest.ledger.name))
    archive.write_manifest(copied, manifest)
    assert restore.check(copied) == manifest

    harm(sorted(copied.glob(part))[0])

    with pytest.raises(BackupError, match="ake another"):
        restore.check(copied)


def test_what_is_refused_touches_nothing(installation: Installation, backup: Path) -> None:
    change(sorted(backup.glob("database-*"))[0])
    installation.python(ERASE)

    told = installation.refused("restore", str(backup), "--yes")

    assert "was changed since it was written" in told
    assert installation.python(STATE)["people"] == [KEPT]
    assert not (installation.var / "restoring").exists()


def test_photos_that_are_damaged_can_be_left_out(installation: Installation, backup: Path) -> None:
    harmed = files(backup / "media")[0]
    change(harmed)
    shutil.rmtree(installation.media)

    done = installation.manage("restore", str(backup), "--yes", "--despite-damage")

    assert done.returncode == 0
    assert "1 photos have no file, here or in the backup" in done.stderr
    assert harmed.name in done.stderr
    assert len(files(installation.media)) == 1


@pytest.mark.parametrize(
    ("field", "value", "reason"),
    [
        ("format", 2, "holds a backup of format 2"),
        ("engine", "postgresql", "The backup is of postgresql"),
        ("migrations", ["people.0999_future"], "newer version of Likeness"),
        ("database", "x", "is damaged"),
        ("ledger", {"name": "../x", "bytes": 0, "sha256": ""}, "is damaged"),
    ],
)
@about_the_embedded
@pytest.mark.django_db
def test_a_backup_of_another_kind_is_refused(
    field: str, value: Any, reason: str, copied: Path
) -> None:
    manifest = json.loads((copied / "manifest.json").read_text())
    (copied / "manifest.json").write_text(json.dumps(manifest | {field: value}))

    with pytest.raises(BackupError, match=reason):
        restore.check(copied)


@about_the_embedded
@pytest.mark.django_db
def test_an_empty_folder_is_no_backup(tmp_path: Path) -> None:
    with pytest.raises(BackupError, match="holds no backup"):
        restore.check(tmp_path)


def test_nothing_is_replaced_without_a_yes(installation: Installation, backup: Path) -> None:
    installation.python(ERASE)

    done = installation.manage("restore", str(backup))

    assert done.returncode == 1
    assert "1 people -> 2, 1 photos -> 2, 1 erasures -> 0" in done.stdout
    assert "Add --yes." in done.stderr
    assert installation.python(STATE)["people"] == [KEPT]


def test_a_damaged_database_is_replaced_and_the_ledger_remembers(
    installation: Installation, backup: Path
) -> None:
    installation.python(ERASE)
    for each in installation.var.glob("likeness.sqlite3-*"):
        each.unlink()
    (installation.var / "likeness.sqlite3").write_bytes(b"\xff" * 100_000)

    installation.ok("restore", str(backup), "--yes")

    assert installation.python(STATE)["people"] == [KEPT]


def test_what_runs_is_not_restored_under_its_feet(installation: Installation, backup: Path) -> None:
    installation.python(
        "from operations.services import Sign, sign\nsign(Sign('photos@elsewhere'))"
    )
    told = installation.refused("restore", str(backup), "--yes")
    assert "The database is in use: worker photos@elsewhere." in told

    assert "Restored." in installation.ok("restore", str(backup), "--yes", "--force")


def test_other_connections_to_the_database_are_noticed(
    either: tuple[Installation, dict[str, Any]], tmp_path: Path
) -> None:
    installation, _ = either
    if not installation.env["DATABASE_URL"]:
        pytest.skip("SQLite has no list of them; its lock is noticed instead")
    import psycopg

    installation.ok("backup", str(tmp_path / "backup"))
    with psycopg.connect(installation.env["DATABASE_URL"]):
        told = installation.refused("restore", str(tmp_path / "backup"), "--yes")

    assert "1 other connections to the database" in told


def test_a_database_that_somebody_has_open_is_noticed(
    installation: Installation, backup: Path
) -> None:
    import sqlite3
    from contextlib import closing

    with closing(sqlite3.connect(installation.var / "likeness.sqlite3")) as other:
        other.execute("BEGIN IMMEDIATE")
        told = installation.refused("restore", str(backup), "--yes")

    assert "Another program has the database open" in told or "does not answer" in told
    assert not (installation.var / "restoring").exists()
    assert installation.python(STATE)["people"] == [KEPT, ERASED]


# --- Interrupted ---


@pytest.mark.parametrize(
    "step",
    [
        *("dumps.load", "restore.drop_collections"),
        *(["restore.call_command", "restore.replay"] if LONG else []),
    ],
)
def test_a_restore_that_died_is_completed_by_another(
    step: str, installation: Installation, backup: Path, people: dict[str, Any]
) -> None:
    """Death right after `step`, as by kill -9: nothing is cleaned up."""
    installation.python(
        ERASE + "\nfrom accounts.models import ApiKey\nApiKey.objects.update(revoked=True)"
    )
    installation.python(
        "import os\n"
        "from pathlib import Path\n"
        "from operations import archive, dumps, restore\n"
        f"folder = Path({str(backup)!r})\n"
        "manifest = restore.check(folder)\n"
        "if not os.fork():\n"
        f"    step = {step}\n"
        "    def die(*a, **k): step(*a, **k); os.kill(os.getpid(), 9)\n"
        f"    {step} = die\n"
        "    restore.run(folder, manifest)\n"
        "result = os.WTERMSIG(os.wait()[1])\n"
    )

    told = installation.ok("restore", str(backup), "--yes")

    assert "Restored." in told
    state = installation.python(STATE)
    assert (state["people"], state["erased"]) == ([KEPT], [people[ERASED]])
    assert state["valid_keys"] == []
    assert not (installation.var / "restoring").exists()
    installation.ok("prepare")


def test_nothing_is_served_before_a_restore_has_ended(
    installation: Installation, backup: Path
) -> None:
    (installation.var / "restoring").write_text(json.dumps({"folder": str(backup)}))

    for command in (["prepare"], ["start", "web"], ["start", "photos"], ["up"], ["backup", "x"]):
        told = installation.refused(*command)
        assert f"Run `manage.py restore {backup}` again" in told


@only_long
def test_kill_9_anywhere_and_again(installation: Installation, backup: Path) -> None:
    installation.python(ERASE)
    for delay in (0.0, 0.02, 0.1):
        process = installation.start("restore", str(backup), "--yes")
        end = time.monotonic() + 30
        while not (installation.var / "restoring").exists() and process.poll() is None:
            assert time.monotonic() < end
            time.sleep(0.002)
        time.sleep(delay)
        process.send_signal(signal.SIGKILL)
        process.communicate()

    installation.ok("restore", str(backup), "--yes")

    assert installation.python(STATE)["people"] == [KEPT]


def test_a_dump_that_the_server_refuses_leaves_the_database(
    either: tuple[Installation, dict[str, Any]], tmp_path: Path
) -> None:
    installation, _ = either
    folder = tmp_path / "backup"
    installation.ok("backup", str(folder))
    before = installation.python(STATE)
    told = installation.python(
        "from pathlib import Path\n"
        "from operations import archive, dumps\n"
        f"(dump,) = Path({str(folder)!r}).glob('database-*')\n"
        "data = dump.read_bytes(); dump.write_bytes(data[: len(data) // 2])\n"
        "result = ''\n"
        "try: dumps.load(dump if dumps.connection.vendor == 'postgresql' else Path('/nowhere'))\n"
        "except archive.BackupError as error: result = str(error)\n"
    )

    assert "PostgreSQL did not take the dump" in told or "could not be copied" in told
    assert installation.python(STATE) == before


def test_a_backup_from_before_an_upgrade_can_be_restored(
    either: tuple[Installation, dict[str, Any]], tmp_path: Path
) -> None:
    """What the newer version made is gone: the next upgrade makes it again."""
    installation, _ = either
    installation.ok("backup", str(tmp_path / "backup"))
    later = (
        "from django.db import connection\n"
        "connection.cursor().execute('CREATE TABLE later (id integer PRIMARY KEY, '\n"
        "    'person bigint REFERENCES people_person (id))')\n"
        "connection.cursor().execute('INSERT INTO later SELECT 1, MIN(id) FROM people_person')\n"
    )
    installation.python(later)

    installation.ok("restore", str(tmp_path / "backup"), "--yes")

    assert installation.python(STATE)["people"] == [KEPT, ERASED]
    installation.python(later)


def test_client_programs_that_are_missing_are_named(
    either: tuple[Installation, dict[str, Any]], tmp_path: Path
) -> None:
    installation, _ = either
    if not installation.env["DATABASE_URL"]:
        pytest.skip("SQLite needs none")
    installation.env["PATH"] = str(tmp_path)

    told = installation.refused("backup", str(tmp_path / "backup"))

    assert told.startswith("pg_dump is not installed. Install PostgreSQL's client programs")
    assert "PGPASSWORD" not in os.environ
