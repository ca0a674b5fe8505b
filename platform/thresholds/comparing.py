"""What a gallery would miss with each model that was calibrated, as large as it is.

Accuracy hides what a large gallery does to a network: the threshold rises with N until a weak one
lets nobody through. What each model would miss follows from its own calibration, for the gallery's
mix of photos and its policy's targets; whether the model is installed is no matter.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from django.db.models import Q

from people.catalogue import catalogue
from people.models import Gallery
from vectors.selectors import make_up

from .deciding import Standard
from .models import Calibration, Policy
from .searching import MakeUp, at_size
from .selectors import Outlook, calibration_of, curves_of, outlook_of

# A model that misses fewer by less than this is no better: calibrations are of different people.
BETTER = 0.9
# Who misses so many deserves a sentence even if nothing is better.
MANY = 0.5


@dataclass(frozen=True, slots=True)
class ModelOutlook:
    """A model with its newest calibration, in a gallery of today's size and of ten times that."""

    model: str
    calibration: Calibration
    current: bool
    installed: bool
    now: Outlook
    later: Outlook
    better: bool = False


def model_outlooks(gallery: Gallery, policy: Policy) -> list[ModelOutlook]:
    """Of each model with a calibration, the one that misses least first.

    All by the policy's targets: a score set by hand is one of the gallery's own model alone.
    Calibrations of other galleries' people are theirs, and count for nothing here.
    """
    counts = make_up([gallery])
    installed = set(catalogue().models())
    usable = Calibration.objects.filter(Q(gallery=gallery) | Q(gallery=None)).defer("curves")
    newest = _newest(usable)
    own = calibration_of(gallery, policy)
    if own is not None:
        newest[own.model] = own
    found = [
        _of(each, policy, counts, gallery.model, installed=each.model in installed)
        for each in newest.values()
    ]
    return sorted(_judged(found), key=lambda each: (each.now.match_fnir, each.model))


def _newest(calibrations: Iterable[Calibration]) -> dict[str, Calibration]:
    """Of each model: the newest of the gallery's own people, else of the model."""
    ordered = sorted(calibrations, key=lambda each: (each.gallery_id is not None, each.version))
    return {each.model: each for each in ordered}


def _of(
    calibration: Calibration, policy: Policy, counts: MakeUp, current: str, *, installed: bool
) -> ModelOutlook:
    standard = Standard(
        calibration=calibration.public_id,
        curves=curves_of(calibration),
        match_fpir=policy.match_fpir,
        review_fpir=policy.review_fpir,
        margin=policy.margin,
    )
    now = max(sum(counts.values()), 1)
    return ModelOutlook(
        model=calibration.model,
        calibration=calibration,
        current=calibration.model == current,
        installed=installed,
        now=outlook_of(standard, at_size(counts, now)),
        later=outlook_of(standard, at_size(counts, 10 * now)),
    )


def _judged(found: Sequence[ModelOutlook]) -> list[ModelOutlook]:
    current = next((each for each in found if each.current), None)
    if current is None:
        return list(found)
    limit = BETTER * current.now.match_fnir
    return [replace(each, better=each.now.match_fnir < limit) for each in found]


def verdict(gallery: Gallery, found: Sequence[ModelOutlook]) -> str:
    """What to do about the model, in a sentence; empty if nothing needs to be done.

    `found` is sorted, as `model_outlooks` gives it.
    """
    current = next((each for each in found if each.current), None)
    if current is None:
        return ""
    missed = (
        f"With {current.model} an expected {current.now.match_fnir:.0%} of searches of enrolled "
        f"people end without a match, {current.later.match_fnir:.0%} at ten times the size."
    )
    best = found[0]
    if best.better:
        pull = "" if best.installed else f"`manage.py models pull {best.model}`, then "
        return (
            f"{missed} {best.model} would miss {best.now.match_fnir:.0%}: {pull}`manage.py vectors "
            f"rebuild --gallery {gallery.slug} --model {best.model}`."
        )
    if current.now.match_fnir < MANY:
        return ""
    return (
        f"{missed} No model with a calibration is better: calibrate a stronger one (`manage.py "
        "calibrate --images FOLDER --model MODEL`), enrol more photos of each person, or accept "
        "more reviews."
    )
