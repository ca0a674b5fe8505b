"""Identify (1:N) and detect; `verification.py` compares 1:1.

The probe is embedded in the process that answers: one picture, low latency. Nothing of it is
stored, unless a gallery's policy wants it (`probes.py`).
"""

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import partial
from hashlib import sha256
from time import perf_counter
from uuid import UUID

import numpy as np
from django.db import transaction

from accounts.actors import Actor
from common.errors import NotFound, Problem, Unprocessable
from embedder.gates import DEFAULT_GATES, Fault, Gates, strictest
from embedder.images import DecodedImage, ImageInfo
from embedder.types import Box, Detection, Face, Quality
from people.access import require, require_member
from people.catalogue import default_model, installed_model
from people.models import Gallery, Person, Role
from people.selectors import root_of
from photos import pipeline
from photos.faces import best_under, nearest_centre, widest
from photos.intake import decode_photo
from thresholds.deciding import Decision, Limits
from thresholds.models import Policy
from thresholds.selectors import limits, policies_of
from vectors.codec import DIMENSION, FloatArray
from vectors.errors import IndexUnavailable
from vectors.milvus import ping
from vectors.selectors import Match, make_up, search, search_among

from .probes import keep_and_ask
from .searches import Answered, Asked, Lookup, log_searches
from .selectors import Candidate, candidates
from .timing import Stopwatch, counted

# A crowd's smaller faces are listed by `detect`; a lookup of more would keep the server busy for
# one caller. The largest are taken.
MAX_PROBES = 32
RUNNER_UP = 2
# Whoever verifies two photos has no gallery to set limits. A small face is compared: that costs
# accuracy, which the score shows.
VERIFY_GATES = replace(DEFAULT_GATES, min_face=None)


class Probes(StrEnum):
    """Which of the faces on a photo to look up."""

    ALL = "all"
    CENTRAL = "central"
    LARGEST = "largest"


@dataclass(frozen=True, slots=True)
class Question:
    """Who asks, and how to look faces up, of one photo or many; checked, so that it can be done.

    policies: of the galleries, by their keys. people: the keys of those to search alone; None
    searches the galleries. not_searched: of a list, those whom searches don't find. queue: whether
    doubtful faces come before reviewers, where a gallery says so.
    """

    actor: Actor
    galleries: Sequence[Gallery]
    policies: Mapping[int, Policy]
    model: str
    people: list[int] | None
    not_searched: list[UUID]
    top_k: int
    any_quality: bool
    reason: str
    queue: bool


@dataclass(frozen=True, slots=True)
class Findings:
    """What came of looking faces up together: a lookup for each, in their order."""

    limits: Limits | None
    searched: int
    lookups: list[Lookup]


@dataclass(frozen=True, slots=True)
class Identification:
    """The answer to a photo, and the entry of the search log.

    not_searched: of a list of people, those whom searches don't find: held, or out of searches.
    reviews: of each face, the review that it was queued for, if it was.
    """

    search: UUID
    info: ImageInfo
    model: str
    limits: Limits | None
    searched: int
    not_searched: list[UUID]
    lookups: list[Lookup]
    reviews: list[UUID | None]
    timings: dict[str, float]


@dataclass(frozen=True, slots=True)
class FoundFace:
    """A face without template, and what is wrong with it as a photo."""

    detection: Detection
    quality: Quality
    faults: list[Fault]


@dataclass(frozen=True, slots=True)
class Found:
    """The faces on a photo."""

    info: ImageInfo
    model: str
    faces: list[FoundFace]
    timings: dict[str, float]


