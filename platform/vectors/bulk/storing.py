"""Many people and templates into the database at once, with ids that were reserved before."""

from dataclasses import dataclass
from itertools import repeat
from typing import Any, NamedTuple

import numpy as np
from django.db import connection, models
from django.utils import timezone

from vectors.codec import FloatArray

from . import copying, inserting
from .rows import IntArray


class NewPerson(NamedTuple):
    """A person to be made."""

    id: int
    external_id: str
    name: str
    metadata: dict[str, Any]
    active: bool


@dataclass(frozen=True, slots=True)
class NewTemplates:
    """Templates to be made: columns of one length, `vectors` of shape (n, 128)."""

    ids: IntArray
    people: IntArray
    vectors: FloatArray
    face_counts: IntArray


def reserve_ids(table: type[models.Model], count: int) -> IntArray:
    """Ids of rows to come, ascending, which nobody else gets. They stay taken, used or not."""
    if not count:
        return np.zeros(0, np.int64)
    if connection.vendor == "postgresql":
        return copying.reserve_ids(table._meta.db_table, count)
    return inserting.reserve_ids(table._meta.db_table, count)


def store_people(gallery_id: int, people: list[NewPerson]) -> None:
    """Make people.

    Raises:
        IntegrityError: an external id is taken.
    """
    if connection.vendor == "postgresql":
        copying.copy_people(gallery_id, people, timezone.now())
    else:
        inserting.insert_people(gallery_id, people)


def store_templates(model: str, templates: NewTemplates) -> None:
    """Make templates that stand for given faces.

    Raises:
        IntegrityError: a person is gone, or has a template meanwhile.
    """
    if connection.vendor == "postgresql":
        copying.copy_templates(model, templates, timezone.now())
    else:
        inserting.insert_templates(model, templates)


def replace_templates(templates: NewTemplates) -> None:
    """Put other given templates in the place of those with these ids."""
    now = connection.ops.adapt_datetimefield_value(timezone.now())
    faces = templates.face_counts.tolist()
    vectors = [vector.tobytes() for vector in templates.vectors]
    with connection.cursor() as cursor:
        cursor.executemany(
            "UPDATE vectors_persontemplate SET vector = %s, face_count = %s, given_faces = %s, "
            "given_vector = NULL, version = version + 1, updated_at = %s WHERE id = %s",
            list(zip(vectors, faces, faces, repeat(now), templates.ids.tolist())),
        )
