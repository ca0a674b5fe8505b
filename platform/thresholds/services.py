"""Making calibrations, and changing what a gallery asks of a match."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import Max

from accounts.actors import Actor
from audit.services import record
from common.errors import Unprocessable
from embedder import calibration as measuring
from embedder.catalogue import record_calibration
from embedder.errors import TooFewPeopleError
from people.access import require, require_site_admin
from people.catalogue import catalogue
from people.locks import lock_gallery
from people.models import Gallery, KnownModel, Role

from .models import Calibration, Duplicates, Policy
from .selectors import policy_of
from .sources import Source

OVERRIDES = frozenset({"match_score", "review_score"})


class TooFew(Unprocessable):
    """There are too few people with several photos to calibrate with."""

    code = "too_few_photos"


class BadPolicy(Unprocessable):
    """Figures that contradict each other, or an override without a reason."""

    code = "bad_policy"


def calibrate(
    actor: Actor,
    model: str,
    source: Source,
    *,
    gallery: Gallery | None = None,
    record_it: bool = False,
    progress: Callable[[int], None] = lambda _: None,
) -> Calibration:
    """Measure a model's error rates, and keep them as its newest calibration.

    Galleries whose policy names none follow it at once: all of the model, or `gallery` alone.
    With `record_it` the network's manifest carries it from then on, too.

    Raises:
        Forbidden: not for a site administrator.
        TooFew: fewer than 50 people with two photos.
        ManifestError: the manifest can't be written; nothing is kept.
    """
    require_site_admin(actor)
    try:
        found = measuring.calibrate(source.labelled, source.words, progress=progress)
    except TooFewPeopleError as error:
        raise TooFew(str(error)) from error
    if record_it:
        record_calibration(model, found, catalogue=catalogue())
    return _keep(actor, _row(found, model, gallery=gallery, made_by=str(actor)))


def _row(
    found: measuring.Calibration, model: str, *, gallery: Gallery | None = None, made_by: str
) -> Calibration:
    return Calibration(
        public_id=found.id,
        model=model,
        gallery=gallery,
        source=found.source,
        made_by=made_by,
        people=found.people,
        photos=found.photos,
        comparisons=found.counts(),
        curves=found.curves(),
    )


@transaction.atomic
def _keep(actor: Actor, calibration: Calibration) -> Calibration:
    # Two at once wait for each other, so that versions count up.
    KnownModel.objects.select_for_update().filter(name=calibration.model).first()
    before = Calibration.objects.filter(model=calibration.model)
    calibration.version = (before.aggregate(last=Max("version"))["last"] or 0) + 1
    calibration.save()
    record(
        actor,
        "thresholds.calibrate",
        f"calibration:{calibration.public_id}",
        calibration.gallery.public_id if calibration.gallery else None,
        model=calibration.model,
        version=calibration.version,
        people=calibration.people,
    )
    return calibration


def bring_recorded(actor: Actor, only: str = "") -> list[Calibration]:
    """Keep the calibrations that manifests carry, of all models or of one alone, once each.

    At every start, by `models use`, and by the clock: a network may be brought at any time.
    """
    known = set(Calibration.objects.values_list("public_id", flat=True))
    carried = [
        _row(found, model.name, made_by="manifest")
        for model in catalogue().pairs()
        if only in {"", model.name}
        if (found := model.calibration) and found.id not in known
    ]
    return [kept for row in carried if (kept := _kept_once(actor, row))]


def _kept_once(actor: Actor, row: Calibration) -> Calibration | None:
    try:
        return _keep(actor, row)
    except IntegrityError:
        return None  # another process has brought it, or brings it the next time


@transaction.atomic
def update_policy(actor: Actor, gallery: Gallery, **changes: Any) -> Policy:
    """Change a gallery's policy; thresholds follow with the next search.

    `changes` are fields of Policy, and `reason` for the audit log.

    Raises:
        Forbidden: not for an administrator of the gallery.
        BadPolicy: see `_check`.
    """
    require(actor, gallery, Role.ADMIN)
    gallery = lock_gallery(gallery.pk)
    before = policy_of(gallery)
    policy = changed_policy(gallery, **changes)
    policy.save()
    fields = [name for name in changes if name != "reason"]
    record(
        actor,
        "thresholds.policy",
        f"gallery:{gallery.public_id}",
        gallery.public_id,
        reason=changes.get("reason", ""),
        changes={
            name: [_said(getattr(before, name)), _said(getattr(policy, name))]
            for name in fields
            if getattr(before, name) != getattr(policy, name)
        },
    )
    return policy


def changed_policy(gallery: Gallery, *, reason: str = "", **changes: Any) -> Policy:
    """A gallery's policy with changes, not stored.

    Raises:
        BadPolicy: see `_check`.
    """
    policy = policy_of(gallery)
    for name, value in changes.items():
        setattr(policy, name, value)
    if OVERRIDES & changes.keys():
        policy.override_reason = reason.strip()
    _check(policy)
    return policy


def _said(value: Any) -> Any:
    return str(value.public_id) if isinstance(value, Calibration) else value


def _check(policy: Policy) -> None:
    """Raise BadPolicy unless its figures agree with each other."""
    if policy.match_fpir > policy.review_fpir:
        raise BadPolicy(
            "The target for a match is above that for a review. Ask for fewer strangers in a match."
        )
    scores = (policy.match_score, policy.review_score)
    if (scores[0] is None) != (scores[1] is None):
        raise BadPolicy("Set both scores by hand, match_score and review_score, or none.")
    if scores[0] is not None and scores[1] is not None and scores[0] < scores[1]:
        raise BadPolicy("The score for a match is below that for a review.")
    if scores[0] is not None and not policy.override_reason:
        raise BadPolicy("Scores set by hand need a reason; it stands in the audit log.")
    if policy.person_confirms and policy.duplicates == Duplicates.BLOCK:
        raise BadPolicy(
            "Where a person confirms every match, nobody can be refused as a duplicate by the "
            "machine alone. Take duplicates: review."
        )
    chosen = policy.calibration
    if chosen is not None and chosen.model != policy.gallery.model:
        raise BadPolicy(
            f"That calibration is of {chosen.model}, and the gallery's model is "
            f"{policy.gallery.model}."
        )
    if chosen is not None and chosen.gallery_id not in (None, policy.gallery_id):
        raise BadPolicy("That calibration was made from another gallery, and for it alone.")
