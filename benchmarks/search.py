"""The index: loading it, searching it, and what both cost as the gallery grows.

    python benchmarks/search.py [--n 200000] [--quick] [--stages NAME,NAME]
                                [--data FOLDER] [--cache FOLDER] [--json FILE] [--plot FILE]

Starts a PostgreSQL, a standalone Milvus and a whole Likeness of its own, and removes them at the
end. Needs `pip install '.[test,benchmark]'` and, for templates like those of real faces, the photos
of LFW (search_faces.py says how they are used, and what stands in for them).

- faces: do drawn templates lie as real ones do?
- load: `manage.py vectors import` of N templates into PostgreSQL and Milvus, and the wait until
  the server has indexed them, which goes on by itself.
- width: the smallest ef with which Milvus finds the best of 999 of 1,000 probes, as exact search in
  NumPy does; all that follow use it.
- growth: one search in galleries of 10,000 to N templates.
- search: everybody at N, one search each in turn, and their recall.
- rate: searches a second by threads and by probes in a call.
- memory: of the loader, the servers, and the processes that search.

What a stage found is written to the JSON file when it ends, so a run that is broken off keeps it;
a stage that fails is named there, and the next one begins.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from contextlib import ExitStack
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "platform")]

from benchmarks import search_faces, search_measure, search_platform  # noqa: E402
from benchmarks.search_contenders import (  # noqa: E402
    Contender,
    Exact,
    Faiss,
    Hnswlib,
    Milvus,
    insert,
    make_collection,
)
from benchmarks.search_measure import Row, Truth  # noqa: E402
from benchmarks.search_report import plot, show  # noqa: E402

STAGES = ("faces", "load", "width", "growth", "search", "rate", "memory")
SEED = 5
K = 10
PROBES = 1_000
LEAST_RECALL = 0.999
WIDTHS = (16, 32, 64, 128, 256, 512, 1024)
SIZES = (10_000, 30_000, 100_000, 300_000)
THREADS, BATCHES = (1, 4, 16), (1, 32, 256)
SMALL = 10_000
PHOTOS = 16
SAMPLED_WIDTHS = (10, 16, 32)


class Run:
    """One run: its options, what was drawn, what was started, and what was found."""

    def __init__(self, options: Any, stack: ExitStack) -> None:
        self.options, self._stack = options, stack
        self.found: dict[str, Any] = {"n": options.n, "cores": os.cpu_count()}
        self.folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="likeness-")))
        self.folder.chmod(0o755)
        self.ef = options.ef or WIDTHS[-1]
        self.small = min(SMALL, options.n)
        # The platform's galleries: beside the large one a small one, to see what grows.
        self.sizes = {self.small: "small", options.n: "main"}

    def stage(self, name: str, work: Callable[[Run], None]) -> None:
        """Run a stage; whatever becomes of it, what was found so far is in the file."""
        print(f"\n== {name}", flush=True)
        begun = time.perf_counter()
        try:
            work(self)
        except Exception:  # noqa: BLE001 - the next stage may still tell something
            traceback.print_exc()
            self.found.setdefault("failed", {})[name] = traceback.format_exc(limit=3)
        self.found.setdefault("seconds", {})[name] = round(time.perf_counter() - begun, 1)
        self.save()

    def save(self) -> None:
        """Write what was found so far."""
        self.options.json.write_text(json.dumps(self.found, indent=2))

    def keep(self, name: str, title: str, rows: list[Row]) -> None:
        """Print a table, and write it to the file."""
        self.found[name] = rows
        self.save()
        show(title, rows)

    # --- Made when somebody first needs them ---

    @cached_property
    def population(self) -> search_faces.Population:
        images = self.options.data / "lfw-dev" / "images"
        return search_faces.population(images, self.options.cache)

    @cached_property
    def vectors(self) -> search_faces.Floats:
        begun = time.perf_counter()
        vectors = self.population.templates(self.options.n, SEED)
        self.found["drawing_seconds"] = round(time.perf_counter() - begun, 1)
        return vectors

    def probes(self, people: int) -> search_faces.Floats:
        """Probes of people among the first so many."""
        rows = np.random.default_rng((SEED, people)).choice(people, PROBES, replace=False)
        return self.population.probes(rows, SEED)

    @cached_property
    def truth(self) -> Truth:
        return Truth(self.vectors, self.probes(self.options.n), K)

    @cached_property
    def installation(self) -> search_platform.Installation:
        made = search_platform.Installation(self.folder / "installation")
        self._stack.callback(made.close)
        return made

    @cached_property
    def client(self) -> Any:
        return self.installation.client()

    @cached_property
    def faiss(self) -> Faiss:
        return Faiss(self.ef)

    @cached_property
    def hnswlib(self) -> Hnswlib:
        return Hnswlib(self.ef, self.options.n)

    @cached_property
    def lite(self) -> Any:
        """A client of a Milvus Lite of our own."""
        from vectors import lite

        uri = self._stack.enter_context(lite.running())
        return search_platform.client_of(uri)


# --- The stages -----------------------------------------------------------------------------------


def faces(run: Run) -> None:
    samples = search_faces.samples(run.population)
    run.keep("scores", "Scores of real and drawn templates", search_faces.quantiles(samples))
    run.keep("likeness", "The same searched", [_searched(*each) for each in samples.items()])


def _searched(name: str, sample: search_faces.Sample) -> Row:
    """How hard a sample is: to name the person, and for an HNSW to find the nearest."""
    truth = Truth(sample.gallery, sample.probes, K)
    row: Row = {"templates": name, "people": len(sample.gallery), "probes": len(sample.probes)}
    row["right person first"] = round(float((truth.rows[:, 0] == sample.answers).mean()), 4)
    graph = Hnswlib(K, len(sample.gallery))
    graph.grow(sample.gallery, os.cpu_count() or 1)
    for ef in SAMPLED_WIDTHS:
        graph.ef = ef
        row[f"recall@1, recall@{K} at ef {ef}"] = _pair(truth.recall(graph))
    return row


def load(run: Run) -> None:
    platform, sizes = run.installation, {"small": run.small, "main": run.options.n}
    with platform.running():
        platform.enter()
        before = platform.memory()
        rows = [_loaded(run, slug, count) for slug, count in sizes.items()]
        for row in rows:
            collection = search_platform.collection_of(search_platform.gallery(row["gallery"]))
            count, settle = row["templates"], run.options.settle
            waited = search_platform.await_index(run.client, collection, count, settle)
            row["indexed_after_s"] = round(waited, 1)
        after = platform.memory()
    run.keep("load", "Loading, and how long the server goes on indexing", rows)
    memory = [{"when": "before loading", **before}, {"when": "after", **after}]
    run.keep("memory_of_load", "Memory around the load (MB)", memory)
    run.keep("disk", "On disk", platform.disk())


def _loaded(run: Run, slug: str, count: int) -> Row:
    """A gallery of the first `count` templates, loaded."""
    gallery = search_platform.make_gallery(slug)
    path = run.folder / f"{slug}.parquet"
    search_platform.write_parquet(path, run.vectors[:count], gallery.model)
    row = search_platform.load_apart(run.installation, slug, path)
    path.unlink()
    return {"gallery": slug, **row}


def growth(run: Run) -> None:
    options, rows = run.options, list[Row]()
    for size in [*(size for size in SIZES if size < options.n), options.n]:
        if size in run.sizes:
            rows += _grown(run, size, [_bare(run, size, "Milvus HNSW"), _platform(run, size)])
        else:
            rows += _in_own_collection(run, size)
        run.found["growth"] = rows
        run.save()
        print(f"  {size:,} done", flush=True)
    run.keep("growth", f"One search as the gallery grows, ef = {run.ef}", rows)
    plot(rows, options.plot)


def _in_own_collection(run: Run, size: int) -> list[Row]:
    name = f"growth_{size}"
    make_collection(run.client, name, "HNSW")
    insert(run.client, name, run.vectors[:size])
    search_platform.await_index(run.client, name, size, run.options.settle)
    rows = _grown(run, size, [Milvus("Milvus HNSW", run.client, name, run.ef)])
    run.client.drop_collection(name)
    return rows


def _grown(run: Run, size: int, others: list[Contender]) -> list[Row]:
    """Rows for one size: those that can be grown, and the others."""
    vectors = run.vectors[:size]
    run.faiss.grow(vectors, os.cpu_count() or 1)
    run.faiss.ef = run.ef
    contenders = [*others, run.faiss, _lite(run, size)]
    truth = run.truth if size == run.options.n else Truth(vectors, run.probes(size), K)
    times = search_measure.latencies(contenders, truth.probes, K, run.options.rounds)
    return [
        {
            "contender": each.name,
            "n": size,
            **_quantiles(times[each.name]),
            "recall@1": round(truth.recall(each)[0], 4),
        }
        for each in contenders
    ]


def _lite(run: Run, size: int) -> Milvus:
    """Milvus Lite with so many rows, exact; those that it has already come first among them."""
    if not run.lite.has_collection("lite"):
        make_collection(run.lite, "lite", "FLAT")
    have = run.found.setdefault("lite", {"rows": 0, "insert_s": 0.0})
    have["insert_s"] += insert(run.lite, "lite", run.vectors[:size], have["rows"])
    have["rows"] = max(size, have["rows"])
    return Milvus("Milvus Lite FLAT", run.lite, "lite", None)


def _platform(run: Run, size: int) -> Contender:
    gallery = search_platform.gallery(run.sizes[size])
    search_platform.set_width(gallery, run.ef)
    keys = search_platform.template_ids(gallery, size)
    return search_platform.Platform(gallery, keys, run.ef)


def _bare(run: Run, size: int, name: str = "pymilvus, bare") -> Milvus:
    """The platform's own collection of a gallery, without the platform."""
    gallery = search_platform.gallery(run.sizes[size])
    keys = search_platform.template_ids(gallery, size)
    collection = search_platform.collection_of(gallery)
    return Milvus(name, run.client, collection, run.ef, keys=keys)


