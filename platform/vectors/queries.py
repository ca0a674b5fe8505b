"""The two questions that each search asks the database, as SQL.

Django's query builder takes 1.5 ms of the interpreter for them at each search, as much as Milvus
needs to find the answer (docs/benchmarks.md); written out they take 0.2.
"""

from collections.abc import Collection, Sequence
from typing import Any, NamedTuple
from uuid import UUID

from django.db import connection


class Place(NamedTuple):
    """A generation that holds a gallery."""

    gallery_id: int
    width: int | None
    active_id: int | None
    others: bool
    pk: int
    public_id: UUID
    model: str
    server: str
    index_type: str
    state: str


class Stored(NamedTuple):
    """What the database says of a template."""

    template_id: int
    person_id: int
    gallery_id: int
    active: bool
    model: str
    vector: bytes


# What a database takes in one statement, with room: PostgreSQL 65,535 values, SQLite 32,766.
MOST_VALUES = 20_000

_PLACES = """
SELECT placement.gallery_id,
       placement.width,
       active.generation_id,
       EXISTS (SELECT 1
               FROM vectors_placement AS other
               WHERE other.generation_id = generation.id
                 AND other.gallery_id NOT IN ({galleries})),
       generation.id,
       generation.public_id,
       generation.model,
       generation.server,
       generation.index_type,
       generation.state
FROM vectors_placement AS placement
JOIN vectors_indexgeneration AS generation ON generation.id = placement.generation_id
LEFT JOIN vectors_activeindex AS active ON active.gallery_id = placement.gallery_id
WHERE placement.gallery_id IN ({galleries})
ORDER BY placement.id
"""

# By primary keys alone: a database whose statistics are old may otherwise begin with all the
# people of a gallery.
_STORED = """
SELECT template.id, template.person_id, person.gallery_id, person.active, template.model,
       template.vector
FROM vectors_persontemplate AS template
JOIN people_person AS person ON person.id = template.person_id
WHERE template.id IN ({templates})
"""


def places(gallery_ids: Sequence[int]) -> list[Place]:
    """Every generation that holds one of these galleries, with whether it holds others as well."""
    sql = _PLACES.format(galleries=_marks(gallery_ids))
    # SQLite has neither UUIDs nor truth values.
    return [
        Place(gallery, width, active, bool(others), pk, UUID(str(public_id)), *rest)
        for gallery, width, active, others, pk, public_id, *rest in _rows(
            sql, [*gallery_ids, *gallery_ids]
        )
    ]


def stored(template_ids: Collection[int]) -> list[Stored]:
    """The templates of these ids that exist, in no order."""
    ids = list(template_ids)
    parts = [ids[start : start + MOST_VALUES] for start in range(0, len(ids), MOST_VALUES)]
    return [
        Stored._make(row)
        for part in parts
        for row in _rows(_STORED.format(templates=_marks(part)), part)
    ]


def _marks(values: Collection[int]) -> str:
    return ", ".join(["%s"] * len(values))


def _rows(sql: str, values: Sequence[int]) -> list[Any]:
    with connection.cursor() as cursor:
        cursor.execute(sql, values)
        rows: list[Any] = cursor.fetchall()
        return rows
