"""A whole installation, started as a user starts it: `manage.py up`, in a folder of its own."""

from __future__ import annotations

import logging
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

import httpx
import psutil

ROOT = Path(__file__).resolve().parents[2]
MANAGE = [sys.executable, str(ROOT / "manage.py")]
READY = "Likeness is running."
FINAL = {"enrolled", "rejected", "review", "quarantined"}

T = TypeVar("T")

logging.getLogger("httpx").setLevel(logging.WARNING)  # a line for each request

# Empty rather than unset, so that a developer's .env decides nothing either.
_BLANKED = (
    "DATABASE_URL", "CELERY_BROKER_URL", "MILVUS_URI", "MILVUS_TOKEN", "MEDIA_ROOT", "DEBUG",
    "ALLOWED_HOSTS", "SECRET_KEY", "MAX_UPLOAD_MB", "MAX_MEGAPIXELS", "LOG_LEVEL",
    "TORCH_THREADS", "LIKENESS_PORT", "LEDGER_FILE",
)  # fmt: skip
_REMOVED = ("PUBLIC_URL", "DJANGO_SETTINGS_MODULE", "PYTHONPATH")


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def eventually(
    ask: Callable[[], T | None], what: str, *, seconds: float = 30, every: float = 0.2
) -> T:
    """What `ask` returns as soon as it is true; AssertionError naming `what` after `seconds`."""
    end = time.monotonic() + seconds
    while True:
        answer = ask()
        if answer:
            return answer
        if time.monotonic() > end:
            raise AssertionError(f"not within {seconds:g} s: {what}; the last answer: {answer!r}")
        time.sleep(every)


