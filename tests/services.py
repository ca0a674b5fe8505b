"""Real servers for tests, each of its own on free ports, to be stopped and killed at will.

The machine's shared servers are never stopped; a test that needs a death starts one of these. A
server that cannot be started here is a failure in CI and a skip elsewhere.
"""

from __future__ import annotations

import atexit
import os
import random
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import urllib.request
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import pytest

from common.ports import answers_grpc
from common.supervisor import tied_to_this_process

LOOPBACK = "127.0.0.1"
_PORTS = range(21_000, 29_000)  # below those that Linux gives to outgoing connections
_next = iter(random.sample(_PORTS, len(_PORTS)))  # several runs at once want several


def free_port() -> int:
    """A port that nobody listens on and that no other server of this run was given."""
    for port in _next:
        with suppress(OSError), socket.create_server((LOOPBACK, port)):
            return port
    raise RuntimeError("no free port is left")


def missing(what: str) -> None:
    """A server's program isn't here: a failure in CI, else a skip."""
    message = f"MISSING: {what}"
    if os.environ.get("CI") == "true":
        pytest.fail(message)
    pytest.skip(message)


class Server(ABC):
    """A server process with its own folder and port. Its data outlive its death."""

    name: str
    start_seconds = 60.0

    def __init__(self) -> None:
        self.port = free_port()
        self.folder = Path(tempfile.mkdtemp(prefix=f"likeness-{self.name}-"))
        self.folder.chmod(0o755)
        self._process: subprocess.Popen[bytes] | None = None
        atexit.register(self.close)

    @property
    @abstractmethod
    def url(self) -> str:
        """What the setting says."""

    @abstractmethod
    def command(self) -> Sequence[str]:
        """The command line."""

    @abstractmethod
    def answers(self) -> bool:
        """Whether it can be used."""

    def environment(self) -> Mapping[str, str]:
        """What its process finds in its environment."""
        return os.environ

    @property
    def log(self) -> str:
        """All that it printed."""
        path = self.folder / "log"
        return path.read_text("utf-8", "replace") if path.exists() else ""

    @property
    def is_running(self) -> bool:
        """Whether the process lives."""
        return self._process is not None and self._process.poll() is None

    def start(self, *, wait: bool = True) -> None:
        """Start it, on the data that it left, and wait until it can be used."""
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                tied_to_this_process(self.command()),
                env=dict(self.environment()),
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        if wait:
            self.wait()

    def wait(self) -> None:
        """Return once it can be used."""
        end = time.monotonic() + self.start_seconds
        while not self.answers():
            if not self.is_running:
                raise AssertionError(f"{self.name} ended:\n{_causes(self.log)}")
            if time.monotonic() > end:
                raise AssertionError(f"{self.name} does not answer:\n{self.log[-4000:]}")
            time.sleep(0.1)

    def kill(self) -> None:
        """kill -9 of it and all it started."""
        self._signal(signal.SIGKILL)
        if self._process is not None:
            self._process.wait(20)

    def restart(self) -> None:
        """Kill it and start it again."""
        self.kill()
        self.start()

    def suspend(self) -> None:
        """Let it accept connections and answer nothing, as a machine that hangs."""
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Let it go on."""
        self._signal(signal.SIGCONT)

    def close(self) -> None:
        """Kill it and remove its data."""
        atexit.unregister(self.close)
        self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _signal(self, number: signal.Signals) -> None:
        if self._process is not None:
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, number)

    def __enter__(self) -> Server:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _causes(log: str) -> str:
    """The lines around a Go program's panic, else the last ones."""
    lines = log.splitlines()
    panics = [number for number, line in enumerate(lines) if line.startswith("panic:")]
    if not panics:
        return "\n".join(lines[-40:])
    return "\n".join(lines[max(0, panics[0] - 10) : panics[0] + 5])