def width(run: Run) -> None:
    """Find the smallest ef with which Milvus misses no more than it may, and keep it."""
    bare, rows = _bare(run, run.options.n), list[Row]()
    for ef in WIDTHS:
        bare.ef = ef
        first, among = run.truth.recall(bare)
        times = search_measure.latencies([bare], run.truth.probes, K, run.options.rounds)
        figures = {"recall@1": round(first, 4), f"recall@{K}": round(among, 4)}
        rows.append({"ef": ef, **figures, **_quantiles(times[bare.name])})
        if first >= LEAST_RECALL and not run.options.ef:
            run.ef = ef
            break
    run.found["ef"] = run.ef
    run.keep("width", f"Milvus HNSW by ef; {run.ef} is used from here on", rows)


def search(run: Run) -> None:
    cores = os.cpu_count() or 1
    run.faiss.grow(run.vectors, cores)
    run.hnswlib.grow(run.vectors, cores)
    run.faiss.ef = run.hnswlib.ef = run.ef
    bare, platform = _bare(run, run.options.n), _platform(run, run.options.n)
    contenders: list[Contender] = [bare, platform, run.faiss, run.hnswlib]
    contenders += [_lite(run, run.options.n), Exact(run.vectors)]
    times = search_measure.latencies(contenders, run.truth.probes, K, run.options.rounds)
    built = {run.faiss.name: run.faiss.seconds, run.hnswlib.name: run.hnswlib.seconds}
    rows = []
    for each in contenders:
        first, among = run.truth.recall(each)
        row = {"contender": each.name, "ef": each.ef, **_quantiles(times[each.name])}
        row |= {"recall@1": round(first, 4), f"recall@{K}": round(among, 4)}
        rows.append(row | {"build_s": round(built[each.name], 1) if each.name in built else None})
    run.keep("search", f"One search among {run.options.n:,}, k = {K}, ef = {run.ef}", rows)
    run.found["over_bare_ms"] = round(float(np.median(times[platform.name] - times[bare.name])), 2)
    print(f"Likeness over the bare call, median of the differences: {run.found['over_bare_ms']} ms")