@counted("identify")
def identify(
    actor: Actor,
    galleries: Sequence[Gallery],
    data: bytes,
    *,
    top_k: int = 5,
    faces: Probes = Probes.ALL,
    box: Box | None = None,
    any_quality: bool = False,
    among: Sequence[UUID] | None = None,
    reason: str = "",
    queue: bool = True,
) -> Identification:
    """Look up the faces of a photo in galleries that share one model, and decide.

    A given `box` chooses the face it overlaps most; no face found is an answer, not an error. A
    face that is too poor to be compared is looked up all the same, and gets a decision only with
    `any_quality`. `among` (public ids) searches these people alone: N is their number then. The
    search is in the log before it is answered. Doubtful faces come before reviewers where a gallery
    says so, unless `queue` is False: who looks up for an enrolment asks another question.

    Raises:
        BadPhoto, TooLarge: the file can't be used.
        Problem: the galleries have several models (`several_models`).
        NotFound: somebody of `among` is in none of the galleries.
        Unprocessable: a gallery wants to know why (`reason_required`).
        IndexUnavailable: Milvus is away or the index is not ready; never "no match".
    """
    asked = question(
        actor, galleries, top_k=top_k, any_quality=any_quality, among=among, reason=reason,
        queue=queue,
    )  # fmt: skip
    watch = Stopwatch("identify")
    with watch.stage("decode"):
        image = decode_photo(data)
    choose = partial(chosen, image.info, faces=faces, box=box)
    found = look_up(asked, _recognise(asked.model, image, choose, watch), watch)
    with watch.stage("log"):
        photo = Answered(sha256(data).hexdigest(), found.lookups, lambda: image)
        (entry,) = log(asked, found, [photo])
    return Identification(
        entry.search,
        image.info,
        asked.model,
        found.limits,
        found.searched,
        asked.not_searched,
        found.lookups,
        entry.reviews,
        watch.milliseconds(),
    )


def question(
    actor: Actor,
    galleries: Sequence[Gallery],
    *,
    top_k: int = 5,
    any_quality: bool = False,
    among: Sequence[UUID] | None = None,
    reason: str = "",
    queue: bool = True,
) -> Question:
    """What somebody wants to know, if they may ask it and it can be answered.

    Raises as `identify` does, before a photo is looked at.
    """
    for gallery in galleries:
        require(actor, gallery, Role.VIEWER)
    model = _one_model(galleries)
    people, missing = (None, []) if among is None else _people(galleries, among)
    policies = policies_of(galleries)
    _check_reason(policies.values(), reason)
    return Question(
        actor, galleries, policies, model, people, missing, top_k, any_quality, reason, queue
    )


def look_up(asked: Question, faces: Sequence[Face], watch: Stopwatch) -> Findings:
    """Search for all these faces together, and decide on each.

    Raises:
        IndexUnavailable: Milvus is away or the index is not ready; never "no match".
    """
    galleries = asked.galleries
    probes = np.array([face.template for face in faces], np.float32).reshape(-1, DIMENSION)
    with watch.stage("search"):
        matches, counts = _search(galleries, probes, asked.people, max(asked.top_k, RUNNER_UP))
    with watch.stage("thresholds"):
        standard = limits(galleries, counts, asked.policies)
    with watch.stage("score"):
        ranked = candidates(galleries, probes, matches)
    with watch.stage("decide"):
        probing = None if asked.any_quality else _probe_gates(asked.policies.values())
        enrolling = strictest([gallery.gates for gallery in galleries])
        lookups = [
            Lookup(
                face,
                best[: asked.top_k],
                _faults(face, enrolling),
                _decision(face, best, standard, probing),
                [standard.stranger_rate(each.score) for each in best] if standard else [],
                [each.score for each in best[:RUNNER_UP]],
            )
            for face, best in zip(faces, ranked, strict=True)
        ]
    return Findings(standard, sum(counts.values()), lookups)


@dataclass(frozen=True, slots=True)
class Logged:
    """A photo's entry of the search log, and each face's review, if it has one."""

    search: UUID
    reviews: list[UUID | None]


@transaction.atomic
def log(asked: Question, found: Findings, photos: Sequence[Answered]) -> list[Logged]:
    """Write into the search log what is about to be answered; an entry for each photo.

    With it goes what a policy keeps of the faces, and what reviewers are asked.
    """
    among = None if asked.people is None else len(asked.people)
    wanted = Asked(asked.actor, asked.galleries, asked.reason, among)
    entries = log_searches(wanted, asked.model, found.searched, found.limits, photos)
    queued = found.limits if asked.queue else None
    return [
        Logged(entry.public_id, keep_and_ask(entry, asked.policies, queued, photo))
        for entry, photo in zip(entries, photos, strict=True)
    ]


def _check_reason(policies: Iterable[Policy], reason: str) -> None:
    if reason.strip():
        return
    if any(policy.requires_reason for policy in policies):
        raise Unprocessable(
            "This gallery wants a reason for each lookup, such as a case number: send `reason`.",
            code="reason_required",
        )


