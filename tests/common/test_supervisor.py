"""The supervisor, with real processes: each test runs one as a program of its own."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from common.ports import (
    answers_grpc,
    answers_http,
    claim_port,
    free_port,
    port_of,
    why_not_free,
    why_not_ours,
)  # fmt: skip
from common.supervisor import ProcessSpec, Supervisor
from common.terminal import LineSplitter

PLATFORM = Path(__file__).resolve().parents[2] / "platform"
SLEEP = "import time; time.sleep(60)"
STUBBORN = (
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); "
    "print('deaf', flush=True); time.sleep(60)"
)
PARENT = (
    "import subprocess, sys, time; "
    f"child = subprocess.Popen([sys.executable, '-c', {SLEEP!r}]); "
    "print('grandchild', child.pid, flush=True); time.sleep(60)"
)


class Running:
    """A supervisor at work, and what it has printed so far."""

    def __init__(self, script: Path) -> None:
        self._output = script.with_suffix(".out")
        with self._output.open("wb") as output:
            self.process = subprocess.Popen(
                [sys.executable, str(script)],
                env={**os.environ, "PYTHONPATH": str(PLATFORM), "PYTHONWARNINGS": "error"},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def text(self) -> str:
        return self._output.read_text()

    def wait_for(self, text: str, times: int = 1) -> None:
        eventually(lambda: self.text().count(text) >= times, lambda: f"{text!r}:\n{self.text()}")

    def family(self) -> list[psutil.Process]:
        return psutil.Process(self.process.pid).children(recursive=True)

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        self.process.send_signal(number)
        return self.process.wait(20)


def eventually(
    true: Callable[[], bool], what: Callable[[], str] = lambda: "", seconds: float = 15.0
) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, f"not in {seconds} s: {what()}"
        time.sleep(0.02)


def all_gone(processes: list[psutil.Process]) -> bool:
    def is_gone(process: psutil.Process) -> bool:
        with contextlib.suppress(psutil.NoSuchProcess):
            return process.status() == psutil.STATUS_ZOMBIE
        return True

    return all(is_gone(process) for process in processes)


@contextlib.contextmanager
def program(*arguments: str, stdout: int = subprocess.DEVNULL) -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen(
        [sys.executable, *arguments],
        env={**os.environ, "PYTHONPATH": str(PLATFORM)},
        stdout=stdout,
        stderr=subprocess.DEVNULL,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


Start = Callable[..., Running]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Run a supervisor of the specs written in the given source."""
    runs: list[Running] = []

    def run(*specs: str, options: str = "") -> Running:
        script = tmp_path / f"run{len(runs)}.py"
        script.write_text(
            textwrap.dedent("""\
            import pathlib, signal, sys, time
            from common.supervisor import ProcessSpec, Supervisor

            def program(name, source, **more):
                return ProcessSpec(name, [sys.executable, "-u", "-c", source], **more)

            sys.exit(Supervisor([
            """)
            + "".join(f"    {spec},\n" for spec in specs)
            + f"], when_ready='EVERYTHING RUNS', {options}).run())\n"
        )
        runs.append(Running(script))
        return runs[-1]

    yield run
    for running in runs:
        if running.process.poll() is None:
            running.process.kill()
            running.process.wait()


def test_restarts_what_is_killed_and_stops_cleanly(start: Start) -> None:
    running = start(f"program('one', {SLEEP!r})", f"program('other', {SLEEP!r})")
    running.wait_for("EVERYTHING RUNS")
    eventually(lambda: len(running.family()) == 2)
    first, other = running.family()

    first.kill()
    running.wait_for("one was killed by SIGKILL; starting it again in 0.5 s")
    eventually(lambda: len([p for p in running.family() if p.status() != "zombie"]) == 2)
    family = running.family()

    assert other in family
    assert first not in family
    assert running.stop() == 0
    assert running.text().splitlines()[-1] == "up    | Stopped."
    assert all_gone(family)


