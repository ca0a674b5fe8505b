"""A whole installation with services of its own, a load on it, and ways to break each part.

The invariant (ROBUSTNESS, faults): every accepted photo ends in exactly one final state, nothing is
enrolled twice, and the index holds what the database says.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Callable, Container, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx

from tests import sets
from tests.conftest import Lfw
from tests.e2e.stack import Api, Stack, eventually, running
from tests.services import MilvusServer, PostgresServer, RabbitServer, RedisServer, Server, missing

from .proxy import Proxy

MOMENTS = Path(__file__).parent / "moments"
SENDERS = 4
# A sender gives up on one photo after so long: longer than any part takes to come back.
PATIENCE = 240.0
# What every part has to be back after, and every photo final.
RECOVERY = 300.0


@dataclass
class Installation:
    """A stack, its API, and the servers and proxies that belong to it alone."""

    stack: Stack
    servers: dict[str, Server] = field(default_factory=dict)
    proxies: dict[str, Proxy] = field(default_factory=dict)

    @property
    def parts(self) -> list[str]:
        """What can be killed: its processes and its servers."""
        return ["photos", "index", "web", "milvus", "broker"]

    @property
    def parts_of_imports(self) -> list[str]:
        """What can be killed while photos are imported: their worker, and a database's server."""
        database = ["database"] if "database" in self.servers else []
        return ["imports", "index", "web", "milvus", "broker", *database]

    def kill(self, part: str) -> None:
        """kill -9 of a process or server; what nobody else starts again is started again."""
        if part in self.servers:
            self.servers[part].kill()
            self.servers[part].start(wait=False)
        elif part == "broker":
            self.lose_messages()
        else:
            eventually(lambda: self.stack.find(part), f"{part} runs")
            self.stack.kill_process(part)

    def lose_messages(self) -> None:
        """Everything that the broker of files holds is gone, as with a broker without a disk."""
        for message in (self.stack.var / "broker" / "messages").iterdir():
            message.unlink(missing_ok=True)

    def is_whole(self) -> bool:
        """Whether every part runs."""
        names = ["photos", "index", "maintenance", "imports", "web", "beat"]
        names += [] if "milvus" in self.servers else ["milvus"]
        return all(self.stack.find(name) for name in names) and all(
            server.answers() for server in self.servers.values()
        )

    @cached_property
    def api(self) -> Api:
        """An API client, whose gallery takes LFW's photos."""
        api = Api(self.stack, self.stack.make_key())
        api.accept_lfw()
        return api

    def close(self) -> None:
        """Give back what is the installation's alone."""
        if "api" in self.__dict__:
            self.api.http.close()
        for each in [*self.proxies.values(), *self.servers.values()]:
            each.close()


@contextmanager
def installation(
    folder: Path,
    *,
    through_proxies: Sequence[str] = (),
    moments: Sequence[dict[str, Any]] = (),
    arguments: Sequence[str] = (),
    **environment: str,
) -> Iterator[Installation]:
    """A running installation on the run's set of services, each started for it alone."""
    servers = _servers()
    proxies = {name: Proxy(servers[name].port) for name in through_proxies}
    stack = Stack(
        folder, **_environment(servers, proxies), **environment, **_deadly(folder, moments)
    )
    here = Installation(stack, servers, proxies)
    try:
        with running(stack, *arguments):
            yield here
    finally:
        here.close()


def _servers() -> dict[str, Server]:
    if not sets.ON_SERVERS:
        return {}
    broker: Server = RabbitServer() if sets.CHOSEN == sets.RABBITMQ else RedisServer()
    servers = {"database": PostgresServer(), "broker": broker, "milvus": MilvusServer()}
    for server in servers.values():
        server.start()
    return servers


def _environment(servers: dict[str, Server], proxies: dict[str, Proxy]) -> dict[str, str]:
    names = {"database": "DATABASE_URL", "broker": "CELERY_BROKER_URL", "milvus": "MILVUS_URI"}
    return {
        names[name]: server.url.replace(
            f":{server.port}", f":{proxies[name].port}" if name in proxies else f":{server.port}"
        )
        for name, server in servers.items()
    }


def _deadly(folder: Path, moments: Sequence[dict[str, Any]]) -> dict[str, str]:
    if not moments:
        return {}
    deaths = folder / "deaths"
    deaths.mkdir()
    each = [{**moment, "folder": str(deaths)} for moment in moments]
    return {"PYTHONPATH": str(MOMENTS), "LIKENESS_MOMENTS": json.dumps(each)}


# --- Load -------------------------------------------------------------------------------------


def photos_to_send(lfw: Lfw, count: int, *, each: int = 1000) -> list[tuple[str, bytes]]:
    """(person, photo), no two alike, at most `each` of one person."""
    found: list[tuple[str, bytes]] = []
    for person in lfw.people(10_000):
        paths = sorted((lfw.folder / "images" / person).iterdir())[:each]
        found += [(person, path.read_bytes()) for path in paths]
        if len(found) >= count:
            return found[:count]
    raise AssertionError(f"there are only {len(found)} photos")


