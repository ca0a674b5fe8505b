"""Which index Milvus makes of a collection, by its size and by what the server can.

Recall was measured on faces, through Milvus 2.3.5 (docs/benchmarks.md); memory and the kinds
beyond these are in docs/scaling.md. Scores never depend on the index: hits are scored again from
the database's float32 templates, which is also what refines a quantised index.
"""

import math
from dataclasses import dataclass
from typing import Any

from .models import IndexType


@dataclass(frozen=True, slots=True)
class Kind:
    """One index type: up to how many templates it suits, and how far its searches look.

    `width` names the parameter of a search that trades time for recall; `widths` are those worth
    trying, and `untuned` is used until a gallery's recall has been measured.
    """

    index_type: IndexType
    up_to: int | None
    width: str = ""
    widths: tuple[int, ...] = ()
    untuned: int = 0


KINDS = (
    # Exact. A search reads every vector: 15 ms for 100,000.
    Kind(IndexType.FLAT, 100_000),
    # A graph: memory of the vectors and about a third more. A million wanted ef 512 for 0.999.
    Kind(IndexType.HNSW, 10_000_000, "ef", (16, 32, 64, 128, 256, 512, 1024), untuned=512),
    # Clusters of one byte a number: a quarter of the memory, more time for the same recall.
    Kind(IndexType.IVF_SQ8, None, "nprobe", (8, 16, 32, 64, 128, 256, 512, 1024), untuned=128),
)
HNSW_LINKS = 16
HNSW_BUILD_WIDTH = 200
# An index that was outgrown is made anew when it holds so many times what it suits, no sooner.
GROWTH = 1.2


def kind(index_type: str) -> Kind:
    """The row of the table for a type."""
    return next(each for each in KINDS if each.index_type == index_type)


def suited(count: int, *, embedded: bool) -> IndexType:
    """The type for so many templates; Milvus Lite has none but the exact one that can be trusted.

    Its IVF_FLAT ignores nprobe: recall@10 was 0.3 (docs/adr/0006-index.md).
    """
    if embedded:
        return IndexType.FLAT
    return next(each.index_type for each in KINDS if each.up_to is None or count <= each.up_to)


def outgrown(index_type: str, count: int, *, embedded: bool) -> bool:
    """Whether a collection has become so much larger that another type should take over."""
    limit = kind(index_type).up_to
    if embedded or limit is None:
        return False
    return count > GROWTH * limit


def build_params(index_type: str, count: int) -> dict[str, Any]:
    """What Milvus is told when it makes an index of about `count` templates."""
    if index_type == IndexType.HNSW:
        return {"M": HNSW_LINKS, "efConstruction": HNSW_BUILD_WIDTH}
    if index_type == IndexType.IVF_SQ8:
        return {"nlist": clusters(count)}
    return {}


def clusters(count: int) -> int:
    """How many clusters an IVF index has: 4 times the root of the count, as FAISS advises."""
    return min(65_536, max(128, round(4 * math.sqrt(count))))


def search_params(index_type: str, width: int | None, limit: int) -> dict[str, int]:
    """What a search for `limit` hits tells the index; ef may not be less than what is wanted."""
    row = kind(index_type)
    if not row.width:
        return {}
    wanted = width or row.untuned
    return {row.width: max(wanted, limit) if index_type == IndexType.HNSW else wanted}
