"""PostgreSQL's COPY, in its binary form: several times as fast as INSERT."""

import json
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

import numpy as np
from django.db import connection
from django.db.utils import DatabaseErrorWrapper
from psycopg import sql
from uuid_utils import uuid7

from people.models import Person
from vectors.models import PersonTemplate

from .rows import IntArray

if TYPE_CHECKING:
    from .storing import NewPerson, NewTemplates

_PEOPLE = {
    "id": "int8", "public_id": "uuid", "created_at": "timestamptz", "updated_at": "timestamptz",
    "gallery_id": "int8", "external_id": "varchar", "name": "varchar", "notes": "text",
    # As the bytes that PostgreSQL takes, so that {} is not encoded a million times.
    "metadata": "bytea", "active": "bool",
}  # fmt: skip
_TEMPLATES = {
    "id": "int8", "person_id": "int8", "model": "varchar", "vector": "bytea", "face_count": "int4",
    "given_faces": "int4", "version": "int8", "updated_at": "timestamptz",
}  # fmt: skip


def reserve_ids(table: str, count: int) -> IntArray:
    """The next ids of a table, ascending."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT nextval(pg_get_serial_sequence(%s, 'id')) FROM generate_series(1, %s)",
            [table, count],
        )
        return np.sort(np.fromiter((row[0] for row in cursor.fetchall()), np.int64, count))


def copy_people(gallery_id: int, people: "Sequence[NewPerson]", now: datetime) -> None:
    """Write people whose ids are reserved."""
    _copy(Person._meta.db_table, _PEOPLE, _person_rows(gallery_id, people, now))


def copy_templates(model: str, templates: "NewTemplates", now: datetime) -> None:
    """Write templates whose ids are reserved."""
    _copy(PersonTemplate._meta.db_table, _TEMPLATES, _template_rows(model, templates, now))


def _person_rows(
    gallery_id: int, people: "Sequence[NewPerson]", now: datetime
) -> Iterator[tuple[Any, ...]]:
    empty = _jsonb({})
    for each in people:
        metadata = _jsonb(each.metadata) if each.metadata else empty
        # common.ids.new_id() makes a UUID of the standard library of it, at five times the price.
        yield (
            each.id, uuid7(), now, now, gallery_id, each.external_id, each.name, "", metadata,
            each.active,
        )  # fmt: skip


def _jsonb(value: dict[str, Any]) -> bytes:
    """A JSON value in its binary form: a version, and the text."""
    return b"\x01" + json.dumps(value).encode()


def _template_rows(
    model: str, templates: "NewTemplates", now: datetime
) -> Iterator[tuple[Any, ...]]:
    columns = (templates.ids, templates.people, templates.face_counts)
    vectors = np.asarray(templates.vectors, "<f4")
    for pk, person, faces, vector in zip(
        *(column.tolist() for column in columns), vectors, strict=True
    ):
        yield pk, person, model, vector.tobytes(), faces, faces, 1, now


def _copy(table: str, columns: dict[str, str], rows: Iterator[tuple[Any, ...]]) -> None:
    command = sql.SQL("COPY {} ({}) FROM STDIN (FORMAT BINARY)").format(
        sql.Identifier(table), sql.SQL(", ").join(map(sql.Identifier, columns))
    )
    # Django's own wrapper, so that a taken external id is its IntegrityError, as everywhere.
    with (
        connection.cursor() as cursor,
        DatabaseErrorWrapper(connection),
        cursor.copy(command) as copy,
    ):
        copy.set_types(list(columns.values()))
        for row in rows:
            copy.write_row(row)