def as_user(name: str, command: Sequence[str]) -> list[str]:
    """The command, run by that user if we are root: PostgreSQL refuses to be."""
    if os.geteuid() != 0:
        return list(command)
    return [
        "setpriv",
        f"--reuid={name}",
        f"--regid={name}",
        "--init-groups",
        "--pdeathsig=KILL",
        *command,
    ]


class PostgresServer(Server):
    """PostgreSQL with one empty database."""

    name = "postgres"

    def __init__(self, password: str = "") -> None:
        super().__init__()
        self.password = password
        self.data = self.folder / "data"
        self._initialise()

    @property
    def url(self) -> str:
        return self.url_with(self.password)

    def url_with(self, password: str, database: str = "postgres") -> str:
        """Its address for whoever says this password."""
        return f"postgres://postgres:{password}@{LOOPBACK}:{self.port}/{database}"

    def make_database(self, name: str) -> str:
        """An empty database; its address."""
        import psycopg
        from psycopg import sql

        with psycopg.connect(self.url, autocommit=True) as link:
            link.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        return self.url_with(self.password, name)

    def _initialise(self) -> None:
        if os.geteuid() == 0:
            shutil.chown(self.folder, "postgres")
        secret = self.folder / "password"
        secret.write_text(self.password or "unused")
        secret.chmod(0o644)
        initdb = [
            *(_postgres("initdb"), "--pgdata", str(self.data), "--username", "postgres"),
            *("--auth", "scram-sha-256" if self.password else "trust"),
            *("--pwfile", str(secret), "--encoding", "UTF8", "--no-sync"),
        ]
        subprocess.run(
            as_user("postgres", initdb), check=True, capture_output=True, cwd=self.folder
        )

    def command(self) -> Sequence[str]:
        return as_user(
            "postgres",
            [
                *(_postgres("postgres"), "-D", str(self.data), "-p", str(self.port)),
                *("-c", f"listen_addresses={LOOPBACK}", "-c", "unix_socket_directories="),
                *("-c", "max_connections=60"),
            ],
        )

    def answers(self) -> bool:
        import psycopg

        try:
            psycopg.connect(self.url, connect_timeout=2).close()
        except psycopg.OperationalError:
            return False
        return True


class RedisServer(Server):
    """Redis that keeps what it was told (append only)."""

    name = "redis"

    def __init__(self, password: str = "") -> None:
        super().__init__()
        self.password = password

    @property
    def url(self) -> str:
        return self.url_with(self.password)

    def url_with(self, password: str) -> str:
        """Its address for whoever says this password."""
        login = f":{password}@" if password else ""
        return f"redis://{login}{LOOPBACK}:{self.port}/0"

    def command(self) -> Sequence[str]:
        return [
            *(_program("redis-server"), "--port", str(self.port), "--bind", LOOPBACK),
            *("--dir", str(self.folder), "--appendonly", "yes", "--save", ""),
            *(("--requirepass", self.password) if self.password else ()),
        ]

    def answers(self) -> bool:
        import redis

        try:
            return bool(redis.Redis.from_url(self.url, socket_timeout=2).ping())
        except redis.RedisError:
            return False


