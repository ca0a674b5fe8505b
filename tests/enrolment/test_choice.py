"""Which face of a photo is meant."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from embedder.gates import Gates
from embedder.types import Box, Detection, Face, Landmarks, Quality
from enrolment.choice import Choice, choose
from people.models import SeveralFaces
from photos.faces import best_under, nearest_centre, widest
from tests.factories import unit

SIZE = (1000, 800)


def face(x: float, y: float, width: float) -> Detection:
    points = ((x, y),) * 5
    return Detection(Box(x, y, width, width), Landmarks(points), 1.0)


FINE = Quality(
    score=0.8, sharpness=100, focus=0.8, brightness=0.5, contrast=0.2, clipped=0, yaw=0, pitch=0,
    roll=0, eye_distance=40, face_width=90, misfit=0.05, detector_score=1,
)  # fmt: skip


def chosen(
    *detections: Detection,
    policy: str = "reject",
    box: Box | None = None,
    gates: Gates | None = None,
    quality: Quality = FINE,
) -> Choice:
    return choose(
        [Face(each, quality, unit(0)) for each in detections],
        size=SIZE,
        gates=gates or Gates(min_face=50),
        several_faces=SeveralFaces(policy),
        box=box,
    )


@pytest.mark.parametrize("policy", SeveralFaces.values)
def test_nobody_is_nobody(policy: str) -> None:
    assert (chosen(policy=policy).index, chosen(policy=policy).code) == (None, "no_face")
    assert chosen(policy=policy, box=Box(0, 0, 9, 9)).code == "no_face"


@pytest.mark.parametrize("policy", SeveralFaces.values)
def test_one_alone_is_meant_wherever_it_is(policy: str) -> None:
    assert chosen(face(0, 0, 60), policy=policy) == Choice(0)


def test_somebody_in_the_background_is_no_rival() -> None:
    assert chosen(face(0, 0, 49), face(400, 400, 100)) == Choice(1)
    assert chosen(face(0, 0, 50), face(400, 400, 100)).code == "several_faces"
    assert chosen(face(0, 0, 99), face(400, 400, 100), face(9, 9, 10)).text.startswith("2 faces")


def test_policies_choose_by_place_or_by_width() -> None:
    faces = (face(0, 0, 200), face(480, 380, 60), face(800, 700, 100))
    assert chosen(*faces, policy="largest") == Choice(0)
    assert chosen(*faces, policy="central") == Choice(1)


def test_a_box_wins_over_the_policy() -> None:
    faces = (face(0, 0, 200), face(480, 380, 60))
    for policy in SeveralFaces.values:
        assert chosen(*faces, policy=policy, box=Box(470, 370, 80, 80)) == Choice(1)
        assert chosen(*faces, policy=policy, box=Box(900, 0, 80, 80)).code == "no_face_in_box"


@pytest.mark.parametrize(("width", "code"), [(49.4, "face_too_small"), (49.5, ""), (50, "")])
def test_the_width_counts_as_it_is_shown(width: float, code: str) -> None:
    for box in (None, Box(100, 100, width, width)):
        assert chosen(face(100, 100, width), box=box).code == code


def test_a_box_must_overlap_by_three_tenths() -> None:
    faces = [face(0, 0, 100)]
    assert best_under(faces, Box(0, 0, 100, 30.1)) == 0
    assert best_under(faces, Box(0, 0, 100, 29.9)) is None
    assert best_under([], Box(0, 0, 100, 100)) is None


def test_a_chosen_face_must_pass_the_gates_and_each_fault_is_said() -> None:
    poor = replace(FINE, yaw=-61.4, focus=0.1)
    choice = chosen(face(0, 0, 60), gates=Gates(min_face=70), quality=poor)
    assert (choice.index, choice.code) == (None, "face_too_small")
    assert choice.text == (
        "The face is 60 pixels wide, and must be at least 70. Send a closer or larger photo. The "
        "face is turned 61 degrees to the side, and may be at most 45. Send a photo that looks "
        "into the camera. The face is blurred: its focus is 0.10, and must be at least 0.35. Send "
        "a sharper photo, not a small one enlarged."
    )


def test_only_the_face_that_is_meant_must_pass() -> None:
    assert chosen(face(0, 0, 10), face(400, 400, 100)) == Choice(1)


faces_ = st.lists(
    st.builds(face, st.floats(0, 900), st.floats(0, 700), st.floats(50, 300)),
    min_size=1,
    max_size=6,
)


@given(faces_, st.sampled_from(SeveralFaces.values))
def test_a_choice_is_a_face_or_a_reason(faces: list[Detection], policy: str) -> None:
    choice = chosen(*faces, policy=policy)
    assert (choice.index is None) == bool(choice.code) == bool(choice.text)
    assert choice.index is None or 0 <= choice.index < len(faces)


@given(faces_)
def test_the_widest_and_the_most_central_are_what_they_say(faces: list[Detection]) -> None:
    assert faces[widest(faces)].box.width == max(each.box.width for each in faces)
    x, y = faces[nearest_centre(faces, SIZE)].box.centre
    best = min((each.box.centre[0] - 500) ** 2 + (each.box.centre[1] - 400) ** 2 for each in faces)
    assert (x - 500) ** 2 + (y - 400) ** 2 == best
