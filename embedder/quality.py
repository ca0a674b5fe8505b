"""How usable a face is: figures of its aligned crop and its landmarks, and one for all of them.

Measured on the square of 1.7 eye distances around the middle of the landmarks: skin, eyes and
mouth rather than hair and background.

- Sharpness is the variance of the Laplacian (Pech-Pacheco et al., "Diatom autofocusing in
  brightfield microscopy", ICPR 2000). It grows with contrast and with the crop, so focus takes
  its ratio r to the variance of the grey levels, at 48 x 48 pixels: focus = r / (r + 0.1). A dim
  photo isn't blurred for being dim, and networks with other crops get much the same figure.
- Angles come from a rigid model of five points seen from far away: the nose tip stands out of the
  plane of eyes and mouth, so it wanders as the head turns. Rough estimates, not calibrated against
  known poses: enough to tell a profile from a face seen from the front.
- misfit is what a similarity transform leaves between the landmarks and the network's alignment
  template, as the root of the mean square over the five, in eye distances.

`score` predicts comparison errors. It is a product of parts, each from 0 to 1 (`parts`), raised to
WEIGHTS. Those were fitted on half of the people of an LFW subset (746 of 1,453) with the default
model: by logistic regression of false non-matches on the logarithms of both faces' parts, on their
photos as they are and with a blur, noise, darkness ... each; then rounded. Pose and contrast, of
which LFW has few poor ones, weigh a little more than fitted. On the other half, leaving out the
worst 20 % lowers the FNMR at FMR 1e-3 from 0.031 to 0.024; at random it stays.

Roll has no part: alignment takes it out, and photos turned by up to 40 degrees lost nothing.
Brightness has none from 0.2 to 0.8: there it is skin as much as light, and photos darkened so far
lost nothing either (both tried on all people). Noise passes for detail: a grainy photo scores too
high.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from embedder.align import similarity
from embedder.opencv import cv2
from embedder.types import Detection, Landmarks, Quality, RgbImage

# Of a face seen from the front, in distances between the eyes.
_NOSE_DEPTH = 0.6
_EYES_TO_MOUTH = 1.09
# How far down from the eyes to the mouth the nose tip lies.
_NOSE_HEIGHT = 0.53

# Half the side of the square measured, in eye distances, and its pixels when focus is measured.
_REACH = 0.85
_FOCUS_SIDE = 48
_FOCUS_HALF = 0.1
# Grey levels squared: what has less variance is flat, and rounding would pass for detail.
_FLAT = 4.0
# Grey levels from which on a pixel counts as black or white.
_BLACK, _WHITE = 7, 248

WEIGHTS = {
    "size": 0.35,
    "focus": 1.0,
    "pose": 0.2,
    "exposure": 1.0,
    "contrast": 0.1,
    "detector": 0.8,
    "fit": 0.1,
}


def assess(crop: RgbImage, face: Detection, template: NDArray[np.floating]) -> Quality:
    """Figures of a face: its aligned (S, S, 3) RGB crop, and where it was in the original photo.

    `template` is (5, 2): where its landmarks were moved to, in pixels of the crop. Raises
    ValueError for landmarks that all coincide.
    """
    grey = _measured(np.asarray(cv2.cvtColor(crop, cv2.COLOR_RGB2GRAY), dtype=np.uint8), template)
    yaw, pitch, roll, eye_distance = pose(face.landmarks)
    brightness, contrast = _mean_and_deviation(grey)
    figures = {
        "sharpness": _laplacian_variance(grey),
        "focus": _focus(grey),
        "brightness": brightness / 255,
        "contrast": contrast / 255,
        "clipped": 1 - cv2.countNonZero(cv2.inRange(grey, _BLACK + 1, _WHITE - 1)) / grey.size,
        "yaw": yaw,
        "pitch": pitch,
        "roll": roll,
        "eye_distance": eye_distance,
        "face_width": face.box.width,
        "misfit": _misfit(face.landmarks, template),
        "detector_score": face.score,
    }
    score = math.prod(part ** WEIGHTS[name] for name, part in parts(figures).items())
    return Quality(score=score, **figures)


def parts(figures: dict[str, float]) -> dict[str, float]:
    """What each of WEIGHTS stands for, 0 (useless) to 1 (as good as any), from `Quality`'s figures.

    size: eye distance over 40 pixels, at most 1. focus: the figure. pose: cos(yaw) cos(pitch).
    exposure: 1 for a brightness from 0.2 to 0.8, falling to 0 at black and white, times the share
    of pixels that are neither. contrast: over 0.1, at most 1. detector: its score. fit:
    exp(-(misfit / 0.15)^2).
    """
    brightness = figures["brightness"]
    lit = min(brightness, 1 - brightness) / 0.2
    facing = math.cos(math.radians(figures["yaw"])) * math.cos(math.radians(figures["pitch"]))
    return {
        "size": _bounded(figures["eye_distance"] / 40),
        "focus": figures["focus"],
        "pose": _bounded(facing),
        "exposure": _bounded(lit) * (1 - figures["clipped"]),
        "contrast": _bounded(figures["contrast"] / 0.1),
        "detector": _bounded(figures["detector_score"]),
        "fit": math.exp(-((figures["misfit"] / 0.15) ** 2)),
    }


def _bounded(value: float) -> float:
    return min(max(value, 0.0), 1.0)


def pose(landmarks: Landmarks) -> tuple[float, float, float, float]:
    """Yaw, pitch and roll in degrees, and the distance between the eyes in pixels."""
    left, right, nose, mouth_left, mouth_right = (complex(x, y) for x, y in landmarks.points)
    eyes = right - left
    distance = abs(eyes)
    if distance == 0:
        return 0.0, 0.0, 0.0, 0.0
    # Turn the face upright and measure in distances between the eyes.
    tip, mouth = (
        (point - (left + right) / 2) / eyes for point in (nose, (mouth_left + mouth_right) / 2)
    )
    drop = mouth.imag if mouth.imag > 0 else _EYES_TO_MOUTH
    yaw = math.atan((tip.real - mouth.real * tip.imag / drop) / _NOSE_DEPTH)
    pitch = math.atan((tip.imag / drop - _NOSE_HEIGHT) * _EYES_TO_MOUTH / _NOSE_DEPTH)
    roll = math.atan2(eyes.imag, eyes.real)
    return math.degrees(yaw), math.degrees(pitch), math.degrees(roll), distance


def _measured(grey: NDArray[np.uint8], template: NDArray[np.floating]) -> NDArray[np.uint8]:
    """The square of a grey (S, S) crop that figures are taken from."""
    reach = _REACH * _eye_distance(template)
    x, y = template.mean(axis=0)
    left, top = (max(0, round(float(middle - reach))) for middle in (x, y))
    right, bottom = (round(float(middle + reach)) for middle in (x, y))
    return grey[top:bottom, left:right]


def _focus(grey: NDArray[np.uint8]) -> float:
    size = (_FOCUS_SIDE, _FOCUS_SIDE)
    small = cv2.resize(grey.astype(np.float32), size, interpolation=cv2.INTER_AREA)
    _, contrast = _mean_and_deviation(small)
    ratio = _laplacian_variance(small) / (contrast**2 + _FLAT)
    return ratio / (ratio + _FOCUS_HALF)


def _laplacian_variance(grey: NDArray[Any]) -> float:
    return _mean_and_deviation(cv2.Laplacian(grey, cv2.CV_32F))[1] ** 2


def _mean_and_deviation(grey: NDArray[Any]) -> tuple[float, float]:
    """As numpy's, which take three times as long for so few numbers."""
    mean, deviation = cv2.meanStdDev(grey)
    return float(mean[0, 0]), float(deviation[0, 0])


def _misfit(landmarks: Landmarks, template: NDArray[np.floating]) -> float:
    points = landmarks.as_array()
    (matrix,) = similarity(points[None], template)
    left = points @ matrix[:, :2].T + matrix[:, 2] - template
    return float(np.sqrt((left**2).sum(axis=1).mean())) / _eye_distance(template)


def _eye_distance(template: NDArray[np.floating]) -> float:
    return float(np.hypot(*(template[1] - template[0])))
