"""`manage.py up`: prepares the database and runs everything in the foreground."""

import argparse
import contextlib
import fcntl
import ipaddress
import os
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from amqp.exceptions import AMQPError
from celery import current_app
from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import connections
from kombu.exceptions import OperationalError as BrokerError

from common.database import prepare_database
from common.ports import answers_grpc, answers_http, free_port, why_not_free
from common.supervisor import ProcessSpec, Supervisor

DEFAULT_PORT = 8000
LOOPBACK = "127.0.0.1"
_MILVUS_PORT = 19530
_BROKER_SECONDS = 3
_STORAGE, _SERVICES, _CLOCK = range(3)  # stages: each waits for the one before


class Command(BaseCommand):
    help = "Run Likeness: web, workers, scheduler and, unless MILVUS_URI names one, the index."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--host", default=LOOPBACK, help="default: %(default)s, this machine")
        parser.add_argument(
            "--port",
            type=_port,
            default=os.environ.get("LIKENESS_PORT") or DEFAULT_PORT,
            help="default: LIKENESS_PORT, else 8000",
        )
        parser.add_argument(
            "--photo-workers", type=_count, default=1, help="default: %(default)s; for bulk imports"
        )

    def handle(self, *_args: Any, **options: Any) -> None:
        host, port = options["host"], options["port"]
        with only_one(Path(settings.VAR_DIR) / "up.lock"):
            check_port(host, port)
            check_broker()
            check_milvus()
            prepare_database(self)
            call_command("bootstrap", stdout=self.stdout, stderr=self.stderr)
            connections.close_all()
            self.stdout.flush()
            specs = process_specs(host, port, options["photo_workers"])
            code = Supervisor(specs, when_ready=welcome(host, port)).run()
        sys.exit(code)


@contextlib.contextmanager
def only_one(lock: Path) -> Iterator[None]:
    """Hold `lock` for the block; CommandError naming the process that already does."""
    lock.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with lock.open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            file.seek(0)
            pid = file.read().strip() or "unknown"
            raise CommandError(
                f"Likeness already runs in {lock.parent} (process {pid}). Stop that one first "
                f"(Ctrl-C in its terminal, or `kill {pid}`), or give this one a folder of its own "
                "(LIKENESS_VAR_DIR) and another --port."
            ) from error
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield


def check_port(host: str, port: int) -> None:
    """CommandError unless the web server can listen there."""
    reason = why_not_free(host, port)
    if reason:
        raise CommandError(
            f"Cannot listen on {_address(host, port)}: {reason}. Stop the program that uses it, "
            f"or choose another one: `manage.py up --port {port + 1}` or LIKENESS_PORT={port + 1}."
        )


def check_broker() -> None:
    """CommandError unless the broker answers and lets us in; the one of files needs no asking."""
    url = settings.CELERY_BROKER_URL
    if url.startswith("filesystem"):
        return
    patience = {}
    if url.startswith("redis"):  # without it, one that accepts and stays silent is waited for
        patience = {"socket_timeout": _BROKER_SECONDS, "socket_connect_timeout": _BROKER_SECONDS}
    try:
        for part in url.split(";"):  # kombu takes several, to be tried in turn
            _check_readable(part)
        with current_app.connection_for_write(
            url, connect_timeout=_BROKER_SECONDS, transport_options=patience
        ) as broker:
            broker.ensure_connection(max_retries=1, timeout=_BROKER_SECONDS, interval_start=0)
            return
    except ValueError:
        # Its own words may quote a part of the password.
        reason = (
            "its address cannot be read. In a password write %40 for @, %2F for /, %23 for #, "
            "%3F for ? and %25 for %"
        )
    except (BrokerError, AMQPError, OSError) as error:
        reason = str(error).strip().rstrip(".") or type(error).__name__
    raise CommandError(
        f"The broker does not answer: {reason}.\nStart it, or correct CELERY_BROKER_URL."
    )


def check_milvus() -> None:
    """CommandError when MILVUS_URI names a server and nothing there speaks gRPC.

    Behind TLS (https://) the workers alone find out.
    """
    parts = urlsplit(settings.MILVUS_URI)
    if not settings.MILVUS_URI or parts.scheme == "https":
        return
    host, port = parts.hostname or LOOPBACK, parts.port or _MILVUS_PORT
    if not answers_grpc(host, port):
        raise CommandError(
            f"Milvus does not answer at {_address(host, port)}. Start it, or correct MILVUS_URI."
        )


def process_specs(host: str, port: int, photo_workers: int) -> list[ProcessSpec]:
    """What runs, in which order."""
    env = child_environment(host, port)
    photo_env = {**env, **_torch_threads(photo_workers)}
    photo_names = ["photos", *(f"photos-{number}" for number in range(2, photo_workers + 1))]
    return [
        *([] if settings.MILVUS_URI else [_milvus(env, free_port(LOOPBACK))]),
        _web(env, host, port),
        *(_worker(name, "photos", photo_env) for name in photo_names),
        _worker("index", "index,maintenance", env),
        _beat(env),
    ]


def child_environment(host: str, port: int) -> dict[str, str]:
    """Ours, plus what lets the children import the project and print at once."""
    root = Path(settings.BASE_DIR)
    paths = [str(root / "platform"), str(root), os.environ.get("PYTHONPATH", "")]
    return {
        "PUBLIC_URL": f"http://{_address(_reachable(host), port)}",
        **os.environ,
        "DJANGO_SETTINGS_MODULE": os.environ.get("DJANGO_SETTINGS_MODULE", "config.settings"),
        "PYTHONPATH": os.pathsep.join(filter(None, paths)),
        "PYTHONUNBUFFERED": "1",
    }