class Load:
    """Uploads by several senders at once, each of whom tries again until it is accepted."""

    def __init__(self, api: Api, photos: Sequence[tuple[str, bytes]]) -> None:
        self.api = api
        self.photos = photos
        self.refusals: Counter[str] = Counter()
        self.people: dict[str, str] = {}
        self._name = uuid4().hex
        self._pool = ThreadPoolExecutor(SENDERS)
        self._sent: list[Future[str]] = []

    def start(self) -> None:
        """Make the people, then send their photos in the background."""
        for name in dict.fromkeys(name for name, _ in self.photos):
            self.people[name] = str(self._insist(lambda name=name: self._make(name))["id"])
        self._sent = [
            self._pool.submit(self._send, self.people[name], photo, number)
            for number, (name, photo) in enumerate(self.photos)
        ]

    @property
    def accepted(self) -> int:
        """How many photos were accepted so far."""
        return sum(each.done() for each in self._sent)

    def ids(self) -> list[str]:
        """Wait until every photo is accepted; their ids, in the order of the photos."""
        try:
            return [each.result(RECOVERY) for each in self._sent]
        finally:
            self._pool.shutdown(cancel_futures=True)

    def _make(self, name: str) -> httpx.Response:
        return self.api.http.post(
            "people",
            json={"gallery": self.api.gallery, "name": name, "external_id": name},
            headers={"Idempotency-Key": f"{self._name} {name}"},
        )

    def _send(self, person: str, photo: bytes, number: int) -> str:
        def post() -> httpx.Response:
            return self.api.http.post(
                "photos",
                data={"person": person},
                files={"photo": photo},
                headers={"Idempotency-Key": f"{self._name} {number}"},
            )

        return str(self._insist(post)["id"])

    def _insist(self, request: Callable[[], httpx.Response]) -> Any:
        return insist(request, self.refusals).json()


def insist(
    request: Callable[[], httpx.Response], refusals: Counter[str], expected: Container[str] = ()
) -> httpx.Response:
    """The first answer of success, or with an expected code.

    What is of the installation's making is tried again, and counted.
    """
    end = time.monotonic() + PATIENCE
    while True:
        reason = "?"
        try:
            answer = request()
            code = None if answer.is_success else answer.json().get("code")
            if code is None or code in expected:
                return answer
            reason = f"{answer.status_code} {code}"
            assert answer.status_code >= 500 or code == "idempotency_in_progress", answer.text
        except httpx.TransportError as error:
            reason = type(error).__name__
        refusals[reason] += 1
        assert time.monotonic() < end, f"refused for {PATIENCE} s, last with {reason}"
        time.sleep(0.3)


# --- The invariant -----------------------------------------------------------------------------


def settled(here: Installation, ids: Sequence[str], quarantined: int = 0) -> Counter[str]:
    """Wait until everything is back, then check the invariant; how many photos are in each state.

    The photos of `ids` must be all there are, and no more be quarantined than said.
    """
    eventually(here.is_whole, "every part runs again", seconds=RECOVERY)
    eventually(lambda: answers(here.api), "the web server answers", seconds=60)
    photos = here.api.await_photos(len(ids), RECOVERY)
    assert sorted(ids) == sorted(photo["id"] for photo in photos)
    states = Counter(str(photo["state"]) for photo in photos)
    assert set(states) <= {"enrolled", "rejected", "quarantined"}, states
    assert states["quarantined"] == quarantined
    assert_nothing_twice(photos)
    eventually(here.stack.agrees, "reconcile agrees", seconds=RECOVERY, every=2)
    return states


def assert_nothing_twice(photos: Sequence[dict[str, Any]]) -> None:
    """Each enrolled photo gave its person one face, of all faces found on it."""
    for photo in photos:
        enrolled = [face["id"] for face in photo["faces"] if face["enrolled"]]
        assert len(enrolled) == (photo["state"] == "enrolled"), photo
        boxes = [tuple(face["box"].values()) for face in photo["faces"]]
        assert len(set(boxes)) == len(boxes), photo


def answers(api: Api) -> bool:
    """Whether the web server answers."""
    try:
        return bool(api.http.get("galleries").is_success)
    except httpx.TransportError:
        return False


@contextmanager
def repeatedly(act: Callable[[], Any], every: float) -> Iterator[list[Any]]:
    """Act again and again beside the block; the list holds what came of it."""
    results: list[Any] = []
    over = threading.Event()

    def run() -> None:
        while not over.is_set():
            results.append(act())
            over.wait(every)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    try:
        yield results
    finally:
        over.set()
        thread.join(30)


@contextmanager
def full_disk(folder: Path, megabytes: int) -> Iterator[Path]:
    """A disk of its own at `folder`, so small that it can be filled."""
    folder.mkdir(parents=True, exist_ok=True)
    mount = ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "likeness-test", str(folder)]
    if subprocess.run(mount, check=False, capture_output=True).returncode:
        missing("the right to mount a small disk (run as root)")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True, capture_output=True)


def fill(folder: Path) -> Path:
    """Take what is free on the disk of `folder`, others writing to it; the file that took it."""
    ballast = folder / "ballast"
    with ballast.open("wb", buffering=0) as file, suppress(OSError):
        while file.write(bytes(max(4096, shutil.disk_usage(folder).free))):
            pass
    return ballast