class RabbitServer(Server):
    """RabbitMQ with its default login."""

    name = "rabbitmq"
    start_seconds = 90.0

    def __init__(self) -> None:
        super().__init__()
        self.distribution = free_port()

    @property
    def url(self) -> str:
        return self.url_with("guest")

    def url_with(self, password: str, vhost: str = "/") -> str:
        """Its address for whoever says this password."""
        return f"amqp://guest:{password}@{LOOPBACK}:{self.port}/{vhost}"

    def command(self) -> Sequence[str]:
        return [_program("/usr/lib/rabbitmq/bin/rabbitmq-server")]

    def environment(self) -> Mapping[str, str]:
        return {
            **os.environ,
            "HOME": str(self.folder),  # for a cookie of its own
            "RABBITMQ_NODENAME": f"likeness{self.port}@localhost",
            "RABBITMQ_NODE_IP_ADDRESS": LOOPBACK,
            "RABBITMQ_NODE_PORT": str(self.port),
            "RABBITMQ_DIST_PORT": str(self.distribution),
            "RABBITMQ_MNESIA_BASE": str(self.folder / "mnesia"),
            "RABBITMQ_LOG_BASE": str(self.folder / "logs"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(self.folder / "plugins"),
            "RABBITMQ_CONFIG_FILE": str(self.folder / "none"),
            "RABBITMQ_CONF_ENV_FILE": str(self.folder / "none"),
        }

    def answers(self) -> bool:
        import amqp

        link = amqp.Connection(f"{LOOPBACK}:{self.port}", connect_timeout=2)
        try:
            link.connect()
        except (OSError, amqp.AMQPError):
            return False
        finally:
            link.collect()  # also what a failed attempt left open
        return True


class MilvusServer(Server):
    """A standalone Milvus 2.3.5, from its wheel. Old: for tests only."""

    name = "milvus"
    start_seconds = 120.0

    def __init__(self, *, logins: bool = False) -> None:
        super().__init__()
        self.health_port = free_port()
        self._configure(logins=logins)

    @property
    def url(self) -> str:
        return f"http://{LOOPBACK}:{self.port}"

    def _configure(self, *, logins: bool) -> None:
        from milvus import MilvusServerConfig

        config = MilvusServerConfig()
        ports = [key for key in config.configurable_items if key.endswith("_port")]
        config.update(
            data_dir=str(self.folder),
            **{key: self.port if key == "proxy_port" else free_port() for key in ports},
        )
        config.set("authorization_enabled", logins)
        config.resolve()
        self._move_etcd()

    def _move_etcd(self) -> None:
        """Its embedded etcd takes 2379 and 2380 whatever the server is told, so two would clash."""
        clients, peers = (f"http://{LOOPBACK}:{free_port()}" for _ in range(2))
        self._etcd.write_text(
            f"name: default\nlisten-client-urls: {clients}\nadvertise-client-urls: {clients}\n"
            f"listen-peer-urls: {peers}\ninitial-advertise-peer-urls: {peers}\n"
            f"initial-cluster: default={peers}\n"
        )

    @property
    def _etcd(self) -> Path:
        return self.folder / "etcd.yaml"

    def command(self) -> Sequence[str]:
        return [str(_milvus_program() / "milvus"), "run", "standalone"]

    def environment(self) -> Mapping[str, str]:
        return {
            **os.environ,
            "DEPLOY_MODE": "STANDALONE",
            "METRICS_PORT": str(self.health_port),
            "MILVUS_RUN_DIR": str(self.folder / "run"),
            "ETCD_CONFIG_PATH": str(self._etcd),
            "LD_LIBRARY_PATH": str(_milvus_program()),
        }

    def answers(self) -> bool:
        try:
            with urllib.request.urlopen(
                f"http://{LOOPBACK}:{self.health_port}/healthz", timeout=2
            ) as answer:
                return b"OK" in answer.read() and answers_grpc(LOOPBACK, self.port)
        except OSError:
            return False


def _milvus_program() -> Path:
    """The folder of the wheel's binary, unpacked once for all runs (230 MB)."""
    try:
        import milvus
    except ImportError:
        missing("the milvus wheel: pip install '.[test]'")
    version = milvus.__version__
    kept = Path(tempfile.gettempdir()) / f"likeness-milvus-{version}-{os.geteuid()}"
    if not (kept / "bin" / "milvus").exists():
        fresh = Path(tempfile.mkdtemp(prefix="likeness-milvus-"))
        milvus._initialize_data_files(str(fresh))
        with suppress(OSError):  # another run was faster
            fresh.rename(kept)
    return kept / "bin"


def _postgres(program: str) -> str:
    found = shutil.which(program) or next(
        (str(path) for path in sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{program}"))), ""
    )
    if not found:
        missing(f"PostgreSQL's {program}")
    return found


def _program(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        missing(name)
    return str(found)
