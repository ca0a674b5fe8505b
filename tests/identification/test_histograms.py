"""Laws of histograms and intervals."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from identification.histograms import (
    LAST_RATE_BIN,
    SCORE_BINS,
    SCORE_WIDTH,
    in_full,
    interval,
    is_surely_above,
    merged,
    rate_bin,
    score_bin,
    share_up_to,
)

shares = st.floats(0, 1)
numbers = st.integers(1, 10**6)
rates = st.lists(st.floats(0, 1), min_size=1, max_size=50)


@given(st.floats(-1, 1 - 1e-9))
def test_a_score_lies_in_its_bin(score: float) -> None:
    begin = score_bin(score) * SCORE_WIDTH - 1
    assert begin - 1e-9 <= score <= begin + SCORE_WIDTH + 1e-9


def test_what_rounding_puts_outside_is_in_the_outermost() -> None:
    assert [score_bin(each) for each in (-1.0000001, -1, 1, 1.0000001)] == [0, 0, 399, 399]
    assert SCORE_BINS == 400
    assert [rate_bin(each) for each in (1, 0.99, 0.05, 0.001, 1e-7, 1e-12, 0)] == [
        0, 0, 13, 30, 70, LAST_RATE_BIN, LAST_RATE_BIN,
    ]  # fmt: skip


@given(rates, st.floats(0, 1))
def test_a_share_is_right_to_a_bin(found: list[float], rate: float) -> None:
    histogram = merged({str(rate_bin(each)): 1} for each in found)
    wide = 10**0.1 * (1 + 1e-9)
    least = sum(1e-8 < each <= rate / wide for each in found) / len(found)
    most = sum(each <= max(rate * wide, 1e-8) for each in found) / len(found)
    assert least - 1e-9 <= share_up_to(histogram, rate) <= most + 1e-9


@given(rates, st.floats(0, 1), st.floats(0, 1))
def test_a_share_grows_with_the_rate(found: list[float], one: float, other: float) -> None:
    histogram = merged({str(rate_bin(each)): 1} for each in found)
    low, high = sorted((one, other))
    assert 0 <= share_up_to(histogram, low) <= share_up_to(histogram, high) + 1e-12
    assert share_up_to(histogram, 1) == pytest.approx(1)


def test_shares_of_nothing() -> None:
    assert share_up_to({}, 0.5) == 0
    assert in_full(merged([{"0": 2, "3": 1}, {"3": 4}]), 4) == [2, 0, 0, 5]


@given(shares, numbers)
def test_an_interval_holds_the_share_and_narrows(share: float, number: int) -> None:
    low, high = interval(share, number)
    assert 0 <= low <= share + 1e-12
    assert share - 1e-12 <= high <= 1
    again = interval(share, 10 * number)
    assert again[1] - again[0] < high - low


def test_wilsons_figures() -> None:
    # Of 100 none: up to 3.7 %; of 100 ten: 5.5 to 17.4 %.
    assert interval(0, 100) == (0, pytest.approx(0.0370, abs=1e-4))
    assert interval(0.1, 100) == (pytest.approx(0.0552, abs=1e-4), pytest.approx(0.1744, abs=1e-4))


@given(st.integers(1, 400), st.data())
def test_what_is_sure_is_rarer_than_one_in_a_thousand(number: int, data: st.DataObject) -> None:
    count = data.draw(st.integers(0, number))
    limit = data.draw(st.floats(0.001, 0.5))
    if not is_surely_above(count / number, number, limit):
        return
    chance = sum(
        math.comb(number, k) * limit**k * (1 - limit) ** (number - k)
        for k in range(count, number + 1)
    )
    assert chance < 0.001


def test_how_many_it_takes() -> None:
    assert not is_surely_above(0.01, 10**6, 0.01)
    assert [is_surely_above(count / 100, 100, 0.1) for count in (22, 23)] == [False, True]
    assert is_surely_above(1.0, 5, 0.1)
    assert not is_surely_above(1.0, 5, 1.0)
