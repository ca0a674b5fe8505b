"""One process by itself, and what must be there before: `manage.py start` and `prepare`."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.core.management.base import SystemCheckError

from common import processes
from common.exclusive import nobody_signed_in
from common.management.commands import start, up
from tests.operations.installation import Installation


@pytest.fixture
def replaced(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What the process would have become."""
    told: list[Any] = []
    monkeypatch.setattr(start, "sign_in", lambda: None)
    monkeypatch.setattr(start.os, "execvpe", lambda *arguments: told.extend(arguments))
    return told


@pytest.mark.parametrize(
    ("arguments", "name"),
    [
        (("web", "--port", "8123"), "web"),
        (("photos",), "photos"),
        (("index",), "index"),
        (("maintenance",), "maintenance"),
        (("imports",), "imports"),
        (("beat",), "beat"),
    ],
)
def test_start_becomes_what_up_would_run(
    arguments: tuple[str, ...], name: str, replaced: list[Any]
) -> None:
    call_command("start", *arguments)

    _, argv, env = replaced
    (spec,) = [each for each in up.process_specs("127.0.0.1", 8123, 1) if each.name == name]
    assert argv == list(spec.argv)
    assert spec.env is not None
    assert {**env, "PUBLIC_URL": ""} == {**spec.env, "PUBLIC_URL": ""}


def test_several_photo_workers_of_a_host_have_names(replaced: list[Any]) -> None:
    call_command("start", "photos", "--name", "photos-2")

    assert "photos-2@%h" in replaced[1]


@pytest.mark.parametrize(
    "arguments",
    [(), ("portal",), ("web", "--port", "0"), ("photos", "--name", "a b"), ("beat", "--name", "x")],
)
def test_what_start_does_not_know_is_refused(
    arguments: tuple[str, ...], replaced: list[Any]
) -> None:
    with pytest.raises((CommandError, SystemCheckError, SystemExit)):
        call_command("start", *arguments)

    assert replaced == []


def test_what_the_environment_says_wins(
    monkeypatch: pytest.MonkeyPatch, replaced: list[Any]
) -> None:
    monkeypatch.setenv("PUBLIC_URL", "https://faces.example.org")
    monkeypatch.setenv("MALLOC_ARENA_MAX", "1")

    call_command("start", "web", "--host", "0.0.0.0")

    env = replaced[2]
    assert env["PUBLIC_URL"] == "https://faces.example.org"
    assert env["MALLOC_ARENA_MAX"] == "1"
    assert env["PYTHONUNBUFFERED"] == "1"


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("0.0.0.0", "http://127.0.0.1:8000"),
        ("::", "http://[::1]:8000"),
        ("192.0.2.7", "http://192.0.2.7:8000"),
    ],
)
def test_the_address_for_this_machine(host: str, url: str) -> None:
    assert processes.local_url(host, 8000) == url


def test_who_signed_in_is_seen_until_its_end_also_after_an_exec(
    tmp_path: Path, settings: Any
) -> None:
    installation = Installation(tmp_path)
    settings.VAR_DIR = installation.var
    code = (
        "import django, os; django.setup()\n"
        "from common.exclusive import sign_in; sign_in()\n"
        "os.execvp('sh', ['sh', '-c', 'echo signed; exec sleep 60'])"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code], env=installation.env, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "signed\n"
        with pytest.raises(CommandError, match="Stop them first"), nobody_signed_in():
            pass
        process.kill()
    with nobody_signed_in():
        pass


def test_preparing_at_once_makes_one_administrator(tmp_path: Path) -> None:
    installation = Installation(tmp_path)
    started = [installation.start("prepare") for _ in range(3)]
    told = "".join(process.communicate(timeout=120)[0] for process in started)

    assert [process.returncode for process in started] == [0, 0, 0]
    assert told.count("First administrator: admin") == 1
    assert told.count("applying") == 1
