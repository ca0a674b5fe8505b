"""Who searches in `search.py`: each takes probes and says which rows of the gallery are nearest.

All but Exact and Lite use HNSW with the same M, efConstruction and ef. FAISS and hnswlib run in
the process that asks, on one thread a call: what the algorithm costs without a network, a server
and a database.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from importlib import import_module
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from benchmarks.search_faces import DIMENSION, Floats, Rows

M = 16
EF_CONSTRUCTION = 200
SECONDS = 120  # for a call to Milvus; the platform's own are far shorter
INSERT = 10_000
EXACT_BLOCK = 100_000


class Contender(Protocol):
    """Finds rows; `ef` is how far an HNSW looks, None for those that look at everything."""

    name: str

    @property
    def ef(self) -> int | None: ...

    def search(self, probes: Floats, k: int) -> Rows:
        """(len(probes), k): the nearest rows to each probe, best first, -1 where there is none."""


class Exact:
    """NumPy: every score, from float32."""

    name = "NumPy, exact"
    ef = None

    def __init__(self, vectors: Floats) -> None:
        self._vectors = vectors

    def search(self, probes: Floats, k: int) -> Rows:
        best = np.full((len(probes), k), -2, np.float32)
        rows = np.full((len(probes), k), -1, np.int64)
        for begin in range(0, len(self._vectors), EXACT_BLOCK):
            scores = probes @ self._vectors[begin : begin + EXACT_BLOCK].T
            top = np.argpartition(scores, -min(k, scores.shape[1]), axis=1)[:, -k:]
            both = np.concatenate((best, np.take_along_axis(scores, top, 1)), axis=1)
            order = np.argsort(-both, axis=1, kind="stable")[:, :k]
            rows = np.take_along_axis(np.concatenate((rows, top + begin), axis=1), order, 1)
            best = np.take_along_axis(both, order, 1)
        return rows


class Faiss:
    """FAISS's IndexHNSWFlat with inner products."""

    name = "FAISS HNSW"

    def __init__(self, ef: int) -> None:
        logging.getLogger("faiss").setLevel(logging.WARNING)
        faiss: Any = import_module("faiss")  # its types lack what we need
        self._index = faiss.IndexHNSWFlat(DIMENSION, M, faiss.METRIC_INNER_PRODUCT)
        self._index.hnsw.efConstruction = EF_CONSTRUCTION
        self._faiss = faiss
        self.ef = ef
        self.seconds = 0.0

    def grow(self, vectors: Floats, threads: int) -> None:
        """Hold these rows; those that it holds already come first among them."""
        begun = time.perf_counter()
        self._faiss.omp_set_num_threads(threads)
        self._index.add(vectors[self._index.ntotal :])
        self.seconds += time.perf_counter() - begun

    def search(self, probes: Floats, k: int) -> Rows:
        self._faiss.omp_set_num_threads(1)
        parameters = self._faiss.SearchParametersHNSW(efSearch=self.ef)
        rows: Rows = self._index.search(probes, k, params=parameters)[1]
        return rows


class Hnswlib:
    """hnswlib, by the author of the algorithm."""

    name = "hnswlib"

    def __init__(self, ef: int, capacity: int) -> None:
        import hnswlib

        self._index = hnswlib.Index("ip", DIMENSION)
        self._index.init_index(capacity, ef_construction=EF_CONSTRUCTION, M=M)
        self.ef = ef
        self.seconds = 0.0

    @property
    def ef(self) -> int:
        return self._ef

    @ef.setter
    def ef(self, ef: int) -> None:
        self._index.set_ef(ef)
        self._ef = ef

    def grow(self, vectors: Floats, threads: int) -> None:
        """Hold these rows; those that it holds already come first among them."""
        begun = time.perf_counter()
        have = self._index.get_current_count()
        if have < len(vectors):
            self._index.add_items(vectors[have:], np.arange(have, len(vectors)), threads)
        self.seconds += time.perf_counter() - begun

    def search(self, probes: Floats, k: int) -> Rows:
        labels: NDArray[np.uint64] = self._index.knn_query(probes, k, num_threads=1)[0]
        return labels.astype(np.int64)


class Milvus:
    """A bare pymilvus call: vectors in, ids out, nothing else.

    `keys` are the ids by row; without them the ids are the rows.
    """

    def __init__(
        self,
        name: str,
        client: Any,
        collection: str,
        ef: int | None,
        *,
        condition: str = "",
        keys: Rows | None = None,
    ) -> None:
        self.name, self.ef = name, ef
        self._client, self._collection, self._condition = client, collection, condition
        self._order = None if keys is None else np.argsort(keys, kind="stable")
        self._keys = None if self._order is None or keys is None else keys[self._order]

    def search(self, probes: Floats, k: int) -> Rows:
        found = self._client.search(
            self._collection,
            data=list(probes),
            limit=k,
            filter=self._condition,
            search_params={
                "metric_type": "IP",
                "params": {} if self.ef is None else {"ef": self.ef},
            },
            timeout=SECONDS,
        )
        return self._rows([[int(hit["id"]) for hit in hits] for hits in found], k)

    def _width(self) -> dict[str, int]:
        return {} if self.ef is None else {"ef": self.ef}

    def _rows(self, found: Sequence[Sequence[int]], k: int) -> Rows:
        ids = filled(found, k)
        if self._keys is None or self._order is None:
            return ids
        return rows_of(ids, self._keys, self._order)


def filled(found: Sequence[Sequence[int]], k: int) -> Rows:
    """Lists of at most k as one array, -1 where there is nothing."""
    ids = np.full((len(found), k), -1, np.int64)
    for place, hits in enumerate(found):
        ids[place, : len(hits)] = hits[:k]
    return ids


def rows_of(ids: Rows, keys: Rows, order: Rows) -> Rows:
    """Rows by id, where `keys` are all ids rising and `order` their rows."""
    places = np.searchsorted(keys, ids).clip(0, len(keys) - 1)
    rows: Rows = np.where(keys[places] == ids, order[places], -1)
    return rows


# --- Collections of the benchmark's own -----------------------------------------------------------


def make_collection(client: Any, name: str, index: str) -> None:
    """An empty collection with ids and vectors, like the platform's but for the gallery."""
    from pymilvus import DataType, MilvusClient

    schema = MilvusClient.create_schema(auto_id=False, enable_dynamic_field=False)
    schema.add_field("id", DataType.INT64, is_primary=True)
    schema.add_field("vector", DataType.FLOAT_VECTOR, dim=DIMENSION)
    params = client.prepare_index_params()
    built = {} if index == "FLAT" else {"M": M, "efConstruction": EF_CONSTRUCTION}
    params.add_index("vector", index_type=index, metric_type="IP", params=built)
    client.create_collection(name, schema=schema, index_params=params, timeout=SECONDS)


def insert(client: Any, name: str, vectors: Floats, begin: int = 0) -> float:
    """Rows from `begin` on, under their own numbers; the seconds it took."""
    begun = time.perf_counter()
    for start in range(begin, len(vectors), INSERT):
        rows = [
            {"id": start + place, "vector": vector}
            for place, vector in enumerate(vectors[start : start + INSERT])
        ]
        client.insert(name, rows, timeout=SECONDS)
    return time.perf_counter() - begun
