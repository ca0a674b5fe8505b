"""Backup and restore, on both databases: nobody erased comes back, nothing half is left."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from operations import archive
from tests.fixtures import files

from .backed_up import ERASE, ERASED, KEPT, LONG, STATE
from .installation import Installation

# --- What it is for ---


def test_somebody_erased_after_the_backup_stays_erased(
    either: tuple[Installation, dict[str, Any]], tmp_path: Path
) -> None:
    installation, people = either
    folder = tmp_path / "backup"
    told = installation.ok("backup", str(folder))
    assert "2 people, 2 photos" in told
    assert installation.ok("backup", "--verify", str(folder))
    before = installation.python(STATE)
    installation.python(ERASE)
    assert len(files(installation.media)) == 1

    told = installation.ok("restore", str(folder), "--yes")

    assert "Erased again, as the ledger says: 1 people." in told
    state = installation.python(STATE)
    assert state["people"] == [KEPT]
    assert state["erased"] == [people[ERASED]]
    assert state["photos"] == ["received"]
    assert (state["templates"], state["indexed"], state["outbox"]) == (1, 0, 0)
    assert (state["indexes"], state["sessions"], state["heartbeats"]) == ([0, 0], 0, 0)
    assert state["audit"][: len(before["audit"])] == before["audit"]
    assert state["audit"][len(before["audit"]) :] == [
        ["person.erase", "system:ledger"],
        ["backup.restore", "system:restore"],
    ]
    assert len(files(installation.media)) == 1
    installation.ok("prepare")
    state = installation.python(STATE)
    assert (state["indexes"], state["outbox"]) == ([1, 1], 1)
    assert state["collections"] != people["collections"]


def test_a_database_restored_by_hand_is_caught_before_anything_is_served(
    installation: Installation, backup: Path, people: dict[str, Any]
) -> None:
    installation.python(ERASE)
    (dump,) = backup.glob("database-*")
    database = installation.var / "likeness.sqlite3"
    for each in installation.var.glob("likeness.sqlite3*"):
        each.unlink()
    shutil.copyfile(dump, database)

    told = installation.ok("prepare")

    assert "Erased again, as the ledger says: 1 people." in told
    assert installation.python(STATE)["people"] == [KEPT]


def test_the_backups_own_ledger_counts_on_another_machine(
    installation: Installation, backup: Path, tmp_path: Path, people: dict[str, Any]
) -> None:
    """An older dump with a newer ledger beside it, on a machine that knows nothing."""
    installation.python(ERASE)
    older = tmp_path / "older"
    shutil.copytree(backup, older)
    installation.ok("backup", str(backup))
    manifest = json.loads((older / "manifest.json").read_text())
    newer = json.loads((backup / "manifest.json").read_text())["ledger"]
    shutil.copyfile(backup / newer["name"], older / newer["name"])
    manifest["ledger"] = newer
    (older / "manifest.json").write_text(json.dumps(manifest))
    elsewhere = Installation(tmp_path / "elsewhere")
    elsewhere.folder.mkdir()

    elsewhere.ok("restore", str(older), "--yes")

    state = elsewhere.python(STATE)
    assert (state["people"], state["erased"]) == ([KEPT], [people[ERASED]])
    assert len(files(elsewhere.media)) == 1
    assert people[ERASED] in elsewhere.ledger.read_text()


def test_without_an_erasure_everything_is_as_it_was(
    installation: Installation, backup: Path, tmp_path: Path
) -> None:
    elsewhere = Installation(tmp_path / "elsewhere")
    elsewhere.folder.mkdir()

    elsewhere.ok("restore", str(backup), "--yes")

    then, now = installation.python(STATE), elsewhere.python(STATE)
    for same in ("people", "erased", "templates", "valid_keys", "accounts"):
        assert now[same] == then[same]
    assert now["photos"] == ["received", "received"]
    ours, theirs = installation.media, elsewhere.media
    assert {path.relative_to(theirs): path.read_bytes() for path in files(theirs)} == {
        path.relative_to(ours): path.read_bytes() for path in files(ours)
    }
    assert {path.stat().st_mode & 0o777 for path in files(theirs)} == {0o600}


def test_keys_revoked_and_accounts_closed_since_stay_so(
    installation: Installation, backup: Path
) -> None:
    (prefix,) = installation.python(STATE)["valid_keys"]
    installation.python(
        "from accounts.models import ApiKey, User\n"
        "ApiKey.objects.update(revoked=True)\n"
        "User.objects.filter(username='leaver').update(is_active=False)\n"
    )

    told = installation.ok("restore", str(backup), "--yes")

    assert f"API keys revoked again: {prefix}." in told
    assert "Accounts closed again: 1." in told
    state = installation.python(STATE)
    assert (state["valid_keys"], state["accounts"]) == ([], ["admin"])


def test_keys_deleted_since_do_not_work_again(installation: Installation, backup: Path) -> None:
    (prefix,) = installation.python(STATE)["valid_keys"]
    installation.python("from accounts.models import ApiKey\nApiKey.objects.all().delete()\n")

    assert f"API keys revoked again: {prefix}." in installation.ok("restore", str(backup), "--yes")


# --- The folder of a backup ---


def test_backups_into_one_folder_share_photos_and_forget_the_erased(
    installation: Installation, backup: Path
) -> None:
    before = files(backup / "media")
    times = {path: path.stat().st_mtime_ns for path in before}
    installation.python(ERASE)

    told = installation.ok("backup", str(backup))

    assert "1 people, 1 photos" in told
    assert "Photos copied now: 0." in told
    (kept,) = files(backup / "media")
    assert kept.stat().st_mtime_ns == times[kept]
    assert len(list(backup.iterdir())) == 6  # manifest, mark, three parts, media
    assert {path.stat().st_mode & 0o077 for path in [backup, *backup.rglob("*")]} == {0}


def test_a_folder_with_something_else_is_refused(
    installation: Installation, tmp_path: Path
) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "letter.txt").write_text("dear")

    told = installation.refused("backup", str(tmp_path / "full"))

    assert told.endswith("Name a folder that is empty or doesn't exist.")
    assert [path.name for path in (tmp_path / "full").iterdir()] == ["letter.txt"]
    assert "must lie apart" in installation.refused("backup", str(installation.media / "x"))


def test_a_photo_that_is_gone_is_reported(installation: Installation, tmp_path: Path) -> None:
    gone = files(installation.media)[0]
    gone.unlink()

    done = installation.manage("backup", str(tmp_path / "other"))

    assert done.returncode == 0
    assert "1 photos are missing or damaged here" in done.stderr
    assert gone.name in done.stderr
    told = installation.refused("backup", "--verify", str(tmp_path / "other"))
    assert told.startswith("1 of 2 photos are missing or damaged")


def test_a_disk_without_room_is_refused_before_anything_is_written(
    installation: Installation, backup: Path
) -> None:
    before = {path: path.stat().st_mtime_ns for path in backup.rglob("*")}
    told = installation.python(
        "import shutil\n"
        "from collections import namedtuple\n"
        "from pathlib import Path\n"
        "shutil.disk_usage = lambda _: namedtuple('Usage', 'free')(1000)\n"
        "from operations.backup import make\n"
        "from operations.archive import BackupError\n"
        f"try: make(Path({str(backup)!r}))\n"
        "except BackupError as error: result = str(error)\n"
    )

    assert "has room for 0 MB" in told
    assert before == {path: path.stat().st_mtime_ns for path in backup.rglob("*")}


@pytest.mark.parametrize(
    "step",
    ["dumps.dumped", "archive.copy", *(["archive.part", "os.walk"] if LONG else [])],
)
def test_an_interrupted_backup_leaves_the_older_one(
    step: str, installation: Installation, backup: Path
) -> None:
    shutil.rmtree(backup / "media")  # so that there is something to copy
    told = installation.python(
        "import os\n"
        "from pathlib import Path\n"
        "from operations import archive, backup, dumps\n"
        "def full(*a, **k): raise OSError(28, 'No space left on device')\n"
        f"{step} = full\n"
        f"try: backup.make(Path({str(backup)!r}))\n"
        "except archive.BackupError as error: result = str(error)\n"
    )
    assert "No space left on device" in told
    if step != "os.walk":  # by then the new one stands
        shutil.copytree(installation.media, backup / "media")
    check_whole(backup)

    installation.ok("backup", str(backup))
    check_whole(backup)
    assert len(list(backup.iterdir())) == 6


def check_whole(backup: Path) -> None:
    manifest = archive.read_manifest(backup)
    archive.check_parts(backup, manifest)
    assert archive.damaged_media(backup, manifest) == []
