"""Which struck notes are a chord that could answer a boundary."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from midi_examples import notes_of

from emsync.music.chords import beats_at, chord_onsets, harmony_changes
from emsync.types import NOTE_DTYPE, InstrumentGroup

ROOT = Path(__file__).parents[3]
DRUMS, BASS, GUITAR, PIANO, STRINGS = InstrumentGroup
BEATS = np.arange(0, 1000, 50)
BARS = np.arange(0, 1000, 200)
TRIAD = (60, 64, 67)
Row = tuple[int, int, InstrumentGroup, int, int]


def triad(onset: int, duration: int, group: InstrumentGroup = PIANO) -> list[Row]:
    return [(onset, duration, group, pitch, 80) for pitch in TRIAD]


def chords_of(*rows: Row, beats: np.ndarray = BEATS) -> list[int]:
    return chord_onsets(notes_of(*rows), beats).tolist()


def test_three_pitches_held_two_beats_are_a_chord() -> None:
    assert chords_of(*triad(200, 100)) == [200]


def test_two_pitches_are_none_even_in_three_voices() -> None:
    assert chords_of(*triad(200, 100)[:2], (200, 100, STRINGS, 60, 80)) == []


def test_pitches_of_several_groups_count_together() -> None:
    assert chords_of((200, 100, BASS, 40, 80), (200, 100, PIANO, 60, 80), (200, 100, STRINGS, 64, 80)) == [
        200
    ]


@pytest.mark.parametrize(("duration", "expected"), [(84, []), (85, [200])])
def test_a_chord_may_be_released_15_percent_early_and_not_more(duration: int, expected: list[int]) -> None:
    assert chords_of(*triad(200, duration)) == expected


def test_a_short_note_among_three_held_ones_does_not_matter() -> None:
    assert chords_of(*triad(200, 100), (200, 5, PIANO, 72, 80)) == [200]


def test_two_held_pitches_and_a_short_one_are_no_chord() -> None:
    assert chords_of(*triad(200, 100)[:2], (200, 5, PIANO, 72, 80)) == []


def test_a_rolled_chord_counts_from_its_first_note() -> None:
    assert chords_of(
        (200, 100, PIANO, 60, 80),
        (205, 100, PIANO, 64, 80),
        (210, 100, PIANO, 67, 80),
        (400, 9, PIANO, 67, 80),
    ) == [200]


def test_notes_six_ticks_apart_are_not_struck_together() -> None:
    assert chords_of((200, 100, PIANO, 60, 80), (206, 100, PIANO, 64, 80), (212, 100, PIANO, 67, 80)) == []


def test_a_chord_begins_with_a_short_note_that_is_struck_with_it() -> None:
    assert chords_of((196, 5, PIANO, 40, 80), *triad(200, 100)) == [196]


def test_drums_are_never_part_of_a_chord() -> None:
    assert chords_of(*triad(200, 100, DRUMS)) == []
    assert chords_of(*triad(200, 100)[:2], (200, 100, DRUMS, 38, 80)) == []


def test_chords_come_in_order_of_time_once_each() -> None:
    found = chords_of(*triad(400, 100), *triad(0, 100), *triad(0, 100, STRINGS), *triad(200, 20))
    assert found == [0, 400]


def test_length_is_measured_in_beats_where_the_chord_sounds() -> None:
    beats = np.array([0, 50, 100, 300, 500])
    assert chords_of(*triad(0, 100), *triad(100, 100), beats=beats) == [0]


def test_before_the_first_and_after_the_last_beat_beats_go_on_evenly() -> None:
    beats = np.array([100, 150, 250])
    assert beats_at(np.array([0, 100, 125, 200, 250, 450]), beats).tolist() == [-2.0, 0.0, 0.5, 1.5, 2.0, 4.0]
    assert chords_of(*triad(0, 90), *triad(1000, 120), beats=beats) == [0]


def test_one_beat_measures_nothing() -> None:
    with pytest.raises(ValueError, match="at least two beats"):
        beats_at(np.array([0]), np.array([100]))


def test_no_notes_have_no_chords() -> None:
    assert chord_onsets(np.zeros(0, NOTE_DTYPE), BEATS).tolist() == []
    assert chords_of((0, 12, DRUMS, 38, 80)) == []


def downbeats_of(*rows: Row, bars: np.ndarray = BARS) -> list[int]:
    return chord_onsets(notes_of(*rows), BEATS, bar_onsets_ticks=bars).tolist()


def short_triad_on_bass(
    onset: int, root: int, *, held: int = 100, group: InstrumentGroup = BASS, later: int = 0
) -> list[Row]:
    upper = [(onset + later, 25, PIANO, root + interval, 80) for interval in (24, 28, 31)]
    return [(onset, held, group, root, 80), *upper]


C_BAR, F_BAR = short_triad_on_bass(0, 36), short_triad_on_bass(200, 41)


def test_a_bar_with_a_new_harmony_on_a_held_bass_is_a_downbeat_though_its_chord_is_short() -> None:
    assert downbeats_of(*C_BAR, *F_BAR) == [0, 200]


def test_without_bars_there_are_no_downbeats() -> None:
    assert chords_of(*C_BAR, *F_BAR) == []


def test_a_bar_of_the_same_harmony_is_no_downbeat() -> None:
    assert downbeats_of(*C_BAR, *short_triad_on_bass(200, 36)) == [0]


def test_a_new_harmony_inside_a_bar_is_no_downbeat() -> None:
    assert downbeats_of(*C_BAR, *short_triad_on_bass(100, 41)) == [0]


@pytest.mark.parametrize(("held", "expected"), [(84, [0]), (85, [0, 200])])
def test_the_bass_of_a_downbeat_is_held_two_beats_with_the_same_tolerance(
    held: int, expected: list[int]
) -> None:
    assert downbeats_of(*C_BAR, *short_triad_on_bass(200, 41, held=held)) == expected


def test_any_group_can_hold_the_bass() -> None:
    assert downbeats_of(*C_BAR, *short_triad_on_bass(200, 41, group=STRINGS)) == [0, 200]


def test_a_held_note_above_the_lowest_is_no_bass() -> None:
    assert downbeats_of(*C_BAR, *F_BAR, (200, 25, PIANO, 29, 80)) == [0]


@pytest.mark.parametrize(("end", "expected"), [(205, [0, 200]), (206, [0])])
def test_a_lower_note_that_sounds_on_is_the_bass(end: int, expected: list[int]) -> None:
    assert downbeats_of(*C_BAR, (150, end - 150, STRINGS, 29, 80), *F_BAR) == expected


def test_two_struck_pitches_are_no_downbeat() -> None:
    assert downbeats_of(*C_BAR, *F_BAR[:2]) == [0]


def test_three_pitches_are_counted_over_all_groups_without_drums() -> None:
    assert downbeats_of(*C_BAR, *F_BAR[:2], (200, 12, DRUMS, 38, 80)) == [0]
    assert downbeats_of(*C_BAR, *F_BAR[:2], (200, 12, STRINGS, 77, 80)) == [0, 200]


@pytest.mark.parametrize(("later", "expected"), [(5, [0, 200]), (6, [0])])
def test_the_notes_above_the_bass_may_come_five_ticks_later(later: int, expected: list[int]) -> None:
    assert downbeats_of(*C_BAR, *short_triad_on_bass(200, 41, later=later)) == expected


@pytest.mark.parametrize("shift", [-5, 5])
def test_a_downbeat_may_be_struck_five_ticks_beside_the_bar_line(shift: int) -> None:
    assert downbeats_of(*C_BAR, *short_triad_on_bass(200 + shift, 41)) == [0, 200 + shift]


@pytest.mark.parametrize("shift", [-6, 6])
def test_six_ticks_beside_the_bar_line_is_no_downbeat(shift: int) -> None:
    assert downbeats_of(*C_BAR, *short_triad_on_bass(200 + shift, 41)) == [0]


def test_a_long_chord_on_a_downbeat_counts_once() -> None:
    assert downbeats_of(*triad(0, 150), *triad(200, 150)) == [0, 200]


@pytest.mark.parametrize(
    ("pitches", "is_new"),
    [((60, 64, 67), False), ((57, 60, 64), False), ((53, 57, 60), True), ((62, 66, 69), True)],
    ids=["C C", "C Am", "C F", "C D"],
)
def test_a_triad_that_shares_two_pitches_is_no_new_harmony_and_one_that_shares_one_is(
    pitches: tuple[int, ...], is_new: bool
) -> None:
    following = [(200, 200, PIANO, pitch, 80) for pitch in pitches]
    found = harmony_changes(notes_of(*triad(0, 200), *following), np.array([0, 200]))
    assert found.tolist() == [True, is_new]


def test_harmony_is_weighed_by_how_long_pitch_classes_sound_in_each_bar() -> None:
    bars = np.array([0, 100])
    tied = [(0, 160, PIANO, 60, 80), (160, 40, PIANO, 65, 80)]  # 60 % of the second bar is still C
    assert harmony_changes(notes_of(*tied), bars).tolist() == [True, True]
    tied = [(0, 161, PIANO, 60, 80), (161, 39, PIANO, 65, 80)]
    assert harmony_changes(notes_of(*tied), bars).tolist() == [True, False]


def test_octaves_are_the_same_harmony() -> None:
    found = harmony_changes(notes_of((0, 100, PIANO, 60, 80), (100, 100, BASS, 36, 80)), np.array([0, 100]))
    assert found.tolist() == [True, False]


def test_any_harmony_is_new_after_a_silent_bar() -> None:
    rows = [(0, 100, PIANO, 60, 80), (200, 100, PIANO, 60, 80)]
    assert harmony_changes(notes_of(*rows), np.array([0, 100, 200])).tolist() == [True, True, True]


def test_an_upbeat_before_the_first_bar_line_is_what_that_bar_is_compared_with() -> None:
    rows = [(0, 100, PIANO, 60, 80), (100, 100, PIANO, 60, 80)]
    assert harmony_changes(notes_of(*rows), np.array([100])).tolist() == [False]


def test_the_table_of_rates_in_the_documentation_is_the_measured_one() -> None:
    text = (ROOT / "docs/tokens.md").read_text("utf-8")
    results = json.loads((ROOT / "benchmarks/results/chord_rates.json").read_text("utf-8"))
    for name, figures in results["sources"].items():
        rates = (figures["long_chords_per_minute"], figures["structural_downbeats_per_minute"])
        spacings = [figures["spacings"]["quantiles_s"][quantile] for quantile in ("5%", "50%", "95%")]
        cells = [name, *(f"{rate:.2f}" for rate in rates), f"{figures['share_of_files_without']:.0%}"]
        assert f"| {' | '.join([*cells, *(f'{spacing:.1f}' for spacing in spacings)])} |\n" in text


def test_the_shares_of_spacings_in_the_documentation_are_the_measured_ones() -> None:
    text = (ROOT / "docs/tokens.md").read_text("utf-8")
    results = json.loads((ROOT / "benchmarks/results/chord_rates.json").read_text("utf-8"))
    for widest_s, shares in results["shares_in_training_by_widest_s"].items():
        assert f"| {widest_s} s | {' | '.join(f'{share:.1%}' for share in shares.values())} |\n" in text
