"""The platform in `search.py`: an installation on servers of its own, its loader and its search."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from itertools import cycle, islice
from pathlib import Path
from typing import Any

import numpy as np
import psutil

from benchmarks.search_contenders import SECONDS, filled, rows_of
from benchmarks.search_faces import DIMENSION, Floats, Rows
from benchmarks.search_measure import MEGABYTE, Peak, Row, resident

ROOT = Path(__file__).resolve().parents[1]
GALLERY = "main"
PARQUET_ROWS = 50_000
PROGRESS = 15.0  # seconds
PATIENCE = 3 * 3600.0
# A gallery is exact up to 100,000 by itself; here it is HNSW whatever its size, as its rivals are.
INDEX = "HNSW"
MILVUS_FOLDERS = ("insert_log", "index_files", "rocksmq", "etcd.data")
OURS = ("web", "photos", "index", "maintenance")


class Installation:
    """PostgreSQL, Milvus and a whole Likeness on free ports, in a temporary folder."""

    def __init__(self, folder: Path) -> None:
        from tests.e2e.stack import Stack
        from tests.services import MilvusServer, PostgresServer

        folder.mkdir()
        self.postgres, self.milvus = PostgresServer(), MilvusServer()
        self.postgres.start()
        self.milvus.start()
        self.settings = {
            "DATABASE_URL": self.postgres.make_database("likeness"),
            "MILVUS_URI": self.milvus.url,
        }
        self.stack = Stack(folder, **self.settings)

    def close(self) -> None:
        """Stop and remove everything."""
        for server in (self.milvus, self.postgres):
            server.close()

    @contextmanager
    def running(self) -> Iterator[None]:
        """Web server and workers run for the length of the block."""
        # A log of its own: it says when everything is up.
        self.stack.log_file = self.stack.folder / f"up-{time.monotonic():.0f}.log"
        self.stack.start()
        try:
            yield
        finally:
            self.stack.kill()

    def enter(self) -> None:
        """Let this process be one of the installation's."""
        import django

        os.environ.update(
            self.settings,
            LIKENESS_VAR_DIR=str(self.stack.var),
            DJANGO_SETTINGS_MODULE="config.settings",
            LOG_LEVEL="WARNING",
        )
        django.setup()

    def client(self) -> Any:
        """A pymilvus client of the standalone server."""
        return client_of(self.milvus.url)

    def memory(self) -> Row:
        """MB of the servers, and of those of our processes that run."""
        found = {"milvus": owner(self.milvus.port), "postgres": owner(self.postgres.port)}
        for name in OURS:
            with suppress(KeyError, AssertionError, psutil.Error):
                found[name] = self.stack.process(name)
        return {name: resident(process) for name, process in found.items() if process}

    def lookups(self, slug: str, photos: Sequence[Path], count: int) -> None:
        """Look faces up over HTTP in a gallery, so many times."""
        from tests.e2e.stack import Api

        key = self.stack.manage("api_key", slug, "--role", "viewer")
        assert key.returncode == 0, key.stderr
        api = Api(self.stack, key.stdout.strip())
        with closing(api.http):
            for photo in islice(cycle(photos), count):
                api.ok(api.identify(photo.read_bytes()))

    def disk(self) -> list[Row]:
        """MB that the tables and Milvus's folder take."""
        from django.db import connection

        with connection.cursor() as cursor:
            cursor.execute("ANALYZE people_person, vectors_persontemplate")
            cursor.execute(
                "SELECT relname, pg_relation_size(oid), pg_indexes_size(oid), "
                "pg_total_relation_size(oid), reltuples::bigint FROM pg_class "
                "WHERE relkind = 'r' AND relname IN ('people_person', 'vectors_persontemplate')"
            )
            rows = [
                {
                    "what": name,
                    "rows": count,
                    "heap_mb": _mb(heap),
                    "indexes_mb": _mb(indexes),
                    "all_mb": _mb(everything),
                }
                for name, heap, indexes, everything, count in cursor.fetchall()
            ]
        files = [path for path in self.milvus.folder.rglob("*") if path.is_file()]
        sizes = {"Milvus: all": files}
        for part in MILVUS_FOLDERS:
            sizes[f"Milvus: {part}"] = [path for path in files if part in path.parts]
        return rows + [
            {"what": name, "all_mb": _mb(sum(path.stat().st_size for path in found))}
            for name, found in sizes.items()
        ]


