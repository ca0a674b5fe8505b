"""Backup and restore, on both databases: nobody erased comes back, nothing half is left."""

from __future__ import annotations

import json
import os
import shutil
import signal
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from enrolment import ledger_file
from operations import archive, restore
from operations.archive import BackupError
from tests.conftest import Lfw
from tests.enrolment.test_ledger import line
from tests.fixtures import files
from tests.services import PostgresServer
from tests.sets import about_the_embedded

from .installation import Installation

# Two people with a photo and a template each; one's photo is in a worker's hands.
_ENROL = """
from pathlib import Path
from accounts.models import User
from django.contrib.sessions.models import Session
from django.db import transaction
from django.utils import timezone
from people.models import Gallery, Person, Role
from photos.intake import examine
from photos.models import Photo
from photos.services import claim, receive
from tests import factories
from vectors.models import IndexGeneration

gallery = Gallery.objects.get()
people = {}
for name in ("Donald_Rumsfeld", "Bill_Clinton"):
    person = Person.objects.create(gallery=gallery, name=name)
    data = Path(PHOTOS, name, f"{name}_0001.jpg").read_bytes()
    receive(factories.SYSTEM, gallery, person, examine(data))
    with transaction.atomic():
        factories.template(person)
    people[name] = str(person.public_id)
claim([], 1, "photos@elsewhere")
factories.api_key(gallery, Role.VIEWER)
Session.objects.create(session_key="abc", session_data="x", expire_date=timezone.now())
User.objects.create(username="leaver")
result = people | {"collections": [each.collection for each in IndexGeneration.objects.all()]}
"""
_ERASE = """
from enrolment.services import erase
from people.models import Person
from tests.factories import SYSTEM
erase(SYSTEM, Person.objects.get(name="Donald_Rumsfeld"))
"""
_STATE = """
from accounts.models import ApiKey, User
from audit.models import AuditEntry
from common.models import IdempotentRequest
from django.contrib.sessions.models import Session
from enrolment.models import Erasure
from operations.models import WorkerHeartbeat
from people.models import Person
from photos.models import Photo
from vectors.models import ActiveIndex, IndexGeneration, PersonTemplate, VectorOutbox
result = {
    "people": sorted(Person.objects.values_list("name", flat=True)),
    "photos": sorted(Photo.objects.values_list("state", flat=True)),
    "erased": [str(each) for each in Erasure.objects.values_list("person", flat=True)],
    "templates": PersonTemplate.objects.count(),
    "indexed": PersonTemplate.objects.filter(indexed_version__gt=0).count(),
    "indexes": [IndexGeneration.objects.count(), ActiveIndex.objects.count()],
    "collections": [each.collection for each in IndexGeneration.objects.all()],
    "outbox": VectorOutbox.objects.count(),
    "sessions": Session.objects.count(),
    "valid_keys": sorted(ApiKey.objects.filter(revoked=False).values_list("prefix", flat=True)),
    "accounts": sorted(User.objects.filter(is_active=True).values_list("username", flat=True)),
    "heartbeats": WorkerHeartbeat.objects.count(),
    "audit": list(AuditEntry.objects.order_by("pk").values_list("action", "actor")),
}
"""
# Every one of these starts programs for seconds; LIKENESS_LONG=1 tries them all.
LONG = os.environ.get("LIKENESS_LONG") == "1"
only_long = pytest.mark.skipif(not LONG, reason="takes long: LIKENESS_LONG=1")
ERASED, KEPT = "Donald_Rumsfeld", "Bill_Clinton"


def enrol(installation: Installation, lfw: Lfw) -> dict[str, Any]:
    installation.ok("prepare")
    photos = f"PHOTOS = {str(lfw.folder / 'images')!r}\n"
    return dict(installation.python(photos + _ENROL))


@pytest.fixture(scope="module")
def postgres() -> Iterator[PostgresServer]:
    with PostgresServer() as server:
        assert isinstance(server, PostgresServer)
        yield server


@pytest.fixture(scope="module")
def sqlite_original(tmp_path_factory: pytest.TempPathFactory, lfw: Lfw) -> dict[str, Any]:
    """An installation with a backup, made once; each test has a copy of its own."""
    folder = tmp_path_factory.mktemp("original")
    people = enrol(Installation(folder), lfw)
    Installation(folder).ok("backup", str(folder / "backup"))
    return {"folder": folder, **people}


@pytest.fixture
def people(sqlite_original: dict[str, Any]) -> dict[str, Any]:
    return sqlite_original


@pytest.fixture
def installation(sqlite_original: dict[str, Any], tmp_path: Path) -> Installation:
    shutil.copytree(sqlite_original["folder"], tmp_path / "copy")
    return Installation(tmp_path / "copy")


@pytest.fixture
def backup(installation: Installation) -> Path:
    return installation.folder / "backup"


@pytest.fixture
def copied(sqlite_original: dict[str, Any], tmp_path: Path) -> Path:
    """The backup alone."""
    return Path(shutil.copytree(sqlite_original["folder"] / "backup", tmp_path / "backup"))


@pytest.fixture(params=["sqlite", "postgresql"])
def either(request: pytest.FixtureRequest, tmp_path: Path, lfw: Lfw) -> tuple[Installation, Any]:
    """An installation on each database, and whom it knows."""
    environment = {}
    if request.param == "postgresql":
        server = request.getfixturevalue("postgres")
        environment["DATABASE_URL"] = server.make_database(f"likeness_{uuid4().hex[:8]}")
    installation = Installation(tmp_path, **environment)
    return installation, enrol(installation, lfw)


