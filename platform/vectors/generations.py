"""Making index generations, choosing which one answers, and removing them."""

import logging
from collections import defaultdict
from collections.abc import Sequence
from datetime import timedelta

from django.db import transaction
from django.db.models import Count, Q, QuerySet
from django.utils import timezone

from accounts.actors import Actor
from audit.services import record
from common.errors import Conflict
from common.queue import MEASURE_RECALL, enqueue_on_commit
from people.access import require_site_admin
from people.catalogue import installed_model
from people.models import Gallery

from . import indexes, milvus
from .connection import EMBEDDED, server_label, server_labels
from .locks import reshaping
from .models import (
    ActiveIndex,
    GenerationState,
    IndexGeneration,
    IndexSpan,
    IndexType,
    PersonTemplate,
    Placement,
    VectorOutbox,
)
from .outbox import live, mark_all, wake
from .wanted import wanted

logger = logging.getLogger(__name__)

# An index that has waited so long for a change is not switched to.
MOST_BEHIND = timedelta(minutes=1)


def ensure_active_index(gallery: Gallery) -> IndexGeneration:
    """The generation that answers for a gallery, made and given to the worker if there is none.

    A lookup only reads; it writes when the gallery is new or Milvus has moved.
    """
    known = live().filter(
        activeindex__gallery=gallery, model=gallery.model, server__in=server_labels()
    )
    return known.first() or _activate(gallery)


@transaction.atomic
def _activate(gallery: Gallery) -> IndexGeneration:
    reshaping()
    gallery.refresh_from_db(fields=["model"])
    usable = live().filter(model=gallery.model, server__in=server_labels())
    generation = (
        usable.filter(activeindex__gallery=gallery).first()
        or usable.filter(galleries=gallery).order_by("pk").last()
    )
    if generation is not None:
        _answer_with(generation, [gallery])
        return generation
    return _find_home(gallery, usable)


def _find_home(gallery: Gallery, usable: QuerySet[IndexGeneration]) -> IndexGeneration:
    """Room in a generation of others, or a new one.

    A gallery that has templates never joins one that answers: a search there would see half of
    it. The others that lost their index when Milvus moved come along.
    """
    in_use = Q(activeindex__isnull=False) | Q(placement__isnull=True)
    with_room = usable.filter(in_use, server=server_label(), takes_over=False).distinct()
    joining = [gallery]
    if PersonTemplate.objects.filter(model=gallery.model, person__gallery=gallery).exists():
        with_room = with_room.filter(state=GenerationState.BUILDING)
        lost = Gallery.objects.filter(model=gallery.model)
        joining = list(lost.exclude(active_index__generation__in=usable))
    generation = with_room.order_by("pk").first()
    if generation is None:
        generation = make_generation(gallery.model, joining)
    else:
        _place(generation, joining)
    _answer_with(generation, joining)
    return generation


def _place(generation: IndexGeneration, galleries: Sequence[Gallery]) -> None:
    """Let a generation hold these galleries, and have their templates written to it."""
    Placement.objects.bulk_create(
        Placement(generation=generation, gallery=gallery) for gallery in galleries
    )
    mark_all(generation, wanted(generation).filter(person__gallery__in=galleries))
    IndexGeneration.objects.filter(pk=generation.pk, state=GenerationState.BUILDING).update(
        filled_at=None, expected=wanted(generation).count()
    )


def _answer_with(generation: IndexGeneration, galleries: Sequence[Gallery]) -> None:
    for gallery in galleries:
        ActiveIndex.objects.update_or_create(gallery=gallery, defaults={"generation": generation})


def make_generation(
    model: str,
    galleries: Sequence[Gallery],
    *,
    server: str = "",
    index_type: str = "",
    expected: int = 0,
    **fields: object,
) -> IndexGeneration:
    """A new generation with these galleries, to be filled by the index worker.

    Without `index_type` the one that suits its size; `expected` says of how many templates, if
    more are to come than there are.
    """
    server = server or server_label()
    size = max(expected, _size(galleries))
    chosen = index_type or _suited(size, server)
    generation = IndexGeneration.objects.create(
        model=model,
        server=server,
        index_type=chosen,
        index_params=indexes.build_params(chosen, size),
        **fields,
    )
    _place(generation, galleries)
    generation.refresh_from_db()
    return generation


