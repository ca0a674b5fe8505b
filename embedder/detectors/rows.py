"""From rows of arrays, which detectors compute with, to the detections of each picture."""

from __future__ import annotations

from embedder.detectors.nms import Floats, Indices
from embedder.types import Box, Detection, Landmarks


def detections(
    pictures: int, image: Indices, boxes: Floats, points: Floats, scores: Floats
) -> list[list[Detection]]:
    """The faces of each of so many pictures, in the order of the rows.

    image (N,): which picture; boxes (N, 4): x1, y1, x2, y2; points (N, 5, 2); scores (N,).
    """
    found: list[list[Detection]] = [[] for _ in range(pictures)]
    rows = zip(image.tolist(), boxes.tolist(), points.tolist(), scores.tolist(), strict=True)
    for index, (x1, y1, x2, y2), marks, score in rows:
        a, b, c, d, e = ((x, y) for x, y in marks)
        box = Box(x1, y1, x2 - x1, y2 - y1)
        found[index].append(Detection(box, Landmarks((a, b, c, d, e)), score))
    return found
