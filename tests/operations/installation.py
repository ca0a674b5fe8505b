"""An installation without its processes: a folder, a database, and management commands."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
_SETUP = "import sys, json, django; django.setup(); result = None\n"
_TELL = "\nprint('\\n' + json.dumps(result, default=str))"
_BLANKED = (
    "DATABASE_URL", "CELERY_BROKER_URL", "MILVUS_URI", "MILVUS_TOKEN", "MEDIA_ROOT", "LEDGER_FILE",
    "SECRET_KEY", "DEBUG", "PUBLIC_URL",
)  # fmt: skip


class Installation:
    """Everything in `folder`, unless `environment` says otherwise."""

    def __init__(self, folder: Path, **environment: str) -> None:
        self.folder = folder
        self.var = folder / "var"
        self.media = self.var / "media"
        self.ledger = self.var / "erasures.jsonl"
        self.env = {
            **os.environ,
            **dict.fromkeys(_BLANKED, ""),
            "LIKENESS_VAR_DIR": str(self.var),
            "DJANGO_SETTINGS_MODULE": "config.settings",
            "PYTHONPATH": os.pathsep.join([str(ROOT / "platform"), str(ROOT)]),
            **environment,
        }
        del self.env["PUBLIC_URL"]

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """A management command under way."""
        return subprocess.Popen(
            [sys.executable, str(ROOT / "manage.py"), *arguments],
            cwd=self.folder,
            env=self.env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def manage(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """A management command that has ended."""
        process = self.start(*arguments)
        out, err = process.communicate(timeout=120)
        return subprocess.CompletedProcess(arguments, process.returncode, out, err)

    def ok(self, *arguments: str) -> str:
        """What a command printed that must succeed."""
        done = self.manage(*arguments)
        assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
        return done.stdout

    def refused(self, *arguments: str) -> str:
        """What a command said that must fail with a sentence, not a traceback."""
        done = self.manage(*arguments)
        assert done.returncode == 1, f"{done.stdout}\n{done.stderr}"
        assert "Traceback" not in done.stderr, done.stderr
        return done.stderr.removeprefix("CommandError: ").strip()

    def python(self, code: str) -> Any:
        """`result` of code that runs in a process of its own, with Django set up."""
        done = subprocess.run(
            [sys.executable, "-c", _SETUP + code + _TELL],
            cwd=self.folder,
            env=self.env,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout.splitlines()[-1])