def _size(galleries: Sequence[Gallery]) -> int:
    """Their active templates of the model that has most: those of a new one are still to come."""
    templates = PersonTemplate.objects.filter(person__active=True, person__gallery__in=galleries)
    counts = templates.order_by().values("model").annotate(number=Count("pk"))
    return max((each["number"] for each in counts), default=0)


def _suited(size: int, server: str) -> IndexType:
    """The server is asked what it is only where that matters: it may be away now."""
    small = indexes.suited(size, embedded=True)
    if indexes.suited(size, embedded=False) == small or server == EMBEDDED:
        return small
    return indexes.suited(size, embedded=milvus.server_version(server) is None)


@transaction.atomic
def refill(generation_id: int) -> None:
    """Fill a generation whose collection is gone or new; until then its searches answer 503."""
    reshaping()
    held = IndexGeneration.objects.select_for_update().filter(pk=generation_id).first()
    if held is None or held.state == GenerationState.RETIRED:
        return  # another one has taken over meanwhile
    VectorOutbox.objects.filter(generation=held).delete()
    IndexSpan.objects.filter(generation=held, loading_until=None).delete()
    held.state, held.written = GenerationState.BUILDING, 0
    held.filled_at = held.verified_to = None
    held.expected = wanted(held).count()
    held.save()
    mark_all(held, wanted(held))


# --- Rebuilding ---------------------------------------------------------------------------------


@transaction.atomic
def start_rebuild(
    actor: Actor,
    galleries: Sequence[Gallery],
    *,
    model: str = "",
    index_type: str = "",
    server: str = "",
    expected: int = 0,
    keeps_old: bool = True,
) -> list[IndexGeneration]:
    """Begin new generations for these galleries, one for each that they are searched in now.

    Searches go on in the old ones until the new ones are full and verified; then those take over
    (`vectors/takeover.py`). Whatever is not given stays as it is, but for the index type, which
    follows the size. Galleries left out of the list stay in the old generation.

    Raises:
        Forbidden: not for a site administrator.
        UnknownModel: no such model is installed.
        Conflict: one of the galleries is being rebuilt (`rebuild_under_way`).
        IndexUnavailable: the server does not answer.
    """
    require_site_admin(actor)
    if model:
        installed_model(model)
    reshaping()
    _check_idle(galleries)
    together: dict[IndexGeneration, list[Gallery]] = defaultdict(list)
    for gallery in galleries:
        together[ensure_active_index(gallery)].append(gallery)
    made = [
        make_generation(
            model or old.model,
            held,
            server=server or old.server,
            index_type=index_type,
            expected=expected,
            takes_over=True,
            keeps_old=keeps_old,
        )
        for old, held in together.items()
    ]
    for generation in made:
        _note(actor, "index.rebuild", generation, index_type=generation.index_type)
    return made


def _check_idle(galleries: Sequence[Gallery]) -> None:
    busy = Placement.objects.filter(gallery__in=galleries, generation__takes_over=True).exclude(
        generation__state=GenerationState.RETIRED
    )
    under_way = busy.select_related("gallery", "generation").first()
    if under_way is not None:
        raise Conflict(
            f"The index of {under_way.gallery} is being rebuilt already. Wait for it, or give it "
            f"up: `vectors drop {short_name(under_way.generation)}`.",
            code="rebuild_under_way",
        )


@transaction.atomic
def switch(
    actor: Actor, generation: IndexGeneration, galleries: Sequence[Gallery] | None = None
) -> None:
    """Search galleries of a generation (None: all) in it from now on: forward, or back.

    They get its model.

    Raises:
        Forbidden: not for a site administrator.
        Conflict: it is not complete (`generation_not_ready`), on a server that is named no more
            (`generation_out_of_reach`) or has missed changes for long (`generation_behind`); a
            gallery is not in it (`gallery_not_in_index`).
    """
    require_site_admin(actor)
    reshaping()
    held = _locked(generation)
    _check_answers(held)
    chosen = list(held.galleries.all()) if galleries is None else list(galleries)
    _check_held(held, chosen)
    ActiveIndex.objects.filter(gallery__in=chosen).update(generation=held)
    Gallery.objects.filter(pk__in=[each.pk for each in chosen]).update(model=held.model)
    if not held.galleries.exclude(active_index__generation=held).exists():
        IndexGeneration.objects.filter(pk=held.pk).update(takes_over=False, problem="")
    _note(actor, "index.switch", held, galleries=[each.slug for each in chosen])
    enqueue_on_commit(MEASURE_RECALL, str(held.public_id))