def _mb(size: int) -> float:
    return round(size / MEGABYTE, 1)


def owner(port: int) -> psutil.Process | None:
    """The process that listens on a port of this machine; the eldest, if its children do too."""
    pids = {
        link.pid
        for link in psutil.net_connections("tcp")
        if link.status == psutil.CONN_LISTEN and link.laddr.port == port and link.pid
    }
    return psutil.Process(min(pids)) if pids else None


def client_of(uri: str) -> Any:
    """A client with nothing of the platform's around it."""
    from pymilvus import MilvusClient

    # Milvus Lite hangs up on a client that pings it every ten seconds.
    options = {"grpc.keepalive_time_ms": 300_000, "grpc.keepalive_permit_without_calls": 0}
    return MilvusClient(uri=uri, timeout=SECONDS, grpc_options=options)


# --- Loading ------------------------------------------------------------------------------------


def gallery(slug: str) -> Any:
    """One that was made."""
    from people.models import Gallery

    return Gallery.objects.get(slug=slug)


def write_parquet(path: Path, vectors: Floats, model: str) -> None:
    """A file as `vectors export` writes it: people p0, p1 ... with the vectors in this order."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    column = pa.list_(pa.float32(), DIMENSION)
    schema = pa.schema(
        [("external_id", pa.string()), ("vector", column)], metadata={"likeness.model": model}
    )
    with pq.ParquetWriter(path, schema) as file:
        for start in range(0, len(vectors), PARQUET_ROWS):
            block = vectors[start : start + PARQUET_ROWS]
            ids = [f"p{start + place}" for place in range(len(block))]
            flat = pa.array(block.ravel())
            arrays = [pa.array(ids), pa.FixedSizeListArray.from_arrays(flat, DIMENSION)]
            file.write_table(pa.Table.from_arrays(arrays, schema=schema))


def make_gallery(slug: str) -> Any:
    """A gallery whose index is HNSW from its first template on."""
    from accounts.actors import system
    from people.models import Gallery
    from vectors.generations import start_rebuild
    from vectors.models import GenerationState

    gallery, _ = Gallery.objects.get_or_create(slug=slug, defaults={"name": slug})
    (generation,) = start_rebuild(system("benchmark"), [gallery], index_type=INDEX, keeps_old=False)
    while generation.state != GenerationState.READY or generation.takes_over:
        time.sleep(0.5)
        generation.refresh_from_db()
    return gallery


def load_apart(installation: Installation, slug: str, path: Path) -> Row:
    """Load a file as `manage.py vectors import` does; figures of the load and of its process."""
    milvus = owner(installation.milvus.port)
    assert milvus is not None, "Milvus is gone"
    with Peak(milvus) as peak:
        row = _apart(installation, "load_file", slug, str(path))
    return row | {"milvus_peak_mb": peak.megabytes}


def load_file(slug: str, path: str) -> Row:
    """In a process of its own: what `load_apart` says."""
    from accounts.actors import system
    from people.models import Gallery
    from vectors.bulk.loading import DATABASE, INDEX, load
    from vectors.bulk.parquet import ParquetSource

    gallery = Gallery.objects.get(slug=slug)
    begun = time.perf_counter()
    with Peak(psutil.Process()) as peak:
        result = load(system("benchmark"), gallery, ParquetSource(Path(path)))
    seconds, watch = time.perf_counter() - begun, result.stopwatch
    return {
        "templates": result.record.created,
        "left_to_worker": result.left_to_worker,
        "seconds": round(seconds, 1),
        "a_second": round(result.record.created / seconds),
        "database_s": round(watch.seconds(DATABASE), 1),
        "milvus_s": round(watch.seconds(INDEX), 1),
        "neither_s": round(seconds - watch.total + watch.rest, 1),
        "neither": round((seconds - watch.total + watch.rest) / seconds, 3),
        "loader_mb": peak.megabytes,
    }


def await_index(client: Any, collection: str, count: int, settle: float) -> float:
    """Wait until the server has indexed and loaded everything; the seconds that took.

    It seals what it holds by itself after some minutes; here it is told to. It goes on to merge
    small segments and to index them anew, so nothing may have changed for `settle` seconds.
    """
    begun = told = changed = time.perf_counter()
    client.flush(collection, timeout=SECONDS)
    before: object = None
    while (now := time.perf_counter()) - begun < PATIENCE:
        index = client.describe_index(collection, "vector")
        segments = client.list_loaded_segments(collection)
        loaded = sum(segment.num_rows for segment in segments)
        state = (index["indexed_rows"], sorted(segment.segment_id for segment in segments))
        if state != before:
            before, changed = state, now
        whole = index["indexed_rows"] >= count <= loaded and not index["pending_index_rows"]
        if whole and now - changed >= settle:
            return changed - begun
        if now - told > PROGRESS:
            told = now
            print(
                f"  {now - begun:,.0f} s: {index['indexed_rows']:,} of {index['total_rows']:,} "
                f"indexed, {loaded:,} loaded in {len(segments)} segments",
                flush=True,
            )
        time.sleep(1)
    raise TimeoutError(f"{collection} was not indexed within {PATIENCE / 3600:g} hours")


# --- Searching ----------------------------------------------------------------------------------


class Platform:
    """`vectors.selectors.search`: Milvus, then every hit again from the database, scored exactly.

    `keys` are the template ids by row of the gallery.
    """

    name = "Likeness"

    def __init__(self, gallery: Any, keys: Rows, ef: int) -> None:
        self._gallery, self.ef = gallery, ef
        self._order = np.argsort(keys, kind="stable")
        self._keys = keys[self._order]

    def search(self, probes: Floats, k: int) -> Rows:
        from vectors.selectors import search

        found = search([self._gallery], probes, k)
        ids = filled([[match.template_id for match in matches] for matches in found], k)
        return rows_of(ids, self._keys, self._order)


def template_ids(gallery: Any, count: int) -> Rows:
    """(count,): the template's id of each row, -1 for those that are not there."""
    from vectors.models import PersonTemplate

    ids = np.full(count, -1, np.int64)
    templates = PersonTemplate.objects.filter(person__gallery=gallery)
    pairs = templates.values_list("person__external_id", "pk")
    for external_id, pk in pairs.iterator(chunk_size=10_000):
        ids[int(external_id[1:])] = pk
    return ids


