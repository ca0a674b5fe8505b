"""Changing templates, and carrying the change to Milvus.

`store_template` and `mark_dirty` run inside the transaction of whatever changed the person;
`apply_outbox` runs in the index worker.
"""

import logging
from collections.abc import Sequence
from datetime import timedelta
from typing import NamedTuple
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from common.ids import new_id
from common.queue import APPLY_OUTBOX, enqueue_on_commit
from people.models import Gallery, Person

from . import milvus
from .codec import FloatArray, decode, encode
from .connection import server_label
from .errors import IndexUnavailable
from .milvus import Entry
from .models import ActiveIndex, GenerationState, IndexGeneration, PersonTemplate, VectorOutbox

logger = logging.getLogger(__name__)

APPLY_BATCH = 500
NOTE_BATCH = 1000


# --- In the transaction of the change --------------------------------------------------------


def store_template(person: Person, vector: FloatArray, face_count: int) -> PersonTemplate:
    """Make or replace the person's template of their gallery's model.

    Raises:
        InvalidTemplate: the numbers are no template.
    """
    data = encode(vector)
    model = person.gallery.model
    template = PersonTemplate.objects.select_for_update().filter(person=person, model=model).first()
    if template is None:
        template = PersonTemplate(person=person, model=model, version=0)
    template.vector, template.face_count = data, face_count
    template.version += 1
    template.save()
    mark_dirty(model, [template.pk])
    return template


def remove_templates(person: Person) -> int:
    """Delete all templates of a person; Milvus follows through the outbox. Returns how many."""
    held = PersonTemplate.objects.select_for_update().filter(person=person)
    templates = list(held.values_list("pk", "model"))
    for pk, model in templates:
        mark_dirty(model, [pk])
    PersonTemplate.objects.filter(person=person).delete()
    return len(templates)


def touch_templates(person: Person) -> None:
    """Say that whether this person is found has changed."""
    for template in PersonTemplate.objects.select_for_update().filter(person=person):
        template.version += 1
        template.save(update_fields=["version", "updated_at"])
        mark_dirty(template.model, [template.pk])


def mark_dirty(model: str, template_ids: Sequence[int]) -> None:
    """Note in every live generation of the model that these entries may be out of date."""
    live = IndexGeneration.objects.filter(model=model).exclude(state=GenerationState.RETIRED)
    for generation in live:
        _note(generation, template_ids)
        enqueue_on_commit(APPLY_OUTBOX, str(generation.public_id))


def _note(generation: IndexGeneration, template_ids: Sequence[int]) -> None:
    for start in range(0, len(template_ids), NOTE_BATCH):
        batch = template_ids[start : start + NOTE_BATCH]
        VectorOutbox.objects.bulk_create(
            [VectorOutbox(generation=generation, template_id=pk, stamp=new_id()) for pk in batch],
            update_conflicts=True,
            unique_fields=["generation", "template_id"],
            update_fields=["stamp"],
        )


# --- Generations ------------------------------------------------------------------------------


def ensure_active_index(gallery: Gallery) -> IndexGeneration:
    """The generation that answers for a gallery, made and given to the worker if there is none.

    A lookup only reads; it writes when the gallery is new or Milvus has moved.
    """
    server = server_label()
    known = IndexGeneration.objects.filter(
        _live(), activeindex__gallery=gallery, model=gallery.model, server=server
    ).first()
    return known or _activate(gallery, server)


@transaction.atomic
def _activate(gallery: Gallery, server: str) -> IndexGeneration:
    generation, created = IndexGeneration.objects.filter(_live()).get_or_create(
        model=gallery.model, server=server
    )
    if created:
        _fill(generation)
    ActiveIndex.objects.update_or_create(gallery=gallery, defaults={"generation": generation})
    return generation


def rebuild(generation: IndexGeneration) -> None:
    """Fill a generation again from the database; until then its searches answer 503."""
    with transaction.atomic():
        IndexGeneration.objects.filter(pk=generation.pk).update(state=GenerationState.BUILDING)
        _fill(generation)


def _live() -> Q:
    return ~Q(state=GenerationState.RETIRED)


def _fill(generation: IndexGeneration) -> None:
    """Mark every template of the generation's model as still to be written."""
    templates = PersonTemplate.objects.filter(model=generation.model)
    _note(generation, list(templates.values_list("pk", flat=True)))
    enqueue_on_commit(APPLY_OUTBOX, str(generation.public_id))


