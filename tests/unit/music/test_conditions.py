"""What the network is told at every token: where in the bar it is, and who plays."""

from __future__ import annotations

import doctest

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emsync.music import conditions as room
from emsync.music.conditions import CONDITION_NAMES, GROUP_CONDITIONS, Condition, bar_positions, group_flags
from emsync.types import InstrumentGroup

UNKNOWN = [np.nan, np.nan]


def positions(times_ticks: list[int], bars_ticks: list[int]) -> list[list[float]]:
    found: list[list[float]] = bar_positions(
        np.array(times_ticks, np.int64), np.array(bars_ticks, np.int64)
    ).tolist()
    return found


def test_the_examples_of_the_docstrings_are_true() -> None:
    result = doctest.testmod(room)
    assert result.attempted > 1
    assert result.failed == 0


def test_eleven_conditions_lie_in_the_order_that_weights_were_trained_with() -> None:
    assert CONDITION_NAMES == (
        "valence",
        "arousal",
        "boundary_offset_s",
        "end_offset_s",
        "bar_length_s",
        "bar_phase",
        "drums",
        "bass",
        "guitar",
        "piano",
        "strings",
    )
    assert [int(condition) for condition in Condition] == list(range(11))


def test_each_instrument_group_has_the_condition_of_its_name() -> None:
    names = [name.upper() for name in CONDITION_NAMES[GROUP_CONDITIONS]]
    assert names == [group.name for group in InstrumentGroup]


def test_on_a_bar_line_the_new_bar_has_begun() -> None:
    assert positions([100, 300], [100, 300, 350]) == [[1.6, 0.0], [0.4, 0.0]]


def test_a_tick_before_a_bar_line_the_old_bar_is_nearly_over() -> None:
    assert positions([299], [100, 300]) == [[1.6, 199 / 200]]


def test_before_the_first_bar_nothing_is_known() -> None:
    np.testing.assert_array_equal(positions([0, 99], [100, 300]), [UNKNOWN, UNKNOWN])


def test_the_last_bar_is_as_long_as_the_one_before_it() -> None:
    assert positions([300, 350, 499], [0, 100, 300]) == [[1.6, 0.0], [1.6, 0.25], [1.6, 0.995]]


def test_after_the_last_bar_nothing_is_known() -> None:
    np.testing.assert_array_equal(positions([500, 9000], [0, 100, 300]), [UNKNOWN, UNKNOWN])


@pytest.mark.parametrize("bars_ticks", [[], [0], [50]])
def test_without_two_bars_nothing_is_known(bars_ticks: list[int]) -> None:
    np.testing.assert_array_equal(positions([0, 50, 60], bars_ticks), [UNKNOWN] * 3)


def test_no_times_have_no_positions() -> None:
    assert bar_positions(np.zeros(0, np.int64), np.array([0, 100])).shape == (0, 2)


def test_bars_may_lie_before_the_beginning() -> None:
    assert positions([0], [-100, 100]) == [[1.6, 0.5]]


@settings(deadline=None)
@given(
    times=st.lists(st.integers(-50, 2000), max_size=20),
    bars=st.lists(st.integers(-100, 1500), unique=True, min_size=2, max_size=8).map(sorted),
)
def test_a_phase_is_the_part_of_its_bar_that_is_over(times: list[int], bars: list[int]) -> None:
    ends = [*bars[1:], 2 * bars[-1] - bars[-2]]
    for time, found in zip(times, positions(times, bars), strict=True):
        inside = [(begin, end) for begin, end in zip(bars, ends, strict=True) if begin <= time < end]
        expected = [((end - begin) / 125, (time - begin) / (end - begin)) for begin, end in inside]
        assert found == pytest.approx(expected[0] if expected else UNKNOWN, nan_ok=True)


def test_a_flag_is_1_for_each_group_that_plays() -> None:
    assert group_flags([InstrumentGroup.STRINGS, InstrumentGroup.DRUMS]).tolist() == [1, 0, 0, 0, 1]


def test_flags_of_nobody_are_0_and_of_everybody_1() -> None:
    assert group_flags([]).tolist() == [0] * 5
    assert group_flags(InstrumentGroup).tolist() == [1] * 5


def test_a_group_named_twice_plays_once() -> None:
    assert group_flags(iter([InstrumentGroup.BASS] * 2)).tolist() == [0, 1, 0, 0, 0]
