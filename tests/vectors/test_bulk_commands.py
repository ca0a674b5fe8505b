"""`manage.py vectors import` and `vectors export`, as they are typed, stopped and killed."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from django.core.management import CommandError, call_command

from people.models import DEFAULT_MODEL, Gallery
from tests import sets
from tests.fixtures import settle
from vectors import milvus
from vectors.bulk import loading
from vectors.models import PersonTemplate, VectorImport

from .bulk_files import ids, parquet, units

ROOT = Path(__file__).resolve().parents[2]


def run(*arguments: Any) -> tuple[int, str]:
    """The command's exit code and what it printed."""
    out = StringIO()
    try:
        call_command("vectors", *map(str, arguments), stdout=out)
    except SystemExit as end:
        return int(end.code or 0), out.getvalue()
    return 0, out.getvalue()


@pytest.fixture
def ready(gallery: Gallery, indexed: str) -> Gallery:
    settle(gallery)
    return gallery


@pytest.mark.django_db
def test_there_and_back(ready: Gallery, tmp_path: Path) -> None:
    vectors = units(30)
    np.save(tmp_path / "v.npy", vectors * 3)
    (tmp_path / "p.csv").write_text("external_id;name\n" + "\n".join(f"{n};N" for n in ids(30)))
    load = ["import", tmp_path / "v.npy", "--gallery", ready.slug, "--people", tmp_path / "p.csv"]

    code, said = run(*load, "--model", DEFAULT_MODEL, "--normalise")

    assert code == 0
    assert "30 of 30 rows: 30 new people, 0 with a new template, 0 unchanged, 0 refused.\n" in said
    assert "database" in said
    code, said = run("export", tmp_path / "out.parquet", "--gallery", ready.slug)
    assert (code, said.startswith(f"30 templates of {DEFAULT_MODEL} in ")) == (0, True)
    code, said = run("import", tmp_path / "out.parquet", "--gallery", ready.slug)
    assert (code, "0 new people, 0 with a new template, 30 unchanged, 0 refused" in said) == (
        0, True,
    )  # fmt: skip
    with pytest.raises(CommandError, match="--force"):
        run("export", tmp_path / "out.parquet", "--gallery", ready.slug)


@pytest.mark.django_db
def test_refused_rows_are_shown_and_written(ready: Gallery, tmp_path: Path) -> None:
    vectors, names = units(15), ["=cmd()", *ids(14)]
    vectors[:12] = 0
    path, report = parquet(tmp_path / "t.parquet", vectors, names), tmp_path / "refused.csv"

    code, said = run("import", path, "--gallery", ready.slug, "--report", report)

    assert code == 1
    assert said.count("The template has length zero.") == 10
    assert "15 of 15 rows: 3 new people, 0 with a new template, 0 unchanged, 12 refused." in said
    rows = list(csv.reader(report.read_text("utf-8-sig").splitlines()))
    assert len(rows) == 13
    assert rows[1] == ["1", "'=cmd()", "zero_length", "The template has length zero."]
    assert "more were refused" not in said
    _, said = run("import", path, "--gallery", ready.slug)
    assert "2 more were refused; --report FILE writes all of them." in said


