"""A whole import against the embedder's own photos a second, its memory, and lookups beside it.

    python benchmarks/imports.py [--services servers] [--parts rate,recipe,lookups,memory]
                                 [--rounds N] [--photos N] [--many N] [--data FOLDER] [--json FILE]

Starts everything as `make run` does, in a temporary folder. `rate`: a round imports the photos of
LFW from a folder into a new gallery, through the API, from "start" to the last result; the
embedder alone computes the same files in a process of its own, with the servers up. They take
turns, so that a busy machine slows both; the table shows medians. `cpu_` are milliseconds of a core
for each photo, by process. `worker_` are milliseconds of the import worker's main thread by stage,
as its log says; `networks` is its wait for them. `recipe` loops the recipe of `face_recognition`
(dlib) over some of the same files. `lookups`: one client looks faces up, quietly and beside an
import, in turns. `memory`: resident memory of every process while --many distinct photos (the same
ones encoded anew) are imported.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from datetime import datetime
from itertools import cycle, islice
from pathlib import Path
from typing import Any

import psutil

ROOT = Path(__file__).resolve().parents[1]
# First, since scripts beside this one have the names of packages.
sys.path[:0] = [str(ROOT), str(ROOT / "platform")]

from benchmarks.embedder_works import recipe  # noqa: E402
from benchmarks.identify import print_table, ran  # noqa: E402
from benchmarks.identify_batches import Embedder, _cpu_seconds  # noqa: E402
from benchmarks.search_measure import resident  # noqa: E402
from benchmarks.search_platform import owner  # noqa: E402

Row = dict[str, Any]

PARTS = ("rate", "recipe", "lookups", "memory")
PROCESSES = ("imports", "index", "web", "photos", "maintenance", "milvus")
SERVERS = {"DATABASE_URL": "postgres", "CELERY_BROKER_URL": "redis", "MILVUS_URI": "milvus"}
TARGETS = {"share": 0.8, "recipe": 5.0, "lookups": 2.0, "worker_mb": 1536}
POLL = 1.0
RECIPE_PHOTOS = 40
LOOKUPS = 150
GALLERY = """
from accounts.actors import system
from people.models import Role
from people.services import create_gallery, issue_api_key
actor = system("benchmark")
gallery = create_gallery(actor, slug={slug!r}, name={slug!r})
gallery.min_face, gallery.several_faces = 70, "central"
gallery.save()
print(gallery.public_id, issue_api_key(actor, gallery, Role.ADMIN, "benchmark"))
"""
_STAGES = re.compile(r"import stages: (\{.*?\})")


def main() -> None:
    options = _options()
    if options.services != os.environ.get("LIKENESS_TEST_SERVICES", "embedded"):
        # The set of services is chosen by the environment, before anything is imported.
        environment = {**os.environ, "LIKENESS_TEST_SERVICES": options.services}
        raise SystemExit(
            subprocess.run([sys.executable, *sys.argv], env=environment, check=False).returncode
        )
    with tempfile.TemporaryDirectory(prefix="likeness-imports-") as folder:
        found = measure(Path(folder), options)
    for name, rows in found.items():
        print(f"\n{name}")
        print_table(rows)
    if options.json:
        Path(options.json).write_text(json.dumps(found, indent=2))


def measure(folder: Path, options: Any) -> dict[str, list[Row]]:
    """The tables by part."""
    from tests import sets
    from tests.e2e.stack import Stack, running

    parts = options.parts.split(",")
    paths = _photos(Path(options.data))[: options.photos]
    settings = sets.environment()
    root = folder / "photos"
    stack = Stack(folder, **settings, IMPORT_ROOTS=str(root), LOG_LEVEL="INFO")
    found: dict[str, list[Row]] = {}
    with running(stack):
        here = Here(stack, settings)
        if "rate" in parts:
            found["rate"] = [_rate(here, link(paths, root / "all"), options.rounds)]
        if "recipe" in parts:
            found["recipe"] = [_recipe(paths)]
        if "lookups" in parts:
            found["lookups"] = _lookups(here, link(paths, root / "lookups"), options.rounds)
        if "memory" in parts:
            found["memory"] = _memory(here, encoded_anew(paths, root / "many", options.many))
    return found


class Here:
    """An installation that runs, its processes and its galleries."""

    def __init__(self, stack: Any, settings: dict[str, str]) -> None:
        self.stack = stack
        self._settings = settings
        self._galleries = 0

    def processes(self) -> dict[str, psutil.Process]:
        """Ours and the servers, by name."""
        found = {name: self.stack.find(name) for name in PROCESSES}
        for setting, name in SERVERS.items():
            if setting in self._settings:
                port = re.findall(r":(\d+)(?:/|$)", self._settings[setting])[-1]
                found[name] = owner(int(port))
        return {name: process for name, process in found.items() if process is not None}

    def api(self) -> Any:
        """A client of a new gallery."""
        from tests.e2e.stack import Api

        self._galleries += 1
        code = GALLERY.format(slug=f"g{self._galleries}")
        gallery, key = ran(self.stack, "shell", "-c", code).split()[-2:]
        api = Api(self.stack, key)
        api.__dict__["gallery"] = gallery
        thresholds = {"misfits": "review"}
        api.ok(api.http.patch(f"galleries/{gallery}/thresholds", json=thresholds))
        return api

    def stages(self, since: int) -> Counter[str]:
        """Seconds of the import worker by stage, as it has logged them since then."""
        found: Counter[str] = Counter()
        for each in _STAGES.findall(self.stack.log[since:]):
            found.update(json.loads(each.replace("'", '"')))
        return found


class Job:
    """An import over the API."""

    def __init__(self, api: Any, folder: Path) -> None:
        self._api = api
        source = {"kind": "folder", "path": str(folder)}
        body = {"gallery": api.gallery, "source": source, "layout": {"kind": "folders"}}
        self._id = api.ok(api.http.post("imports", json=body))["id"]
        self.await_state("planned")

    def start(self) -> None:
        self._api.ok(self._api.http.post(f"imports/{self._id}/start"))

    def now(self) -> Row:
        shown: Row = self._api.ok(self._api.http.get(f"imports/{self._id}"))
        assert shown["state"] != "failed", shown["text"]
        return shown

    def await_state(self, state: str, meanwhile: Callable[[Row], None] | None = None) -> Row:
        while (shown := self.now())["state"] != state:
            if meanwhile:
                meanwhile(shown["progress"])
            time.sleep(POLL)
        return shown


# --- Photos a second --------------------------------------------------------------------------


def _rate(here: Here, folder: Path, rounds: int) -> Row:
    files = folder.parent / "flat"
    files.mkdir()
    for number, path in enumerate(sorted(folder.glob("*/*"))):
        os.link(path, files / f"{number:06d}.jpg")
    embedder = Embedder(files, every_face=True)
    rows = []
    for number in range(rounds + 1):
        alone, cpu_alone = embedder.measure()
        row = {"embedder": alone, "cpu_embedder": cpu_alone, **_import(here, folder)}
        row["share"] = row["import"] / alone
        if number:  # the first one warms everything up
            rows.append(row)
        print(json.dumps(row), flush=True)
    embedder.stop()
    medians = {name: statistics.median(row.get(name, 0.0) for row in rows) for name in rows[0]}
    target = {"share": round(medians.pop("share"), 2), "target": TARGETS["share"]}
    return {**target, **{name: round(value, 2) for name, value in medians.items()}}


def _import(here: Here, folder: Path) -> Row:
    """One import into a new gallery, and the same again: photos a second, and what took them."""
    api = here.api()
    with closing(api.http):
        job = Job(api, folder)
        processes = here.processes()
        before = {name: _cpu_seconds(process) for name, process in processes.items()}
        log = len(here.stack.log)
        began = time.perf_counter()
        job.start()
        done = job.await_state("done")
        counts = done["progress"]
        row: Row = {
            "import": counts["files"] / _seconds(done),
            **{f"{name}": counts[name] for name in ("enrolled", "review", "rejected", "failed")},
        }
        for name, process in processes.items():
            spent = _cpu_seconds(process) - before[name]
            row[f"cpu_{name}"] = 1000 * spent / counts["files"]
        for stage, taken in here.stages(log).items():
            row[f"worker_{stage}"] = 1000 * taken / counts["files"]
        row["admitted_after_s"] = _await_admission(api, began)
        row["again_s"] = _again(api, folder)
    return row


def _await_admission(api: Any, began: float) -> float:
    """Seconds from the start of the job until everybody in it was looked for."""
    while api.ok(api.http.get("people", params={"held": "checking"}))["results"]:
        time.sleep(POLL)
    return time.perf_counter() - began


def _again(api: Any, folder: Path) -> float:
    job = Job(api, folder)
    job.start()
    done = job.await_state("done")
    assert not done["progress"]["enrolled"], done
    return _seconds(done)


def _seconds(done: Row) -> float:
    """That a job took, as it says itself."""
    began, ended = (datetime.fromisoformat(done[f"{at}_at"]) for at in ("started", "finished"))
    return (ended - began).total_seconds()


# --- The recipe -------------------------------------------------------------------------------


def _recipe(paths: Sequence[Path]) -> Row:
    """The recipe in a loop over some of the files, as whoever follows it writes it: on one core."""
    some = [path.read_bytes() for path in paths[:: max(1, len(paths) // RECIPE_PHOTOS)]]
    run = recipe(some[:RECIPE_PHOTOS])
    run()
    began = time.perf_counter()
    run()
    rate = RECIPE_PHOTOS / (time.perf_counter() - began)
    return {"recipe, photos/s": round(rate, 2), "ms each": round(1000 / rate)}


# --- Lookups beside an import -----------------------------------------------------------------


def _lookups(here: Here, folder: Path, rounds: int) -> list[Row]:
    api = here.api()
    with closing(api.http):
        job = Job(api, folder)
        job.start()
        job.await_state("done")
        probes = [path.read_bytes() for path in islice(sorted(folder.glob("*/*")), 200)]
        _look_up(api, probes, 20)
        rows: dict[str, list[float]] = {"quiet": [], "beside an import": []}
        for _ in range(rounds):
            rows["quiet"] += _look_up(api, probes, LOOKUPS)
            rows["beside an import"] += _beside(here, api, folder, probes)
    found = [_latency(name, times) for name, times in rows.items()]
    for row in found:
        row["p95, ratio"] = round(row["p95, ms"] / found[0]["p95, ms"], 2)
        row["target"] = TARGETS["lookups"]
    return found


def _beside(here: Here, api: Any, folder: Path, probes: Sequence[bytes]) -> list[float]:
    other = here.api()
    with closing(other.http):
        job = Job(other, folder)
        job.start()
        while not job.now()["progress"]["enrolled"]:
            time.sleep(POLL)
        times = _look_up(api, probes, LOOKUPS)
        assert job.now()["state"] == "running", "the import was over before the lookups"
        job.await_state("done")
    return times


def _look_up(api: Any, probes: Sequence[bytes], count: int) -> list[float]:
    times = []
    for probe in islice(cycle(probes), count):
        began = time.perf_counter()
        api.ok(api.identify(probe))
        times.append(1000 * (time.perf_counter() - began))
    return times


def _latency(name: str, times: Sequence[float]) -> Row:
    cuts = statistics.quantiles(times, n=100)
    return {"lookups": name, "p50, ms": round(cuts[49], 1), "p95, ms": round(cuts[94], 1)}


# --- Memory -----------------------------------------------------------------------------------


def _memory(here: Here, folder: Path) -> list[Row]:
    """MB of every process for each thousand files."""
    api = here.api()
    rows: list[Row] = []
    with closing(api.http):
        job = Job(api, folder)
        job.start()
        step = 1000

        def note(counts: Row) -> None:
            done = counts["files"] - counts["waiting"] - counts["working"]
            if done >= step * (len(rows) + 1):
                sizes = {name: resident(each) for name, each in here.processes().items()}
                rows.append({"files": done, **sizes})
                print(json.dumps(rows[-1]), flush=True)

        note(job.await_state("done", note)["progress"])
    return rows


# --- Photos -----------------------------------------------------------------------------------


def _photos(folder: Path) -> list[Path]:
    paths = sorted((folder / "lfw-dev" / "images").glob("*/*.jpg"))
    if not paths:
        sys.exit(f"{folder} has no photos of LFW; name a folder with --data")
    return paths


def link(paths: Sequence[Path], folder: Path) -> Path:
    """The same files in a folder of their own, by person."""
    for path in paths:
        target = folder / path.parent.name / path.name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(path.read_bytes())
    return folder


def encoded_anew(paths: Sequence[Path], folder: Path, count: int) -> Path:
    """So many distinct files: the photos again and again, each time in another quality."""
    for number, (path, data) in enumerate(islice(_encodings(paths), count)):
        target = folder / path.parent.name / f"{number}.jpg"
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(data)
    return folder


def _encodings(paths: Sequence[Path]) -> Iterator[tuple[Path, bytes]]:
    import cv2

    for quality in range(95, 40, -1):
        for path in paths:
            picture = cv2.imread(str(path))
            assert picture is not None, path
            done, data = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, quality])
            assert done, path
            yield path, data.tobytes()


def _options() -> Any:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    default = ROOT / os.environ.get("LIKENESS_TEST_DATA", "../shared/data")
    parser.add_argument("--services", default="servers")
    parser.add_argument("--parts", default="rate,recipe,lookups,memory")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--photos", type=int, default=10_000, help="at most; LFW's has 3,318")
    parser.add_argument("--many", type=int, default=20_000)
    parser.add_argument("--data", default=str(default))
    parser.add_argument("--json")
    return parser.parse_args()


if __name__ == "__main__":
    main()