def rate(run: Run) -> None:
    run.faiss.grow(run.vectors, os.cpu_count() or 1)
    run.faiss.ef = run.ef
    rows = []
    for each in (_bare(run, run.options.n), _platform(run, run.options.n), run.faiss):
        for threads in THREADS:
            row: Row = {"contender": each.name, "threads": threads}
            refused = 0
            for batch in BATCHES:
                found = search_measure.rate(
                    each,
                    run.truth.probes,
                    K,
                    threads=threads,
                    batch=batch,
                    seconds=run.options.seconds,
                    leave=search_platform.leave_thread,
                )
                row[f"batches of {batch}"] = found["a_second"]
                refused += found["refused"]
            rows.append(row | {"refused": refused})
    run.keep("rate", "Probes searched a second", rows)


def memory(run: Run) -> None:
    """Of what searches a small and the large gallery, each started anew."""
    images = run.options.data / "lfw-dev" / "images"
    photos, path = sorted(images.glob("*/*_0001.jpg"))[:PHOTOS], run.folder / "probes.npy"
    rows, everybody = list[Row](), list[Row]()
    for size, slug in run.sizes.items():
        np.save(path, run.probes(size))
        found = search_platform.search_apart(run.installation, slug, path, run.options.rounds)
        rows.append({"gallery": size, "searches": run.options.rounds, **found})
        with run.installation.running():
            run.installation.lookups(slug, photos, run.options.rounds if photos else 0)
            everybody.append({"gallery": size, **run.installation.memory()})
    run.keep("memory", "A process that searches: MB after the first and the last search", rows)
    run.keep("processes", f"All, after {run.options.rounds} lookups over HTTP (MB)", everybody)


