"""Every service's command by hand, with the environment that compose.yaml gives it.

No Docker engine is needed: the tree is laid out as the image has it, the hosts of the file become
servers on loopback, and the folders of the image become folders of the test.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import httpx
import psycopg
import pytest

from tests.conftest import Lfw
from tests.e2e.stack import Api, eventually
from tests.services import MilvusServer, PostgresServer, RedisServer, free_port

from .files import LONG_RUNNING, filled, lay_out, services

SECRETS = {
    "POSTGRES_PASSWORD": "0123456789abcdef",
    "REDIS_PASSWORD": "fedcba9876543210",
    "MILVUS_ROOT_PASSWORD": "Milvus",  # what this old Milvus begins with, whatever it is told
    "MINIO_PASSWORD": "unused",
    "SECRET_KEY": "0123456789" * 5,
}
ENROLLED, HELD_OUT = "Bill_Clinton", 4


class Containers:
    """The services of compose.yaml as processes of this machine."""

    def __init__(self, folder: Path, hosts: dict[str, str]) -> None:
        self.app = folder / "app"
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._folder = folder
        self._places = {
            **hosts,
            "/data": str(folder / "data"),
            "/ledger": str(folder / "ledger"),
            "127.0.0.1:8000": f"127.0.0.1:{self.port}",
        }
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        lay_out(self.app)

    def environment(self, service: str) -> dict[str, str]:
        """Nothing but what the container has, with its places here."""
        given = services()[service]["environment"]
        values = {name: filled(str(value), SECRETS) for name, value in given.items()}
        for place, here in self._places.items():
            values = {name: value.replace(place, here) for name, value in values.items()}
        # The check asks at the port that the container listens on.
        return {**values, "PATH": os.environ["PATH"], "LIKENESS_PORT": str(self.port)}

    def command(self, service: str) -> list[str]:
        words = services()[service]["command"]
        here = {"0.0.0.0": "127.0.0.1", "8000": str(self.port)}
        return [sys.executable, "manage.py", *(here.get(word, word) for word in words)]

    def run(
        self, service: str, command: list[str], seconds: float = 120
    ) -> subprocess.CompletedProcess[str]:
        """A command in a container of this service."""
        words = [sys.executable if word == "python" else word for word in command]
        return subprocess.run(
            words,
            cwd=self.app,
            env=self.environment(service),
            capture_output=True,
            text=True,
            timeout=seconds,
            check=False,
        )

    def start(self, service: str) -> None:
        with self.log_of(service).open("ab") as log:
            self._running[service] = subprocess.Popen(
                self.command(service),
                cwd=self.app,
                env=self.environment(service),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    def log_of(self, service: str) -> Path:
        return self._folder / f"{service}.log"

    def health(self, service: str) -> str:
        """Empty while the file's own check says that all is well."""
        test = services()[service]["healthcheck"]["test"]
        assert test[0] == "CMD"
        done = self.run(service, test[1:])
        return "" if done.returncode == 0 else done.stderr or done.stdout or "?"

    def stop(self, service: str) -> int:
        """As Docker does: SIGTERM, and patience for stop_grace_period."""
        process = self._running[service]
        process.terminate()
        return process.wait(int(str(services()[service].get("stop_grace_period", "10s"))[:-1]))

    def kill(self) -> None:
        for process in self._running.values():
            process.kill()
            process.wait(10)


def make_database(server: PostgresServer) -> None:
    """As the image of PostgreSQL does from POSTGRES_USER, POSTGRES_DB and POSTGRES_PASSWORD."""
    password = SECRETS["POSTGRES_PASSWORD"]
    with psycopg.connect(server.url, autocommit=True) as link:
        link.execute(f"CREATE ROLE likeness LOGIN PASSWORD '{password}'".encode())
        link.execute("CREATE DATABASE likeness OWNER likeness")


@pytest.fixture(scope="module")
def containers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Containers]:
    with ExitStack() as stack:
        postgres = stack.enter_context(PostgresServer(SECRETS["POSTGRES_PASSWORD"]))
        redis = stack.enter_context(RedisServer(SECRETS["REDIS_PASSWORD"]))
        milvus = stack.enter_context(MilvusServer(logins=True))
        assert isinstance(postgres, PostgresServer)
        make_database(postgres)
        hosts = {
            "postgres:5432": f"127.0.0.1:{postgres.port}",
            "redis:6379": f"127.0.0.1:{redis.port}",
            "milvus:19530": f"127.0.0.1:{milvus.port}",
        }
        made = Containers(tmp_path_factory.mktemp("compose"), hosts)
        stack.callback(made.kill)
        first = made.run("prepare", made.command("prepare"))
        assert first.returncode == 0, first.stderr
        assert "First administrator: admin" in first.stdout
        for service in LONG_RUNNING:
            made.start(service)
        eventually(lambda: is_ready(made), f"web is ready: {made.log_of('web')}", seconds=90)
        yield made