# --- In the index worker ------------------------------------------------------------------------


class Claimed(NamedTuple):
    """A dirty row as it was when this worker took it."""

    row_id: int
    template_id: int
    stamp: UUID


def apply_outbox(generation_id: UUID) -> int:
    """Write everything dirty of a generation to Milvus; returns how many entries.

    A generation of another server than the present one is left alone: its rows wait for it.

    Raises:
        IndexUnavailable: Milvus is away; the rows stay and are tried again.
    """
    here = Q(server=server_label())
    generation = IndexGeneration.objects.filter(_live(), here, public_id=generation_id).first()
    if generation is None:
        return 0
    _ensure_collection(generation)
    applied = 0
    while batch := _claim(generation):
        _apply(generation, batch)
        applied += len(batch)
    _mark_ready(generation)
    return applied


def _ensure_collection(generation: IndexGeneration) -> None:
    """Make the collection if it is missing (a new one, or a lost volume), to be filled whole.

    What was applied to a lost one is noted again, also when the loss came before it was ready.
    """
    if milvus.has_collection(generation.collection):
        return
    if generation.state == GenerationState.READY:
        logger.warning("%s is gone from Milvus; filling it again", generation.collection)
    rebuild(generation)
    milvus.create_collection(generation.collection)


@transaction.atomic
def _claim(generation: IndexGeneration) -> list[Claimed]:
    now = timezone.now()
    free = Q(claimed_until__isnull=True) | Q(claimed_until__lt=now)
    rows = (
        VectorOutbox.objects.select_for_update(skip_locked=True)
        .filter(free, generation=generation)
        .order_by("id")[:APPLY_BATCH]
    )
    batch = [Claimed(row.pk, row.template_id, row.stamp) for row in rows]
    VectorOutbox.objects.filter(pk__in=[row.row_id for row in batch]).update(
        claimed_until=now + _claim_time()
    )
    return batch


def _claim_time() -> timedelta:
    """Longer than the three calls of a batch can take with their time-outs."""
    return timedelta(seconds=3 * settings.MILVUS_TIMEOUT_SECONDS + 40)


def _apply(generation: IndexGeneration, batch: Sequence[Claimed]) -> None:
    ids = [row.template_id for row in batch]
    templates = PersonTemplate.objects.filter(pk__in=ids, model=generation.model)
    versions = dict(templates.values_list("pk", "version"))
    entries = wanted_entries(generation.model, ids)
    wanted = {entry.template_id for entry in entries}
    try:
        milvus.upsert(generation.collection, entries)
        milvus.delete(generation.collection, [pk for pk in ids if pk not in wanted])
        milvus.await_visible(generation.collection)
    except IndexUnavailable:
        _release(batch)
        raise
    _settle(batch, versions)


def wanted_entries(model: str, template_ids: Sequence[int]) -> list[Entry]:
    """What Milvus should hold of these templates: those of active people, as they are now."""
    templates = PersonTemplate.objects.filter(
        pk__in=template_ids, model=model, person__active=True
    ).values_list("pk", "person__gallery_id", "vector")
    return [Entry(pk, gallery_id, decode(bytes(vector))) for pk, gallery_id, vector in templates]


def _release(batch: Sequence[Claimed]) -> None:
    VectorOutbox.objects.filter(pk__in=[row.row_id for row in batch]).update(claimed_until=None)


@transaction.atomic
def _settle(batch: Sequence[Claimed], versions: dict[int, int]) -> None:
    """Remove the rows that nothing has touched since, and free the others for the next round."""
    # Templates before their rows, as everybody does who changes both: else two wait for each other.
    locked = PersonTemplate.objects.select_for_update().filter(pk__in=versions).order_by("pk")
    list(locked.values_list("pk"))
    VectorOutbox.objects.filter(stamp__in=[row.stamp for row in batch]).delete()
    _release(batch)
    for template_id, version in versions.items():
        PersonTemplate.objects.filter(pk=template_id, indexed_version__lt=version).update(
            indexed_version=version
        )


def _mark_ready(generation: IndexGeneration) -> None:
    if VectorOutbox.objects.filter(generation=generation).exists():
        return
    IndexGeneration.objects.filter(pk=generation.pk, state=GenerationState.BUILDING).update(
        state=GenerationState.READY
    )