def _quantiles(times: search_measure.Times) -> Row:
    return {f"p{at}": round(float(np.percentile(times, at)), 2) for at in (50, 95)}


def _pair(recall: tuple[float, float]) -> str:
    return ", ".join(f"{each:.3f}" for each in recall)


# --- Running it -----------------------------------------------------------------------------------


def main() -> None:
    options = _options()
    with ExitStack() as stack:
        run = Run(options, stack)
        for name in options.stages:
            run.stage(name, globals()[name])
            if name == "load" and name in run.found.get("failed", {}):
                break  # there is nothing to search
    print(f"written to {options.json}")
    if run.found.get("failed"):
        sys.exit(f"failed: {', '.join(run.found['failed'])}")


def _options() -> Any:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    data = ROOT / os.environ.get("LIKENESS_TEST_DATA", "../shared/data")
    cache = Path(tempfile.gettempdir()) / "likeness-benchmark-faces"
    parser.add_argument("--n", type=int, default=200_000, help="templates in the large gallery")
    parser.add_argument("--quick", action="store_true", help="20,000, a minute: does it run?")
    parser.add_argument("--stages", default=",".join(STAGES))
    parser.add_argument("--ef", type=int, help="default: the smallest that suffices")
    parser.add_argument("--rounds", type=int, default=300, help="single searches of each")
    parser.add_argument("--seconds", type=float, default=5.0, help="for each rate")
    parser.add_argument("--settle", type=float, default=60.0, help="seconds without new segments")
    parser.add_argument("--data", type=Path, default=data)
    parser.add_argument("--cache", type=Path, default=cache, help="keeps the photos' templates")
    parser.add_argument("--json", type=Path, default=Path("search.json"))
    parser.add_argument("--plot", type=Path, default=Path("search.png"))
    options = parser.parse_args()
    options.stages = options.stages.split(",")
    if unknown := set(options.stages) - set(STAGES):
        parser.error(f"no stage {', '.join(sorted(unknown))}; there are {', '.join(STAGES)}")
    if options.quick:
        options.n, options.rounds, options.seconds, options.settle = 20_000, 50, 0.5, 3.0
    return options


if __name__ == "__main__":
    main()
