"""Runs processes in the foreground: starts them in order, keeps them alive, stops them all.

Free of Django, so that it can be tested by itself; `manage.py up` tells it what to run. Why not a
library: docs/adr/0004-process-supervision.md.
"""

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from common.terminal import COLOURS, LineSplitter, Terminal

_POLL = 0.1
_TERMINAL_POLL = 1.0
_WITHHELD_LINES = 200
_BACKOFF_FIRST, _BACKOFF_LIMIT = 0.5, 30.0
_TAIL_LINES, _TAIL_WIDTH = 12, 300
_PARTIAL_SHOWN_AFTER = 0.5
_PIPE_BYTES = 65_536  # all that a pipe holds

# Runs between fork and the real program, as a program of its own: code in `preexec_fn` would run in
# a fork of a process with threads. PR_SET_PDEATHSIG (1) outlives the exec; a parent that died
# before it was set is noticed by its id.
_TIE = """
import ctypes, os, sys
prctl = getattr(ctypes.CDLL(None), "prctl", None)
if prctl is not None:
    prctl(1, 9)
if os.getppid() != int(sys.argv[1]):
    os._exit(1)
try:
    os.execvp(sys.argv[2], sys.argv[2:])
except OSError as error:
    sys.exit(f"cannot start {sys.argv[2]}: {error}")
"""


def tied_to_this_process(argv: Sequence[str]) -> list[str]:
    """The command that runs `argv` under the same pid, but dies (Linux) as soon as we do.

    Start it from a thread that lives as long as the process: the kernel watches the thread.
    """
    return [sys.executable, "-I", "-S", "-c", _TIE, str(os.getpid()), *argv]


@dataclass(frozen=True)
class ProcessSpec:
    """One process to keep alive.

    It is ready when `ready` says so (called in a thread again and again: give it a short time-out)
    and when `ready_text` has appeared in its output; without both, as soon as it runs.
    """

    name: str
    argv: Sequence[str]
    env: Mapping[str, str] | None = None  # None: ours
    ready: Callable[[], bool] | None = None
    ready_text: str = ""
    ready_timeout: float = 90.0
    stop_signal: signal.Signals = signal.SIGTERM
    stop_timeout: float = 15.0
    stage: int = 0
    quiet_start: bool = False  # show what it prints before it is ready only if the start fails
    hint: str = ""  # what to try when it cannot be kept alive
    # Failed starts in a row, or deaths of a ready process within `death_window`, before all is
    # given up. `max_deaths` None: once it was ready it is started again for ever, for a process
    # whose work may be what kills it.
    max_failed_starts: int = 5
    max_deaths: int | None = 5
    death_window: float = 60.0


@dataclass
class _Child:
    """A spec at work: the process that runs for it now, and what is known of earlier ones."""

    spec: ProcessSpec
    colour: int
    process: subprocess.Popen[bytes] | None = None
    closing: Callable[[], None] = lambda: None
    tail: deque[str] = field(default_factory=lambda: deque(maxlen=_TAIL_LINES))
    text_seen: bool = False
    withheld: deque[str] | None = None
    ready: asyncio.Event = field(default_factory=asyncio.Event)
    deaths: list[float] = field(default_factory=list)
    failed_starts: int = 0
    backoff: float = _BACKOFF_FIRST
    task: asyncio.Task[None] | None = None

    def signal_group(self, number: signal.Signals) -> None:
        """To the process and whatever it started."""
        if self.process is not None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self.process.pid, number)

    def bury(self) -> None:
        """After its death: kill what it left behind, hear its last words, forget its number."""
        self.signal_group(signal.SIGKILL)
        self.closing()
        self.process = None


