"""People who are enrolled, looked up and erased again and again, and a judge of every answer."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import cycle
from threading import Event, Lock
from typing import Any, NamedTuple
from uuid import uuid4

import httpx
import numpy as np

from tests.e2e.stack import Api, eventually

PATIENCE = 120.0
_REFUSED = {"rejected", "review", "quarantined"}


class State(NamedTuple):
    """Whose a face is now, and whose it never may be again."""

    present: str
    erased: frozenset[str]


class FaceOfSomebody:
    """One face of the world, which belongs to one person after another."""

    def __init__(self, photo: bytes) -> None:
        self.photo = photo
        self._lock = Lock()
        self._state = State("", frozenset())

    @property
    def state(self) -> State:
        with self._lock:
            return self._state

    def appeared(self, person: str) -> None:
        """The API has said of its photo that it is searchable."""
        with self._lock:
            self._state = self._state._replace(present=person)

    def leaving(self) -> None:
        """From now on it may be found or not."""
        with self._lock:
            self._state = self._state._replace(present="")

    def left(self, person: str) -> None:
        """The API has answered 204."""
        with self._lock:
            self._state = State("", self._state.erased | {person})


class Measured(NamedTuple):
    """When something began, and how many seconds it took."""

    begun: float
    seconds: float


@dataclass
class Traffic:
    """Writers and searchers at work; what they measured, and everything that was wrong."""

    api: Api
    faces: Sequence[FaceOfSomebody]
    lookups: list[Measured] = field(default_factory=list)
    enrolments: list[Measured] = field(default_factory=list)
    erasures: list[Measured] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    refused: int = 0

    # --- Writers ---

    def enrol(self, face: FaceOfSomebody) -> None:
        """A new person with this face, until it is searchable; a photo that is refused stays so."""
        person = self.api.make_person(uuid4().hex)
        begun = time.monotonic()
        photo = self.api.upload(person, face.photo)
        if eventually(lambda: self._state_of(photo), "searchable", seconds=PATIENCE, every=0.1) in (
            _REFUSED
        ):
            self.refused += 1
            return
        self.enrolments.append(Measured(begun, time.monotonic() - begun))
        face.appeared(person)

    def _state_of(self, photo: str) -> str:
        """The state in which a photo stays; empty before."""
        now = self.api.photo(photo)
        done = now["searchable"] or now["state"] in _REFUSED
        return str(now["state"]) if done else ""

    def erase(self, face: FaceOfSomebody, person: str) -> None:
        """Erase whose face it is."""
        face.leaving()
        begun = time.monotonic()
        answer = self.api.http.delete(f"people/{person}")
        assert answer.status_code == 204, answer.text
        self.erasures.append(Measured(begun, time.monotonic() - begun))
        face.left(person)

    def write(self, faces: Sequence[FaceOfSomebody], over: Event) -> None:
        """Enrol whoever is away and erase whoever is there, and look at once if it is so."""
        for face in cycle(faces):
            if over.is_set():
                return
            person = face.state.present
            if person:
                self.erase(face, person)
            else:
                self.enrol(face)
            self.look_up(face)

    # --- Searchers ---

    def search(self, choice: random.Random, over: Event) -> None:
        """Look one face up after the other."""
        while not over.is_set():
            begun = time.monotonic()
            self.look_up(choice.choice(self.faces))
            self.lookups.append(Measured(begun, time.monotonic() - begun))

    def look_up(self, face: FaceOfSomebody) -> httpx.Response:
        """One lookup, judged: whoever was there all the time is first, nobody erased is named."""
        before = face.state
        answer = self.api.identify(face.photo)
        self._judge(answer, before, face.state)
        return answer

    def _judge(self, answer: httpx.Response, before: State, after: State) -> None:
        if answer.status_code != 200:
            self.wrong.append(f"{answer.status_code} {answer.text}")
            return
        named = [each["person"]["id"] for each in candidates(answer)]
        if before.erased & set(named):
            self.wrong.append("erased, and found")
        if before.present and before == after and named[:1] != [before.present]:
            self.wrong.append(f"searchable, and not found; searched {answer.json()['searched']}")

    # --- All together ---

    @contextmanager
    def writing(self, writers: int) -> Iterator[None]:
        """So many writers beside the block, each with faces of its own."""
        own = [self.faces[number::writers] for number in range(writers)]
        with _beside([lambda over, mine=mine: self.write(mine, over) for mine in own]):
            yield

    @contextmanager
    def searching(self, clients: int) -> Iterator[None]:
        """So many clients beside the block."""
        choices = [random.Random(number) for number in range(clients)]
        with _beside([lambda over, each=each: self.search(each, over) for each in choices]):
            yield


@contextmanager
def _beside(acts: Sequence[Callable[[Event], Any]]) -> Iterator[None]:
    """Each act in a thread of its own for the length of the block; what one raises is raised."""
    over = Event()
    with ThreadPoolExecutor(len(acts)) as pool:
        running: list[Future[Any]] = [pool.submit(act, over) for act in acts]
        try:
            yield
        finally:
            over.set()
    for each in running:
        each.result()


def candidates(answer: httpx.Response) -> list[dict[str, Any]]:
    """Whom a lookup of one face names, best first."""
    (face,) = answer.json()["faces"]
    return list(face["candidates"])


def median(measured: Sequence[Measured]) -> float:
    """Seconds; not a number if there is none."""
    return quantile(measured, 50)


def quantile(measured: Sequence[Measured], percent: float) -> float:
    """Seconds that so many percent of them took at most."""
    if not measured:
        return float("nan")
    return float(np.percentile([each.seconds for each in measured], percent))


def within(measured: Sequence[Measured], begin: float, end: float) -> list[Measured]:
    """Those that began in this time."""
    return [each for each in measured if begin <= each.begun < end]
