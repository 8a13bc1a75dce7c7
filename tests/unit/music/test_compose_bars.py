"""Planned bars: where they lie, in which tempo, what the network is told of them, notes on their grid."""

from __future__ import annotations

import numpy as np
import pytest
from made_up_composer import (
    BOTH,
    CUT_LISTS,
    SILENCE_TICKS,
    MadeUpModel,
    compose,
    cue_sheet_of,
    unhurried,
)

from emsync.music.bar_plan import BarPlan, plan_bars
from emsync.music.compose import compose_with
from emsync.music.conditions import Condition, bar_positions
from emsync.music.tempo_curve import plan_tempo_curve
from emsync.music.tokenizer import token_times_ticks
from emsync.music.vocabulary import Vocabulary
from emsync.options import ComposeOptions, SyncMode
from emsync.types import TICKS_PER_S, AffectCurve, AffectPoint

BARS_ON_BOUNDARIES = pytest.mark.parametrize("sync", [SyncMode.EXACT, SyncMode.PAPER])


def asked_ticks(duration_s: float, boundaries_s: tuple[float, ...], last_chord_ticks: int) -> list[int]:
    end_ticks = int(duration_s * TICKS_PER_S)
    ticks = {round(time_s * TICKS_PER_S) for time_s in boundaries_s}
    return sorted({one for one in ticks if one < end_ticks} | {last_chord_ticks})


@BOTH
@BARS_ON_BOUNDARIES
@pytest.mark.parametrize(("duration_s", "boundaries_s"), CUT_LISTS)
def test_a_bar_begins_at_every_boundary_unless_one_began_within_three_quarters_of_a_second(
    vocabulary: Vocabulary, sync: SyncMode, duration_s: float, boundaries_s: tuple[float, ...]
) -> None:
    composition = compose(cue_sheet_of(duration_s, *boundaries_s), unhurried(vocabulary), sync=sync)
    bars, last_chord = np.array(composition.bar_onsets_ticks), composition.chord_onsets_ticks[-1]
    for ticks in asked_ticks(duration_s, boundaries_s, last_chord):
        before = bars[bars < ticks].max(initial=-1000)
        assert ticks in bars or ticks - before < 0.75 * TICKS_PER_S


@BOTH
@BARS_ON_BOUNDARIES
@pytest.mark.parametrize("tempo_bpm", [60.0, 97.3, 180.0])
def test_bars_lie_exactly_where_they_are_planned_up_to_the_last_chord(
    vocabulary: Vocabulary, sync: SyncMode, tempo_bpm: float
) -> None:
    sheet = cue_sheet_of(30, 2, 12, 12.3, 20)
    composition = compose(sheet, unhurried(vocabulary), sync=sync, tempo_bpm=tempo_bpm)
    planned = plan_bars([250, 1500, 1538, 2500, 3750 - 375], 3750, tempo_bpm).bars_ticks
    assert composition.bar_onsets_ticks == tuple(planned[planned <= 3750 - 375].tolist())


@pytest.mark.parametrize("tempo_bpm", [60.0, 75.5, 100.0, 133.0, 180.0])
def test_without_boundaries_the_tempo_asked_for_is_kept_within_a_tenth(tempo_bpm: float) -> None:
    bars = np.array(compose(cue_sheet_of(60), unhurried(), tempo_bpm=tempo_bpm).bar_onsets_ticks)
    bar_ticks = 4 * 60 * TICKS_PER_S / tempo_bpm
    assert len(bars) > 10
    assert np.diff(bars)[:-1] == pytest.approx(bar_ticks, rel=0.1)


@pytest.mark.parametrize(("arousal", "tempo_bpm"), [(-1.0, 70), (0.0, 100), (1.0, 130)])
def test_without_a_tempo_the_mean_arousal_of_the_film_sets_it(arousal: float, tempo_bpm: float) -> None:
    flat = AffectCurve((AffectPoint(0.0, 0.0, arousal),))
    bars = compose(cue_sheet_of(30, affect=flat), unhurried()).bar_onsets_ticks
    assert bars == tuple(
        ticks for ticks in plan_bars([3375], 3750, tempo_bpm).bars_ticks.tolist() if ticks <= 3375
    )


def test_a_tempo_that_cannot_be_kept_is_refused() -> None:
    with pytest.raises(ValueError, match=r"a tempo lies in 60\.\.180 bpm, got 200"):
        compose(cue_sheet_of(10), tempo_bpm=200.0)


@pytest.mark.parametrize("seed", range(3))
def test_every_token_is_told_its_place_in_the_planned_bars(seed: int) -> None:
    model = MadeUpModel(seed=seed)
    compose(cue_sheet_of(30, 2, 12), model, seed=seed, tempo_bpm=90.0)
    bars = plan_bars([250, 1500, 3750 - 375], 3750, 90.0).bars_ticks
    expected = bar_positions(token_times_ticks(np.array(model.tokens, np.uint16)), bars)
    found = model.conditions[:, [Condition.BAR_LENGTH_S, Condition.BAR_PHASE]]
    np.testing.assert_allclose(found, expected, atol=1e-6)
    assert np.isfinite(found).all()


def test_every_token_is_told_when_the_last_chord_is_released() -> None:
    model = MadeUpModel()
    compose(cue_sheet_of(30), model)
    times = token_times_ticks(np.array(model.tokens, np.uint16))
    expected = np.clip((3750 - SILENCE_TICKS - times) / TICKS_PER_S, 0.0, 8.0)
    assert model.conditions[:, Condition.END_OFFSET_S] == pytest.approx(expected, abs=1e-6)


def test_with_planned_bars_onsets_next_to_the_grid_lie_on_it() -> None:
    options = ComposeOptions(affect_guidance=1.0, tempo_bpm=120.0)
    composition = compose_with(MadeUpModel(spread=0.5), cue_sheet_of(60), options)
    assert composition.grid is not None
    plan = BarPlan(np.array(composition.grid.beat_times_s) * TICKS_PER_S, np.zeros(0, np.int64))
    onsets = np.unique(composition.notes["onset_ticks"]).astype(np.int64)
    struck_after_a_rest = onsets[1:][np.diff(onsets) > 3]  # others had no room to move
    beside = [ticks for ticks in struck_after_a_rest.tolist() if plan.on_the_grid(ticks) != ticks]
    assert len(struck_after_a_rest) > 50
    assert len(beside) < 0.02 * len(struck_after_a_rest)


@BOTH
@pytest.mark.parametrize("seed", range(2))
def test_in_beat_mode_boundaries_are_answered_exactly_and_lie_on_beats(
    vocabulary: Vocabulary, seed: int
) -> None:
    sheet = cue_sheet_of(60, 5.1, 11.7, 17.03, 22.9, 31.31, 40, 47.7)
    composition = compose(sheet, unhurried(vocabulary, seed=seed), sync=SyncMode.BEAT, seed=seed)
    for hit in composition.hits:
        assert hit.chord_onset_ticks == round(hit.boundary.time_s * TICKS_PER_S)
        assert composition.grid is not None
        assert composition.grid.place_of(hit.chord_onset_ticks) in ("beat", "downbeat")


def test_in_beat_mode_the_bars_written_are_those_of_the_tempo_curve() -> None:
    composition = compose(cue_sheet_of(30, 7, 16), unhurried(), sync=SyncMode.BEAT, tempo_bpm=97.0)
    plan = plan_tempo_curve([875, 2000, 3750 - 375], 3750, 97.0, is_asked=True)
    planned = plan.bars_ticks[plan.bars_ticks <= 3750 - 375]
    assert composition.bar_onsets_ticks == tuple(planned.tolist())