def welcome(host: str, port: int) -> str:
    """The block shown when everything runs."""
    url = os.environ.get("PUBLIC_URL") or f"http://{_address(_reachable(host), port)}"
    others = (
        "Under other names or addresses it answers only when ALLOWED_HOSTS lists them.\n"
        if not _is_local(host) and all(_is_local(name) for name in settings.ALLOWED_HOSTS)
        else ""
    )
    return (
        "Likeness is running.\n"
        f"  API     {url}/api/docs/\n"
        f"  Admin   {url}/admin/\n"
        f"  Data    {settings.VAR_DIR}\n"
        f"{others}"
        "Ctrl-C stops everything."
    )


def _milvus(env: dict[str, str], port: int) -> ProcessSpec:
    return ProcessSpec(
        name="milvus",
        argv=[sys.executable, "-m", "django", "milvus_lite", "--port", str(port)],
        env=env,
        ready=lambda: answers_grpc(LOOPBACK, port),
        stage=_STORAGE,
        hint=(
            f"is the disk full, or {settings.VAR_DIR}/milvus not writable? The index can be "
            "rebuilt from the database at any time: move that folder away and start again."
        ),
    )


def _web(env: dict[str, str], host: str, port: int) -> ProcessSpec:
    arguments = {
        "--bind": _address(host, port),
        "--worker-class": "gthread",
        "--workers": "1",  # one copy of the networks in memory; they release the GIL
        "--threads": "8",
        "--timeout": "120",
        "--graceful-timeout": "20",
        "--worker-tmp-dir": _heartbeat_folder(),
        "--log-level": "warning",
    }
    return ProcessSpec(
        name="web",
        argv=[
            *(sys.executable, "-m", "gunicorn", "config.wsgi:application", "--no-control-socket"),
            *(part for pair in arguments.items() for part in pair),
        ],
        # Threads that answer in turn would each keep a heap of their own, with its holes.
        env={"MALLOC_ARENA_MAX": "2", **env},
        ready=lambda: answers_http(_reachable(host), port, "/healthz"),
        stop_timeout=25.0,
        stage=_SERVICES,
        hint=f"`{shlex.quote(sys.executable)} manage.py check` names a wrong setting.",
    )


def _worker(name: str, queues: str, env: dict[str, str]) -> ProcessSpec:
    """A Celery worker that does one thing at a time in one process.

    Its banner is what says that it has imported everything; the line "ready" depends on the level
    of the log. It is started again for ever: a photo may be what kills it, and is put aside after
    three times.
    """
    return ProcessSpec(
        name=name,
        argv=[
            *_celery("worker", "--pool", "solo", "--queues", queues, "--hostname", f"{name}@%h"),
            *("--without-gossip", "--without-mingle"),  # they only fill the broker with messages
        ],
        env=env,
        ready_text="[queues]",
        quiet_start=True,
        stop_timeout=30.0,
        stage=_SERVICES,
        max_deaths=None,
        hint="does the broker (CELERY_BROKER_URL) answer, and is there memory left?",
    )


def _beat(env: dict[str, str]) -> ProcessSpec:
    schedule = Path(settings.VAR_DIR) / "beat-schedule"
    return ProcessSpec(
        name="beat",
        argv=[*_celery("beat", "--schedule", str(schedule)), "--pidfile="],
        env=env,
        ready_text="maxinterval",
        quiet_start=True,
        stage=_CLOCK,
        hint=f"delete {schedule}* (it is written anew) and start again.",
    )


def _celery(command: str, *arguments: str) -> list[str]:
    start = [sys.executable, "-m", "celery", "--app", "workers.app", command]
    return [*start, *arguments, "--loglevel", "INFO"]


def _torch_threads(workers: int) -> dict[str, str]:
    """Cores shared out between several workers, unless somebody has decided."""
    if workers == 1 or settings.TORCH_THREADS:
        return {}
    return {"TORCH_THREADS": str(max(1, (os.cpu_count() or 1) // workers))}


def _heartbeat_folder() -> str:
    """Gunicorn's heartbeat file belongs in memory: on a busy disk it can miss its deadline."""
    memory = Path("/dev/shm")  # noqa: S108 - only a folder for gunicorn's own temporary file
    usable = memory.is_dir() and os.access(memory, os.W_OK | os.X_OK)
    return str(memory if usable else settings.VAR_DIR)


def _reachable(host: str) -> str:
    """The address at which a server that listens on `host` is reached from here."""
    return {"0.0.0.0": LOOPBACK, "::": "::1", "": LOOPBACK}.get(host, host)  # noqa: S104


def _check_readable(url: str) -> None:
    """ValueError when a character of the password ended the host's part of the address early."""
    parts = urlsplit(url)
    if "@" in parts.path + parts.query + parts.fragment:
        raise ValueError("an @ behind the host")
    parts.port  # noqa: B018 - asked for the ValueError


def _is_local(host: str) -> bool:
    """Whether a host name or address means this machine to itself alone."""
    name = host.strip("[].").lower()
    with contextlib.suppress(ValueError):
        return ipaddress.ip_address(name).is_loopback
    return name == "localhost" or name.endswith(".localhost")


def _address(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _port(text: str) -> int:
    if text.isdecimal() and 0 < int(text) <= 65_535:  # noqa: PLR2004 - the last port
        return int(text)
    raise argparse.ArgumentTypeError(f"{text} is not a port; give a number from 1 to 65535")


def _count(text: str) -> int:
    if text.isdecimal() and 0 < int(text) <= 256:  # noqa: PLR2004 - more is a slip of the hand
        return int(text)
    raise argparse.ArgumentTypeError(f"{text} is not a number from 1 to 256")
