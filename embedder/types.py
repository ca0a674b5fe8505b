"""The values that cross the package's boundary. All of them are immutable."""

from __future__ import annotations

from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray

RgbImage = NDArray[np.uint8]
"""(H, W, 3), 8 bits a channel, in the order red, green, blue."""

Template = NDArray[np.float32]
"""(128,), of unit length: the dot product of two is their cosine similarity."""

TEMPLATE_DIM = 128

Point = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle in pixels of the upright original photo; (x, y) is its top left corner."""

    x: float
    y: float
    width: float
    height: float

    @property
    def right(self) -> float:
        """Greatest x, in pixels."""
        return self.x + self.width

    @property
    def bottom(self) -> float:
        """Greatest y, in pixels."""
        return self.y + self.height

    @property
    def area(self) -> float:
        """Square pixels."""
        return self.width * self.height

    @property
    def centre(self) -> Point:
        """(x, y) of the middle, in pixels."""
        return self.x + self.width / 2, self.y + self.height / 2

    def scaled(self, factor: float) -> Box:
        """The same rectangle in a picture `factor` times as large."""
        return Box(self.x * factor, self.y * factor, self.width * factor, self.height * factor)

    def moved(self, x: float, y: float) -> Box:
        """The same rectangle, `x` pixels further right and `y` further down."""
        return Box(self.x + x, self.y + y, self.width, self.height)

    def iou(self, other: Box) -> float:
        """Intersection over union with another rectangle, 0 to 1."""
        width = min(self.right, other.right) - max(self.x, other.x)
        height = min(self.bottom, other.bottom) - max(self.y, other.y)
        if width <= 0 or height <= 0:
            return 0.0
        shared = width * height
        return shared / (self.area + other.area - shared)


@dataclass(frozen=True, slots=True)
class Landmarks:
    """Five (x, y) points in pixels of the upright original photo.

    Left eye, right eye, nose tip, left and right mouth corner; left and right as the viewer sees
    them, not as the person does.
    """

    points: tuple[Point, Point, Point, Point, Point]

    def scaled(self, factor: float) -> Landmarks:
        """The same points in a picture `factor` times as large."""
        a, b, c, d, e = ((x * factor, y * factor) for x, y in self.points)
        return Landmarks((a, b, c, d, e))

    def moved(self, x: float, y: float) -> Landmarks:
        """The same points, `x` pixels further right and `y` further down."""
        a, b, c, d, e = ((left + x, top + y) for left, top in self.points)
        return Landmarks((a, b, c, d, e))

    def as_array(self) -> NDArray[np.float32]:
        """(5, 2): a row a point, x before y."""
        return np.array(self.points, dtype=np.float32)


@dataclass(frozen=True, slots=True)
class Detection:
    """Where a face is, and how sure the detector is of it (`score`, 0 to 1)."""

    box: Box
    landmarks: Landmarks
    score: float

    def scaled(self, factor: float) -> Detection:
        """The same detection in a picture `factor` times as large."""
        return Detection(self.box.scaled(factor), self.landmarks.scaled(factor), self.score)


@dataclass(frozen=True, slots=True)
class Quality:
    """How usable a face is; `embedder.quality` says how each figure is measured.

    score: all of it in one, 0 (useless) to 1.
    sharpness: variance of the Laplacian of the aligned grey crop, in grey levels squared, 0 and
    up. focus: sharpness in relation to contrast, 0 (blurred) to 1 (LFW: 0.43 to 0.89 from the 1st
    to the 99th percentile). brightness: mean luma of the face, 0 (black) to 1 (white). contrast:
    standard deviation of luma, 0 (flat) to 0.5. clipped: share of pixels that are black or white.
    yaw, pitch, roll: degrees, estimated from the five landmarks; positive yaw looks to the
    picture's right, positive pitch looks down, positive roll leans clockwise.
    eye_distance, face_width: pixels of the original photo between the eyes, and of the box.
    misfit: how far the landmarks are from the alignment template's shape, in eye distances, 0 and
    up. detector_score: how sure the detector was, 0 to 1.
    """

    score: float
    sharpness: float
    focus: float
    brightness: float
    contrast: float
    clipped: float
    yaw: float
    pitch: float
    roll: float
    eye_distance: float
    face_width: float
    misfit: float
    detector_score: float

    def as_dict(self) -> dict[str, float]:
        """The figures by name, ready for JSON."""
        return asdict(self)


@dataclass(frozen=True, slots=True, eq=False)
class Face:
    """A detected face with its quality and its template."""

    detection: Detection
    quality: Quality
    template: Template
