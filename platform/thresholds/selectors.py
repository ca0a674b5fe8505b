"""Which calibration and which thresholds count for a search."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from uuid import UUID

from django.db.models import Q

from embedder.calibration import MOST_PHOTOS
from embedder.calibration.curves import Curve
from people.models import Gallery
from vectors.selectors import make_up

from .deciding import Limits, Standard
from .models import Calibration, Policy
from .plotting import Plot, plot
from .searching import TIERS, Curves, MakeUp, at_size, miss_rate


def policy_of(gallery: Gallery) -> Policy:
    """A gallery's policy; that of new galleries, not stored, if nobody has changed it."""
    return Policy.objects.filter(gallery=gallery).first() or Policy(gallery=gallery)


def calibration_of(gallery: Gallery, policy: Policy | None = None) -> Calibration | None:
    """The one its policy names, else the newest of its own people, else of its model.

    One of another model is none: a gallery that has just changed its network.
    """
    return _newest(gallery.model, gallery, policy or policy_of(gallery))


def _newest(model: str, gallery: Gallery | None, policy: Policy) -> Calibration | None:
    fitting = Calibration.objects.filter(model=model).defer("curves")
    if policy.calibration_id is not None:
        named = fitting.filter(pk=policy.calibration_id).first()
        if named is not None:
            return named
    rows = list(fitting.filter(Q(gallery=gallery) | Q(gallery=None)))
    # Own ones first; here, since databases don't agree where nulls stand.
    return max(rows, key=lambda each: (each.gallery_id is not None, each.version), default=None)


def curves_of(calibration: Calibration) -> Curves:
    """Its curves, by the number of photos."""
    return _decoded(calibration.public_id)


@lru_cache(maxsize=64)
def _decoded(public_id: UUID) -> Mapping[int, Curve]:
    """A calibration never changes, so it is read once in a process.

    By its public id: a number may come again after a transaction that was rolled back.
    """
    figures = Calibration.objects.values_list("curves", flat=True).get(public_id=public_id)
    return {int(k): Curve.from_json(each) for k, each in figures.items()}


@dataclass(frozen=True, slots=True)
class Verifying:
    """What 1:1 comparisons are judged by: N is 1, so the threshold is the lowest there is."""

    curve: Curve
    target: float

    @property
    def threshold(self) -> float:
        """From this score on it is a match."""
        return self.curve.score_at(self.target)

    def fmr(self, score: float) -> float:
        """How often two people's photos score as high."""
        return self.curve.fmr(score)


def verification_standard(
    model: str, gallery: Gallery | None = None, photos: int = 1
) -> Verifying | None:
    """For a probe and a template of so many photos, as a gallery wants it or by the defaults.

    None without a calibration.
    """
    policy = policy_of(gallery) if gallery else Policy()
    calibration = _newest(model, gallery, policy)
    if calibration is None:
        return None
    return Verifying(curves_of(calibration)[min(photos, MOST_PHOTOS)], policy.verify_fmr)


def standard_of(gallery: Gallery, policy: Policy | None = None) -> Standard | None:
    """What a gallery asks of a match; None without a calibration for its model."""
    policy = policy or policy_of(gallery)
    calibration = calibration_of(gallery, policy)
    if calibration is None:
        return None
    return Standard(
        calibration=calibration.public_id,
        curves=curves_of(calibration),
        match_fpir=policy.match_fpir,
        review_fpir=policy.review_fpir,
        margin=policy.margin,
        match_score=policy.match_score,
        review_score=policy.review_score,
        person_confirms=policy.person_confirms,
    )


def policies_of(galleries: Sequence[Gallery]) -> dict[int, Policy]:
    """The policies of several galleries, by the galleries' keys. One query."""
    stored = {each.gallery_id: each for each in Policy.objects.filter(gallery__in=galleries)}
    return {each.pk: stored.get(each.pk) or Policy(gallery=each) for each in galleries}


def limits(
    galleries: Sequence[Gallery],
    among: MakeUp | None = None,
    policies: Mapping[int, Policy] | None = None,
) -> Limits | None:
    """The thresholds of a search of these galleries now, or among some of their people.

    By `policies`, if they have been read already. None when one of them has no calibration for its
    model: then there are scores, and no decisions.
    """
    policies = policies or policies_of(galleries)
    standards = [standard_of(gallery, policies[gallery.pk]) for gallery in galleries]
    known = tuple(each for each in standards if each is not None)
    if len(known) < len(standards):
        return None
    return Limits(make_up(galleries) if among is None else among, known)


@dataclass(frozen=True, slots=True)
class Outlook:
    """What a policy means in a gallery of some size."""

    searched: int
    tier: int
    match: float
    review: float
    match_fpir: float
    review_fpir: float
    match_fnir: float
    review_fnir: float


def outlooks(gallery: Gallery, policy: Policy) -> list[Outlook]:
    """At today's size and at ten times; none without a calibration of the gallery's model."""
    standard = standard_of(gallery, policy)
    if standard is None:
        return []
    counts = make_up([gallery])
    now = max(sum(counts.values()), 1)
    return [outlook_of(standard, at_size(counts, size)) for size in (now, 10 * now)]


def tier_outlooks(gallery: Gallery, policy: Policy) -> list[Outlook]:
    """What it would mean at the upper end of each tier; none without a calibration."""
    standard = standard_of(gallery, policy)
    if standard is None:
        return []
    counts = make_up([gallery])
    return [outlook_of(standard, at_size(counts, size)) for size in TIERS]


def plot_of(gallery: Gallery) -> tuple[Calibration, Plot] | None:
    """The gallery's calibration, drawn at today's size and at ten times; None without one."""
    calibration = calibration_of(gallery)
    if calibration is None:
        return None
    counts = make_up([gallery])
    now = max(sum(counts.values()), 1)
    return calibration, plot(curves_of(calibration), counts, (now, 10 * now))


def outlook_of(standard: Standard, counts: MakeUp) -> Outlook:
    """What a standard means for a make-up."""
    asked = Limits(counts, (standard,))
    return Outlook(
        searched=asked.searched,
        tier=asked.tier,
        match=asked.match,
        review=asked.review,
        match_fpir=asked.stranger_rate(asked.match),
        review_fpir=asked.stranger_rate(asked.review),
        match_fnir=miss_rate(standard.curves, counts, asked.match),
        review_fnir=miss_rate(standard.curves, counts, asked.review),
    )
