"""`manage.py doctor` and what goes wrong: one sentence each, with the setting and the remedy."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from operations import parts
from operations.checks import broker
from operations.parts import Part
from tests.services import LOOPBACK, PostgresServer, RedisServer, free_port, missing

ROOT = Path(__file__).resolve().parents[2]
SECRET = "hunter2-Zebulon"
RABBIT = (LOOPBACK, 5672)


def doctor(
    folder: Path, *arguments: str, **environment: str
) -> tuple[subprocess.CompletedProcess[str], float]:
    """Run it in an installation of its own; what it did, and how long it took."""
    blank = dict.fromkeys(("DATABASE_URL", "CELERY_BROKER_URL", "MILVUS_URI", "MILVUS_TOKEN"), "")
    began = time.monotonic()
    done = subprocess.run(
        [sys.executable, "manage.py", "doctor", *arguments],
        cwd=ROOT,
        env={**os.environ, **blank, "LIKENESS_VAR_DIR": str(folder), **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert SECRET not in done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    return done, time.monotonic() - began


def parts_of(folder: Path, **environment: str) -> dict[str, dict[str, str]]:
    """What it says of each part."""
    done, seconds = doctor(folder, "--json", **environment)
    assert seconds < 30
    assert done.stderr == ""
    found = {part.pop("name"): part for part in json.loads(done.stdout)}
    assert done.returncode == any(part["state"] == "failed" for part in found.values())
    # Whatever is wrong with one part, others are looked at.
    assert found["models"]["state"] == "ok"
    return found


def part_of(folder: Path, name: str, **environment: str) -> dict[str, str]:
    """What it says of one part."""
    return parts_of(folder, **environment)[name]


def failure(detail: str, remedy: str, where: str) -> dict[str, str]:
    return {"state": "failed", "detail": detail, "remedy": remedy, "where": where}


@pytest.fixture(scope="module")
def postgres() -> Iterator[PostgresServer]:
    with PostgresServer(password="right") as server:
        yield server  # type: ignore[misc]


@pytest.fixture(scope="module")
def redis() -> Iterator[RedisServer]:
    with RedisServer(password="right") as server:
        yield server  # type: ignore[misc]


def test_an_installation_that_was_never_started(tmp_path: Path) -> None:
    done, _ = doctor(tmp_path)

    lines = {line[8:21].strip(): line for line in done.stdout.splitlines() if line}
    assert done.returncode == 1
    assert lines["settings"].endswith("the secret key is that of the data folder")
    assert lines["models"] == "ok      models       4 files with the right SHA-256"
    assert lines["media folder"] == (f"ok      media folder can be written to ({tmp_path}/media)")
    assert lines["migrations"].startswith("failed  migrations   the database lacks ")
    assert lines["migrations"].endswith(
        " migrations. Make a backup, then run `manage.py migrate` (`make run` does it by itself)."
    )
    assert lines["workers"] == ("failed  workers      their rows can't be read. See the database.")
    assert lines["broker"] == f"ok      broker       answers ({tmp_path}/broker)"
    assert done.stdout.splitlines()[-1].endswith(" warnings.")
    assert "\x1b" not in done.stdout


def test_a_database_and_nothing_else(tmp_path: Path) -> None:
    environment = {**os.environ, "LIKENESS_VAR_DIR": str(tmp_path), "DATABASE_URL": ""}
    subprocess.run(
        [sys.executable, "manage.py", "migrate", "--verbosity", "0"],
        cwd=ROOT, env=environment, check=True,
    )  # fmt: skip
    done, _ = doctor(tmp_path)

    said = done.stdout
    start = (
        "Start one (`make run`, or `manage.py start photos|index|maintenance|imports`); its log "
        "says why it ended."
    )
    assert (
        f"failed  workers      nobody takes tasks from imports, index, maintenance, photos. {start}"
        in said
    )
    assert (
        "failed  clock        has never ticked. Start beat (`make run`, or `manage.py start "
        "beat`) and an index worker."
    ) in said
    assert "ok      migrations   all applied" in said
    assert "ok      photos       none waits" in said


@pytest.mark.parametrize(
    ("path", "detail", "remedy"),
    [
        (
            f"postgres:{SECRET}@/postgres",
            "refuses the login",
            "Correct user and password in DATABASE_URL.",
        ),
        # The server does not say which of the two is wrong.
        (
            f"nobody:{SECRET}@/postgres",
            "refuses the login",
            "Correct user and password in DATABASE_URL.",
        ),
        (
            "postgres@/postgres",
            "asks for a password",
            "Write it into DATABASE_URL: postgres://USER:PASSWORD@HOST/NAME.",
        ),
        (
            "postgres:right@/none",
            "has no database of this name",
            "Create it (`createdb NAME`), or correct the end of DATABASE_URL.",
        ),
    ],
)
def test_a_database_that_refuses(
    path: str, detail: str, remedy: str, postgres: PostgresServer, tmp_path: Path
) -> None:
    login, _, database = path.partition("@/")
    address = f"{LOOPBACK}:{postgres.port}/{database}"
    found = part_of(tmp_path, "database", DATABASE_URL=f"postgres://{login}@{address}")
    assert found == failure(detail, remedy, address)


def test_a_database_without_migrations(postgres: PostgresServer, tmp_path: Path) -> None:
    found = parts_of(tmp_path, DATABASE_URL=postgres.url)
    assert found["migrations"]["state"] == "failed"
    assert found["migrations"]["detail"].startswith("the database lacks ")
    assert found["database"]["state"] == "ok"
    assert found["database"]["detail"].startswith("PostgreSQL 1")


def test_a_database_that_is_away(tmp_path: Path) -> None:
    port = free_port()
    url = f"postgres://likeness:{SECRET}@{LOOPBACK}:{port}/likeness"
    found = part_of(tmp_path, "database", DATABASE_URL=url)
    assert found["detail"] == "does not answer"
    assert found["remedy"] == "Start it, or correct DATABASE_URL."
    assert found["where"].startswith(f"{LOOPBACK}:{port}/likeness: ")
    assert "refused" in found["where"]


def test_a_database_that_hangs(postgres: PostgresServer, tmp_path: Path) -> None:
    postgres.suspend()
    try:
        found = part_of(tmp_path, "database", DATABASE_URL=postgres.url)
    finally:
        postgres.resume()
    assert (found["state"], found["detail"]) == ("failed", "does not answer")


def test_a_file_that_is_no_database(tmp_path: Path) -> None:
    (tmp_path / "likeness.sqlite3").write_text("not a database at all, but a text. " * 100)
    found = part_of(tmp_path, "database")
    where = str(tmp_path / "likeness.sqlite3")
    assert found == failure(
        "is another kind of file", "Correct DATABASE_URL, or restore a backup.", where
    )


def test_a_restore_that_did_not_end_and_a_ledger_that_is_damaged(tmp_path: Path) -> None:
    ledger = tmp_path / "erasures.jsonl"
    found = part_of(tmp_path, "erasures", LEDGER_FILE=str(ledger))
    assert found == {
        "state": "ok", "detail": "0 in the ledger", "remedy": "", "where": str(ledger),
    }  # fmt: skip

    ledger.write_text("{}\n")
    found = part_of(tmp_path, "erasures", LEDGER_FILE=str(ledger))
    assert (found["state"], found["detail"]) == ("failed", "their ledger can't be read")
    assert f"{ledger}" in found["remedy"]
    assert "1" in found["remedy"]

    (tmp_path / "restoring").write_text('{"folder": "/backups/monday"}')
    assert part_of(tmp_path, "erasures", LEDGER_FILE=str(ledger)) == failure(
        "a restore began and did not end",
        "Run `manage.py restore` of that backup again; nothing is served until it ends.",
        str(tmp_path / "restoring"),
    )


def broker_at(url: str, settings: Any) -> Part:
    """What is said of a broker."""
    settings.CELERY_BROKER_URL = url
    began = time.monotonic()
    part = broker.broker()
    assert time.monotonic() - began < 10
    assert SECRET not in part.sentence
    return part


@pytest.mark.parametrize(
    ("password", "detail", "remedy"),
    [
        (SECRET, "refuses the login", "Correct user and password in CELERY_BROKER_URL."),
        (
            "",
            "asks for a password",
            "Write it into CELERY_BROKER_URL: redis://:PASSWORD@HOST:PORT/0.",
        ),
    ],
)
def test_a_redis_that_refuses(
    password: str, detail: str, remedy: str, redis: RedisServer, settings: Any
) -> None:
    where = f"redis://{LOOPBACK}:{redis.port}/0"
    assert broker_at(redis.url_with(password), settings) == parts.failed(
        "broker", detail, remedy, where=where
    )


def test_a_redis_that_lets_us_in(redis: RedisServer, settings: Any) -> None:
    where = f"redis://{LOOPBACK}:{redis.port}/0"
    assert broker_at(redis.url, settings) == parts.ok("broker", "answers", where=where)


def test_a_redis_without_such_a_database(redis: RedisServer, settings: Any) -> None:
    found = broker_at(redis.url.replace("/0", "/999"), settings)
    assert found.sentence == (
        f"has no database of this number (redis://{LOOPBACK}:{redis.port}/999). "
        "Correct the number at the end of CELERY_BROKER_URL."
    )


@pytest.mark.parametrize("scheme", ["redis", "amqp"])
def test_a_broker_that_is_away(scheme: str, settings: Any) -> None:
    address = f"{LOOPBACK}:{free_port()}"
    found = broker_at(f"{scheme}://likeness:{SECRET}@{address}/0", settings)
    assert found == parts.failed(
        "broker",
        "does not answer",
        "Start it, or correct CELERY_BROKER_URL.",
        where=f"{scheme}://{address}/0",
    )


@pytest.mark.parametrize("scheme", ["redis", "amqp"])
def test_a_broker_that_stays_silent(scheme: str, settings: Any) -> None:
    with socket.create_server((LOOPBACK, 0)) as server:
        url = f"{scheme}://likeness:{SECRET}@{LOOPBACK}:{server.getsockname()[1]}/0"
        assert broker_at(url, settings).detail == "does not answer"


@pytest.mark.parametrize(
    ("login", "vhost", "detail"),
    [
        (f"guest:{SECRET}", "/", "refuses the login"),
        ("guest:guest", "none", "has no such virtual host, or not for this user"),
    ],
)
def test_a_rabbitmq_that_refuses(login: str, vhost: str, detail: str, settings: Any) -> None:
    try:
        socket.create_connection(RABBIT, 1).close()
    except OSError:
        missing("RabbitMQ on this machine")
    found = broker_at(f"amqp://{login}@{LOOPBACK}:5672/{vhost}", settings)
    assert (found.state, found.detail) == ("failed", detail)
    assert "CELERY_BROKER_URL" in found.remedy


def test_a_password_that_breaks_the_broker_s_address(settings: Any) -> None:
    found = broker_at(f"amqp://likeness:x@{SECRET}/y@{LOOPBACK}:5672//", settings)
    assert found.sentence.startswith(
        "its address cannot be read. In the password in CELERY_BROKER_URL write %40 for @, "
    )


def test_a_folder_of_messages_without_permission(
    settings: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.BROKER_DIR = tmp_path
    monkeypatch.setattr(os, "access", lambda *_: False)
    found = broker_at("filesystem://localhost", settings)
    assert found.detail == "its folder can't be written to"


def test_a_wrong_setting_is_said_before_anything_is_looked_at(tmp_path: Path) -> None:
    done, _ = doctor(tmp_path, CELERY_BROKER_URL=f"redis://:{SECRET}/x@{LOOPBACK}/0")
    assert done.returncode == 1
    assert done.stderr.startswith("A setting is wrong: CELERY_BROKER_URL cannot be read. ")


def check_deploy(folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    clean = {"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/")}
    return subprocess.run(
        [sys.executable, "manage.py", "check", "--deploy"],
        cwd=ROOT,
        env={**clean, "LIKENESS_VAR_DIR": str(folder), **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.skipif((ROOT / ".env").exists(), reason="this checkout has an .env of its own")
def test_production_settings_leave_nothing_to_say(tmp_path: Path) -> None:
    key = "a0-b1_c2.d3" * 5
    done = check_deploy(tmp_path, PUBLIC_URL="https://faces.example.org", SECRET_KEY=key)
    assert (done.returncode, done.stdout.strip(), done.stderr.strip()) == (
        0, "System check identified no issues (0 silenced).", "",
    )  # fmt: skip


@pytest.mark.skipif((ROOT / ".env").exists(), reason="this checkout has an .env of its own")
def test_without_tls_only_tls_is_missed(tmp_path: Path) -> None:
    told: Any = check_deploy(tmp_path)
    assert told.returncode == 0
    codes = [
        line.partition("(")[2][:13] for line in told.stderr.splitlines() if "(security" in line
    ]
    assert codes == ["security.W004", "security.W008", "security.W012", "security.W016"]
