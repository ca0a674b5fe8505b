"""How a part of an installation is, in words; asking all of them at once, in bounded time."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from queue import Empty, SimpleQueue
from threading import Thread
from time import monotonic
from typing import Generic, NamedTuple, TypeVar

from django.db import connections

T = TypeVar("T")


class State(StrEnum):
    """How well a part is."""

    OK = "ok"
    WARNING = "warning"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Part:
    """What a check found.

    `detail` names no address and no path: everybody may read it. `where` may name them, and never
    a password. `remedy` is what to do.
    """

    name: str
    state: State
    detail: str
    remedy: str = ""
    where: str = ""

    @property
    def sentence(self) -> str:
        """All of it, for whoever runs the installation."""
        found = f"{self.detail} ({self.where})" if self.where else self.detail
        return f"{found}. {self.remedy}" if self.remedy else found


def ok(name: str, detail: str, *, where: str = "") -> Part:
    """A part that is well."""
    return Part(name, State.OK, detail, where=where)


def warning(name: str, detail: str, remedy: str, *, where: str = "") -> Part:
    """A part that works, but should be looked after."""
    return Part(name, State.WARNING, detail, remedy, where)


def failed(name: str, detail: str, remedy: str, *, where: str = "") -> Part:
    """A part that doesn't do its work."""
    return Part(name, State.FAILED, detail, remedy, where)


class Question(Generic[T]):
    """Something that is asked of a server, in a thread of its own and at most once at a time.

    A server that hangs keeps the thread for as long as it likes; whoever asks again meanwhile
    waits for the same answer, instead of starting another thread. Nothing waits for it at the end
    of the process.
    """

    def __init__(self, ask: Callable[[], T]) -> None:
        self._ask = ask
        self._thread: Thread | None = None
        self._answers: SimpleQueue[T | Exception] = SimpleQueue()

    def begin(self) -> None:
        """Ask now."""
        if self._thread is not None and self._thread.is_alive():
            return
        self._answers = SimpleQueue()
        self._thread = Thread(target=self._run, args=(self._answers,), daemon=True)
        self._thread.start()

    def _run(self, answers: "SimpleQueue[T | Exception]") -> None:
        try:
            answers.put(self._ask())
        except Exception as error:  # noqa: BLE001 - it is for the one who asked
            answers.put(error)
        finally:
            connections.close_all()

    def answer(self, until: float) -> T:
        """The answer, or the exception raised instead; TimeoutError at the time `until`."""
        try:
            found = self._answers.get(timeout=max(0.0, until - monotonic()))
        except Empty:
            raise TimeoutError from None
        if isinstance(found, Exception):
            raise found
        return found


class Check:
    """A part's name, and the function that looks at it."""

    def __init__(self, name: str, look: Callable[[], Part]) -> None:
        self.name = name
        self._question = Question(look)

    def begin(self) -> None:
        """Look at it now."""
        self._question.begin()

    def result(self, until: float) -> Part:
        """What was found, or, at the time `until`, that it takes too long."""
        try:
            return self._question.answer(until)
        except TimeoutError:
            return failed(
                self.name, "gives no answer in time", "Is its server overloaded, or out of reach?"
            )
        except Exception as error:  # noqa: BLE001 - one broken check must not hide the others
            # Not its text, which may quote anything.
            return failed(self.name, f"could not be looked at: {type(error).__name__}", "")


def examine(checks: Sequence[Check], seconds: float) -> list[Part]:
    """Look at everything at once, for at most `seconds`."""
    until = monotonic() + seconds
    for check in checks:
        check.begin()
    return [check.result(until) for check in checks]


def duration(seconds: float) -> str:
    """A time for people: `40 s`, `12 min`, `5 h`, `3 days`."""
    for unit, size in (("days", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"


class Refusal(NamedTuple):
    """What a server's words mean, and what to do. Its words themselves are not shown."""

    words: tuple[str, ...]
    detail: str
    remedy: str
