"""Which faces are good enough, and why not."""

from __future__ import annotations

from dataclasses import fields, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from embedder.gates import DEFAULT_GATES, Gates, strictest
from embedder.types import Box, Quality

FINE = Quality(
    score=0.8, sharpness=100, focus=0.8, brightness=0.5, contrast=0.2, clipped=0, yaw=0, pitch=0,
    roll=0, eye_distance=45, face_width=100, misfit=0.05, detector_score=1,
)  # fmt: skip
shares = st.floats(0, 1)
qualities = st.builds(
    replace,
    st.just(FINE),
    score=shares,
    focus=shares,
    brightness=shares,
    contrast=st.floats(0, 0.5),
    yaw=st.floats(-90, 90),
)
FRACTIONS = ("min_quality", "min_focus", "min_brightness", "max_brightness", "min_contrast")
limits = {
    "min_face": st.integers(20, 200),
    "max_yaw": st.floats(1, 90),
    **dict.fromkeys(
        ("min_quality", "min_focus", "min_brightness", "max_brightness", "min_contrast"), shares
    ),
}
gates_ = st.builds(Gates, **{name: st.none() | values for name, values in limits.items()})
boxes = st.builds(Box, st.just(0.0), st.just(0.0), st.floats(1, 300), st.just(100.0))


def codes(gates: Gates, box: Box, quality: Quality) -> list[str]:
    return [fault.code for fault in gates.faults(box, quality)]


@pytest.mark.parametrize(
    ("figure", "last_good", "first_bad", "code"),
    [
        ("score", 0.3, 0.294, "poor_quality"),
        ("focus", 0.346, 0.344, "blurred"),
        ("yaw", 45.4, 45.6, "profile"),
        ("yaw", -45.4, -45.6, "profile"),
        ("brightness", 0.0751, 0.0749, "too_dark"),
        ("brightness", 0.924, 0.926, "too_bright"),
        ("contrast", 0.0151, 0.0149, "low_contrast"),
    ],
)
def test_a_figure_counts_as_it_is_shown(
    figure: str, last_good: float, first_bad: float, code: str
) -> None:
    box = Box(0, 0, 100, 120)
    assert codes(DEFAULT_GATES, box, replace(FINE, **{figure: last_good})) == []
    assert codes(DEFAULT_GATES, box, replace(FINE, **{figure: first_bad})) == [code]


def test_the_width_counts_as_it_is_shown() -> None:
    assert codes(DEFAULT_GATES, Box(0, 0, 99.6, 90), FINE) == []
    (fault,) = DEFAULT_GATES.faults(Box(0, 0, 99.4, 90), FINE)
    assert (fault.code, fault.text) == (
        "face_too_small",
        "The face is 99 pixels wide, and must be at least 100. Send a closer or larger photo.",
    )


def test_a_sentence_names_figure_limit_and_remedy() -> None:
    (fault,) = Gates(min_focus=0.5).faults(Box(0, 0, 100, 100), replace(FINE, focus=0.123))
    assert fault.text == (
        "The face is blurred: its focus is 0.12, and must be at least 0.5. Send a sharper photo, "
        "not a small one enlarged."
    )


@given(boxes, qualities)
def test_no_limits_let_everything_through(box: Box, quality: Quality) -> None:
    nothing = Gates(**dict.fromkeys(limits))
    assert nothing.faults(box, quality) == []


@given(st.lists(gates_, min_size=1, max_size=4), boxes, qualities)
def test_the_strictest_refuse_what_any_refuses_and_for_the_same_reasons(
    several: list[Gates], box: Box, quality: Quality
) -> None:
    refused = {code for gates in several for code in codes(gates, box, quality)}
    assert set(codes(strictest(several), box, quality)) == refused


def test_the_strictest_of_one_is_itself() -> None:
    assert strictest([DEFAULT_GATES]) == DEFAULT_GATES
    assert set(limits) == {field.name for field in fields(Gates)}