class Stack:
    """One installation: its processes, its folder, its log."""

    def __init__(self, folder: Path, **environment: str) -> None:
        self.folder = folder
        self.var = folder / "var"
        self.log_file = folder / "up.log"
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.env = {
            **{name: value for name, value in os.environ.items() if name not in _REMOVED},
            **dict.fromkeys(_BLANKED, ""),
            "LIKENESS_VAR_DIR": str(self.var),
            **environment,
        }
        self._process: subprocess.Popen[bytes] | None = None
        self._begun: list[subprocess.Popen[str]] = []

    # --- Starting and stopping ---

    def start(self, *arguments: str, seconds: float = 120) -> None:
        """Return when everything runs."""
        with self.log_file.open("ab") as log:
            self._process = subprocess.Popen(
                [*MANAGE, "up", "--port", str(self.port), *arguments],
                cwd=ROOT,
                env=self.env,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        try:
            eventually(self._is_up, f"{READY!r} in\n{self.log}", seconds=seconds)
        except BaseException:
            self.kill()
            raise

    def _is_up(self) -> bool:
        if self.up.poll() is not None:
            raise AssertionError(f"it ended with {self.up.returncode}:\n{self.log}")
        return READY in self.log

    def stop(self) -> int:
        """Press Ctrl-C; returns the exit code once it is gone."""
        self.up.send_signal(signal.SIGINT)
        try:
            return self.up.wait(60)
        except BaseException:
            self.kill()
            raise

    def kill(self) -> None:
        """End everything of this installation, whatever state it is in."""
        if self.up.poll() is None:
            self.up.kill()
            self.up.wait(10)
        for process in self.leftovers():
            process.kill()
        for command in self._begun:
            command.communicate()

    def leftovers(self) -> list[psutil.Process]:
        """All processes that carry this installation's folder in their environment."""
        return [process for process in psutil.process_iter() if self._is_ours(process)]

    def _is_ours(self, process: psutil.Process) -> bool:
        try:
            named = bool(process.environ().get("LIKENESS_VAR_DIR") == str(self.var))
            return named and process.status() != psutil.STATUS_ZOMBIE
        except psutil.Error:
            return False

    @property
    def up(self) -> subprocess.Popen[bytes]:
        """The supervisor."""
        assert self._process is not None, "start it first"
        return self._process

    # --- What it says ---

    @property
    def log(self) -> str:
        """Everything it has printed."""
        return self.log_file.read_text("utf-8", "replace") if self.log_file.exists() else ""

    @property
    def password(self) -> str:
        """The first administrator's, which is printed once."""
        (found,) = re.findall(r"Password: +(\S+)", self.log)
        return str(found)

    # --- Its processes ---

    def process(self, name: str) -> psutil.Process:
        """The running process that the supervisor calls `name`."""
        found = self.find(name)
        assert found is not None, f"no process {name}"
        return found

    def find(self, name: str) -> psutil.Process | None:
        """The same, or None while there is none."""
        for child in psutil.Process(self.up.pid).children():
            try:
                if child.status() != psutil.STATUS_ZOMBIE and _MARKS[name] in _words(child):
                    return child
            except psutil.NoSuchProcess:
                continue
        return None

    def kill_process(self, name: str) -> psutil.Process:
        """kill -9; returns what was killed, once it is dead."""
        victim = self.process(name)
        victim.kill()
        psutil.wait_procs([victim], timeout=5)
        return victim

    def await_successor(self, victim: psutil.Process, name: str) -> psutil.Process:
        """The process that the supervisor started in the place of a dead one."""

        def successor() -> psutil.Process | None:
            found = self.find(name)
            return found if found is not None and found.pid != victim.pid else None

        return eventually(successor, f"another {name}", seconds=30)

    # --- Using it ---

    def manage(self, *arguments: str, seconds: float = 120) -> subprocess.CompletedProcess[str]:
        """Run a management command of this installation."""
        return subprocess.run(
            [*MANAGE, *arguments],
            cwd=ROOT,
            env=self.env,
            capture_output=True,
            text=True,
            timeout=seconds,
            check=False,
        )

    def begin(self, *arguments: str) -> subprocess.Popen[str]:
        """A management command that runs beside the test, and no longer than the installation."""
        command = subprocess.Popen(
            [*MANAGE, *arguments],
            cwd=ROOT,
            env=self.env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self._begun.append(command)
        return command

    def make_key(self, role: str = "admin") -> str:
        """An API key for the gallery that a fresh installation has."""
        made = self.manage("api_key", "main", "--role", role)
        assert made.returncode == 0, made.stderr
        return made.stdout.strip()

    def agrees(self) -> bool:
        """Whether `manage.py reconcile` finds that the index holds what the database says."""
        told = self.manage("reconcile")
        assert told.returncode in (0, 1), told.stderr
        return told.returncode == 0


_MARKS = {
    "milvus": "lib/milvus",
    "web": "gunicorn",
    "photos": "photos@%h",
    "index": "index@%h",
    "maintenance": "maintenance@%h",
    "imports": "imports@%h",
    "beat": "beat",
}


def _words(process: psutil.Process) -> list[str]:
    """A command line; of paths their last two parts."""
    return [
        word if "/" not in word else "/".join(word.split("/")[-2:]) for word in process.cmdline()
    ]


class Api:
    """The API as an integrator uses it, with a key of the first gallery."""

    def __init__(self, stack: Stack, key: str) -> None:
        self.http = httpx.Client(
            base_url=f"{stack.url}/api/v1/",
            headers={"Authorization": f"Api-Key {key}"},
            timeout=60,
            trust_env=False,
        )

    @cached_property
    def gallery(self) -> str:
        """The id of the key's gallery."""
        (gallery,) = self.ok(self.http.get("galleries"))["results"]
        return str(gallery["id"])

    def ok(self, response: httpx.Response) -> Any:
        """The body of an answer of success."""
        assert response.is_success, f"{response.status_code} {response.text}"
        return response.json() if response.content else None

    def accept_lfw(self) -> None:
        """Set the gallery up for LFW: small faces, often with others behind them.

        With the default network one in 25 of its photos is unlike the person's others. Tests that
        count photos want every one of them; what becomes of such is tested where it is decided.
        """
        changes = {"min_face": 70, "several_faces": "central"}
        self.ok(self.http.patch(f"galleries/{self.gallery}", json=changes))
        thresholds = f"galleries/{self.gallery}/thresholds"
        self.ok(self.http.patch(thresholds, json={"misfits": "allow"}))

    def make_person(self, name: str) -> str:
        """A new person's id."""
        fields = {"gallery": self.gallery, "name": name, "external_id": name}
        return str(self.ok(self.http.post("people", json=fields))["id"])

    def upload(self, person: str, photo: bytes) -> str:
        """Send a photo for a person; its id."""
        return str(self.ok(self.post_photo(person, photo))["id"])

    def post_photo(self, person: str, photo: bytes) -> httpx.Response:
        """The same; the whole answer."""
        return self.http.post("photos", data={"person": person}, files={"photo": photo})

    def photo(self, photo: str) -> dict[str, Any]:
        """A photo as it is now."""
        return dict(self.ok(self.http.get(f"photos/{photo}")))

    def photos(self, **filters: str) -> list[dict[str, Any]]:
        """All photos, page after page."""
        found: list[dict[str, Any]] = []
        page = self.ok(self.http.get("photos", params={"page_size": "100", **filters}))
        while True:
            found += page["results"]
            if not page["next"]:
                return found
            page = self.ok(self.http.get(page["next"]))

    def await_photos(self, count: int, seconds: float = 60) -> list[dict[str, Any]]:
        """All photos, once there are `count` and each is in a final state."""

        def finished() -> list[dict[str, Any]] | None:
            photos = self.photos()
            done = [photo for photo in photos if photo["state"] in FINAL]
            return photos if len(done) == len(photos) == count else None

        return eventually(finished, f"{count} photos in a final state", seconds=seconds, every=0.5)

    def await_searchable(self, photo: str, seconds: float = 60) -> dict[str, Any]:
        """A photo, once searches find it. One that was not enrolled fails at once."""

        def searchable() -> dict[str, Any] | None:
            now = self.photo(photo)
            assert now["state"] in ("received", "processing", "enrolled"), now
            return now if now["searchable"] else None

        return eventually(searchable, f"photo {photo} is searchable", seconds=seconds)

    def identify(self, photo: bytes, **fields: str) -> httpx.Response:
        """Look up the central face of a photo; the whole answer."""
        data = {"galleries": self.gallery, "faces": "central", **fields}
        return self.http.post("identify", data=data, files={"photo": photo})

    def best(self, photo: bytes) -> dict[str, Any]:
        """The first candidate for the central face."""
        answer = self.ok(self.identify(photo))
        return dict(answer["faces"][0]["candidates"][0])


@contextmanager
def running(stack: Stack, *arguments: str) -> Iterator[Stack]:
    """Start a stack and, at the end, see that Ctrl-C ends it cleanly and leaves nothing behind."""
    stack.start(*arguments)
    try:
        yield stack
        code = stack.stop()
        left = [" ".join(process.cmdline()) for process in stack.leftovers()]
        assert (code, left) == (0, []), stack.log
    finally:
        stack.kill()
