"""Many rows into SQLite by one prepared statement; objects of Django take thrice the time."""

import json
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from django.db import connection
from django.utils import timezone
from uuid_utils import uuid7

from people.models import Person
from vectors.models import PersonTemplate

from .rows import IntArray

if TYPE_CHECKING:
    from .storing import NewPerson, NewTemplates

_PEOPLE = (
    "id", "public_id", "created_at", "updated_at", "gallery_id", "external_id", "name", "notes",
    "metadata", "active",
)  # fmt: skip
_TEMPLATES = (
    "id", "person_id", "model", "vector", "face_count", "given_faces", "version", "updated_at",
)  # fmt: skip


def reserve_ids(table: str, count: int) -> IntArray:
    """The next ids of a table, ascending: its sequence goes on behind them."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT seq FROM sqlite_sequence WHERE name = %s", [table])
        if cursor.fetchone() is None:
            cursor.execute("INSERT INTO sqlite_sequence (name, seq) VALUES (%s, 0)", [table])
        cursor.execute(
            "UPDATE sqlite_sequence SET seq = seq + %s WHERE name = %s RETURNING seq",
            [count, table],
        )
        last = int(cursor.fetchone()[0])
    return np.arange(last - count + 1, last + 1, dtype=np.int64)


def insert_people(gallery_id: int, people: "Sequence[NewPerson]") -> None:
    """Write people whose ids are reserved."""
    now = _now()
    rows = (
        (
            each.id, uuid7().hex, now, now, gallery_id, each.external_id, each.name, "",
            json.dumps(each.metadata), each.active,
        )
        for each in people
    )  # fmt: skip
    _insert(Person._meta.db_table, _PEOPLE, rows)


def insert_templates(model: str, templates: "NewTemplates") -> None:
    """Write templates whose ids are reserved."""
    now = _now()
    columns = (templates.ids, templates.people, templates.face_counts)
    vectors = np.asarray(templates.vectors, "<f4")
    rows = (
        (pk, person, model, vector.tobytes(), faces, faces, 1, now)
        for pk, person, faces, vector in zip(
            *(column.tolist() for column in columns), vectors, strict=True
        )
    )
    _insert(PersonTemplate._meta.db_table, _TEMPLATES, rows)


def _now() -> str | None:
    return connection.ops.adapt_datetimefield_value(timezone.now())


def _insert(table: str, columns: Sequence[str], rows: Iterable[tuple[Any, ...]]) -> None:
    names, places = ", ".join(columns), ", ".join(["%s"] * len(columns))
    with connection.cursor() as cursor:
        cursor.executemany(
            f"INSERT INTO {table} ({names}) VALUES ({places})",  # noqa: S608 - our own names
            list(rows),
        )
