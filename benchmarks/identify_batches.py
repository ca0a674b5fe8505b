"""Batches of photos looked up over HTTP: photos a second against the embedder's own on all cores.

    python benchmarks/identify_batches.py [--services embedded,servers] [--people N] [--photos N]
                                          [--batch N] [--rounds N] [--data FOLDER] [--json FILE]

Starts everything as `make run` does, in a temporary folder, with a gallery of random templates. A
round sends all photos in batches, one request after the other, and is over when every photo has its
answer. The embedder alone computes the same photos in a process of its own, on all cores, as the
photo worker does: decode, detect, the central face, embed. Both take turns, round by round, so that
a busy machine slows both; the table shows medians. Of the stages it shows milliseconds a photo:
`receive` as the client saw it, the others as the worker measured them; `cpu_` is the time that our
processes and the embedder alone (`cpu_alone`) took from the cores, which other programs on the
machine hardly change.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import closing
from functools import partial
from itertools import cycle, islice
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
# First, since scripts beside this one have the names of packages.
sys.path[:0] = [str(ROOT), str(ROOT / "platform")]

from benchmarks.identify import FILL, print_table  # noqa: E402

TARGET = 0.8
MODEL = "mtcnn-dlib-resnet"
POLL = 0.25
STAGES = ("search", "thresholds", "score", "decide", "log")
PROCESSES = ("web", "photos", "milvus")  # the last, where it is the embedded one

Row = dict[str, Any]


def main() -> None:
    options = _options()
    if options.worker:
        embedder_alone(Path(options.worker), every_face=options.every_face)
        return
    rows: list[Row] = []
    for services in options.services.split(","):
        rows += _measure_services(services, options)
    print()
    print_table(rows)
    if options.json:
        Path(options.json).write_text(json.dumps(rows, indent=2))


def _measure_services(services: str, options: Any) -> list[Row]:
    """One set of services in a process of its own: the set is chosen by the environment."""
    if services != os.environ.get("LIKENESS_TEST_SERVICES", "embedded"):
        with tempfile.NamedTemporaryFile(suffix=".json") as result:
            arguments = ["--services", services, "--json", result.name, "--data", options.data]
            for name in ("people", "photos", "batch", "rounds"):
                arguments += [f"--{name}", str(getattr(options, name))]
            environment = {**os.environ, "LIKENESS_TEST_SERVICES": services}
            subprocess.run([sys.executable, __file__, *arguments], env=environment, check=True)
            rows: list[Row] = json.loads(Path(result.name).read_text())
            return rows
    photos = _photos(Path(options.data), options.photos)
    with tempfile.TemporaryDirectory() as folder:
        for number, photo in enumerate(photos):
            Path(folder, f"{number:05d}.jpg").write_bytes(photo)
        return [_compare(services, photos, Path(folder), options)]


def _compare(services: str, photos: Sequence[bytes], files: Path, options: Any) -> Row:
    from tests import sets
    from tests.e2e.stack import Api, Stack, eventually, running

    with (
        tempfile.TemporaryDirectory() as folder,
        running(Stack(Path(folder), **sets.environment())) as stack,
    ):
        api = Api(stack, stack.make_key())
        with closing(api.http):
            filled = stack.manage("shell", "-c", FILL.format(count=options.people), seconds=600)
            assert filled.returncode == 0, filled.stderr
            eventually(
                lambda: api.identify(photos[0]).is_success and stack.agrees(),
                "the index is filled",
                seconds=600,
            )
            embedder = Embedder(files)
            _send(api, photos[: options.batch], options.batch)  # warms everything up
            rounds = []
            for number in range(options.rounds):
                alone, cpu_alone = embedder.measure()
                found = _round(stack, api, photos, options.batch)
                rounds.append({**found, "alone": alone, "cpu_alone": cpu_alone})
                print(f"{services}, round {number + 1}: {json.dumps(rounds[-1])}", flush=True)
            embedder.stop()
    return _row(services, len(photos), options, rounds)


# --- The platform -----------------------------------------------------------------------------


def _round(stack: Any, api: Any, photos: Sequence[bytes], size: int) -> Row:
    """Photos a second, and milliseconds a photo by stage."""
    names = [name for name in PROCESSES if stack.find(name)]
    before = {name: _cpu_seconds(stack.process(name)) for name in names}
    began = time.perf_counter()
    receiving, batches = _send(api, photos, size)
    seconds = time.perf_counter() - began
    row: Row = {"batches": len(photos) / seconds, "receive": 1000 * receiving / len(photos)}
    row |= _stages([_shown(api, batch) for batch in batches])
    for name in names:
        spent = _cpu_seconds(stack.process(name)) - before[name]
        row[f"cpu_{name}"] = 1000 * spent / len(photos)
    return row


def _send(api: Any, photos: Sequence[bytes], size: int) -> tuple[float, list[str]]:
    """Send all photos and wait for their answers; the seconds that sending took, and the ids."""
    began = time.perf_counter()
    batches = []
    for start in range(0, len(photos), size):
        answer = api.http.post(
            "identify/batches",
            data={"galleries": api.gallery, "faces": "central"},
            files=[("photos", photo) for photo in photos[start : start + size]],
        )
        batches.append(str(api.ok(answer)["id"]))
    receiving = time.perf_counter() - began
    for batch in batches:
        while _shown(api, batch, limit=0)["state"] != "done":
            time.sleep(POLL)
    return receiving, batches


def _shown(api: Any, batch: str, limit: int = 100) -> Row:
    shown: Row = api.ok(api.http.get(f"identify/batches/{batch}", params={"limit": limit}))
    return shown


def _stages(batches: Sequence[Row]) -> Row:
    """Milliseconds a photo. Those that were searched for together share the figures."""
    answers = [item["answer"] for batch in batches for item in batch["items"]]
    together: dict[tuple[float, ...], Row] = {}
    for answer in answers:
        timings = answer["timings_ms"]
        key = tuple(timings[name] for name in STAGES if name != "log")
        known = together.get(key)
        # The log is written for one after the other: the last has the time of all.
        if known is None or known["log"] < timings["log"]:
            together[key] = timings
    sums = {name: sum(each[name] for each in together.values()) for name in STAGES}
    return {name: value / len(answers) for name, value in sums.items()}


def _cpu_seconds(process: Any) -> float:
    """Of a process with its children: the web server's own is the first of them."""
    times = [each.cpu_times() for each in (process, *process.children(recursive=True))]
    # With that of children that are gone: PostgreSQL has one for each connection.
    return sum(
        float(each.user + each.system + each.children_user + each.children_system) for each in times
    )


