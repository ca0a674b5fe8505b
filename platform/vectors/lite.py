"""Milvus Lite, the embedded index: one server process on one file, found by all others over TCP.

The wheel carries a C++ server. We run that binary itself, since its Python wrapper can die and
leave it behind. The server inherits a lock (flock) through exec, so the lock is held exactly as
long as the server lives, however it dies. Measured traps: docs/adr/0004-process-supervision.md.
"""

import contextlib
import fcntl
import importlib.util
import json
import os
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn
from urllib.parse import urlsplit

import psutil
from django.conf import settings

from common.ports import answers_grpc, claim_port, port_of, why_not_ours
from common.supervisor import tied_to_this_process

HOST = "127.0.0.1"
_DATABASE = "likeness.db"
_START_SECONDS = 60.0  # loading a million vectors took 30 s
_STOP_SECONDS = 15.0
_LOCK_SECONDS = 2.0


class LiteError(Exception):
    """The embedded server can't be used; the message says why and what to do."""


@dataclass(frozen=True)
class _Holder:
    """What the lock file says of the server that holds it."""

    pid: int
    parent: int


@dataclass(frozen=True)
class _Launch:
    argv: list[str]
    lock: int


def data_dir() -> Path:
    """The folder that holds the index and everything about its server."""
    return Path(settings.VAR_DIR) / "milvus"


def endpoint() -> str | None:
    """The address of the live server of this folder; None when there is none.

    A server that was just started may not answer yet: `wait_until_ready`. Cheap enough for every
    call to Milvus.
    """
    try:
        lock = os.open(_lock_path(), os.O_RDONLY)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        with contextlib.suppress(FileNotFoundError):
            return _endpoint_path().read_text().strip() or None
        return None
    finally:
        os.close(lock)
    return None


def wait_until_ready(
    uri: str, timeout: float = _START_SECONDS, *, alive: Callable[[], bool] = lambda: True
) -> None:
    """Return once the server at `uri` answers; raise LiteError after `timeout` seconds.

    `alive` tells whether there is still something to wait for.
    """
    deadline = time.monotonic() + timeout
    parts = urlsplit(uri)
    while not answers_grpc(parts.hostname or HOST, parts.port or 80):
        if not alive():
            raise LiteError(f"Milvus Lite ended before it answered at {uri}; its output says why.")
        if time.monotonic() > deadline:
            raise LiteError(f"Milvus Lite does not answer at {uri} within {timeout:g} s.")
        time.sleep(0.05)


def become_server(port: int | None = None) -> NoReturn:
    """Turn this process into the server, under its own pid; on any free port unless told."""
    if port is None:
        claim = claim_port(HOST)
        claim.set_inheritable(True)
        port = port_of(claim)
    launch = _prepare(port)
    os.set_inheritable(launch.lock, True)  # noqa: FBT003 - the standard library's signature
    _announce(launch.lock, _Holder(os.getpid(), os.getppid()), port)
    os.chdir(data_dir())
    os.execvp(launch.argv[0], launch.argv)  # noqa: S606 - the packaged binary


@contextlib.contextmanager
def running() -> Iterator[str]:
    """The address of a server that answers: the live one, or one that lives as long as the block.

    Enter it from the main thread: the server it starts dies with the thread that started it.
    """
    uri = endpoint()
    if uri is not None:
        wait_until_ready(uri, alive=lambda: endpoint() == uri)
        yield uri
        return
    with claim_port(HOST) as claim:
        process, uri = _start(port_of(claim))
        try:
            wait_until_ready(uri, alive=lambda: process.poll() is None)
            yield uri
        finally:
            _stop(psutil.Process(process.pid) if process.poll() is None else None)
            process.wait()


def _start(port: int) -> tuple[subprocess.Popen[bytes], str]:
    launch = _prepare(port)
    try:
        process = subprocess.Popen(  # noqa: S603 - the packaged binary
            tied_to_this_process(launch.argv),
            cwd=data_dir(),
            pass_fds=(launch.lock,),
            stdin=subprocess.DEVNULL,
            start_new_session=True,  # a Ctrl-C is for the command, which then stops the server
        )
        _announce(launch.lock, _Holder(process.pid, os.getpid()), port)
    finally:
        os.close(launch.lock)  # the server has its own copy
    return process, _uri(port)


