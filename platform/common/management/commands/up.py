"""`manage.py up`: prepares the database and runs everything in the foreground."""

import contextlib
import ipaddress
import os
import shlex
import sys
from typing import Any
from urllib.parse import urlsplit

from amqp.exceptions import AMQPError
from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import connections
from kombu.exceptions import OperationalError as BrokerError

from common import arguments, processes
from common.exclusive import only_one, running_here
from common.ports import answers_grpc, answers_http, claim_port, port_of, why_not_free
from common.processes import DEFAULT_PORT, LOOPBACK, Program, address
from common.queue import connected
from common.supervisor import ProcessSpec, Supervisor

_MILVUS_PORT = 19530
_STORAGE, _SERVICES, _CLOCK = range(3)  # stages: each waits for the one before


class Command(BaseCommand):
    help = "Run Likeness: web, workers, scheduler and, unless MILVUS_URI names one, the index."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--host", default=LOOPBACK, help="default: %(default)s, this machine")
        parser.add_argument(
            "--port",
            type=arguments.port,
            default=os.environ.get("LIKENESS_PORT") or DEFAULT_PORT,
            help="default: LIKENESS_PORT, else 8000",
        )
        parser.add_argument(
            "--photo-workers",
            type=arguments.count,
            default=1,
            help="default: %(default)s; for bulk imports",
        )

    def handle(self, *_args: Any, **options: Any) -> None:
        host, port = options["host"], options["port"]
        another = ", or give this one a folder of its own (LIKENESS_VAR_DIR) and another --port"
        with only_one(running_here(), otherwise=another):
            check_port(host, port)
            check_broker()
            check_milvus()
            call_command("prepare", stdout=self.stdout, stderr=self.stderr)
            connections.close_all()
            self.stdout.flush()
            with claim_port(LOOPBACK) as claim:  # through every restart of the index
                specs = process_specs(host, port, options["photo_workers"], port_of(claim))
                code = Supervisor(specs, when_ready=welcome(host, port)).run()
        sys.exit(code)


def check_port(host: str, port: int) -> None:
    """CommandError unless the web server can listen there."""
    reason = why_not_free(host, port)
    if reason:
        raise CommandError(
            f"Cannot listen on {address(host, port)}: {reason}. Stop the program that uses it, "
            f"or choose another one: `manage.py up --port {port + 1}` or LIKENESS_PORT={port + 1}."
        )


def check_broker() -> None:
    """CommandError unless the broker answers and lets us in; the one of files needs no asking."""
    if settings.CELERY_BROKER_URL.startswith("filesystem"):
        return
    try:
        with connected():
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
            f"Milvus does not answer at {address(host, port)}. Start it, or correct MILVUS_URI."
        )


def process_specs(
    host: str, port: int, photo_workers: int, milvus_port: int = _MILVUS_PORT
) -> list[ProcessSpec]:
    """What runs, in which order."""
    env = processes.environment(processes.local_url(host, port))
    photo_env = {**env, **_torch_threads(photo_workers)}
    photo_names = ["photos", *(f"photos-{number}" for number in range(2, photo_workers + 1))]
    return [
        *([] if settings.MILVUS_URI else [_milvus(env, milvus_port)]),
        _web(env, host, port),
        *(_worker(name, processes.photos(name), photo_env) for name in photo_names),
        _worker("index", processes.index(), env),
        _worker("maintenance", processes.maintenance(), env),
        _worker("imports", processes.imports(), env),
        _beat(env),
    ]


def welcome(host: str, port: int) -> str:
    """The block shown when everything runs."""
    url = os.environ.get("PUBLIC_URL") or processes.local_url(host, port)
    others = (
        "Under other names or addresses it answers only when ALLOWED_HOSTS lists them.\n"
        if not _is_local(host) and all(_is_local(name) for name in settings.ALLOWED_HOSTS)
        else ""
    )
    return (
        "Likeness is running.\n"
        f"  Portal  {url}/\n"
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
    program = processes.web(host, port)
    return ProcessSpec(
        name="web",
        argv=program.argv,
        env={**program.defaults, **env},
        ready=lambda: answers_http(processes.reachable(host), port, "/healthz"),
        stop_timeout=25.0,
        stage=_SERVICES,
        hint=f"`{shlex.quote(sys.executable)} manage.py check` names a wrong setting.",
    )


def _worker(name: str, program: Program, env: dict[str, str]) -> ProcessSpec:
    """A worker under the supervisor.

    Its banner is what says that it has imported everything; the line "ready" depends on the level
    of the log. It is started again for ever: a photo may be what kills it, and is put aside after
    three times.
    """
    return ProcessSpec(
        name=name,
        argv=program.argv,
        env={**program.defaults, **env},
        ready_text="[queues]",
        quiet_start=True,
        stop_timeout=30.0,
        stage=_SERVICES,
        max_deaths=None,
        hint="does the broker (CELERY_BROKER_URL) answer, and is there memory left?",
    )


def _beat(env: dict[str, str]) -> ProcessSpec:
    program = processes.beat()
    return ProcessSpec(
        name="beat",
        argv=program.argv,
        env={**program.defaults, **env},
        ready_text="maxinterval",
        quiet_start=True,
        stage=_CLOCK,
        hint=f"delete {processes.beat_schedule()}* (it is written anew) and start again.",
    )


def _torch_threads(workers: int) -> dict[str, str]:
    """Cores shared out between several workers, unless somebody has decided."""
    if workers == 1 or settings.TORCH_THREADS:
        return {}
    return {"TORCH_THREADS": str(max(1, (os.cpu_count() or 1) // workers))}


def _is_local(host: str) -> bool:
    """Whether a host name or address means this machine to itself alone."""
    name = host.strip("[].").lower()
    with contextlib.suppress(ValueError):
        return ipaddress.ip_address(name).is_loopback
    return name == "localhost" or name.endswith(".localhost")
