"""What is asked changes in mid-film: who plays, the tempo, the key, the density."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from made_up_composer import BOTH, MadeUpModel, cue_sheet_of, unhurried

from emsync.control import Key, Mode
from emsync.errors import CueSheetError
from emsync.music.bar_plan import plan_bars
from emsync.music.compose import compose_with
from emsync.music.conditions import GROUP_CONDITIONS
from emsync.music.directions import Asked, DirectionPlan
from emsync.music.key_plan import KeyPlan
from emsync.music.tokenizer import token_times_ticks
from emsync.music.vocabulary import EMSYNC, Vocabulary
from emsync.options import ComposeOptions, SyncMode
from emsync.types import Composition, Direction, InstrumentGroup

DRUMS, BASS, GUITAR, PIANO, STRINGS = InstrumentGroup
D_MINOR = Key(2, Mode.MINOR)


def directed(
    *directions: Direction, model: MadeUpModel | None = None, duration_s: float = 20.0, **options: object
) -> Composition:
    sheet = replace(cue_sheet_of(duration_s, 5), directions=directions)
    settings = ComposeOptions(affect_guidance=1.0, **options)  # type: ignore[arg-type]
    return compose_with(model or MadeUpModel(), sheet, settings)


def test_a_field_that_is_not_named_keeps_its_value_and_options_come_first() -> None:
    sheet = replace(
        cue_sheet_of(20),
        directions=(
            Direction(4.0, tempo_bpm=90.0),
            Direction(8.0, key=D_MINOR),
            Direction(12.0, density=5.0),
        ),
    )
    plan = DirectionPlan.of(sheet, ComposeOptions(tempo_bpm=120.0, instruments=(PIANO,)))
    assert plan.at(0) == plan.at(499) == Asked((PIANO,), 120.0)
    assert plan.at(500) == Asked((PIANO,), 90.0)
    assert plan.at(1000) == Asked((PIANO,), 90.0, D_MINOR)
    assert plan.at(99999) == Asked((PIANO,), 90.0, D_MINOR, 5.0)
    assert [plan.next_after(ticks) for ticks in (0, 500, 1500)] == [500, 1000, None]


def test_a_direction_at_0_counts_from_the_first_note() -> None:
    composition = directed(Direction(0.0, instruments=(STRINGS,)), instruments=(PIANO,))
    assert set(composition.notes["group"].tolist()) == {STRINGS}


@pytest.mark.parametrize("times_s", [(4.0, 3.0), (4.0, 4.0)])
def test_directions_out_of_order_are_refused(times_s: tuple[float, float]) -> None:
    with pytest.raises(ValueError, match="directions must be strictly increasing in time"):
        directed(*(Direction(time_s, density=5.0) for time_s in times_s))


@pytest.mark.parametrize(
    ("direction", "said"),
    [
        (Direction(3.0, instruments=()), "at least one group with pitches must play"),
        (Direction(3.0, instruments=(DRUMS,)), "at least one group with pitches must play"),
        (Direction(3.0, tempo_bpm=20.0), "a tempo lies in 60..180 bpm, got 20"),
        (Direction(3.0, tempo_bpm=400.0), "a tempo lies in 60..180 bpm, got 400"),
        (Direction(3.0, density=0.0), "0 is no density"),
        (Direction(3.0, density=float("nan")), "nan is no density"),
    ],
)
def test_what_cannot_be_played_is_refused(direction: Direction, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        directed(direction)


@BOTH
@pytest.mark.parametrize("sync", [SyncMode.EXACT, SyncMode.PAPER])
@pytest.mark.parametrize("seed", range(3))
def test_from_its_time_on_only_the_groups_of_a_direction_play(
    vocabulary: Vocabulary, sync: SyncMode, seed: int
) -> None:
    notes = directed(
        Direction(7.3, instruments=(STRINGS, BASS)),
        Direction(13.0, instruments=(PIANO, DRUMS)),
        model=MadeUpModel(vocabulary, seed=seed),
        sync=sync,
        instruments=(GUITAR, PIANO),
    ).notes
    begins = (0, 912, 1625, 99999)
    for place, band in enumerate([{GUITAR, PIANO}, {STRINGS, BASS}, {PIANO, DRUMS}]):
        inside = (notes["onset_ticks"] >= begins[place]) & (notes["onset_ticks"] < begins[place + 1])
        assert set(notes["group"][inside].tolist()) == band


@pytest.mark.parametrize("seed", range(3))
def test_what_a_leaving_group_sounds_is_released_at_once(seed: int) -> None:
    model = unhurried(seed=seed)
    model.bias[EMSYNC.off.first : EMSYNC.off.stop] = -9
    notes = directed(Direction(9.0, instruments=(STRINGS,)), model=model, instruments=(PIANO, STRINGS)).notes
    piano = notes[notes["group"] == PIANO]
    ends = piano["onset_ticks"] + piano["duration_ticks"]
    assert ends.max() == 9 * 125
    strings = notes[notes["group"] == STRINGS]
    over = (strings["onset_ticks"] < 1125) & (strings["onset_ticks"] + strings["duration_ticks"] > 1125)
    assert over.any()


def test_the_network_is_told_who_plays_at_the_time() -> None:
    model = MadeUpModel()
    directed(Direction(9.0, instruments=(STRINGS,)), model=model)
    times = token_times_ticks(np.array(model.tokens, np.uint16))
    told = model.conditions[:, GROUP_CONDITIONS]
    assert np.isnan(told[times < 1125]).all()
    assert (told[times >= 1125] == [0, 0, 0, 0, 1]).all()


def test_a_new_tempo_begins_at_the_next_bar_line() -> None:
    plan = plan_bars([], 2000, lambda ticks: 120.0 if ticks < 600 else 60.0)
    assert plan.bars_ticks.tolist() == [0, 250, 500, 750, 1250, 1750]


def test_a_new_tempo_between_hit_points_reaches_the_next_of_them_on_a_bar_line() -> None:
    plan = plan_bars([500, 1500], 3000, lambda ticks: 120.0 if ticks < 600 else 60.0)
    assert plan.bars_ticks.tolist() == [0, 250, 500, 750, 1250, 1500, 2000, 2500]


def test_a_new_tempo_less_than_a_bar_before_a_hit_point_begins_there() -> None:
    plan = plan_bars([1000], 2100, lambda ticks: 120.0 if ticks < 700 else 60.0)
    assert plan.bars_ticks.tolist() == [0, 250, 500, 750, 1000, 1500, 2000]


def test_the_bars_of_a_score_follow_the_tempo_of_their_direction() -> None:
    composition = directed(Direction(10.0, tempo_bpm=150.0), tempo_bpm=75.0, duration_s=30.0)
    bars = np.array(composition.bar_onsets_ticks)
    lengths = np.diff(bars)
    assert lengths[bars[:-1] > 1250 + 400][:-1] == pytest.approx(200, rel=0.13)
    assert np.median(lengths[bars[1:] <= 1250]) == pytest.approx(400, rel=0.13)


def test_a_tempo_curve_has_one_tempo() -> None:
    with pytest.raises(
        CueSheetError, match=r"^Film: directions change the tempo, which `--sync beat` cannot"
    ):
        directed(Direction(10.0, tempo_bpm=150.0), sync=SyncMode.BEAT)


def test_a_key_asked_for_moves_the_prior_and_its_mode_overrides_valence() -> None:
    plan = KeyPlan(EMSYNC, tonic=0, strength=1.0)
    minor = KeyPlan(EMSYNC, tonic=2, strength=1.0).bias(-1.0)
    assert plan.bias(1.0, D_MINOR) == pytest.approx(minor, abs=0.01)
    assert plan.bias(-0.3, Key(2)) == pytest.approx(KeyPlan(EMSYNC, tonic=2, strength=1.0).bias(-0.3))


def test_notes_lean_on_the_key_of_their_time() -> None:
    notes = directed(Direction(20.0, key=Key(6, Mode.MAJOR)), key=Key(0, Mode.MAJOR), duration_s=40.0).notes
    white = np.isin(notes["pitch"] % 12, [0, 2, 4, 5, 7, 9, 11]) | (notes["group"] == DRUMS)
    first = notes["onset_ticks"] < 2500
    assert white[first].mean() > white[~first].mean() + 0.2


def test_directions_that_say_nothing_new_change_nothing() -> None:
    plain = directed(instruments=(PIANO,), tempo_bpm=100.0)
    told = directed(
        Direction(8.0, instruments=(PIANO,), tempo_bpm=100.0), instruments=(PIANO,), tempo_bpm=100.0
    )
    assert told.notes.tobytes() == plain.notes.tobytes()
