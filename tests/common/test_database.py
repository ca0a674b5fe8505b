"""Commands on a database that is new, or not there."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.conftest import ROOT


def manage(var_dir: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "manage.py", *arguments],
        cwd=ROOT,
        env={**os.environ, "DATABASE_URL": "", "LIKENESS_VAR_DIR": str(var_dir), **variables},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_the_demo_runs_before_anything_else_ever_did(tmp_path: Path) -> None:
    done = manage(tmp_path, "demo")

    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("Database: applying ")
    assert "Right person first (rank 1)" in done.stdout
    assert "1  (1.000)" in done.stdout


def test_a_command_says_that_the_database_is_not_set_up(tmp_path: Path) -> None:
    for command in (["api_key", "main"], ["reconcile"], ["bootstrap"]):
        done = manage(tmp_path, *command)
        assert done.returncode == 1
        (line,) = done.stderr.strip().splitlines()
        assert line.startswith("CommandError: The database lacks ")
        assert line.endswith("Start Likeness once with `make run`, or run `manage.py migrate`.")


def test_a_command_says_that_the_database_does_not_answer(tmp_path: Path) -> None:
    done = manage(tmp_path, "reconcile", DATABASE_URL="postgres://nobody@127.0.0.1:1/likeness")

    assert done.returncode == 1
    assert done.stderr.startswith("CommandError: The database does not answer: ")
    assert done.stderr.strip().endswith("Start it, or correct DATABASE_URL.")