def _prepare(port: int) -> _Launch:
    """Folder, lock and port are ours, or a LiteError says why not."""
    binary = _binary()
    data_dir().mkdir(mode=0o700, parents=True, exist_ok=True)
    home = data_dir() / "home"  # the server deletes $HOME/.cache/milvus
    home.mkdir(mode=0o700, exist_ok=True)
    lock = _take_lock()
    _endpoint_path().unlink(missing_ok=True)
    # gRPC shares a taken port (SO_REUSEPORT) with whoever holds it instead of failing.
    if why_not_ours(HOST, port):
        os.close(lock)
        raise LiteError(
            f"Port {port} is taken by another program. Stop that, or give another --port."
        )
    level = os.environ.get("MILVUS_LITE_LOG_LEVEL", "ERROR")
    return _Launch(
        [
            # By env(1): these libraries carry a libm that Python itself may not start with.
            *("env", f"LD_LIBRARY_PATH={binary.parent}", f"HOME={home}"),
            *(str(binary), str(_database_path()), f"{HOST}:{port}", level),
        ],
        lock,
    )


def _take_lock() -> int:
    """The open, locked lock file. A server whose parent is gone is stopped first."""
    lock = os.open(_lock_path(), os.O_RDWR | os.O_CREAT, 0o600)
    if _try_lock(lock):
        return lock
    holder = _read_holder()
    server = _server_process(holder)
    if server is not None and holder is not None and server.ppid() != holder.parent:
        _stop(server)
        if _try_lock(lock):
            return lock
    os.close(lock)
    who = f"process {holder.pid}" if holder else "another process"
    remedy = (
        f"Stop it (Ctrl-C in the terminal of `manage.py up`, or `kill {holder.pid}`)"
        if server is not None and holder is not None
        else "Stop the other program or container that uses this folder"
    )
    raise LiteError(
        f"The index {_database_path()} is in use by {who}; Milvus Lite serves one process at a "
        f"time. {remedy}, or give this one another folder (LIKENESS_VAR_DIR)."
    )


def _try_lock(lock: int) -> bool:
    """Lock it, with patience: endpoint() holds a shared lock for some microseconds."""
    deadline = time.monotonic() + _LOCK_SECONDS
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:
                return False
            time.sleep(0.02)
        else:
            return True


def _announce(lock: int, holder: _Holder, port: int) -> None:
    """Say who holds the lock, and only then where it answers."""
    os.ftruncate(lock, 0)
    os.pwrite(lock, json.dumps({"pid": holder.pid, "parent": holder.parent}).encode(), 0)
    fresh = _endpoint_path().with_suffix(".new")
    fresh.write_text(_uri(port) + "\n")
    fresh.replace(_endpoint_path())


def _read_holder() -> _Holder | None:
    try:
        return _Holder(**json.loads(_lock_path().read_text()))
    except (OSError, ValueError, TypeError):
        return None


def _server_process(holder: _Holder | None) -> psutil.Process | None:
    """The process that holds the lock, if its number still means a server of our file here."""
    with contextlib.suppress(psutil.Error):
        if holder and str(_database_path()) in (process := psutil.Process(holder.pid)).cmdline():
            return process
    return None


def _stop(server: psutil.Process | None) -> None:
    with contextlib.suppress(psutil.NoSuchProcess):
        if server is not None:
            server.terminate()
            try:
                server.wait(_STOP_SECONDS)
            except psutil.TimeoutExpired:
                server.kill()
                server.wait(_STOP_SECONDS)


def _binary() -> Path:
    """The packaged server, found without importing the package (it wants pkg_resources)."""
    spec = importlib.util.find_spec("milvus_lite")
    for folder in (spec.submodule_search_locations or []) if spec else []:
        binary = Path(folder) / "lib" / "milvus"
        if binary.is_file():
            return binary
    raise LiteError(
        "Milvus Lite's server is not installed: `pip install milvus-lite==2.5.1`, or set "
        "MILVUS_URI to a Milvus server."
    )


def _uri(port: int) -> str:
    return f"http://{HOST}:{port}"


def _database_path() -> Path:
    return data_dir() / _DATABASE


def _lock_path() -> Path:
    return data_dir() / "lock"


def _endpoint_path() -> Path:
    return data_dir() / "endpoint"
