"""What a generation should hold, by the database: its half of every comparison."""

from collections.abc import Sequence

import numpy as np
from django.db.models import Exists, OuterRef, QuerySet

from people.models import Person

from .codec import DIMENSION, decode_many
from .milvus import Entries
from .models import IndexGeneration, PersonTemplate, Placement


def wanted(generation: IndexGeneration) -> QuerySet[PersonTemplate]:
    """Templates of its model, of the active people of the galleries placed in it."""
    placed = Placement.objects.filter(generation=generation).values_list("gallery_id", flat=True)
    # Asked of each template and not joined: SQLite would begin with all people of the galleries,
    # and look every one of them up among a thousand templates.
    person = Person.objects.filter(
        pk=OuterRef("person_id"), active=True, gallery_id__in=list(placed)
    )
    return PersonTemplate.objects.filter(Exists(person), model=generation.model)


def wanted_entries(generation: IndexGeneration, template_ids: Sequence[int]) -> Entries:
    """Those of these templates that it should hold, as they are now, in no order."""
    return _read(wanted(generation).filter(pk__in=template_ids))


def wanted_between(generation: IndexGeneration, first: int, last: int, limit: int) -> Entries:
    """The first `limit` of what it should hold from template `first` to `last`, by id."""
    return _read(wanted(generation).filter(pk__gte=first, pk__lte=last).order_by("pk")[:limit])


def _read(templates: QuerySet[PersonTemplate]) -> Entries:
    rows = list(templates.values_list("pk", "person__gallery_id", "vector"))
    if not rows:
        none = np.empty(0, np.int64)
        return Entries(none, none, np.empty((0, DIMENSION), np.float32))
    ids, galleries, vectors = zip(*rows, strict=True)
    return Entries(np.array(ids, np.int64), np.array(galleries, np.int64), decode_many(vectors))
