"""Laws of agreeing."""

from __future__ import annotations

from itertools import permutations

from hypothesis import given
from hypothesis import strategies as st

from reviews.models import Verdict
from reviews.settling import MOST_REVIEWERS, Said, settled

SAME, OTHER = Said(Verdict.SAME, 1), Said(Verdict.SAME, 2)
DIFFERENT, UNSURE = Said(Verdict.DIFFERENT, None), Said(Verdict.UNSURE, None)

# Of somebody who was erased since.
GONE = Said(Verdict.SAME, None)

opinions = st.lists(
    st.sampled_from([SAME, OTHER, GONE, DIFFERENT, UNSURE]), max_size=MOST_REVIEWERS
)


def test_one_decides_alone_where_one_is_enough() -> None:
    assert settled([], 1) is None
    for said in (SAME, DIFFERENT, UNSURE):
        assert settled([said], 1) == said


def test_two_have_to_agree_and_a_third_breaks_the_tie() -> None:
    assert settled([SAME], 2) is None
    assert settled([SAME, SAME], 2) == SAME
    assert settled([SAME, DIFFERENT], 2) is None
    assert settled([SAME, DIFFERENT, DIFFERENT], 2) == DIFFERENT
    # To be the same as somebody else is no agreement.
    assert settled([SAME, OTHER], 2) is None
    assert settled([SAME, OTHER, DIFFERENT], 2) == UNSURE


def test_the_same_as_somebody_who_is_gone_agrees_with_nothing() -> None:
    assert settled([GONE, GONE], 2) is None
    assert settled([GONE, GONE, DIFFERENT], 2) == UNSURE
    assert settled([GONE, SAME, SAME], 2) == SAME


@given(opinions, st.integers(1, 2))
def test_nobody_is_decided_to_be_the_same_as_nobody(said: list[Said], reviewers: int) -> None:
    assert settled(said, reviewers) != GONE


@given(opinions, st.integers(1, 2))
def test_the_order_of_opinions_changes_nothing(said: list[Said], reviewers: int) -> None:
    results = {settled(order, reviewers) for order in permutations(said)}
    if reviewers == 2:
        assert len(results) == 1


@given(opinions.filter(lambda said: len(said) == MOST_REVIEWERS))
def test_three_always_decide(said: list[Said]) -> None:
    decided = settled(said, 2)
    assert decided is not None
    assert decided == UNSURE or said.count(decided) >= 2
