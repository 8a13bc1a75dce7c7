"""The tempo curve of `--sync beat`: hit points fall on beats, the tempo stays near the one of the score."""

from __future__ import annotations

import doctest

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emsync.music import tempo_curve as room
from emsync.music.bar_plan import BarPlan
from emsync.music.tempo_curve import FREE_TEMPO_RANGE, TEMPO_RANGE, plan_tempo_curve
from emsync.types import TICKS_PER_S

TEMPI = st.floats(60, 180)
HIT_POINTS = st.lists(st.integers(0, 9000) | st.integers(0, 400), unique=True, max_size=12).map(sorted)


def tempi_of(plan: BarPlan) -> np.ndarray:
    return np.asarray(60 * TICKS_PER_S / np.diff(plan.beats_ticks))


def places_of(hits: list[int], plan: BarPlan) -> list[str]:
    assert plan.grid is not None
    return [plan.grid.place_of(ticks) for ticks in hits]


def test_the_examples_of_the_docstrings_are_true() -> None:
    result = doctest.testmod(room)
    assert result.attempted > 0
    assert result.failed == 0


@settings(deadline=None)
@given(hits=HIT_POINTS, end=st.integers(1, 8000), tempo_bpm=TEMPI, is_asked=st.booleans())
def test_beats_and_bars_begin_at_0_rise_strictly_and_end_before_the_end(
    hits: list[int], end: int, tempo_bpm: float, is_asked: bool
) -> None:
    plan = plan_tempo_curve(hits, end, tempo_bpm, is_asked=is_asked)
    assert plan.beats_ticks[0] == plan.bars_ticks[0] == 0
    assert (np.diff(plan.beats_ticks) > 0).all()
    assert (np.diff(plan.bars_ticks) > 0).all()
    assert plan.bars_ticks[-1] < end


@settings(deadline=None)
@given(hits=HIT_POINTS, end=st.integers(1, 8000), tempo_bpm=TEMPI, is_asked=st.booleans())
def test_the_tempo_stays_in_its_range_and_bars_have_two_to_five_beats(
    hits: list[int], end: int, tempo_bpm: float, is_asked: bool
) -> None:
    plan = plan_tempo_curve(hits, end, tempo_bpm, is_asked=is_asked)
    off = (1 + TEMPO_RANGE) * (1 if is_asked else 1 + FREE_TEMPO_RANGE)
    assert tempi_of(plan).max(initial=tempo_bpm) <= tempo_bpm * off + 1e-6
    assert tempi_of(plan).min(initial=tempo_bpm) >= tempo_bpm / off / 1.02
    assert set(np.diff(plan.bar_beats).tolist()) <= {2, 3, 4, 5}


@pytest.mark.parametrize("seed", range(5))
def test_with_hit_points_6_to_12_s_apart_all_fall_on_beats_and_most_on_downbeats(seed: int) -> None:
    rng = np.random.default_rng(seed)
    hits = (np.cumsum(rng.uniform(6, 12, 15)) * TICKS_PER_S).astype(int).tolist()
    places = places_of(hits, plan_tempo_curve(hits, hits[-1] + 400, 100.0, is_asked=False))
    assert places.count("between") == 0
    assert places.count("downbeat") >= 9


def test_a_hit_point_that_no_beat_reaches_is_passed_over_for_its_neighbours() -> None:
    hits = [1000, 1020, 2000]  # 8 s and 16 s are beats of 120 bpm, 8.16 s is none
    plan = plan_tempo_curve(hits, 2200, 120.0, is_asked=True)
    assert places_of(hits, plan) == ["downbeat", "between", "downbeat"]


def test_hit_points_in_step_with_the_tempo_leave_it_as_it_is() -> None:
    plan = plan_tempo_curve([1000, 1500, 2750], 3000, 120.0, is_asked=False)
    assert tempi_of(plan) == pytest.approx(120.0)
    assert set(np.diff(plan.bar_beats).tolist()) == {4}


def test_a_tempo_nearby_is_taken_if_more_hit_points_fall_on_its_downbeats() -> None:
    bar_ticks = 4 * 60 * TICKS_PER_S / 104.0
    hits = [round(bar_ticks * bar) for bar in (2, 4, 7, 9, 12)]
    plan = plan_tempo_curve(hits, hits[-1] + 200, 100.0, is_asked=False)
    assert places_of(hits, plan) == ["downbeat"] * 5
    assert np.median(tempi_of(plan)) == pytest.approx(104.0, rel=0.005)


def test_thousands_of_hit_points_nearer_than_any_beat_are_no_trouble() -> None:
    hits = list(range(20, 100_000, 20))
    plan = plan_tempo_curve(hits, 100_100, 60.0, is_asked=True)
    assert plan.bars_ticks[-1] > 99_000


@pytest.mark.parametrize("tempo_bpm", [59.9, 180.1, np.nan])
def test_a_tempo_outside_60_to_180_is_refused(tempo_bpm: float) -> None:
    with pytest.raises(ValueError, match=r"a tempo lies in 60\.\.180 bpm, got"):
        plan_tempo_curve([], 1000, tempo_bpm, is_asked=True)