def test_gives_up_on_what_keeps_dying(start: Start) -> None:
    dying = "print('my last words'); raise SystemExit(3)"
    running = start(
        f"program('good', {SLEEP!r})",
        f"program('bad', {dying!r}, stage=1, max_deaths=3, hint='feed it.')",
    )
    running.wait_for("bad exited with code 3; starting it again in 0.5 s")
    family = running.family()

    assert running.process.wait(15) == 1
    text = running.text()
    assert "bad exited with code 3; starting it again in 1 s" in text
    assert "bad keeps dying, so everything was stopped. The last time it exited with code 3.\n" in (
        text
    )
    assert "Its last lines:\n    my last words\n" in text
    assert text.endswith("What to try: feed it.\n")
    assert all_gone(family)


def test_gives_up_on_what_cannot_start(start: Start) -> None:
    running = start("ProcessSpec('none', ['/does/not/exist'], ready_text='x', max_failed_starts=2)")
    assert running.process.wait(15) == 1
    assert "cannot start /does/not/exist: [Errno 2]" in running.text()


def test_a_process_that_never_gets_ready_is_a_failed_start(start: Start) -> None:
    running = start(
        f"program('slow', {SLEEP!r}, ready=lambda: False, ready_timeout=0.3, max_failed_starts=2)",
        f"program('later', {SLEEP!r}, stage=1)",
    )
    assert running.process.wait(15) == 1
    assert "slow was not ready within 0.3 s; starting it again" in running.text()
    assert "EVERYTHING RUNS" not in running.text()


def test_what_was_ready_once_may_be_restarted_for_ever(start: Start) -> None:
    dying = "print('ready')"
    running = start(f"program('x', {dying!r}, ready_text='ready', max_deaths=None)")
    running.wait_for("starting it again in 2 s")
    assert running.stop() == 0


def test_stages_start_in_order_and_stop_in_reverse(start: Start, tmp_path: Path) -> None:
    log, flag = tmp_path / "log", tmp_path / "flag"
    source = """
import pathlib, signal, sys, time
def say(what):
    with open({log!r}, "a") as log: log.write(what + " {name}\\n")
def end(*_):
    say("stop"); sys.exit()
signal.signal(signal.SIGTERM, end)
say("start")
print("working")
while True: time.sleep(0.1)
"""
    first, second, third = (
        source.format(log=str(log), name=name) for name in ("first", "second", "third")
    )
    running = start(
        f"program('third', {third!r}, stage=2, ready_text='working')",
        f"program('second', {second!r}, stage=1, ready=pathlib.Path({str(flag)!r}).exists)",
        f"program('first', {first!r}, stage=0, ready_text='working')",
    )
    running.wait_for("second | working")
    time.sleep(0.3)
    assert log.read_text().split("\n")[:-1] == ["start first", "start second"]
    flag.touch()
    running.wait_for("EVERYTHING RUNS")
    running.wait_for("third  | working")

    assert running.stop() == 0
    lines = log.read_text().split("\n")[:-1]
    assert lines[2:] == ["start third", "stop third", "stop second", "stop first"]


def test_a_stubborn_process_is_killed_after_its_time(start: Start) -> None:
    running = start(f"program('mule', {STUBBORN!r}, stop_timeout=0.5)")
    running.wait_for("deaf")
    family = running.family()
    assert running.stop() == 0
    assert "mule did not stop; killing it" in running.text()
    assert all_gone(family)


def test_a_second_signal_kills_at_once(start: Start) -> None:
    running = start(f"program('mule', {STUBBORN!r}, stop_timeout=60)")
    running.wait_for("deaf")
    running.process.send_signal(signal.SIGINT)
    running.wait_for("SIGINT: stopping everything (once more: at once)")
    assert running.stop(signal.SIGINT) == 0


@pytest.fixture
def terminal() -> Iterator[tuple[int, int]]:
    """Both ends of a new terminal: the window's and the programs'."""
    window, inside = os.openpty()
    yield window, inside
    for fd in (window, inside):
        with contextlib.suppress(OSError):
            os.close(fd)


