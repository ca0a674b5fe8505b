"""What `make test` runs: lanes of tests, a few at a time, each in a process of its own.

    python -m tests.lanes                  the lanes that every change has to pass
    python -m tests.lanes servers main     these alone
    python -m tests.lanes --everything     every test on every set of services, and the long forms

A lane is a part of the tests on one set of services (tests/sets.py). Much of their time they wait
for processes of their own, so that more of them run at once than there are cores; the longest begin
first.
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

ROOT = Path(__file__).resolve().parents[1]
AT_ONCE = int(os.environ.get("LIKENESS_LANES") or 4)
POLL_SECONDS = 0.5
# Those that start whole installations.
INSTALLATIONS = ("docker", "e2e", "faults")


@dataclass(frozen=True)
class Lane:
    """Tests of these files and folders of tests/, less `without`, on one set of services."""

    title: str
    paths: tuple[str, ...]
    without: tuple[str, ...] = ()
    services: str = "embedded"
    # Whether its coverage counts, in the long form: tests take a third longer by it.
    measured: bool = False

    def command(self, *, long: bool) -> list[str]:
        """What runs it."""
        is_measured = long and self.measured
        runner = ["coverage", "run", "-m", "pytest"] if is_measured else ["pytest"]
        glob = ("--ignore-glob" if "*" in path else "--ignore" for path in self.without)
        ignored = [f"{name}=tests/{path}" for name, path in zip(glob, self.without, strict=True)]
        return [sys.executable, "-m", *runner, *(f"tests/{path}" for path in self.paths), *ignored]


def faults(*names: str) -> tuple[str, ...]:
    """Files of tests/faults."""
    return tuple(f"faults/test_{name}.py" for name in names)


# Faults that differ with the services; the others run on the embedded ones alone.
FAULTS_OF_SERVERS = faults("random_kills", "import_kills", "servers_away")
# A minute and more each: with everything. What they are about, others try for a shorter time.
LONG = (
    *faults("index_kills", "rebuild_under_load", "moments", "deploy"),
    "e2e/test_backup.py", "e2e/test_another_model.py",
)  # fmt: skip
# What has most to do with a database: on the one that has row locks.
ON_POSTGRESQL = (
    "accounts", "enrolment", "identification", "imports/test_jobs.py", "imports/test_api.py",
    "imports/test_in_the_middle.py", "people", "photos", "reviews", "workers",
)  # fmt: skip
# What has to do with a Milvus server.
ON_SERVERS = (
    "vectors", "enrolment/test_admission.py", "enrolment/test_erasure.py",
    "identification/test_identify.py", "identification/test_decisions.py",
    "e2e/test_races.py", "e2e/test_reviews.py",
)  # fmt: skip

LANES = {
    "installations": Lane(
        "Whole installations", INSTALLATIONS,
        without=("e2e/portal", *ON_SERVERS, *FAULTS_OF_SERVERS, *LONG),
    ),
    "postgresql": Lane(
        "On PostgreSQL", ON_POSTGRESQL, without=ON_SERVERS, services="postgresql", measured=True
    ),
    "servers": Lane(
        "On PostgreSQL, Redis and Milvus", ON_SERVERS,
        without=("vectors/test_lite.py", "*/test_*admin*.py"), services="servers",
    ),
    "main": Lane(
        "Single processes", ("",), without=(*INSTALLATIONS, "operations", *ON_POSTGRESQL),
        measured=True,
    ),
    "operations": Lane("Running an installation", ("operations",), measured=True),
    "faults-on-servers": Lane(
        "Faults, on PostgreSQL, Redis and Milvus", FAULTS_OF_SERVERS, services="servers"
    ),
    "portal": Lane("The portal, in a browser", ("e2e/portal",)),
    "rabbitmq": Lane("On RabbitMQ", ("e2e/test_main_flow.py",), services="rabbitmq"),
}  # fmt: skip
# With LIKENESS_LONG=1, beside the lanes above.
MORE = {
    "faults": Lane("The same faults, embedded", FAULTS_OF_SERVERS),
    "long": Lane("Long ones", LONG),
    "other-faults-on-servers": Lane(
        "The other faults, on servers", ("faults",), FAULTS_OF_SERVERS, services="servers"
    ),
    "installations-on-servers": Lane(
        "Whole installations, on servers",
        ("e2e/test_main_flow.py", "e2e/test_operations.py"),
        services="servers",
    ),
    "on-sqlite": Lane("The same as on PostgreSQL, embedded", ON_POSTGRESQL, measured=True),
}


class Running:
    """A lane at work, its words kept until it ends."""

    def __init__(self, name: str, lane: Lane, *, long: bool) -> None:
        self.lane = lane
        self.log = ROOT / f".tests-{name}.log"
        self._begun = time.monotonic()
        environment = {**os.environ, "LIKENESS_TEST_SERVICES": lane.services}
        if long:
            environment["LIKENESS_LONG"] = "1"
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                lane.command(long=long),
                cwd=ROOT,
                env=environment,
                stdout=log,
                stderr=subprocess.STDOUT,
            )

    def told(self) -> str:
        """Everything it said, under a line that says how long it took."""
        minutes, seconds = divmod(round(time.monotonic() - self._begun), 60)
        words = self.log.read_text("utf-8", "replace")
        self.log.unlink()
        verdict = "passed" if self.process.returncode == 0 else "FAILED"
        return f"=== {self.lane.title}: {verdict} after {minutes} min {seconds} s\n{words}"


def run(lanes: dict[str, Lane], *, long: bool) -> bool:
    """Run them all, `AT_ONCE` at a time; whether all passed."""
    waiting = list(lanes.items())
    running: list[Running] = []
    passed = True
    with _ended_with_us(running):
        while waiting or running:
            while waiting and len(running) < AT_ONCE:
                running.append(Running(*waiting.pop(0), long=long))
            time.sleep(POLL_SECONDS)
            for one in _ended(running):
                running.remove(one)
                sys.stdout.write(f"{one.told()}\n")
                sys.stdout.flush()
                passed = passed and one.process.returncode == 0
    return passed


def _ended(running: Iterable[Running]) -> list[Running]:
    return [one for one in running if one.process.poll() is not None]


@contextmanager
def _ended_with_us(running: list[Running]) -> Iterator[None]:
    """Ctrl-C, or being told to end, ends the lanes too: each gets to stop what it has started."""

    def give_up(number: int, _: FrameType | None) -> None:
        raise KeyboardInterrupt(number)

    signal.signal(signal.SIGTERM, give_up)
    try:
        yield
    finally:
        for one in running:
            one.process.send_signal(signal.SIGINT)
        for one in running:
            one.process.wait()


def main() -> int:
    """0 when all passed, 1 when not, 130 when interrupted."""
    parser = argparse.ArgumentParser(description="Run the tests, lane by lane.")
    parser.add_argument("lanes", nargs="*", metavar="LANE", help=", ".join([*LANES, *MORE]))
    parser.add_argument("--everything", action="store_true")
    arguments = parser.parse_args()
    every = {**LANES, **MORE}
    chosen = every if arguments.everything else LANES
    if unknown := set(arguments.lanes) - set(every):
        parser.error(f"no lane is called {', '.join(sorted(unknown))}: {', '.join(every)}")
    if arguments.lanes:
        chosen = {name: every[name] for name in arguments.lanes}
    try:
        return 0 if run(chosen, long=arguments.everything) else 1
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
