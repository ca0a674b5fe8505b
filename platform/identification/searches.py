"""The search log: writing it, and who may read what."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from django.db import transaction
from django.db.models import Q, QuerySet

from accounts.actors import Actor
from embedder.gates import Fault
from embedder.images import DecodedImage
from embedder.types import Face
from people.access import galleries_where, visible_galleries
from people.models import Gallery, Role
from photos.faces import box_figures
from thresholds.deciding import Decision, Limits

from .models import Search
from .selectors import Candidate


@dataclass(frozen=True, slots=True)
class Lookup:
    """One face looked up, who it may be, best first, and what is wrong with it as a photo.

    decision: None where a gallery has no calibration. stranger_rates: of each candidate, and of
    the second at least, to compare the first with; then none as well. best_scores: of the two
    best, whether so many candidates were asked for or not.
    """

    face: Face
    candidates: list[Candidate]
    faults: list[Fault]
    decision: Decision | None
    stranger_rates: list[float]
    best_scores: list[float]


@dataclass(frozen=True, slots=True)
class Asked:
    """What somebody wanted to know."""

    actor: Actor
    galleries: Sequence[Gallery]
    reason: str
    among: int | None


@dataclass(frozen=True, slots=True)
class Answered:
    """What came of a photo, which has this SHA-256; `image` decodes it, if it is needed again."""

    probe: str
    lookups: Sequence[Lookup]
    image: Callable[[], DecodedImage]


@transaction.atomic
def log_searches(
    asked: Asked, model: str, searched: int, limits: Limits | None, photos: Sequence[Answered]
) -> list[Search]:
    """Write what was looked up, and what came of it: an entry for each photo, in their order."""
    entries = [
        Search(
            actor=str(asked.actor),
            reason=asked.reason.strip(),
            probe=photo.probe,
            among=asked.among,
            model=model,
            searched=searched,
            thresholds=limit_figures(limits),
            faces=[_face(each) for each in photo.lookups],
            best_two=[_best_two(each) for each in photo.lookups],
        )
        for photo in photos
    ]
    Search.objects.bulk_create(entries)
    of_gallery = Search.galleries.through
    of_gallery.objects.bulk_create(
        of_gallery(search=entry, gallery=gallery)
        for entry in entries
        for gallery in asked.galleries
    )
    return entries


def limit_figures(limits: Limits | None) -> dict[str, Any] | None:
    """The thresholds of a search, as answers and the log have them."""
    if limits is None:
        return None
    return {
        "tier": limits.tier,
        "match": limits.match,
        "review": limits.review,
        "margin": limits.margin,
        "calibrations": sorted({str(each.calibration) for each in limits.standards}),
        "overridden": limits.is_overridden,
    }


def _face(lookup: Lookup) -> dict[str, Any]:
    rates: Sequence[float | None] = lookup.stranger_rates or [None] * len(lookup.candidates)
    return {
        "box": box_figures(lookup.face.detection.box),
        "quality": round(lookup.face.quality.score, 4),
        "decision": lookup.decision,
        "candidates": [
            {"person": str(each.person.public_id), "score": each.score, "stranger_rate": rate}
            for each, rate in zip(lookup.candidates, rates, strict=False)
        ],
    }


def _best_two(lookup: Lookup) -> list[tuple[float, float | None]]:
    """Score and stranger_rate; whose they are is not said."""
    rates: Sequence[float | None] = lookup.stranger_rates or [None] * len(lookup.best_scores)
    return list(zip(lookup.best_scores, rates, strict=False))


def visible_searches(actor: Actor) -> QuerySet[Search]:
    """One's own, and those in galleries where one decides on doubtful ones."""
    searches = Search.objects.prefetch_related("galleries")
    if actor.is_site_admin:
        return searches
    # Of several galleries all must be open: the candidates are of any.
    closed = Gallery.objects.exclude(pk__in=galleries_where(actor, Role.REVIEWER))
    hidden = Gallery.objects.exclude(pk__in=visible_galleries(actor))
    of_mine = Q(actor=str(actor)) & ~Q(galleries__in=hidden)
    # Where every gallery was deleted since, nobody's role says anything.
    open_ones = searches.filter(galleries__isnull=False)
    return open_ones.filter(of_mine | ~Q(galleries__in=closed)).distinct()