def _people(
    galleries: Sequence[Gallery], public_ids: Sequence[UUID]
) -> tuple[list[int], list[UUID]]:
    """The keys of those to search, and the ids of those whom searches don't find.

    Whoever turned out to be somebody else is searched as that one.
    """
    wanted = set(public_ids)
    people = Person.objects.filter(public_id__in=wanted, gallery__in=galleries)
    found = list(people.order_by("pk"))
    if len(found) < len(wanted):
        raise NotFound("person")
    roots = {each.public_id: root_of(each) for each in found}
    missing = [public_id for public_id, root in roots.items() if not root.active]
    return sorted({root.pk for root in roots.values() if root.active}), missing


def _search(
    galleries: Sequence[Gallery], probes: FloatArray, people: list[int] | None, limit: int
) -> tuple[list[list[Match]], Mapping[int, int]]:
    """Matches of each probe, `limit` at most, and what was searched."""
    if people is not None:
        return search_among(galleries, people, probes, limit)
    # Two at least are asked for: whether a match is clear depends on the second.
    return search(galleries, probes, limit), make_up(galleries)


def _recognise(
    model: str, image: DecodedImage, choose: pipeline.Choice, watch: Stopwatch
) -> list[Face]:
    """The chosen faces; what isn't computing is waiting for other lookups."""
    before = perf_counter()
    recognised = pipeline.recognise(model, image, choose)
    computing = recognised.detecting + recognised.embedding
    watch.add("wait", perf_counter() - before - computing)
    watch.add("detect", recognised.detecting)
    watch.add("embed", recognised.embedding)
    return recognised.faces


def _one_model(galleries: Sequence[Gallery]) -> str:
    models = sorted({gallery.model for gallery in galleries})
    if len(models) != 1:
        raise Problem(
            f"These galleries use the models {', '.join(models)}, whose templates can't be "
            "compared. Search them one by one.",
            code="several_models",
        )
    return models[0]


def chosen(
    info: ImageInfo, detections: Sequence[Detection], faces: Probes, box: Box | None = None
) -> list[Detection]:
    """Which of the faces found on a photo are looked up."""
    if not detections:
        return []
    if box is not None:
        pointed = best_under(detections, box)
        return [] if pointed is None else [detections[pointed]]
    if faces is Probes.LARGEST:
        return [detections[widest(detections)]]
    if faces is Probes.CENTRAL:
        size = (info.width, info.height)
        return [detections[nearest_centre(detections, size)]]
    return list(detections[:MAX_PROBES])


def _probe_gates(policies: Iterable[Policy]) -> Gates:
    """What a probe must be like to be decided on: size is no matter, the score shows it."""
    least = max(policy.min_probe_quality for policy in policies)
    return replace(VERIFY_GATES, min_quality=least)


def _decision(
    face: Face, best: Sequence[Candidate], asked: Limits | None, probing: Gates | None
) -> Decision | None:
    if asked is None:
        return None
    if probing is not None and _faults(face, probing):
        return Decision.POOR_QUALITY
    return asked.decide([each.score for each in best])


def _faults(face: Face, gates: Gates) -> list[Fault]:
    return gates.faults(face.detection.box, face.quality)


def warm_up() -> None:
    """Load the networks and open the connection to the index, before somebody waits for them."""
    pipeline.warm_up()
    # Milvus may come later; then the first lookup connects.
    with suppress(IndexUnavailable):
        ping()


@counted("detect")
def detect(actor: Actor, data: bytes, *, model: str = "") -> Found:
    """Find the faces of a photo, with what a gallery of default settings would say of them.

    Without `model` by that of new galleries.

    Raises:
        UnknownModel: no such model is installed.
        BadPhoto, TooLarge: the file can't be used.
        Forbidden: the actor has a role nowhere.
    """
    require_member(actor)
    model = installed(model)
    watch = Stopwatch("detect")
    with watch.stage("decode"):
        image = decode_photo(data)
    with watch.stage("detect"):
        detections = pipeline.detect(model, [image])[0]
        qualities = pipeline.assess(model, image, detections)
    faces = [
        FoundFace(detection, quality, DEFAULT_GATES.faults(detection.box, quality))
        for detection, quality in zip(detections, qualities, strict=True)
    ]
    return Found(image.info, model, faces, watch.milliseconds())


def installed(model: str) -> str:
    """A model's name, or that of new galleries. Raises UnknownModel: it isn't installed."""
    return installed_model(model).name if model else default_model()
