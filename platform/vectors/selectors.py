"""Searching the index, and how far it is behind."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import numpy as np
from django.db.models import Count, F, Min, Q
from django.db.models.functions import Least
from django.utils import timezone

from embedder.calibration import MOST_PHOTOS
from people.models import Gallery

from . import generations, indexes, milvus, queries
from .codec import FloatArray, decode_many, scores
from .connection import Collection, server_labels
from .errors import CollectionMissing
from .exact import IdArray
from .milvus import Hit
from .models import (
    GenerationState,
    IndexGeneration,
    PersonTemplate,
    Placement,
    VectorOutbox,
    collection_name,
)
from .outbox import live, not_loading
from .queries import Place, Stored
from .sizes import Sizes

# How many hits to ask the index for beyond those wanted: some turn out to be gone or of inactive
# people, and a quantised index has them in a slightly wrong order.
SPARE_HITS = 10
MOST_HITS = 1_000


@dataclass(frozen=True, slots=True)
class Match:
    """An active person's template, with its exact score against the probe."""

    template_id: int
    person_id: int
    score: float


@dataclass(frozen=True, slots=True)
class _Part:
    """A generation to search, for these galleries of it (None: all it holds)."""

    place: Place
    gallery_ids: list[int] | None
    width: int | None


def search(galleries: Sequence[Gallery], probes: FloatArray, top_k: int) -> list[list[Match]]:
    """The `top_k` most like each probe (shape (n, 128)) in these galleries, best first.

    All galleries must have one model. Every hit of the index is read again from the database, in
    one query, and scored from its float32 template: a person who was erased, deactivated or is in
    no gallery searched is dropped whatever the index says, and no index can move a score.

    Raises:
        IndexUnavailable: Milvus is away, or the index is not ready; never "no match".
    """
    if not len(probes):
        return []
    limit = top_k + SPARE_HITS
    while True:
        hits = _hits(galleries, probes, limit)
        matches = _scored(galleries, probes, hits)
        # Where many at the top are gone and the index doesn't know yet, it is asked for more.
        short = any(
            len(found) < min(top_k, len(each)) and len(each) >= limit
            for found, each in zip(matches, hits, strict=True)
        )
        if not short or limit >= MOST_HITS:
            return [found[:top_k] for found in matches]
        limit = min(10 * limit, MOST_HITS)


def _hits(galleries: Sequence[Gallery], probes: FloatArray, limit: int) -> list[list[Hit]]:
    parts = _parts(galleries)
    try:
        return _ask(parts, probes, limit)
    except CollectionMissing:
        # Another generation may have taken over in this very moment, and this one be dropped.
        now = _parts(galleries)
        if {part.place.pk for part in now} == {part.place.pk for part in parts}:
            raise
        return _ask(now, probes, limit)


def require_ready(galleries: Sequence[Gallery]) -> None:
    """For whoever has much to do before a search: would it be answered now?

    Raises:
        IndexUnavailable: Milvus is away, or the index is not ready.
    """
    parts = _parts(galleries)
    for part in parts:
        _require_ready(part)
    for server in {part.place.server for part in parts}:
        milvus.ping(server)


def _require_ready(part: _Part) -> None:
    if part.place.state != GenerationState.READY:
        raise CollectionMissing(
            "The index of this gallery is being built. Try again in a few seconds.",
            retry_after=2,
        )


def _ask(parts: Sequence[_Part], probes: FloatArray, limit: int) -> list[list[Hit]]:
    found: list[list[Hit]] = [[] for _ in probes]
    for part in parts:
        _require_ready(part)
        for collected, hits in zip(found, _ask_one(part, probes, limit), strict=True):
            collected.extend(hits)
    return found


def _ask_one(part: _Part, probes: FloatArray, limit: int) -> list[list[Hit]]:
    place = part.place
    collection = Collection(place.server, collection_name(place.public_id))
    params = indexes.search_params(place.index_type, part.width, limit)
    try:
        return milvus.search(collection, probes, part.gallery_ids, limit, params)
    except CollectionMissing:
        generations.refill(place.pk)
        raise


def _parts(galleries: Sequence[Gallery]) -> list[_Part]:
    """Which generations to search for which galleries. One query, if all have theirs."""
    places = _places(galleries)
    chosen: dict[int, list[Place]] = {}
    for gallery in galleries:
        place = _best(gallery, places) or _placed_anew(gallery)
        chosen.setdefault(place.pk, []).append(place)
    return [_part(placed) for placed in chosen.values()]


def _places(galleries: Sequence[Gallery]) -> list[Place]:
    """Where these galleries can be searched."""
    reached = server_labels()
    return [
        each
        for each in queries.places([gallery.pk for gallery in galleries])
        if each.server in reached and each.state != GenerationState.RETIRED
    ]


def _best(gallery: Gallery, places: Sequence[Place]) -> Place | None:
    """The active one; else, while a gallery changes its model, a complete one of the model that
    the caller read a moment ago."""
    own = [p for p in places if p.gallery_id == gallery.pk and p.model == gallery.model]
    for each in own:
        if each.pk == each.active_id:
            return each
    return next((each for each in own if each.state == GenerationState.READY), None)


def _placed_anew(gallery: Gallery) -> Place:
    generation = generations.ensure_active_index(gallery)
    return next(each for each in _places([gallery]) if each.pk == generation.pk)


def _part(placed: Sequence[Place]) -> _Part:
    place = placed[0]
    ids = [each.gallery_id for each in placed] if place.others else None
    untuned = indexes.kind(place.index_type).untuned
    return _Part(place, ids, max(each.width or untuned for each in placed))


