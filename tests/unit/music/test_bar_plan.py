"""Bars are laid out so that hit points fall on bar lines and the tempo stays near the one asked for."""

from __future__ import annotations

import doctest
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emsync.music import bar_plan as room
from emsync.music.bar_plan import BarPlan, plan_bars, tempo_of_arousal
from emsync.types import TICKS_PER_S

SHORTEST_TICKS = 0.75 * TICKS_PER_S
TEMPI = st.floats(60, 180)
HIT_POINTS = st.lists(st.integers(0, 9000) | st.integers(0, 400), unique=True, max_size=12).map(sorted)
ENDS = st.integers(1, 8000)


def lines_of(hit_points_ticks: list[int], end_ticks: int) -> list[int]:
    """0 and the hit points that must get a bar line."""
    lines = [0]
    for hit_ticks in hit_points_ticks:
        if hit_ticks - lines[-1] >= SHORTEST_TICKS and hit_ticks < end_ticks:
            lines.append(hit_ticks)
    return lines


def beats_between(bars: list[int], begin: int, stop: int, beat_ticks: float) -> float:
    """Beats of a stretch of planned bars if every bar but the last is one of four."""
    inside = [ticks for ticks in bars if begin <= ticks <= stop]
    if len(inside) == 2:
        return round((stop - begin) / beat_ticks)
    beat = (inside[1] - inside[0]) / 4
    return 4 * (len(inside) - 2) + round((inside[-1] - inside[-2]) / beat)


def test_the_examples_of_the_docstrings_are_true() -> None:
    result = doctest.testmod(room)
    assert result.attempted > 0
    assert result.failed == 0


@settings(deadline=None)
@given(hits=HIT_POINTS, end=ENDS, tempo_bpm=TEMPI)
def test_bars_begin_at_0_rise_strictly_and_end_before_the_end(
    hits: list[int], end: int, tempo_bpm: float
) -> None:
    bars = plan_bars(hits, end, tempo_bpm).bars_ticks
    assert bars.dtype == np.int64
    assert bars[0] == 0
    assert (np.diff(bars) > 0).all()
    assert bars[-1] < end


@settings(deadline=None)
@given(hits=HIT_POINTS, end=ENDS, tempo_bpm=TEMPI)
def test_every_hit_point_lies_on_a_bar_line_unless_it_follows_one_too_closely(
    hits: list[int], end: int, tempo_bpm: float
) -> None:
    bars = plan_bars(hits, end, tempo_bpm).bars_ticks
    assert set(lines_of(hits, end)) <= set(bars.tolist())
    for hit_ticks in hits:
        if hit_ticks < end:
            assert hit_ticks - bars[bars <= hit_ticks].max() <= SHORTEST_TICKS


@settings(deadline=None)
@given(hits=HIT_POINTS, end=ENDS, tempo_bpm=TEMPI)
def test_the_tempo_of_a_stretch_of_a_bar_or_more_is_within_13_percent_of_the_one_asked_for(
    hits: list[int], end: int, tempo_bpm: float
) -> None:
    bars, beat_ticks = plan_bars(hits, end, tempo_bpm).bars_ticks.tolist(), 60 * TICKS_PER_S / tempo_bpm
    for begin, stop in pairwise(lines_of(hits, end)):
        if stop - begin >= 4 * beat_ticks:
            beats = beats_between(bars, begin, stop, beat_ticks)
            assert 1 / 1.13 < (stop - begin) / beats / beat_ticks < 1.13


@settings(deadline=None)
@given(hits=HIT_POINTS, end=ENDS, tempo_bpm=TEMPI)
def test_no_bar_lasts_more_than_five_beats_or_changes_its_tempo_within_a_stretch(
    hits: list[int], end: int, tempo_bpm: float
) -> None:
    bars, beat_ticks = plan_bars(hits, end, tempo_bpm).bars_ticks, 60 * TICKS_PER_S / tempo_bpm
    assert np.diff(bars).max(initial=0) <= 5 * beat_ticks * 1.13
    for begin, stop in pairwise(lines_of(hits, end)):
        lengths = np.diff(bars[(bars >= begin) & (bars <= stop)])[:-1]
        assert lengths.max(initial=0) - lengths.min(initial=10**6) <= 1


@settings(deadline=None)
@given(end=ENDS, tempo_bpm=TEMPI)
def test_without_hit_points_every_bar_has_four_beats_of_the_tempo(end: int, tempo_bpm: float) -> None:
    bars, bar_ticks = plan_bars([], end, tempo_bpm).bars_ticks, 4 * 60 * TICKS_PER_S / tempo_bpm
    assert bars == pytest.approx(np.arange(len(bars)) * bar_ticks, abs=0.5 + 1e-6)
    assert len(bars) * bar_ticks >= end - 0.5


