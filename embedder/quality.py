"""How usable a face is, from its aligned crop and its landmarks.

Sharpness is the variance of the Laplacian (Pech-Pacheco et al., "Diatom autofocusing in
brightfield microscopy", ICPR 2000). Angles come from a rigid model of five points seen from far
away: the nose tip stands out of the plane of eyes and mouth, so it wanders as the head turns.
Rough estimates, not calibrated
against known poses: enough to tell a profile from a face seen from the front.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from embedder.opencv import cv2
from embedder.types import Landmarks, Quality, RgbImage

# Of a face seen from the front, in distances between the eyes.
_NOSE_DEPTH = 0.6
_EYES_TO_MOUTH = 1.09
# How far down from the eyes to the mouth the nose tip lies.
_NOSE_HEIGHT = 0.53
# The middle of an aligned crop: skin rather than hair and background.
_MIDDLE = 0.6


def assess(crop: RgbImage, landmarks: Landmarks) -> Quality:
    """Figures of a face: its aligned (S, S, 3) RGB crop, its landmarks in the original photo."""
    grey = _middle(np.asarray(cv2.cvtColor(crop, cv2.COLOR_RGB2GRAY), dtype=np.uint8))
    yaw, pitch, roll, eye_distance = pose(landmarks)
    return Quality(
        sharpness=float(cv2.Laplacian(grey, cv2.CV_32F).var()),
        brightness=float(grey.mean()) / 255,
        yaw=yaw,
        pitch=pitch,
        roll=roll,
        eye_distance=eye_distance,
    )


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


def _middle(grey: NDArray[np.uint8]) -> NDArray[np.uint8]:
    side = grey.shape[0]
    edge = round(side * (1 - _MIDDLE) / 2)
    return grey[edge : side - edge, edge : side - edge]