def _scored(
    galleries: Sequence[Gallery], probes: FloatArray, hits: Sequence[Sequence[Hit]]
) -> list[list[Match]]:
    rows = _current({hit.template_id for each in hits for hit in each}, galleries)
    if not rows:
        return [[] for _ in hits]
    vectors = decode_many(row.vector for row in rows)
    place = {row.template_id: index for index, row in enumerate(rows)}
    return [
        _ranked(
            probe,
            [place[hit.template_id] for hit in each if hit.template_id in place],
            vectors,
            rows,
        )
        for probe, each in zip(probes, hits, strict=True)
    ]


def _current(template_ids: set[int], galleries: Sequence[Gallery]) -> list[Stored]:
    """The templates of active people in these galleries, as they are now."""
    models = {gallery.pk: gallery.model for gallery in galleries}
    return [
        row
        for row in queries.stored(template_ids)
        if row.active and models.get(row.gallery_id) == row.model
    ]


def _ranked(
    probe: FloatArray, indices: Sequence[int], vectors: FloatArray, rows: Sequence[Stored]
) -> list[Match]:
    if not indices:
        return []
    (found,) = scores(vectors[list(indices)], probe[None])
    ids = [rows[at].template_id for at in indices]
    return [
        Match(ids[at], rows[indices[at]].person_id, float(found[at]))
        for at in _best_first(found, ids)
    ]


def _best_first(scores: FloatArray, ids: Sequence[int]) -> IdArray:
    """Places of the scores, (n,); of equal ones the older template first, whatever the index."""
    return np.lexsort((np.asarray(ids), -scores))


def search_among(
    galleries: Sequence[Gallery], person_ids: Sequence[int], probes: FloatArray, top_k: int
) -> tuple[list[list[Match]], dict[int, int]]:
    """The `top_k` of these people most like each probe, best first, and their make-up.

    Exact, from the database: a list of people is short, and no index is needed for it.
    """
    rows = list(
        PersonTemplate.objects.filter(
            person__in=person_ids,
            person__active=True,
            person__gallery__in=galleries,
            model=F("person__gallery__model"),
        ).values_list("pk", "person_id", "vector", "face_count")
    )
    counts: dict[int, int] = {}
    for *_, photos in rows:
        counts[min(photos, MOST_PHOTOS)] = counts.get(min(photos, MOST_PHOTOS), 0) + 1
    if not rows:
        return [[] for _ in probes], counts
    ids = [row[0] for row in rows]
    found = scores(decode_many(bytes(vector) for _, _, vector, _ in rows), probes)
    return [
        [Match(ids[at], rows[at][1], float(each[at])) for at in _best_first(each, ids)[:top_k]]
        for each in found
    ], counts


def searchable_count(galleries: Sequence[Gallery]) -> int:
    """N: how many active templates a search of these galleries compares with.

    Exact in small galleries; in large ones a second old for each 10,000 people, half a minute at
    most, since a database counts by reading every row.
    """
    return sum(make_up(galleries).values())


def make_up(galleries: Sequence[Gallery]) -> dict[int, int]:
    """The same by the number of photos in a template; MOST_PHOTOS stands for more, too."""
    counts: dict[int, int] = {}
    for gallery in galleries:
        for photos, number in _sizes.of(gallery.pk, gallery.model).items():
            counts[photos] = counts.get(photos, 0) + number
    return counts


def _count(gallery_id: int, model: str) -> dict[int, int]:
    templates = PersonTemplate.objects.filter(
        model=model, person__gallery_id=gallery_id, person__active=True
    )
    photos = Least("face_count", MOST_PHOTOS)
    rows = templates.order_by().values_list(photos).annotate(number=Count("pk"))
    return dict(rows)


_sizes = Sizes(_count)


def models_of(gallery: Gallery) -> list[str]:
    """Its model, first, and those of the other live generations that hold it."""
    held = live().filter(galleries=gallery).order_by("pk").values_list("model", flat=True)
    return list(dict.fromkeys([gallery.model, *held]))


def further_models() -> list[tuple[int, str]]:
    """The galleries (by id) that a live generation of another model holds, with that model."""
    others = Placement.objects.filter(generation__in=live()).exclude(
        generation__model=F("gallery__model")
    )
    return sorted(set(others.values_list("gallery_id", "generation__model")))


@dataclass(frozen=True, slots=True)
class Lag:
    """How far the index is behind the database."""

    pending: int
    oldest: datetime | None

    @property
    def seconds(self) -> float:
        """The age of the oldest change that is not yet in the index."""
        return (timezone.now() - self.oldest).total_seconds() if self.oldest else 0.0


def lag(generation: IndexGeneration | None = None) -> Lag:
    """The outbox in two figures: of one generation, or of all in which galleries are searched."""
    searched = live().filter(server__in=server_labels(), activeindex__isnull=False)
    wanted = [generation] if generation else searched.distinct()
    pending, oldest = 0, []
    for notes in (VectorOutbox.objects.all(), not_loading()):
        figures = notes.filter(generation__in=wanted).aggregate(
            count=Count("pk"), oldest=Min("dirty_since")
        )
        pending += figures["count"]
        oldest.append(figures["oldest"])
    return Lag(pending, min(filter(None, oldest), default=None))


def live_generations() -> list[UUID]:
    """Every generation that is not retired."""
    return list(live().values_list("public_id", flat=True))


def generations_with_work() -> list[UUID]:
    """Generations on servers that we reach that have something to be written, proved or dropped."""
    unfinished = ~Q(state=GenerationState.READY) | Q(takes_over=True)
    noted = Q(pk__in=VectorOutbox.objects.values("generation")) | Q(
        pk__in=not_loading().values("generation")
    )
    return list(
        IndexGeneration.objects.filter(unfinished | noted, server__in=server_labels())
        .order_by("pk")
        .values_list("public_id", flat=True)
    )
