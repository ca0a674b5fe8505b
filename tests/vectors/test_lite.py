"""Milvus Lite with its real server: one at a time, found by others, gone when it is gone."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from common.ports import free_port
from vectors import lite

PLATFORM = Path(__file__).resolve().parents[2] / "platform"
BECOME = (
    "import sys; from pathlib import Path; from django.conf import settings; "
    "settings.configure(VAR_DIR=Path(sys.argv[1])); from vectors import lite; "
)


@pytest.fixture(autouse=True)
def var_dir(tmp_path: Path, settings: Any) -> Path:
    settings.VAR_DIR = tmp_path
    return tmp_path


def python(source: str, *arguments: object) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", BECOME + source, *map(str, arguments)],
        env={**os.environ, "PYTHONPATH": str(PLATFORM)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


Serve = Callable[[], tuple[subprocess.Popen[str], str]]


@pytest.fixture
def serve(var_dir: Path) -> Iterator[Serve]:
    """Start a server, as `manage.py milvus_lite` does, and wait for it."""
    started: list[subprocess.Popen[str]] = []

    def start() -> tuple[subprocess.Popen[str], str]:
        port = free_port("127.0.0.1")
        process = python("lite.become_server(int(sys.argv[2]))", var_dir, port)
        started.append(process)
        uri = f"http://127.0.0.1:{port}"
        lite.wait_until_ready(uri, 20, alive=lambda: process.poll() is None)
        return process, uri

    yield start
    for process in started:
        process.kill()
        process.communicate()


def rows(uri: str) -> int:
    """How many rows the test's collection has, asked from a process of its own."""
    found = python(
        "from pymilvus import MilvusClient; client = MilvusClient(uri=sys.argv[2], timeout=10); "
        "client.load_collection('c', timeout=10); "
        "print(client.query('c', output_fields=['count(*)'], timeout=10)[0]['count(*)'])",
        "unused",
        uri,
    )
    return int(found.communicate(timeout=30)[0])


def fill(uri: str) -> None:
    filled = python(
        "from pymilvus import MilvusClient; client = MilvusClient(uri=sys.argv[2], timeout=10); "
        "client.create_collection('c', dimension=4, timeout=10); "
        "client.insert('c', [{'id': i, 'vector': [1, 2, 3, i]} for i in range(100)], timeout=10)",
        "unused",
        uri,
    )
    output, _ = filled.communicate(timeout=30)
    assert filled.returncode == 0, output


def test_nobody_is_there_at_first() -> None:
    assert lite.endpoint() is None


def test_the_process_itself_becomes_the_server_and_can_be_found(serve: Serve) -> None:
    process, uri = serve()
    assert psutil.Process(process.pid).name() == "milvus"
    assert lite.endpoint() == uri
    assert (lite.data_dir() / "endpoint").read_text() == f"{uri}\n"

    process.terminate()
    assert process.wait(15) in (0, -signal.SIGTERM)
    assert lite.endpoint() is None


def test_rows_are_there_after_kill_and_restart(serve: Serve) -> None:
    process, uri = serve()
    fill(uri)
    process.kill()
    process.wait()
    assert lite.endpoint() is None

    _, again = serve()
    assert rows(again) == 100


def test_a_second_one_on_the_file_is_refused_by_name(serve: Serve, var_dir: Path) -> None:
    process, uri = serve()
    second = python("lite.become_server()", var_dir)
    output, _ = second.communicate(timeout=20)
    assert second.returncode == 1
    assert f"likeness.db is in use by process {process.pid};" in output
    assert f"`kill {process.pid}`" in output
    assert process.poll() is None
    assert lite.endpoint() == uri


def test_an_orphan_is_stopped_and_replaced(serve: Serve, var_dir: Path) -> None:
    """Its parent was killed; started without the supervisor's tie, it lives on."""
    parent = python(
        "import subprocess, time; "
        "source = 'import sys; sys.argv[1:] = ' + repr(sys.argv[1:]) + chr(10) + sys.argv[2]; "
        "subprocess.Popen([sys.executable, '-c', source]); time.sleep(60)",
        var_dir,
        BECOME + "lite.become_server()",
    )
    deadline = time.monotonic() + 15
    while lite.endpoint() is None:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    (orphan,) = psutil.Process(parent.pid).children()
    lite.wait_until_ready(lite.endpoint() or "", 15)
    parent.kill()
    parent.wait()
    assert orphan.is_running()

    process, uri = serve()
    assert not orphan.is_running() or orphan.status() == psutil.STATUS_ZOMBIE
    assert lite.endpoint() == uri
    assert process.poll() is None
    assert parent.stdout is not None
    parent.stdout.close()


def test_a_taken_port_is_refused(serve: Serve, tmp_path: Path) -> None:
    _, uri = serve()
    port = uri.rsplit(":", 1)[1]
    other = python("lite.become_server(int(sys.argv[2]))", tmp_path / "other", port)
    output, _ = other.communicate(timeout=20)
    assert other.returncode == 1
    assert f"Port {port} is taken by another program." in output


def test_running_uses_the_live_server_and_leaves_it_alone(serve: Serve) -> None:
    process, uri = serve()
    with lite.running() as found:
        assert found == uri
    assert process.poll() is None


def test_running_starts_a_server_for_the_block() -> None:
    with lite.running() as uri:
        assert lite.endpoint() == uri
        here = str(lite.data_dir())
        (server,) = [each for each in psutil.Process().children() if here in str(each.cmdline())]
        assert server.name() == "milvus"
    assert not server.is_running()
    assert lite.endpoint() is None


def test_waiting_in_vain_says_so() -> None:
    uri = f"http://127.0.0.1:{free_port('127.0.0.1')}"
    with pytest.raises(lite.LiteError, match=r"does not answer at http://127.0.0.1:\d+ within 0.2"):
        lite.wait_until_ready(uri, 0.2)
    with pytest.raises(lite.LiteError, match="ended before it answered"):
        lite.wait_until_ready(uri, alive=lambda: False)


def test_its_home_is_its_own(serve: Serve) -> None:
    process, _ = serve()
    home = psutil.Process(process.pid).environ()["HOME"]
    assert home == str(lite.data_dir() / "home")
