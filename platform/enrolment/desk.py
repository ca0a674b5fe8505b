"""Enrolment at a registration desk: verify, look for, admit.

The photo of an identity document and the live one are compared first (1:1), so that whoever stands
there is whom the document shows. Then the live one is looked up in the gallery (1:N), so that the
desk learns at once whether they seem to be enrolled; what counts is the look that the worker has
before anybody is found (`admitting`). Of the document nothing is kept but what it scored.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.db import transaction

from accounts.actors import Actor
from audit.services import record
from common.errors import Conflict, Problem, Unprocessable
from identification.probes import give_probes_to
from identification.selectors import Candidate
from identification.services import Identification, Probes, identify
from identification.verification import Verification, verify
from people.access import require
from people.models import Gallery, Person, Role, SeveralFaces
from people.services import create_person
from photos.intake import Intake, examine
from photos.models import Photo
from photos.services import receive
from thresholds.deciding import Decision
from thresholds.models import Duplicates, Policy
from thresholds.selectors import policy_of
from vectors.errors import IndexUnavailable

from .choice import RIVAL_SHARE

REASON = "enrolment"
# The face that is looked up is the one that will be enrolled.
_WANTED = {
    SeveralFaces.REJECT: Probes.ALL,
    SeveralFaces.CENTRAL: Probes.CENTRAL,
    SeveralFaces.LARGEST: Probes.LARGEST,
}


@dataclass(frozen=True, slots=True)
class Arrived:
    """Somebody who may be enrolled: their live photo, and what was found.

    verification: of document and live photo; None without a document. search: of the live photo;
    None if the index was away: then it is looked up before they are found.
    """

    intake: Intake
    verification: Verification | None
    search: Identification | None


@dataclass(frozen=True, slots=True)
class Enrolled:
    """Somebody new, their photo, and what was found before."""

    person: Person
    photo: Photo
    found: Arrived


def look_at(actor: Actor, gallery: Gallery, live: bytes, document: bytes | None) -> Arrived:
    """Compare and look up; nothing is written but the search, and why somebody was refused.

    Raises:
        Forbidden: the actor enrols nobody in the gallery.
        BadPhoto, TooLarge: a file can't be used.
        Unprocessable: the gallery wants a document (`document_required`); it can't be compared
            without a calibration (`not_calibrated`); it shows somebody else (`identity_mismatch`);
            a photo doesn't show exactly one usable face, with its code.
        Conflict: they seem to be enrolled, and the gallery refuses such (`likely_duplicate`).
    """
    require(actor, gallery, Role.OPERATOR)
    policy = policy_of(gallery)
    if document is None and policy.requires_document:
        raise Unprocessable(
            "This gallery wants a photo of the identity document: send `document`, too.",
            code="document_required",
        )
    intake = examine(live)
    verification = None if document is None else _verified(actor, gallery, policy, document, live)
    return Arrived(intake, verification, _looked_up(actor, gallery, policy, live))


@transaction.atomic
def enrol_at_desk(actor: Actor, gallery: Gallery, arrived: Arrived, **fields: Any) -> Enrolled:
    """Make a person (`fields`) of whoever was looked at.

    Raises:
        Forbidden: the actor enrols nobody in the gallery.
        Conflict: the external id is taken (`external_id_taken`).
    """
    person = create_person(actor, gallery, **fields)
    photo, _ = receive(actor, gallery, person, arrived.intake)
    if arrived.search is not None:
        give_probes_to(person, arrived.search.search)
    return Enrolled(person, photo, arrived)


def _verified(
    actor: Actor, gallery: Gallery, policy: Policy, document: bytes, live: bytes
) -> Verification:
    found = _compared(actor, gallery, document, live)
    if found.threshold is None:
        if policy.requires_document:
            raise Unprocessable(
                "Document and live photo can't be judged: there is no calibration of the gallery's "
                "model. Make one: manage.py calibrate.",
                code="not_calibrated",
            )
    elif found.score < found.threshold:
        _refuse(actor, gallery, "identity_mismatch", score=round(found.score, 4))
        raise Unprocessable(
            "The document shows somebody else than the live photo. Compare them yourself; if they "
            "are one person, take better photos.",
            code="identity_mismatch",
            score=found.score,
            threshold=found.threshold,
            fmr=found.fmr,
        )
    return found


def _compared(actor: Actor, gallery: Gallery, document: bytes, live: bytes) -> Verification:
    """What is wrong with one of the two is said of it by its name."""
    try:
        return verify(actor, live, document, gallery=gallery)
    except Problem as problem:
        number = problem.members.pop("photo", None)
        if number is not None:
            name = ("live", "document")[number - 1]
            problem.members["field"] = name
            problem.detail = f"{name}: {problem.detail}"
        raise


def _looked_up(
    actor: Actor, gallery: Gallery, policy: Policy, live: bytes
) -> Identification | None:
    try:
        wanted = _WANTED[SeveralFaces(gallery.several_faces)]
        found = identify(actor, [gallery], live, faces=wanted, reason=REASON, queue=False)
    except IndexUnavailable:
        return None
    if not found.lookups:
        raise Unprocessable(
            "No face was found on the live photo. Take one in which the face is well lit and "
            "turned to the camera.",
            code="no_face",
        )
    if gallery.several_faces == SeveralFaces.REJECT:
        _check_alone(found)
    alike = likely(found)
    if alike and policy.duplicates == Duplicates.BLOCK:
        _refuse(actor, gallery, "likely_duplicate", search=str(found.search))
        raise Conflict(
            "They seem to be enrolled already. Look at the candidates.",
            code="likely_duplicate",
            search=str(found.search),
            candidates=[str(each.person.public_id) for each, _ in alike],
        )
    return found


def _check_alone(found: Identification) -> None:
    """As enrolment will judge the photo: faces far behind are nobody's rivals."""
    widths = [each.face.detection.box.width for each in found.lookups]
    rivals = sum(1 for each in widths if each >= RIVAL_SHARE * max(widths))
    if rivals > 1:
        raise Unprocessable(
            f"The live photo shows {rivals} faces. Take one of a single person.",
            code="several_faces",
        )


def likely(search: Identification) -> list[tuple[Candidate, float]]:
    """Those enrolled who may be the one looked up, each with its stranger_rate."""
    if search.limits is None or not search.lookups:
        return []
    # Others are far behind: `_check_alone`.
    lookup = max(search.lookups, key=lambda each: each.face.detection.box.width)
    if lookup.decision == Decision.NO_MATCH:
        return []
    rated = zip(lookup.candidates, lookup.stranger_rates, strict=False)
    return [(each, rate) for each, rate in rated if each.score >= search.limits.review]


def _refuse(actor: Actor, gallery: Gallery, code: str, **details: Any) -> None:
    target = f"gallery:{gallery.public_id}"
    record(actor, "enrolment.refuse", target, gallery.public_id, code=code, **details)