def is_ready(containers: Containers) -> bool:
    try:
        answer = httpx.get(f"{containers.url}/readyz", timeout=10, trust_env=False)
    except httpx.HTTPError:
        return False
    return answer.is_success and answer.json()["status"] == "ready"


def test_a_photo_becomes_a_match(containers: Containers, lfw: Lfw) -> None:
    made = containers.run("web", [*("python", "manage.py", "api_key", "main"), "--role", "admin"])
    assert made.returncode == 0, made.stderr
    api = Api(containers, made.stdout.strip())  # type: ignore[arg-type]  # it has a url
    with api.http:
        api.accept_lfw()
        person = api.make_person(ENROLLED)
        for number in (1, 2):
            api.await_searchable(api.upload(person, lfw.bytes(ENROLLED, number)), seconds=120)

        assert api.best(lfw.bytes(ENROLLED, HELD_OUT))["person"]["id"] == person


@pytest.mark.parametrize("service", LONG_RUNNING)
def test_each_passes_its_own_check(service: str, containers: Containers) -> None:
    eventually(lambda: not containers.health(service), f"{service} is healthy", seconds=60)


def test_preparing_again_and_at_once_changes_nothing(containers: Containers) -> None:
    command = containers.command("prepare")
    env = containers.environment("prepare")
    both = [
        subprocess.Popen(command, cwd=containers.app, env=env, stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    assert [process.communicate(timeout=120)[0] for process in both] == ["", ""]
    assert [process.returncode for process in both] == [0, 0]


def test_a_backup_can_be_made_and_not_be_restored_under_its_feet(
    containers: Containers, tmp_path: Path
) -> None:
    folder = str(tmp_path / "backup")
    made = containers.run("web", ["python", "manage.py", "backup", folder])
    assert made.returncode == 0, made.stderr

    refused = containers.run("web", ["python", "manage.py", "restore", folder, "--yes"])

    assert refused.returncode == 1
    assert "Processes started by `manage.py start` still use" in refused.stderr


def test_redis_asks_for_its_password_and_stops_when_told(tmp_path: Path) -> None:
    service, port = services()["redis"], free_port()
    environment = {name: filled(value, SECRETS) for name, value in service["environment"].items()}
    env = {**environment, "PATH": os.environ["PATH"]}
    command = [word.replace("$$", "$") for word in service["command"]]
    command[-1] = (
        command[-1].replace(r"printf '", rf"printf 'port {port}\n").replace("/tmp/", f"{tmp_path}/")
    )
    shell, check = service["healthcheck"]["test"]
    assert shell == "CMD-SHELL"
    check = check.replace("redis-cli", f"redis-cli -p {port}")

    def answer(**said: str) -> bool:
        told = subprocess.run(
            ["sh", "-c", check], env={**env, **said}, capture_output=True, check=False
        )
        return told.returncode == 0

    with subprocess.Popen(command, env=env, cwd=tmp_path, stdout=subprocess.DEVNULL) as server:
        try:
            eventually(answer, "redis answers", seconds=20)
            assert not answer(REDISCLI_AUTH="wrong")
            assert not answer(REDISCLI_AUTH="")
            assert (tmp_path / "appendonlydir").is_dir()
        finally:
            server.terminate()  # as an engine stops it: it has to reach Redis itself
        assert server.wait(10) == 0
        assert not answer()


def test_a_check_fails_when_its_process_is_gone_and_each_stops_when_told(
    containers: Containers,
) -> None:
    for service in ("beat", "photos", "index", "maintenance", "imports", "web"):
        assert containers.stop(service) == 0, containers.log_of(service).read_text()[-2000:]
    time.sleep(0.2)

    assert "onnection refused" in containers.health("web")
    assert "has not signed" in containers.health("photos")


def test_a_backup_is_restored_once_everything_is_stopped(
    containers: Containers, tmp_path: Path
) -> None:
    """As the database's owner, who is no superuser."""
    folder = str(tmp_path / "backup")
    made = containers.run("prepare", ["python", "manage.py", "backup", folder])
    assert made.returncode == 0, made.stderr

    restored = containers.run("prepare", ["python", "manage.py", "restore", folder, "--yes"])

    assert (restored.returncode, restored.stderr) == (0, "")
    assert "Restored." in restored.stdout
    prepared = containers.run("prepare", containers.command("prepare"))
    assert (prepared.returncode, prepared.stdout) == (0, "")