@pytest.mark.django_db
def test_what_can_not_be_loaded_is_a_sentence(ready: Gallery, tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    path.write_bytes(b"nonsense")
    with pytest.raises(CommandError, match="neither a Parquet nor an NPY file"):
        run("import", path, "--gallery", ready.slug)
    with pytest.raises(CommandError, match=r"Name it \*\.parquet"):
        run("export", tmp_path / "t.npy", "--gallery", ready.slug)
    with pytest.raises(CommandError, match="no gallery with the slug 'none'"):
        run("import", path, "--gallery", "none")
    parquet(path, units(1), model=None)
    with pytest.raises(CommandError, match="--model"):
        run("import", path, "--gallery", ready.slug)
    assert VectorImport.objects.count() == 0


@pytest.mark.django_db
def test_the_report_replaces_none_of_the_files_that_are_loaded(
    ready: Gallery, tmp_path: Path
) -> None:
    path = parquet(tmp_path / "t.parquet", units(3))
    np.save(tmp_path / "v.npy", units(3))
    people = tmp_path / "p.csv"
    people.write_text("external_id\na\nb\nc\n")
    (tmp_path / "link.csv").symlink_to(people)
    before = {each: each.read_bytes() for each in tmp_path.iterdir()}
    array = ["import", tmp_path / "v.npy", "--people", people, "--model", DEFAULT_MODEL]

    for load, report in ((["import", path], path), (array, people), (array, tmp_path / "link.csv")):
        with pytest.raises(CommandError, match="--report"):
            run(*load, "--gallery", ready.slug, "--report", report)

    assert {each: each.read_bytes() for each in tmp_path.iterdir()} == before


@pytest.mark.django_db
def test_ctrl_c_stops_after_the_chunk_in_hand(
    ready: Gallery, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def pressed(*args: Any) -> None:
        os.kill(os.getpid(), signal.SIGINT)
        insert(*args)

    insert = milvus.insert
    monkeypatch.setitem(loading.CHUNK_ROWS, "sqlite", 10)
    monkeypatch.setitem(loading.CHUNK_ROWS, "postgresql", 10)
    vectors = units(25)
    vectors[[3, 24]] = 0
    path, report = parquet(tmp_path / "t.parquet", vectors), tmp_path / "refused.csv"
    command = ["import", path, "--gallery", ready.slug, "--report", report]

    with monkeypatch.context() as patched:
        patched.setattr(milvus, "insert", pressed)
        code, said = run(*command)
    assert code == 1
    assert "10 of 25 rows: 9 new people" in said
    assert "The same command again goes on from here." in said
    assert PersonTemplate.objects.count() == 9

    code, said = run(*command)
    assert (code, "Going on after row 10." in said) == (1, True)
    assert "25 of 25 rows: 23 new people" in said
    rows = list(csv.reader(report.read_text("utf-8-sig").splitlines()))
    assert [row[0] for row in rows] == ["row", "4", "25"]


def test_killed_at_the_worst_moments(tmp_path: Path) -> None:
    """kill -9 when Milvus has a chunk and the database doesn't, and just before the commit."""
    deaths = tmp_path / "deaths"
    deaths.mkdir()
    moments = [
        {"module": module, "name": name, "when": "after", "times": 1, "folder": str(deaths)}
        for module, name in [
            ("vectors.milvus", "insert"),
            ("vectors.bulk.reserving", "settle"),
        ]
    ]
    environment = {
        **os.environ,
        **sets.environment(),
        "LIKENESS_VAR_DIR": str(tmp_path / "var"),
        "LIKENESS_MOMENTS": json.dumps(moments),
        "PYTHONPATH": str(ROOT / "tests" / "faults" / "moments"),
    }

    def manage(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, str(ROOT / "manage.py"), *arguments],
            env=environment, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False,
        )  # fmt: skip

    chunk = loading.CHUNK_ROWS["postgresql" if sets.ON_POSTGRESQL else "sqlite"]
    rows = chunk + 500
    path = parquet(tmp_path / "t.parquet", units(rows), ids(rows))
    assert manage("shell", "-v0", "-c", PREPARE).returncode == 0

    ends = [manage("vectors", "import", str(path), "--gallery", "g") for _ in range(3)]

    assert [each.returncode for each in ends] == [-signal.SIGKILL] * 2 + [0], ends[-1].stderr
    assert f"{rows:,} of {rows:,} rows: {rows:,} new people, 0 with" in ends[-1].stdout
    agreed = manage("shell", "-v0", "-c", AGREE)
    assert (agreed.returncode, "agree" in agreed.stdout) == (0, True), agreed


PREPARE = """
from django.core.management import call_command
from people.models import Gallery
call_command("migrate", verbosity=0)
Gallery.objects.create(name="g", slug="g")
"""
# What the dead left is due at once, instead of in a minute.
AGREE = """
from django.core.management import call_command
from vectors.models import IndexSpan
assert IndexSpan.objects.count() == 2
IndexSpan.objects.update(loading_until=None)
call_command("reconcile")
"""
