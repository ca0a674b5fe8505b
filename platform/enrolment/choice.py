"""Which face of an enrolment photo is meant. Never a silent choice."""

from collections.abc import Sequence
from dataclasses import dataclass

from embedder.gates import Gates
from embedder.types import Box, Detection, Face
from people.models import SeveralFaces
from photos.faces import best_under, nearest_centre, widest

# A face less than half as wide as the widest is somebody in the background, no rival for the
# photo's subject.
RIVAL_SHARE = 0.5


@dataclass(frozen=True, slots=True)
class Choice:
    """The index of the face meant, or why there is none: a stable code and a sentence."""

    index: int | None
    code: str = ""
    text: str = ""


def choose(
    faces: Sequence[Face],
    *,
    size: tuple[int, int],
    gates: Gates | None,
    several_faces: SeveralFaces,
    box: Box | None = None,
) -> Choice:
    """The face to enrol from a photo of `size` (width, height) in pixels.

    A given box wins over the policy for several faces. The face chosen must pass the gates, if
    there are any.
    """
    if not faces:
        return Choice(
            None,
            "no_face",
            "No face was found. Send a photo in which the face is well lit and turned to the "
            "camera.",
        )
    detections = [face.detection for face in faces]
    picked = (
        _under_box(detections, box)
        if box is not None
        else _by_policy(detections, size, several_faces)
    )
    if picked.index is None or gates is None:
        return picked
    return _good_enough(faces[picked.index], picked, gates)


def _under_box(detections: Sequence[Detection], box: Box) -> Choice:
    best = best_under(detections, box)
    if best is not None:
        return Choice(best)
    return Choice(
        None,
        "no_face_in_box",
        "No face was found in the box given. Draw it around one of the faces listed.",
    )


def _by_policy(
    detections: Sequence[Detection], size: tuple[int, int], policy: SeveralFaces
) -> Choice:
    largest = widest(detections)
    if policy is SeveralFaces.LARGEST:
        return Choice(largest)
    if policy is SeveralFaces.CENTRAL:
        return Choice(nearest_centre(detections, size))
    threshold = RIVAL_SHARE * detections[largest].box.width
    rivals = sum(1 for each in detections if each.box.width >= threshold)
    if rivals > 1:
        return Choice(
            None,
            "several_faces",
            f"{rivals} faces were found. Crop the photo to one person, or say which face is "
            "meant with a box or a policy.",
        )
    return Choice(largest)


def _good_enough(face: Face, picked: Choice, gates: Gates) -> Choice:
    """The choice, unless the face has faults: the plainest one's code, and a sentence for each."""
    faults = gates.faults(face.detection.box, face.quality)
    if not faults:
        return picked
    return Choice(None, faults[0].code, " ".join(fault.text for fault in faults))