# --- What it is for ---


def test_somebody_erased_after_the_backup_stays_erased(
    either: tuple[Installation, dict[str, Any]], tmp_path: Path
) -> None:
    installation, people = either
    folder = tmp_path / "backup"
    told = installation.ok("backup", str(folder))
    assert "2 people, 2 photos" in told
    assert installation.ok("backup", "--verify", str(folder))
    before = installation.python(_STATE)
    installation.python(_ERASE)
    assert len(files(installation.media)) == 1

    told = installation.ok("restore", str(folder), "--yes")

    assert "Erased again, as the ledger says: 1 people." in told
    state = installation.python(_STATE)
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
    state = installation.python(_STATE)
    assert (state["indexes"], state["outbox"]) == ([1, 1], 1)
    assert state["collections"] != people["collections"]


def test_a_database_restored_by_hand_is_caught_before_anything_is_served(
    installation: Installation, backup: Path, people: dict[str, Any]
) -> None:
    installation.python(_ERASE)
    (dump,) = backup.glob("database-*")
    database = installation.var / "likeness.sqlite3"
    for each in installation.var.glob("likeness.sqlite3*"):
        each.unlink()
    shutil.copyfile(dump, database)

    told = installation.ok("prepare")

    assert "Erased again, as the ledger says: 1 people." in told
    assert installation.python(_STATE)["people"] == [KEPT]


def test_the_backups_own_ledger_counts_on_another_machine(
    installation: Installation, backup: Path, tmp_path: Path, people: dict[str, Any]
) -> None:
    """An older dump with a newer ledger beside it, on a machine that knows nothing."""
    installation.python(_ERASE)
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

    state = elsewhere.python(_STATE)
    assert (state["people"], state["erased"]) == ([KEPT], [people[ERASED]])
    assert len(files(elsewhere.media)) == 1
    assert people[ERASED] in elsewhere.ledger.read_text()


def test_without_an_erasure_everything_is_as_it_was(
    installation: Installation, backup: Path, tmp_path: Path
) -> None:
    elsewhere = Installation(tmp_path / "elsewhere")
    elsewhere.folder.mkdir()

    elsewhere.ok("restore", str(backup), "--yes")

    then, now = installation.python(_STATE), elsewhere.python(_STATE)
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
    (prefix,) = installation.python(_STATE)["valid_keys"]
    installation.python(
        "from accounts.models import ApiKey, User\n"
        "ApiKey.objects.update(revoked=True)\n"
        "User.objects.filter(username='leaver').update(is_active=False)\n"
    )

    told = installation.ok("restore", str(backup), "--yes")

    assert f"API keys revoked again: {prefix}." in told
    assert "Accounts closed again: 1." in told
    state = installation.python(_STATE)
    assert (state["valid_keys"], state["accounts"]) == ([], ["admin"])


def test_keys_deleted_since_do_not_work_again(installation: Installation, backup: Path) -> None:
    (prefix,) = installation.python(_STATE)["valid_keys"]
    installation.python("from accounts.models import ApiKey\nApiKey.objects.all().delete()\n")

    assert f"API keys revoked again: {prefix}." in installation.ok("restore", str(backup), "--yes")


# --- The folder of a backup ---


def test_backups_into_one_folder_share_photos_and_forget_the_erased(
    installation: Installation, backup: Path
) -> None:
    before = files(backup / "media")
    times = {path: path.stat().st_mtime_ns for path in before}
    installation.python(_ERASE)

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


# --- What is refused, untouched ---


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
    installation.python(_ERASE)

    told = installation.refused("restore", str(backup), "--yes")

    assert "was changed since it was written" in told
    assert installation.python(_STATE)["people"] == [KEPT]
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
    installation.python(_ERASE)

    done = installation.manage("restore", str(backup))

    assert done.returncode == 1
    assert "1 people -> 2, 1 photos -> 2, 1 erasures -> 0" in done.stdout
    assert "Add --yes." in done.stderr
    assert installation.python(_STATE)["people"] == [KEPT]


def test_a_damaged_database_is_replaced_and_the_ledger_remembers(
    installation: Installation, backup: Path
) -> None:
    installation.python(_ERASE)
    for each in installation.var.glob("likeness.sqlite3-*"):
        each.unlink()
    (installation.var / "likeness.sqlite3").write_bytes(b"\xff" * 100_000)

    installation.ok("restore", str(backup), "--yes")

    assert installation.python(_STATE)["people"] == [KEPT]


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
    assert installation.python(_STATE)["people"] == [KEPT, ERASED]


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
        _ERASE + "\nfrom accounts.models import ApiKey\nApiKey.objects.update(revoked=True)"
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
    state = installation.python(_STATE)
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
    installation.python(_ERASE)
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

    assert installation.python(_STATE)["people"] == [KEPT]


def test_a_dump_that_the_server_refuses_leaves_the_database(
    either: tuple[Installation, dict[str, Any]], tmp_path: Path
) -> None:
    installation, _ = either
    folder = tmp_path / "backup"
    installation.ok("backup", str(folder))
    before = installation.python(_STATE)
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
    assert installation.python(_STATE) == before


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

    assert installation.python(_STATE)["people"] == [KEPT, ERASED]
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