@contextlib.contextmanager
def in_a_window(
    terminal: tuple[int, int], on_hang_up: str, source: str
) -> Iterator[tuple[subprocess.Popen[bytes], psutil.Process]]:
    """A session's leader that waits for its child whatever happens, as `make run` in a window.

    Yields it and the supervisor, its child, once everything runs.
    """
    window, inside = terminal
    supervise = (
        "import sys; from common.supervisor import ProcessSpec, Supervisor; "
        f"specs = [ProcessSpec('one', [sys.executable, '-u', '-c', {source!r}], ready_text='go')]; "
        "sys.exit(Supervisor(specs, when_ready='EVERYTHING RUNS').run())"
    )
    leader = (
        "import fcntl, signal, subprocess, sys, termios; "
        "fcntl.ioctl(1, termios.TIOCSCTTY, 0); "
        f"signal.signal(signal.SIGHUP, {on_hang_up}); "
        f"sys.exit(subprocess.run([sys.executable, '-c', {supervise!r}]).returncode)"
    )
    with subprocess.Popen(
        [sys.executable, "-c", leader],
        env={**os.environ, "PYTHONPATH": str(PLATFORM), "PYTHONWARNINGS": "error"},
        stdin=inside,
        stdout=inside,
        stderr=inside,
        start_new_session=True,
    ) as process:
        try:
            os.close(inside)
            shown = b""
            while b"EVERYTHING RUNS" not in shown:
                shown += os.read(window, 10_000)
            (supervisor,) = psutil.Process(process.pid).children()
            yield process, supervisor
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)


def test_a_closed_terminal_stops_everything_cleanly(
    terminal: tuple[int, int], tmp_path: Path
) -> None:
    told, done = tmp_path / "told", tmp_path / "done"
    source = (
        "import pathlib, signal, sys, time\n"
        "def end(*_):\n"
        f"    pathlib.Path({str(told)!r}).touch(); time.sleep(1)\n"
        f"    pathlib.Path({str(done)!r}).touch(); sys.exit()\n"
        "signal.signal(signal.SIGTERM, end); print('go'); time.sleep(60)"
    )
    with in_a_window(terminal, "lambda *_: None", source) as (leader, supervisor):
        family = [supervisor, *supervisor.children(recursive=True)]
        assert len(family) == 2
        os.close(terminal[0])
        eventually(told.exists)
        supervisor.send_signal(signal.SIGHUP)  # a shell may pass it on late: no call for hurry
        assert leader.wait(15) == 0
        assert all_gone(family)
    assert done.exists()


def test_with_hang_ups_ignored_it_goes_on_without_its_terminal(terminal: tuple[int, int]) -> None:
    source = f"print('go'); {SLEEP}"
    with in_a_window(terminal, "signal.SIG_IGN", source) as (leader, supervisor):
        family = [supervisor, *supervisor.children(recursive=True)]
        os.close(terminal[0])
        time.sleep(2.5)
        assert not any(all_gone([process]) for process in family)
        supervisor.terminate()
        assert leader.wait(15) == 0
        assert all_gone(family)


def test_grandchildren_go_with_their_parent(start: Start) -> None:
    running = start(f"program('p', {PARENT!r})")
    running.wait_for("grandchild")
    parent, grandchild = running.family()
    parent.kill()
    running.wait_for("p was killed by SIGKILL")
    eventually(lambda: all_gone([grandchild]))
    running.wait_for("grandchild", times=2)
    family = running.family()
    assert running.stop() == 0
    assert all_gone(family)


def test_children_die_with_a_killed_supervisor(start: Start) -> None:
    running = start(f"program('one', {SLEEP!r})", f"program('mule', {STUBBORN!r})")
    running.wait_for("deaf")
    family = running.family()
    assert len(family) == 2
    running.process.kill()
    running.process.wait()
    eventually(lambda: all_gone(family))


def test_long_and_partial_lines_get_the_prefix(start: Start) -> None:
    source = (
        "import sys, time; print('x' * 20_000); print('\\N{SNOWMAN} half', end=''); "
        "sys.stderr.write('and error\\n'); print('prompt> ', end=''); time.sleep(60)"
    )
    running = start(f"program('a', {source!r})", f"program('longer', {SLEEP!r})")
    running.wait_for("prompt> ")
    assert running.stop() == 0
    lines = running.text().splitlines()
    assert [len(line) for line in lines if "xx" in line] == [8_201, 8_201, 20_000 - 16_384 + 9]
    assert "a      | \N{SNOWMAN} halfand error" in lines
    assert "a      | prompt> " in lines


