"""The lookup over HTTP: latency by stage, and requests a second against the embedder's own.

    python benchmarks/identify.py [--services embedded,servers] [--people N] [--seconds N]
                                  [--clients 1,4,16] [--data FOLDER] [--json FILE]
    python benchmarks/identify.py --services servers --templates 1000000 [--settle N]
                                  [--cache FOLDER]

Starts everything as `make run` does, in a temporary folder, puts a gallery of random templates
straight into the database, waits for the index, and then looks faces of LFW up from several clients
at once, each of whom sends the next photo when the last is answered. The embedder's ceiling is
measured in the same run, in a process of its own on the same cores with nothing else to do: decode,
detect and embed of the same photos, one after the other, two at a time, and in batches of eight.

With `--templates` the gallery has so many templates that lie as those of real faces do
(search_faces.py), brought by `manage.py vectors import` into an HNSW index of a standalone Milvus,
whose width `vectors tune` chooses; it is measured when the server has indexed all of them and
changed nothing for `--settle` seconds.

`rest` is what is neither the embedder's (decode, wait, detect, embed) nor the search's; `outside`
is all but detection, embedding, the wait for those of others, and Milvus, whose milliseconds
(`milvus`) are measured alone, one search at a time, in the same installation.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from itertools import cycle, islice
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
# First, since scripts beside this one have the names of packages.
sys.path[:0] = [str(ROOT), str(ROOT / "platform")]

from benchmarks import search_faces, search_platform  # noqa: E402

PHOTOS = 64
WARM_UP = 2.0
SEED = 5
MODEL = "mtcnn-dlib-resnet"
HOURS = 3 * 3600.0
EMBEDDER = ("decode", "wait", "detect", "embed")
INDEX = ("search",)
STAGES = ("decode", "wait", "detect", "embed", "search", "thresholds", "score", "decide", "log")

# Run by `manage.py shell` of the installation: people with random templates, noted for the index.
FILL = """
import numpy as np
from django.db import transaction
from people.models import Gallery, Person
from vectors.codec import encode
from vectors.models import PersonTemplate
from vectors.generations import ensure_active_index
from vectors.outbox import mark_dirty
gallery = Gallery.objects.get(slug="main")
vectors = np.random.default_rng(0).standard_normal(({count}, 128)).astype(np.float32)
vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
with transaction.atomic():
    people = Person.objects.bulk_create(
        [Person(gallery=gallery, name=f"Person {{number}}") for number in range({count})]
    )
    templates = PersonTemplate.objects.bulk_create(
        [
            PersonTemplate(person=person, model=gallery.model, vector=encode(vector), face_count=1)
            for person, vector in zip(people, vectors)
        ]
    )
    mark_dirty(gallery.pk, gallery.model, [template.pk for template in templates])
ensure_active_index(gallery)
"""

# The same: the milliseconds of Milvus alone, as each lookup asks it, and where the gallery is.
MILVUS = """
import json, time
import numpy as np
from people.models import Gallery
from vectors import selectors
from vectors.codec import decode_many
from vectors.models import ActiveIndex, PersonTemplate
gallery = Gallery.objects.get(slug="main")
(part,) = selectors._parts([gallery])
rows = PersonTemplate.objects.order_by("pk").values_list("vector", flat=True)[:{count}]
times = []
for probe in decode_many(bytes(row) for row in rows):
    before = time.perf_counter()
    selectors._ask_one(part, probe[None], 5 + selectors.SPARE_HITS)
    times.append(1000 * (time.perf_counter() - before))
