"""Gates: which faces are good enough, and for the others the reason in words.

The figures that gates compare with are those of `embedder.quality`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from embedder.types import Box, Quality


@dataclass(frozen=True, slots=True)
class Fault:
    """Why a face isn't good enough: a stable code, and a sentence that says what to do."""

    code: str
    text: str


@dataclass(frozen=True, slots=True)
class Gates:
    """The least and the most that is asked of a face; None asks nothing.

    The defaults refuse what is clearly of no use: besides small faces (82 of a hundred of LFW's)
    three in a thousand, whose comparisons with the same person fail four times as often.

    min_face: width of the box in pixels of the original photo. max_yaw: degrees to either side.
    The others are figures of `Quality` from 0 to 1; min_quality is for its `score`.
    """

    min_face: float | None = 100
    min_quality: float | None = 0.3
    min_focus: float | None = 0.35
    max_yaw: float | None = 45.0
    min_brightness: float | None = 0.08
    max_brightness: float | None = 0.92
    min_contrast: float | None = 0.02

    def faults(self, box: Box, quality: Quality) -> list[Fault]:
        """Why a face doesn't pass, the plainest reason first; nothing if it does.

        Figures count as they are shown, rounded.
        """
        yaw = abs(quality.yaw)
        found = (
            _below(box.width, self.min_face, "face_too_small", _SMALL, digits=0),
            _above(yaw, self.max_yaw, "profile", _PROFILE, digits=0),
            _below(quality.focus, self.min_focus, "blurred", _BLURRED),
            _below(quality.brightness, self.min_brightness, "too_dark", _DARK),
            _above(quality.brightness, self.max_brightness, "too_bright", _BRIGHT),
            _below(quality.contrast, self.min_contrast, "low_contrast", _FLAT),
            _below(quality.score, self.min_quality, "poor_quality", _POOR),
        )
        return [fault for fault in found if fault is not None]


DEFAULT_GATES = Gates()

_SMALL = "The face is {} pixels wide, and must be at least {}. Send a closer or larger photo."
_PROFILE = (
    "The face is turned {} degrees to the side, and may be at most {}. Send a photo that looks "
    "into the camera."
)
_BLURRED = (
    "The face is blurred: its focus is {}, and must be at least {}. Send a sharper photo, not a "
    "small one enlarged."
)
_DARK = (
    "The face is too dark: its brightness is {}, and must be at least {}. Send a photo with more "
    "light on the face."
)
_BRIGHT = (
    "The face is too bright: its brightness is {}, and may be at most {}. Send a photo with less "
    "light on the face."
)
_FLAT = (
    "The face has too little contrast: {}, and it must be at least {}. Send a photo without haze, "
    "fog or light from behind."
)
_POOR = (
    "The quality of the face is {} in all, and must be at least {}. Send a sharp, well lit photo "
    "of a face that looks into the camera."
)


def strictest(several: Sequence[Gates]) -> Gates:
    """Gates that let through only what each of the given ones does."""
    return Gates(
        **{
            name: _strictest(name, [getattr(gates, name) for gates in several])
            for name in Gates.__slots__
        }
    )


def _strictest(name: str, limits: Sequence[float | None]) -> float | None:
    asked = [limit for limit in limits if limit is not None]
    if not asked:
        return None
    return max(asked) if name.startswith("min_") else min(asked)


def _below(
    figure: float, limit: float | None, code: str, sentence: str, digits: int = 2
) -> Fault | None:
    if limit is None or round(figure, digits) >= limit:
        return None
    return _fault(figure, limit, code, sentence, digits)


def _above(
    figure: float, limit: float | None, code: str, sentence: str, digits: int = 2
) -> Fault | None:
    if limit is None or round(figure, digits) <= limit:
        return None
    return _fault(figure, limit, code, sentence, digits)


def _fault(figure: float, limit: float, code: str, sentence: str, digits: int) -> Fault:
    return Fault(code, sentence.format(f"{figure:.{digits}f}", f"{limit:g}"))
