"""An identification as figures: what `POST /identify` answers, ready for JSON; and how it is kept.

An answer that is kept has only the ids of the people in it. Their names are read when it is shown,
and who is erased, out of searches or in another gallery by then is left out: an erasure needs to
know of no answers.
"""

from collections.abc import Iterator, Sequence
from typing import Any

from embedder.gates import Fault
from embedder.images import ImageInfo
from embedder.types import Detection, Face
from people.models import Person
from photos.faces import box_figures, landmark_figures

from .searches import Lookup, limit_figures
from .selectors import Candidate, named, still_there
from .services import Identification


def identification_figures(answer: Identification) -> dict[str, Any]:
    """All of it."""
    return {
        "search": str(answer.search),
        "photo": photo_figures(answer.info),
        "model": answer.model,
        "searched": answer.searched,
        "not_searched": [str(each) for each in answer.not_searched],
        "thresholds": limit_figures(answer.limits),
        "faces": [
            {**_lookup(each), "review": None if review is None else str(review)}
            for each, review in zip(answer.lookups, answer.reviews, strict=True)
        ],
        "timings_ms": answer.timings,
    }


def photo_figures(info: ImageInfo) -> dict[str, Any]:
    """What was sent, upright, in pixels."""
    return {
        "width": info.width,
        "height": info.height,
        "format": info.format,
        "first_frame_only": info.frames > 1,
    }


def detection_figures(detection: Detection) -> dict[str, Any]:
    """Where a face is."""
    return {
        "box": box_figures(detection.box),
        "landmarks": landmark_figures(detection.landmarks),
        "detector_score": detection.score,
    }


def face_figures(face: Face) -> dict[str, Any]:
    """The same with its quality."""
    return {**detection_figures(face.detection), "quality": face.quality.as_dict()}


def fault_figures(faults: Sequence[Fault]) -> list[dict[str, str]]:
    """What is wrong with a face as a photo."""
    return [{"code": fault.code, "text": fault.text} for fault in faults]


def _lookup(lookup: Lookup) -> dict[str, Any]:
    rates: Sequence[float | None] = lookup.stranger_rates or [None] * len(lookup.candidates)
    return {
        **face_figures(lookup.face),
        "quality_problems": fault_figures(lookup.faults),
        "decision": lookup.decision,
        "margin": _margin(lookup.stranger_rates),
        "candidates": [
            candidate_figures(each, rate)
            for each, rate in zip(lookup.candidates, rates, strict=False)
        ],
    }


def _margin(rates: Sequence[float]) -> float | None:
    """None without a second candidate."""
    return rates[1] / rates[0] if len(rates) > 1 and rates[0] > 0 else None


def candidate_figures(candidate: Candidate, rate: float | None) -> dict[str, Any]:
    """Who it may be, and how likely a stranger would score so high."""
    evidence = candidate.evidence
    return {
        "person": person_figures(candidate.person),
        "score": candidate.score,
        "stranger_rate": rate,
        "evidence": None
        if evidence is None
        else {"face": str(evidence.face), "photo": str(evidence.photo), "score": evidence.score},
    }


def person_figures(person: Person) -> dict[str, str]:
    """Who it is."""
    return {
        "id": str(person.public_id),
        "gallery": str(person.gallery.public_id),
        "external_id": person.external_id,
        "name": person.name,
    }


def without_names(figures: dict[str, Any]) -> dict[str, Any]:
    """An identification to be kept: of people it has the ids."""
    for candidate in _candidates([figures]):
        candidate["person"] = candidate["person"]["id"]
    return figures


def with_names(kept: Sequence[dict[str, Any]], galleries: Sequence[str]) -> list[dict[str, Any]]:
    """The same to be shown, with people as they are now, of these galleries (public ids).

    The decisions are those of then. Evidence that was deleted since is none.
    """
    people = named({each["person"] for each in _candidates(kept)}, galleries)
    evidence = [each["evidence"] for each in _candidates(kept) if each["evidence"]]
    faces = still_there({each["face"] for each in evidence})
    for answer in kept:
        for face in answer["faces"]:
            face["candidates"] = [
                {
                    "person": person_figures(people[each["person"]]),
                    "score": each["score"],
                    "evidence": _kept_evidence(each["evidence"], faces),
                    "stranger_rate": each["stranger_rate"],
                }
                for each in face["candidates"]
                if each["person"] in people
            ]
    return list(kept)


def _kept_evidence(evidence: dict[str, Any] | None, faces: set[str]) -> dict[str, Any] | None:
    return evidence if evidence is not None and evidence["face"] in faces else None


def _candidates(answers: Sequence[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    for answer in answers:
        for face in answer["faces"]:
            yield from face["candidates"]