print(json.dumps({{
    "milvus": round(float(np.median(times)), 2),
    "index": part.place.index_type,
    "width": part.width,
    "collection": ActiveIndex.objects.get(gallery=gallery).generation.name,
}}))
"""

Row = dict[str, Any]


def main() -> None:
    options = _options()
    photos = _photos(Path(options.data))
    rows: list[Row] = []
    for services in options.services.split(","):
        rows += _measure_services(services, photos, options)
    print()
    print_table([{name: row[name] for name in row if name != "p99_of_stages"} for row in rows])
    print("\np99 of the stages\n")
    print_table([{"clients": row["clients"], **row["p99_of_stages"]} for row in rows])
    if options.json:
        Path(options.json).write_text(json.dumps(rows, indent=2))


def _measure_services(services: str, photos: Sequence[bytes], options: Any) -> list[Row]:
    """One set of services in a process of its own: the set is chosen by the environment."""
    if services != os.environ.get("LIKENESS_TEST_SERVICES", "embedded"):
        with tempfile.NamedTemporaryFile(suffix=".json") as result:
            arguments = ["--services", services, "--json", result.name, "--data", options.data]
            for name in ("people", "seconds", "clients", "templates", "settle", "cache"):
                arguments += [f"--{name}", str(getattr(options, name))]
            environment = {**os.environ, "LIKENESS_TEST_SERVICES": services}
            subprocess.run([sys.executable, __file__, *arguments], env=environment, check=True)
            rows: list[Row] = json.loads(Path(result.name).read_text())
            return rows
    from tests import sets
    from tests.e2e.stack import Api, Stack, eventually, running

    print(f"{services}: the embedder's own ...", flush=True)
    ceiling = _ceiling(photos, options.seconds)
    print(json.dumps(ceiling), flush=True)
    with (
        tempfile.TemporaryDirectory() as folder,
        running(Stack(Path(folder), **sets.environment())) as stack,
    ):
        api = Api(stack, stack.make_key())
        with closing(api.http):
            if options.templates:
                _load_templates(stack, options)
            else:
                ran(stack, "shell", "-c", FILL.format(count=options.people), seconds=600)
                eventually(stack.agrees, "the index is filled", seconds=600)
            size = options.templates or options.people
            eventually(lambda: _searched(api, photos[0]) == size, "all are counted", seconds=120)
            milvus = _milvus(stack)
            gallery, key = api.gallery, str(api.http.headers["authorization"])
        rows = []
        for clients in map(int, options.clients.split(",")):
            answers, seconds = _load(stack.port, key, gallery, photos, clients, options.seconds)
            row = _row(services, clients, answers, seconds, ceiling, milvus)
            print(json.dumps(row), flush=True)
            rows.append(row)
        return rows


# --- The gallery ------------------------------------------------------------------------------


def ran(stack: Any, *command: str, seconds: float = HOURS) -> str:
    """What a management command printed."""
    done = stack.manage(*command, seconds=seconds)
    assert done.returncode == 0, done.stderr
    return str(done.stdout)


def _load_templates(stack: Any, options: Any) -> None:
    """As many as there are to be, in an index that the server is done with."""
    ran(stack, "vectors", "rebuild", "--gallery", "main", "--index", "HNSW", "--drop-old")
    images = Path(options.data) / "lfw-dev" / "images"
    vectors = search_faces.population(images, Path(options.cache)).templates(
        options.templates, SEED
    )
    file = stack.folder / "templates.parquet"
    search_platform.write_parquet(file, vectors, MODEL)
    before = time.perf_counter()
    ran(stack, "vectors", "import", "--gallery", "main", str(file))
    print(f"loaded in {time.perf_counter() - before:,.0f} s; the server indexes ...", flush=True)
    client = search_platform.client_of(stack.env["MILVUS_URI"])
    collection = _milvus(stack)["collection"]
    waited = search_platform.await_index(client, collection, options.templates, options.settle)
    print(f"indexed after {waited:,.0f} s more", flush=True)
    print(ran(stack, "vectors", "tune", "main", "--probes", "1000"), flush=True)


def _milvus(stack: Any) -> Row:
    """Milvus alone, and how the gallery is searched there."""
    found: Row = json.loads(ran(stack, "shell", "-c", MILVUS.format(count=300)).splitlines()[-1])
    return found


def _searched(api: Any, photo: bytes) -> int:
    """N, as a lookup says it; a large gallery is counted now and then."""
    answer = api.identify(photo)
    return int(answer.json()["searched"]) if answer.is_success else 0


# --- The lookup -------------------------------------------------------------------------------


def _load(
    port: int, key: str, gallery: str, photos: Sequence[bytes], clients: int, seconds: float
) -> tuple[list[Row], float]:
    """Answers with their wall-clock milliseconds, after a warm-up."""
    bodies = [_form(photo, gallery) for photo in photos]
    answers: list[Row] = []
    started = time.perf_counter() + WARM_UP
    end = started + seconds

    def client(number: int) -> None:
        link = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        for boundary, body in islice(cycle(bodies), number * 7, None):
            before = time.perf_counter()
            if before > end:
                break
            headers = {
                "Authorization": key,
                "Content-Type": f"multipart/form-data; boundary={boundary}",
            }
            link.request("POST", "/api/v1/identify", body, headers)
            response = link.getresponse()
            content = response.read()
            after = time.perf_counter()
            assert response.status == 200, content
            if before >= started:
                answers.append({"wall": (after - before) * 1000, "at": after, "body": content})
        link.close()

    threads = [threading.Thread(target=client, args=(number,)) for number in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return answers, max(each["at"] for each in answers) - started


def _form(photo: bytes, gallery: str) -> tuple[str, bytes]:
    boundary = uuid4().hex
    fields = {"galleries": gallery, "faces": "central"}
    parts = [
        f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode()
        for name, value in fields.items()
    ]
    parts.append(
        f'--{boundary}\r\nContent-Disposition: form-data; name="photo"; filename="p.jpg"\r\n'
        "Content-Type: image/jpeg\r\n\r\n".encode()
    )
    return boundary, b"".join(parts) + photo + f"\r\n--{boundary}--\r\n".encode()


def _row(
    services: str,
    clients: int,
    answers: Sequence[Row],
    seconds: float,
    ceiling: Row,
    milvus: Row,
) -> Row:
    walls = np.array([each["wall"] for each in answers])
    timings = [json.loads(each["body"])["timings_ms"] for each in answers]
    by_stage = {name: [each.get(name, 0.0) for each in timings] for name in STAGES}
    stages = {name: round(float(np.median(values)), 1) for name, values in by_stage.items()}
    others = _without(walls, timings, (*EMBEDDER, *INDEX))
    outside = _without(walls, timings, ("wait", "detect", "embed")) - milvus["milvus"]
    rate = len(answers) / seconds
    return {
        "services": services,
        "clients": clients,
        "requests": len(answers),
        **{f"p{q}": round(float(np.percentile(walls, q)), 1) for q in (50, 95, 99)},
        **stages,
        "rest_p50": round(float(np.median(others)), 1),
        "milvus": milvus["milvus"],
        "outside_p50": round(float(np.median(outside)), 1),
        "index": f"{milvus['index']} {milvus['width']}",
        "per_second": round(rate, 1),
        "ceiling": max(ceiling.values()),
        "share": round(rate / max(ceiling.values()), 2),
        "p99_of_stages": {
            **{name: _p99(values) for name, values in by_stage.items()},
            "rest": _p99(others),
            "outside": _p99(outside),
        },
    }


def _without(walls: Any, timings: Sequence[Row], names: Sequence[str]) -> Any:
    """The wall-clock milliseconds less those of some stages."""
    return walls - np.array([sum(each.get(name, 0.0) for name in names) for each in timings])


def _p99(values: Any) -> float:
    return round(float(np.percentile(values, 99)), 1)


# --- The ceiling ------------------------------------------------------------------------------


def _ceiling(photos: Sequence[bytes], seconds: float) -> Row:
    """Photos a second of the embedder alone, in a process of its own."""
    with tempfile.TemporaryDirectory() as folder:
        for number, photo in enumerate(photos):
            Path(folder, f"{number:03d}.jpg").write_bytes(photo)
        code = f"import identify; identify.embedder_alone({folder!r}, {seconds})"
        done = subprocess.run(
            [sys.executable, "-c", code],
            cwd=Path(__file__).parent,
            check=True,
            capture_output=True,
            text=True,
        )
    found: Row = json.loads(done.stdout.splitlines()[-1])
    return found


def embedder_alone(folder: str, seconds: float) -> None:
    """Print how many photos a second the embedder manages, by how it is asked."""
    from embedder.catalogue import load_pipeline
    from embedder.images import decode
    from embedder.types import Detection

    photos = [path.read_bytes() for path in sorted(Path(folder).iterdir())]
    pipeline = load_pipeline("mtcnn-dlib-resnet", threads=os.cpu_count() or 1)

    def work(batch: Sequence[bytes]) -> None:
        images = [decode(photo) for photo in batch]
        found = pipeline.detect(images, min_face=40.0)
        central: list[list[Detection]] = [faces[:1] for faces in found]
        pipeline.embed(images, central)

    def rate(batch: int, threads: int) -> float:
        batches = [photos[start : start + batch] for start in range(0, len(photos), batch)]
        done = 0
        lock = threading.Lock()

        def run(source: Callable[[], Sequence[bytes]]) -> None:
            nonlocal done
            while time.perf_counter() < end:
                chosen = source()
                work(chosen)
                with lock:
                    done += len(chosen)

        work(batches[0])
        started = time.perf_counter()
        end = started + seconds / 2
        with ThreadPoolExecutor(threads) as pool:
            for number in range(threads):
                pool.submit(run, islice(cycle(batches), number, None).__next__)
        return round(done / (time.perf_counter() - started), 1)

    print(json.dumps({"one by one": rate(1, 1), "two at a time": rate(1, 2), "eights": rate(8, 1)}))


# --- Around it ----------------------------------------------------------------------------------


def _photos(folder: Path) -> list[bytes]:
    paths = sorted((folder / "lfw-dev" / "images").glob("*/*_0001.jpg"))[:PHOTOS]
    if len(paths) < PHOTOS:
        sys.exit(f"{folder} has no photos of LFW; name a folder with --data")
    return [path.read_bytes() for path in paths]


def print_table(rows: Sequence[Row]) -> None:
    names = list(rows[0])
    print("| " + " | ".join(names) + " |")
    print("|" + "---|" * len(names))
    for row in rows:
        print("| " + " | ".join(str(row[name]) for name in names) + " |")


def _options() -> Any:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    default = ROOT / os.environ.get("LIKENESS_TEST_DATA", "../shared/data")
    parser.add_argument("--services", default="embedded,servers")
    parser.add_argument("--people", type=int, default=10_000)
    parser.add_argument("--templates", type=int, default=0)
    parser.add_argument("--settle", type=float, default=120.0)
    parser.add_argument("--cache", default=str(Path(tempfile.gettempdir()) / "likeness-faces"))
    parser.add_argument("--seconds", type=float, default=15.0)
    parser.add_argument("--clients", default="1,4,16")
    parser.add_argument("--data", default=str(default))
    parser.add_argument("--json")
    return parser.parse_args()


if __name__ == "__main__":
    main()