class Supervisor:
    """Starts `specs` stage by stage, restarts what dies, stops all on SIGINT, SIGTERM or SIGHUP.

    It also stops when the terminal it writes to is closed; with SIGHUP ignored (nohup) it goes on.
    A process that can't be kept alive ends everything, with an explanation and exit code 1.
    `when_ready` is shown once everything is up.
    """

    def __init__(self, specs: Sequence[ProcessSpec], *, when_ready: str = "", fd: int = 1) -> None:
        names = [spec.name for spec in specs]
        if len(set(names)) != len(names):
            raise ValueError(f"two processes of one name: {names}")
        self._specs = specs
        self._when_ready = when_ready
        self._fd = fd

    def run(self) -> int:
        """Supervise until told to stop; 0 after a clean stop, 1 after giving up."""
        sys.stdout.flush()
        width = max((len(spec.name) for spec in self._specs), default=0)
        self._terminal = Terminal(self._fd, max(width, len("up")))
        try:
            return asyncio.run(self._supervise())
        finally:
            self._terminal.close()

    async def _supervise(self) -> int:
        self._stop, self._hurry = asyncio.Event(), asyncio.Event()
        self._failure = ""
        self._children = [
            _Child(spec, COLOURS[index % len(COLOURS)]) for index, spec in enumerate(self._specs)
        ]
        self._listen_to_signals()
        starter = asyncio.create_task(self._start_stages())
        watcher = asyncio.create_task(self._watch_terminal())
        try:
            await self._stop.wait()
            starter.cancel()
            watcher.cancel()
            await self._stop_stages()
        finally:
            # Whatever went wrong above: nothing is left behind.
            for child in self._children:
                child.signal_group(signal.SIGKILL)
        if self._failure:
            self._terminal.raw(f"\n{self._failure}\n")
            return 1
        self._say("Stopped.")
        return 0

    def _listen_to_signals(self) -> None:
        def heard(number: signal.Signals) -> None:
            if not self._stop.is_set():
                self._say(f"{number.name}: stopping everything (once more: at once)")
                self._stop.set()
            elif number is not signal.SIGHUP:
                self._hurry.set()

        loop = asyncio.get_running_loop()
        # Also an ignored SIGINT, as shells leave it to `up &`; but nohup means what it says.
        for number in (signal.SIGINT, signal.SIGTERM, *[signal.SIGHUP] * _minds_hang_ups()):
            loop.add_signal_handler(number, heard, number)

    async def _watch_terminal(self) -> None:
        """Stop when the terminal is gone: of that only its session's leader is told by SIGHUP.

        The leader may be `make`, which keeps it to itself. Or a shell that passes it on, and then
        the kernel sends another one: so a second SIGHUP is no call for hurry.
        """
        while _minds_hang_ups() and not self._stop.is_set():
            if self._terminal.is_gone():
                self._say("the terminal is gone: stopping everything")
                self._stop.set()
            await asyncio.sleep(_TERMINAL_POLL)

    async def _start_stages(self) -> None:
        for stage in sorted({spec.stage for spec in self._specs}):
            members = [child for child in self._children if child.spec.stage == stage]
            for child in members:
                child.task = asyncio.create_task(self._keep_alive(child))
                child.task.add_done_callback(self._on_task_end)
            await asyncio.gather(*(child.ready.wait() for child in members))
        if self._when_ready:
            self._terminal.raw(f"\n{self._when_ready}\n\n")

    def _on_task_end(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (error := task.exception()) is not None:
            self._give_up(f"The supervisor itself failed: {error!r}. Please report this.")

    async def _keep_alive(self, child: _Child) -> None:
        while not self._stop.is_set():
            was_ready, lived, ending = await self._run_once(child)
            if self._stop.is_set():
                return
            for line in child.withheld or ():
                self._terminal.line(child.spec.name, line, child.colour)
            if self._is_hopeless(child, was_ready=was_ready, lived=lived):
                self._give_up(_obituary(child, ending))
                return
            self._say(f"{child.spec.name} {ending}; starting it again in {child.backoff:g} s")
            await asyncio.sleep(child.backoff)
            child.backoff = min(child.backoff * 2, _BACKOFF_LIMIT)

    async def _run_once(self, child: _Child) -> tuple[bool, float, str]:
        """One life of a process: was it ever ready, how long did it live, how did it end."""
        child.text_seen = not child.spec.ready_text
        child.withheld = deque(maxlen=_WITHHELD_LINES) if child.spec.quiet_start else None
        try:
            process = self._spawn(child)
        except OSError as error:
            return False, 0.0, f"could not be started: {error}"
        born = time.monotonic()
        ready = False
        while process.poll() is None:
            if not ready:
                ready = await self._is_ready(child)
                if not ready and time.monotonic() - born > child.spec.ready_timeout:
                    await self._end(child)
                    return False, 0.0, f"was not ready within {child.spec.ready_timeout:g} s"
                if ready:
                    self._on_ready(child)
            await asyncio.sleep(_POLL)
        child.bury()
        return ready, time.monotonic() - born, _ending(process.returncode)

    def _spawn(self, child: _Child) -> subprocess.Popen[bytes]:
        reading, writing = os.pipe()
        self._pump(child, reading)
        try:
            child.process = subprocess.Popen(  # noqa: S603 - our own commands
                tied_to_this_process(child.spec.argv),
                env=None if child.spec.env is None else dict(child.spec.env),
                stdin=subprocess.DEVNULL,
                stdout=writing,
                stderr=writing,
                start_new_session=True,
            )
        finally:
            os.close(writing)
        return child.process

    def _pump(self, child: _Child, fd: int) -> None:
        """Show what comes, until nobody can write any more or `child.closing()` is called."""
        loop = asyncio.get_running_loop()
        splitter = LineSplitter(lambda line: self._heard(child, line))
        partial = loop.call_later(0, splitter.flush)
        is_open = True

        def read() -> bytes:
            data = os.read(fd, _PIPE_BYTES)
            splitter.feed(data)
            return data

        def readable() -> None:
            nonlocal partial
            if not read():
                close()
                return
            partial.cancel()
            partial = loop.call_later(_PARTIAL_SHOWN_AFTER, splitter.flush)

        def close() -> None:
            nonlocal is_open
            if is_open:
                is_open = False
                loop.remove_reader(fd)
                partial.cancel()
                with contextlib.suppress(BlockingIOError):
                    read()
                splitter.flush()
                os.close(fd)

        os.set_blocking(fd, False)
        loop.add_reader(fd, readable)
        child.closing = close

    def _on_ready(self, child: _Child) -> None:
        if child.ready.is_set() and (child.spec.ready or child.spec.ready_text):
            self._say(f"{child.spec.name} is up again")
        child.ready.set()
        child.withheld = None

    def _heard(self, child: _Child, line: str) -> None:
        child.text_seen = child.text_seen or child.spec.ready_text in line
        child.tail.append(line[:_TAIL_WIDTH])
        if child.withheld is None:
            self._terminal.line(child.spec.name, line, child.colour)
        else:
            child.withheld.append(line)

    async def _is_ready(self, child: _Child) -> bool:
        if not child.text_seen:
            return False
        return child.spec.ready is None or await asyncio.to_thread(child.spec.ready)

    def _is_hopeless(self, child: _Child, *, was_ready: bool, lived: float) -> bool:
        """Count a death, and say whether it was one too many."""
        spec, now = child.spec, time.monotonic()
        if not was_ready:
            child.failed_starts += 1
            return child.failed_starts >= spec.max_failed_starts
        child.failed_starts = 0
        if lived >= spec.death_window:
            child.backoff = _BACKOFF_FIRST
        child.deaths = [at for at in child.deaths if now - at < spec.death_window] + [now]
        return spec.max_deaths is not None and len(child.deaths) >= spec.max_deaths

    def _give_up(self, failure: str) -> None:
        self._say("giving up; stopping everything")
        self._failure = self._failure or failure
        self._stop.set()

    async def _stop_stages(self) -> None:
        for stage in sorted({spec.stage for spec in self._specs}, reverse=True):
            members = [child for child in self._children if child.spec.stage == stage]
            await asyncio.gather(*(self._end(child) for child in members))
            tasks = [child.task for child in members if child.task is not None]
            for task in tasks:
                task.cancel()  # it may be waiting to start its process again
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _end(self, child: _Child) -> None:
        """Ask the process to stop, then make it; nothing of its group is left."""
        process, spec = child.process, child.spec
        if process is not None and process.poll() is None:
            child.signal_group(spec.stop_signal)
            deadline = time.monotonic() + spec.stop_timeout
            while (
                process.poll() is None and not self._hurry.is_set() and time.monotonic() < deadline
            ):
                await asyncio.sleep(_POLL)
            if process.poll() is None:
                self._say(f"{spec.name} did not stop; killing it")
        child.signal_group(signal.SIGKILL)
        if process is not None:
            await asyncio.to_thread(process.wait)
        child.bury()

    def _say(self, text: str) -> None:
        self._terminal.line("up", text)


def _minds_hang_ups() -> bool:
    return signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN


def _ending(code: int) -> str:
    if code >= 0:
        return f"exited with code {code}"
    with contextlib.suppress(ValueError):
        return f"was killed by {signal.Signals(-code).name}"
    return f"was killed by signal {-code}"


def _obituary(child: _Child, ending: str) -> str:
    spec = child.spec
    last = "".join(f"    {line}\n" for line in child.tail) or "    (it printed nothing)\n"
    return (
        f"{spec.name} keeps dying, so everything was stopped. The last time it {ending}.\n"
        f"Its last lines:\n{last}"
        f"It was run as: {' '.join(spec.argv)}\n"
        f"What to try: {spec.hint or 'mend what its last lines say, and start again.'}"
    )