def test_a_blocked_terminal_stops_nobody(tmp_path: Path) -> None:
    """Nobody reads our output, yet the child writes on and a signal still works."""
    done = tmp_path / "done"
    chatty = f"print('x' * 5_000_000); open({str(done)!r}, 'w').close(); {SLEEP}"
    source = (
        "import sys; from common.supervisor import ProcessSpec, Supervisor; "
        f"sys.exit(Supervisor([ProcessSpec('c', [sys.executable, '-c', {chatty!r}])]).run())"
    )
    with program("-c", source, stdout=subprocess.PIPE) as process:
        eventually(done.exists)
        process.terminate()
        assert process.wait(15) == 0


def test_a_quiet_start_is_shown_only_when_it_fails(start: Start) -> None:
    source = (
        "import time; print('long banner'); time.sleep(0.3); print('go'); time.sleep(0.4); "
        "print('at work'); time.sleep(60)"
    )
    running = start(
        f"program('good', {source!r}, ready_text='go', quiet_start=True)",
        "program('bad', 'print(1 / 0)', ready_text='go', quiet_start=True)",
    )
    running.wait_for("bad  | ZeroDivisionError: division by zero")
    running.wait_for("good | at work")
    assert "long banner" not in running.text()
    assert running.stop() == 0


def test_no_colours_into_a_file(start: Start) -> None:
    running = start("program('a', 'print(1)', max_deaths=1)")
    assert running.process.wait(15) == 1
    assert "\033" not in running.text()


def test_colours_on_a_terminal_unless_refused() -> None:
    spec = ProcessSpec("a", [sys.executable, "-c", "print(1)"], max_deaths=1)
    for refused in ("", "1"):
        controller, terminal = os.openpty()
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("NO_COLOR", refused)
            assert Supervisor([spec], fd=terminal).run() == 1
        shown = os.read(controller, 10_000).decode()
        assert ("\033[36ma  |\033[0m 1" in shown) is not bool(refused)
        os.close(terminal)
        os.close(controller)


def test_two_of_one_name_are_refused() -> None:
    spec = ProcessSpec("a", ["true"])
    with pytest.raises(ValueError, match="two processes of one name"):
        Supervisor([spec, spec])


def test_lines_are_cut_wherever_the_bytes_were() -> None:
    lines: list[str] = []
    splitter = LineSplitter(lines.append)
    for byte in "one\r\ntw\N{SNOWMAN}\n10 %\r20 %\rlast".encode():
        splitter.feed(bytes([byte]))
    assert lines == ["one", "tw\N{SNOWMAN}", "10 %", "20 %"]
    splitter.flush()
    splitter.flush()
    assert lines[4:] == ["last"]


def test_ports_tell_who_is_there() -> None:
    port = free_port("127.0.0.1")
    assert why_not_free("127.0.0.1", port) == ""
    with program("-m", "http.server", str(port), "--bind", "127.0.0.1"):
        eventually(lambda: answers_http("127.0.0.1", port, "/"))
        assert why_not_free("127.0.0.1", port) == "Address already in use"
        assert not answers_grpc("127.0.0.1", port)
    assert not answers_http("127.0.0.1", port, "/")
    assert not answers_grpc("127.0.0.1", port)


def test_two_who_start_at_once_get_two_ports() -> None:
    """Neither listens yet, and a server of gRPC's would share the port of the other."""
    with claim_port("127.0.0.1") as first, claim_port("127.0.0.1") as second:
        assert port_of(first) != port_of(second)
        assert free_port("127.0.0.1") not in {port_of(first), port_of(second)}
        assert why_not_ours("127.0.0.1", port_of(first)) == ""
        with socket.socket() as server:
            server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            server.bind(first.getsockname())
            server.listen()
            assert why_not_ours("127.0.0.1", port_of(first)) == "Somebody listens there"
    with socket.create_server(("127.0.0.1", 0)) as stranger:
        assert why_not_ours("127.0.0.1", port_of(stranger)) == "Address already in use"
