"""The command lines of an installation's processes.

`manage.py up` keeps all of them alive on one machine; `manage.py start` becomes one of them, for
containers and systemd. Both take them from here.
"""

import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from django.conf import settings

DEFAULT_PORT = 8000
LOOPBACK = "127.0.0.1"


@dataclass(frozen=True)
class Program:
    """A command, and what it wants in its environment unless somebody has decided otherwise."""

    argv: list[str]
    defaults: Mapping[str, str] = field(default_factory=dict)


def web(host: str, port: int) -> Program:
    """Gunicorn with the API and the admin."""
    arguments = {
        "--bind": address(host, port),
        "--worker-class": "gthread",
        "--workers": "1",  # one copy of the networks in memory; they release the GIL
        "--threads": "16",
        "--timeout": "120",
        "--graceful-timeout": "20",
        "--worker-tmp-dir": _heartbeat_folder(),
        "--log-level": "warning",
    }
    argv = [
        *(sys.executable, "-m", "gunicorn", "config.wsgi:application", "--no-control-socket"),
        *(part for pair in arguments.items() for part in pair),
    ]
    # Threads that answer in turn would each keep a heap of their own, with its holes.
    return Program(argv, {"MALLOC_ARENA_MAX": "2"})


def photos(name: str = "photos") -> Program:
    """A worker that makes templates of photos. Several on one host need names of their own."""
    return _worker(name, "photos")


def index(name: str = "index") -> Program:
    """A worker that carries templates to Milvus, and sends lost work again: both are prompt."""
    return _worker(name, "index")


def maintenance(name: str = "maintenance") -> Program:
    """A worker for what runs by the clock and may take long: comparing, measuring, tidying."""
    return _worker(name, "maintenance")


def imports(name: str = "imports") -> Program:
    """A worker for bulk imports, which yields to all others."""
    return _worker(name, "imports")


def beat() -> Program:
    """The clock: one of it in an installation."""
    schedule = str(beat_schedule())
    return Program([*_celery("beat", "--schedule", schedule), "--pidfile="])


def beat_schedule() -> Path:
    """Where beat remembers what it sent last."""
    return Path(settings.VAR_DIR) / "beat-schedule"


# By the name of the service; web takes an address instead of a name.
WORKERS: Mapping[str, Callable[[str], Program]] = {
    "photos": photos,
    "index": index,
    "maintenance": maintenance,
    "imports": imports,
}


def environment(public_url: str) -> dict[str, str]:
    """Ours, plus what lets the programs import the project and print at once."""
    root = Path(settings.BASE_DIR)
    paths = [str(root / "platform"), str(root), os.environ.get("PYTHONPATH", "")]
    return {
        "PUBLIC_URL": public_url,
        **os.environ,
        "DJANGO_SETTINGS_MODULE": os.environ.get("DJANGO_SETTINGS_MODULE", "config.settings"),
        "PYTHONPATH": os.pathsep.join(filter(None, paths)),
        "PYTHONUNBUFFERED": "1",
    }


def local_url(host: str, port: int) -> str:
    """The web server's address for a browser on this machine."""
    return f"http://{address(reachable(host), port)}"


def reachable(host: str) -> str:
    """The address at which a server that listens on `host` is reached from here."""
    return {"0.0.0.0": LOOPBACK, "::": "::1", "": LOOPBACK}.get(host, host)  # noqa: S104


def address(host: str, port: int) -> str:
    """`host:port`, with the brackets that IPv6 wants."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _worker(name: str, queues: str) -> Program:
    """A Celery worker that does one thing at a time in one process."""
    argv = [
        *_celery("worker", "--pool", "solo", "--queues", queues, "--hostname", f"{name}@%h"),
        *("--without-gossip", "--without-mingle"),  # they only fill the broker with messages
    ]
    return Program(argv)


def _celery(command: str, *arguments: str) -> list[str]:
    start = [sys.executable, "-m", "celery", "--app", "workers.app", command]
    return [*start, *arguments, "--loglevel", "INFO"]


def _heartbeat_folder() -> str:
    """Gunicorn's heartbeat file belongs in memory: on a busy disk it can miss its deadline."""
    memory = Path("/dev/shm")  # noqa: S108 - only a folder for gunicorn's own temporary file
    usable = memory.is_dir() and os.access(memory, os.W_OK | os.X_OK)
    return str(memory if usable else settings.VAR_DIR)