def _locked(generation: IndexGeneration) -> IndexGeneration:
    held = IndexGeneration.objects.select_for_update().filter(pk=generation.pk).first()
    if held is None:
        raise Conflict(
            "This index has just been removed. `vectors list` shows those that there are.",
            code="generation_gone",
        )
    return held


def _check_answers(held: IndexGeneration) -> None:
    """Would a search there find everybody?"""
    if held.state != GenerationState.READY:
        raise Conflict(
            "This index is not complete, so nothing is searched in it yet. `vectors list` shows "
            "how far it is.",
            code="generation_not_ready",
        )
    if held.server not in server_labels():
        raise Conflict(
            f"This index is at {held.server}, which is named neither in MILVUS_URI nor in "
            "MILVUS_NEXT_URI. Name it there first.",
            code="generation_out_of_reach",
        )
    long_ago = timezone.now() - MOST_BEHIND
    if any(
        notes.objects.filter(generation=held, dirty_since__lt=long_ago).exists()
        for notes in (VectorOutbox, IndexSpan)
    ):
        raise Conflict(
            "Changes wait to be written to this index for more than a minute: people would not be "
            "found. `manage.py doctor` says why; try again when `vectors list` shows none.",
            code="generation_behind",
        )


def _check_held(held: IndexGeneration, galleries: Sequence[Gallery]) -> None:
    inside = set(held.galleries.values_list("pk", flat=True))
    outside = [each.slug for each in galleries if each.pk not in inside]
    if outside:
        raise Conflict(f"{', '.join(outside)} is not in this index.", code="gallery_not_in_index")


@transaction.atomic
def drop(actor: Actor, generation: IndexGeneration) -> None:
    """Take out of a generation what is not searched in it; if that is all, it goes.

    Raises:
        Forbidden: not for a site administrator.
        Conflict: all its galleries are searched in it (`generation_in_use`).
    """
    require_site_admin(actor)
    reshaping()
    held = _locked(generation)
    active = ActiveIndex.objects.filter(generation=held).values_list("gallery_id", flat=True)
    unused = Placement.objects.filter(generation=held).exclude(gallery_id__in=list(active))
    if active and not unused.exists():
        raise Conflict(
            "Its galleries are searched in this index. Switch them to another one first.",
            code="generation_in_use",
        )
    removed = list(unused.values_list("gallery_id", flat=True))
    unused.delete()
    if active:
        mark_all(held, PersonTemplate.objects.filter(person__gallery_id__in=removed))
    else:
        retire(held)
    _note(actor, "index.drop", held)


def retire(generation: IndexGeneration) -> None:
    """From here on it gets no changes; the index worker drops its collection, and then the row."""
    VectorOutbox.objects.filter(generation=generation).delete()
    IndexSpan.objects.filter(generation=generation).delete()
    IndexGeneration.objects.filter(pk=generation.pk).update(
        state=GenerationState.RETIRED, takes_over=False
    )
    wake(generation)


def drop_retired(generation: IndexGeneration) -> None:
    """Remove a retired generation's collection, and then its row. In the index worker.

    Raises:
        IndexUnavailable: Milvus is away; it is tried again.
    """
    if milvus.has_collection(generation.collection):
        milvus.drop_collection(generation.collection)
    IndexGeneration.objects.filter(pk=generation.pk, state=GenerationState.RETIRED).delete()
    logger.info("%s is dropped", generation.name)


def short_name(generation: IndexGeneration) -> str:
    """Enough of its name to point at it."""
    return generation.public_id.hex[-8:]


def _note(actor: Actor, action: str, generation: IndexGeneration, **details: object) -> None:
    record(actor, action, f"generation:{generation.public_id}", None, **details)