def _row(services: str, photos: int, options: Any, rounds: Sequence[Row]) -> Row:
    medians = {name: statistics.median(each[name] for each in rounds) for name in rounds[0]}
    share = statistics.median(each["batches"] / each["alone"] for each in rounds)
    return {
        "services": services,
        "people": options.people,
        "photos": photos,
        "a request": options.batch,
        "batches, photos/s": round(medians.pop("batches"), 1),
        "embedder alone, photos/s": round(medians.pop("alone"), 1),
        "share": round(share, 2),
        "target": TARGET,
        **{name: round(value, 2) for name, value in medians.items()},
    }


# --- The embedder alone -----------------------------------------------------------------------


class Embedder:
    """The embedder in a process of its own, which computes all photos whenever it is asked."""

    def __init__(self, files: Path, *, every_face: bool = False) -> None:
        how = ["--every-face"] if every_face else []
        self._process = subprocess.Popen(
            [sys.executable, __file__, "--worker", str(files), *how],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
        )
        if self._line() != "ready":
            raise SystemExit("the embedder did not start")

    def measure(self) -> tuple[float, float]:
        """Photos a second, and the milliseconds of a core that one took."""
        if self._process.stdin is None:
            raise ValueError("it is spoken to through pipes")
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        rate, cpu = map(float, self._line().split())
        return rate, cpu

    def stop(self) -> None:
        self._process.communicate()

    def _line(self) -> str:
        if self._process.stdout is None:
            raise ValueError("it answers through pipes")
        return self._process.stdout.readline().strip()


def embedder_alone(folder: Path, *, every_face: bool = False) -> None:
    """For each line on standard input, print how many photos a second the embedder manages.

    Of each photo it embeds the largest face, as batches do, or `every_face`, as imports do.
    """
    from embedder.catalogue import load_pipeline
    from embedder.images import ImageInfo
    from embedder.stream import stream
    from embedder.types import Detection

    photos = [path.read_bytes() for path in sorted(folder.iterdir())]
    pipeline = load_pipeline(MODEL, threads=1)

    def central(_: ImageInfo, faces: Sequence[Detection]) -> Sequence[Detection]:
        return faces[:1]

    work = partial(stream, pipeline, choose=None if every_face else central)
    list(work(photos[:64]))
    print("ready", flush=True)
    for _ in sys.stdin:
        begin, spent = time.perf_counter(), time.process_time()
        count = len(list(work(photos)))
        seconds, spent = time.perf_counter() - begin, time.process_time() - spent
        print(count / seconds, 1000 * spent / count, flush=True)


# --- Around it ----------------------------------------------------------------------------------


def _photos(folder: Path, count: int) -> list[bytes]:
    paths = sorted((folder / "lfw-dev" / "images").glob("*/*.jpg"))
    if not paths:
        sys.exit(f"{folder} has no photos of LFW; name a folder with --data")
    return [path.read_bytes() for path in islice(cycle(paths), count)]


def _options() -> Any:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    default = ROOT / os.environ.get("LIKENESS_TEST_DATA", "../shared/data")
    parser.add_argument("--services", default="embedded,servers")
    parser.add_argument("--people", type=int, default=10_000)
    parser.add_argument("--photos", type=int, default=1_200)
    parser.add_argument("--batch", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--data", default=str(default))
    parser.add_argument("--json")
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    parser.add_argument("--every-face", action="store_true", help=argparse.SUPPRESS)
    return parser.parse_args()


if __name__ == "__main__":
    main()
