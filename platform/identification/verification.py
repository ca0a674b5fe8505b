"""Verify (1:1): two photos, or a photo and somebody enrolled."""

from collections.abc import Sequence
from dataclasses import dataclass

from accounts.actors import Actor
from common.errors import Conflict, Problem, Unprocessable
from embedder.images import DecodedImage, ImageInfo
from embedder.types import Detection, Face
from people.access import require, require_member
from people.models import Gallery, Held, Person, Role
from photos import pipeline
from photos.intake import decode_photo
from thresholds.selectors import Verifying, verification_standard
from vectors.codec import decode
from vectors.models import PersonTemplate

from .services import VERIFY_GATES, installed
from .timing import Stopwatch, counted


@dataclass(frozen=True, slots=True)
class Verification:
    """The score of two photos' faces, or of a photo's and a person's template, and those faces.

    threshold: the score from which on it is a match; None without a calibration. fmr: how often
    two people's photos score as high.
    """

    score: float
    threshold: float | None
    fmr: float | None
    model: str
    faces: tuple[Face, ...]
    infos: tuple[ImageInfo, ...]
    timings: dict[str, float]


@counted("verify")
def verify(
    actor: Actor, first: bytes, second: bytes, *, model: str = "", gallery: Gallery | None = None
) -> Verification:
    """Compare the faces of two photos, each of which must show exactly one.

    By the model and the policy of `gallery`, or by `model`, that of new galleries if none is named,
    and the defaults.

    Raises:
        UnknownModel: no such model is installed.
        BadPhoto, TooLarge: a file can't be used.
        Unprocessable: a photo shows no face or several (`no_face`, `several_faces`), or one that
            is too poor to compare, with the code of its plainest fault (`embedder.gates`).
        Forbidden: the actor has a role nowhere, or none in the gallery (NotFound).
    """
    if gallery is None:
        require_member(actor)
        model = installed(model)
    else:
        require(actor, gallery, Role.VIEWER)
        model = gallery.model
    watch = Stopwatch("verify")
    faces, infos = _single_faces(model, [first, second], watch)
    score = float(faces[0].template @ faces[1].template)
    judged = _judged(score, verification_standard(model, gallery))
    return Verification(score, *judged, model, faces, infos, watch.milliseconds())


@counted("verify")
def verify_person(actor: Actor, person: Person, data: bytes) -> Verification:
    """Compare a photo, which must show exactly one face, with an enrolled person's template.

    By the gallery's own policy, and the error rates of templates of as many photos.

    Raises:
        NotFound, Forbidden: as `people.access.require`.
        BadPhoto, TooLarge: the file can't be used.
        Conflict: they turned out to be somebody else (`merged`), are held (`held`), or out of
            searches (`inactive`): then nobody passes for them.
        Unprocessable: as `verify`; the person has no template (`not_enrolled`).
    """
    gallery = person.gallery
    require(actor, gallery, Role.VIEWER)
    _check_counts(person)
    template = PersonTemplate.objects.filter(person=person, model=gallery.model).first()
    if template is None:
        raise Unprocessable(
            "Nobody can be compared with this person: no photo of theirs is enrolled. Add one.",
            code="not_enrolled",
        )
    watch = Stopwatch("verify")
    faces, infos = _single_faces(gallery.model, [data], watch)
    score = float(decode(bytes(template.vector)) @ faces[0].template)
    standard = verification_standard(gallery.model, gallery, template.face_count)
    judged = _judged(score, standard)
    return Verification(score, *judged, gallery.model, faces, infos, watch.milliseconds())


def _check_counts(person: Person) -> None:
    """Raise Conflict for whoever searches don't find, either."""
    if person.merged_into is not None:
        raise Conflict(
            "This person turned out to be another. Compare with that one.",
            code="merged",
            person=str(person.merged_into.public_id),
        )
    if person.held:
        raise Conflict(
            f"Nobody is compared with this person: {Held(person.held).label}.", code="held"
        )
    if not person.active:
        raise Conflict(
            "This person is out of searches. Activate them to compare with them.", code="inactive"
        )


def _single_faces(
    model: str, photos: Sequence[bytes], watch: Stopwatch
) -> tuple[tuple[Face, ...], tuple[ImageInfo, ...]]:
    """The one usable face of each photo."""
    with watch.stage("decode"):
        images = [_decode_numbered(number, data) for number, data in enumerate(photos, start=1)]
    with watch.stage("detect"):
        detections = pipeline.detect(model, images)
    for number, found in enumerate(detections, start=1):
        _check_one_face(number, found)
    with watch.stage("embed"):
        faces = tuple(face for (face,) in pipeline.embed(model, images, detections))
    for number, face in enumerate(faces, start=1):
        _check_usable(number, face)
    return faces, tuple(image.info for image in images)


def _judged(score: float, standard: Verifying | None) -> tuple[float | None, float | None]:
    """The threshold, and the FMR at the score."""
    return (None, None) if standard is None else (standard.threshold, standard.fmr(score))


def _decode_numbered(number: int, data: bytes) -> DecodedImage:
    """Decode one of the photos; an error says which."""
    try:
        return decode_photo(data)
    except Problem as problem:
        problem.members["photo"] = number
        raise


def _check_one_face(number: int, found: Sequence[Detection]) -> None:
    if len(found) == 1:
        return
    code = "several_faces" if found else "no_face"
    count = len(found) or "no"
    raise Unprocessable(
        f"Photo {number} shows {count} face{'' if len(found) == 1 else 's'}; it must show exactly "
        "one. Crop it or send another.",
        code=code,
        photo=number,
    )


def _check_usable(number: int, face: Face) -> None:
    faults = VERIFY_GATES.faults(face.detection.box, face.quality)
    if not faults:
        return
    raise Unprocessable(
        f"Photo {number}: " + " ".join(fault.text for fault in faults),
        code=faults[0].code,
        photo=number,
        quality=face.quality.as_dict(),
    )
