"""Pointing at one of the faces on a photo."""

from collections.abc import Sequence

from embedder.types import Box, Detection, Landmarks

# How much a face must overlap (intersection over union) the box that somebody drew.
BOX_OVERLAP = 0.3


# A hundredth of a pixel is finer than any detector sees.
_DIGITS = 2


def box_figures(box: Box) -> dict[str, float]:
    """A box as the database and the API have it, in pixels of the upright photo."""
    sides = {"x": box.x, "y": box.y, "width": box.width, "height": box.height}
    return {name: round(value, _DIGITS) for name, value in sides.items()}


def landmark_figures(landmarks: Landmarks) -> list[list[float]]:
    """Five [x, y], likewise."""
    return [[round(x, _DIGITS), round(y, _DIGITS)] for x, y in landmarks.points]


def nearest_centre(detections: Sequence[Detection], size: tuple[int, int]) -> int:
    """The index of the face whose middle is nearest that of a photo of (width, height) pixels."""
    x, y = size[0] / 2, size[1] / 2

    def distance(index: int) -> float:
        centre = detections[index].box.centre
        return (centre[0] - x) ** 2 + (centre[1] - y) ** 2

    return min(range(len(detections)), key=distance)


def widest(detections: Sequence[Detection]) -> int:
    """The index of the widest face."""
    return max(range(len(detections)), key=lambda index: detections[index].box.width)


def best_under(detections: Sequence[Detection], box: Box) -> int | None:
    """The index of the face that a box points at, or None if none overlaps it enough."""
    if not detections:
        return None
    best = max(range(len(detections)), key=lambda index: detections[index].box.iou(box))
    return best if detections[best].box.iou(box) >= BOX_OVERLAP else None