def collection_of(gallery: Any) -> str:
    """The name of the collection in which a gallery is searched."""
    from vectors.models import ActiveIndex

    name: str = ActiveIndex.objects.get(gallery=gallery).generation.name
    return name


def set_width(gallery: Any, ef: int) -> None:
    """Search the gallery with this ef from now on."""
    from vectors.models import ActiveIndex, Placement

    generation = ActiveIndex.objects.get(gallery=gallery).generation
    Placement.objects.filter(gallery=gallery, generation=generation).update(width=ef)


def leave_thread() -> None:
    """Give back the database connection of a thread that ends."""
    from django.db import connections

    connections.close_all()


# --- Memory -------------------------------------------------------------------------------------


def search_apart(installation: Installation, slug: str, probes: Path, rounds: int) -> Row:
    """MB of a process that searches a gallery: after the first search, and after so many."""
    return _apart(installation, "memory_of_searches", slug, str(probes), rounds)


def memory_of_searches(slug: str, path: str, rounds: int) -> Row:
    """In a process of its own: what `search_apart` says."""
    from people.models import Gallery
    from vectors.selectors import search

    probes = np.load(path)
    gallery = Gallery.objects.get(slug=slug)
    search([gallery], probes[:1], 10)
    first = resident(psutil.Process())
    for place in range(rounds):
        search([gallery], probes[place % len(probes)][None], 10)
    return {"first": first, "last": resident(psutil.Process())}


# Run by the interpreter in a process that holds nothing else.
APART = """
import json, sys
sys.path[:0] = {paths!r}
import django
django.setup()
from benchmarks import search_platform
print(json.dumps(search_platform.{function}(*{arguments!r})))
"""


def _apart(installation: Installation, function: str, *arguments: object) -> Row:
    """What a function of this module returns in a process of its own of the installation."""
    paths = [str(ROOT), str(ROOT / "platform")]
    done = subprocess.run(
        [sys.executable, "-c", APART.format(paths=paths, function=function, arguments=arguments)],
        env={**installation.stack.env, "DJANGO_SETTINGS_MODULE": "config.settings"},
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    found: Row = json.loads(done.stdout.splitlines()[-1])
    return found