def test_after_the_last_hit_point_bars_go_on_in_the_tempo_asked_for() -> None:
    assert plan_bars([530], 1400, 120.0).bars_ticks.tolist() == [0, 265, 530, 780, 1030, 1280]


@pytest.mark.parametrize(
    ("hit_ticks", "bars"),
    [
        (500, [0, 250]),  # 8 beats
        (530, [0, 265]),  # 8 slower beats
        (625, [0, 250, 500]),  # 10 beats: a bar of two
        (313, [0]),  # 5 beats: a bar of five
        (560, [0, 249]),  # 9 beats: a bar of four, one of five
        (94, [0]),  # one bar line, just far enough
    ],
)
def test_a_stretch_holds_a_whole_number_of_beats_rather_in_pairs(hit_ticks: int, bars: list[int]) -> None:
    assert plan_bars([hit_ticks], hit_ticks + 1, 120.0).bars_ticks.tolist() == [*bars, hit_ticks]


def test_a_hit_point_within_three_quarters_of_a_second_after_a_bar_line_gets_none() -> None:
    assert plan_bars([93, 500, 593, 1000], 1001, 120.0).bars_ticks.tolist() == [0, 250, 500, 750, 1000]
    assert plan_bars([94, 500, 594, 1000], 1001, 120.0).bars_ticks.tolist()[1] == 94


def test_of_a_cluster_of_hit_points_the_first_gets_the_bar_line_and_the_next_far_enough() -> None:
    assert plan_bars([500, 530, 560, 590, 620], 621, 120.0).bars_ticks.tolist() == [0, 250, 500, 620]


@pytest.mark.parametrize("hits", [[0], [1000], [1000, 1400], [-40]])
def test_hit_points_at_the_beginning_or_from_the_end_on_change_nothing(hits: list[int]) -> None:
    assert (
        plan_bars(hits, 1000, 100.0).bars_ticks.tolist()
        == plan_bars([], 1000, 100.0).bars_ticks.tolist()
        == [0, 300, 600, 900]
    )


def test_a_bar_line_that_would_be_rounded_to_the_end_is_left_out() -> None:
    assert plan_bars([], 294, 102.1).bars_ticks.tolist() == [0]


def test_the_shortest_film_has_one_bar() -> None:
    assert plan_bars([], 1, 60.0).bars_ticks.tolist() == [0]


@pytest.mark.parametrize("tempo_bpm", [59.9, 180.1, 0.0, -120.0, np.nan, np.inf])
def test_a_tempo_outside_60_to_180_is_refused(tempo_bpm: float) -> None:
    with pytest.raises(ValueError, match=r"a tempo lies in 60\.\.180 bpm, got"):
        plan_bars([], 1000, tempo_bpm)


@pytest.mark.parametrize(
    ("arousal", "tempo_bpm"), [(-1, 70), (0, 100), (1, 130), (0.5, 115), (-3, 70), (7, 130)]
)
def test_the_tempo_rises_with_arousal(arousal: float, tempo_bpm: float) -> None:
    assert tempo_of_arousal(arousal) == tempo_bpm


PLAN = plan_bars([], 626, 120.0)


@pytest.mark.parametrize(
    ("time_ticks", "landed_ticks"),
    [
        (0, 0),
        (64, 62),  # 4 sixteenths are 62.5 ticks
        (60, 62),
        (125, 125),
        (85, 83),  # a triplet: 62.5 / 3
        (248, 250),
        (253, 250),
        (27, 27),  # 16ths at 16 and 31, triplets at 21 and 42
    ],
)
def test_times_next_to_a_16th_or_triplet_land_on_it_and_others_stay(
    time_ticks: int, landed_ticks: int
) -> None:
    assert PLAN.on_the_grid(time_ticks) == landed_ticks


def test_a_bar_of_two_beats_has_the_grid_of_its_beats() -> None:
    plan = plan_bars([625], 1000, 120.0)
    assert plan.bars_ticks.tolist()[:4] == [0, 250, 500, 625]
    assert plan.on_the_grid(517) == 516  # a sixteenth of 15.625 ticks after 500


@pytest.mark.parametrize("beats", [[], [0.0], [100.0, 200.0]])
def test_without_a_beat_around_it_a_time_stays(beats: list[float]) -> None:
    assert BarPlan(np.array(beats), np.zeros(0, np.int64)).on_the_grid(63) == 63
